package plan

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// What a plan takes is read, and nothing else: each fact costs a query.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*scene)
		want Needs
	}{
		{"nothing", func(*scene) {}, Needs{}},
		{"a grant by the owner", func(s *scene) { s.lacks("alice", "SELECT") }, Needs{}},
		{"a grant that the daemon may not make", func(s *scene) { s.lacks("alice", "SELECT", owned(strangerOID)) }, Needs{Schemas: []string{"s"}}},
		{"a grant without USAGE", func(s *scene) { s.lacks("alice", "SELECT", func(m *Missing) { m.NoUsage = true }) }, Needs{Schemas: []string{"s"}}},
		{"a grant by a pattern", func(s *scene) { s.lacks("alice", "SELECT", pattern) }, Needs{Slots: true}},
		{"a grant that is not to be direct", func(s *scene) { s.lacks("alice", "SELECT", direct(false)) }, Needs{Slots: true}},
		{"a grant on a table with a long ACL", func(s *scene) { s.lacks("alice", "SELECT", func(m *Missing) { m.ACLLength = 499 }) }, Needs{Slots: true}},
		{"a grant on a table with a shorter one", func(s *scene) { s.lacks("alice", "SELECT", func(m *Missing) { m.ACLLength = 498 }) }, Needs{}},
		{"through an intermediate role", func(s *scene) { s.lacks("alice", "SELECT", through(selectorOID)) }, Needs{Slots: true, Intermediates: []catalog.OID{selectorOID}}},
		{"a membership", func(s *scene) {
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), func(m *Missing) { m.ObjectOID = lenderOID })
		}, Needs{Memberships: []catalog.OID{lenderOID}}},
		{"a membership in a role to be made", func(s *scene) { s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), absent) }, Needs{}},
		{"a routine that does not exist", func(s *scene) {
			s.lacks("alice", "EXECUTE", on(catalog.Routine, "f(integer)"), absent)
		}, Needs{Overloads: []Routine{{"s", "f"}}}},
		{"a pattern of routines that finds none", func(s *scene) { s.lacks("alice", "EXECUTE", on(catalog.Routine, "f"), pattern, absent) }, Needs{Slots: true}},
		{"a revoke", func(s *scene) { s.has("alice", "SELECT") }, Needs{}},
		{"a revoke without USAGE", func(s *scene) { s.has("alice", "SELECT", func(g *SurplusGrant) { g.NoUsage = true }) }, Needs{Schemas: []string{"s"}}},
		{"a revoke as a grantor without USAGE", func(s *scene) { s.has("alice", "SELECT", func(g *SurplusGrant) { g.GrantorNoUsage = true }) }, Needs{Schemas: []string{"s"}}},
		{"a surplus membership", func(s *scene) { s.member() }, Needs{Slots: true}},
	} {
		s := newScene(18)
		c.set(s)
		got := s.d.Needs(s.f.Server, s.p)
		got.Owners = nil
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s needs %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Owners are needed where a row asks for one, and where one is to go.
func TestNeedsOwners(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*scene)
		want string // the owner to be
	}{
		{"a grant", func(s *scene) { s.lacks("alice", "SELECT") }, ""},
		{"a row", func(s *scene) { s.lacks("alice", "OWNER") }, "alice"},
		{"a row for a table that does not exist", func(s *scene) { s.lacks("alice", "OWNER", absent) }, ""},
		{"a row for a schema to be made", func(s *scene) {
			s.lacks("alice", "OWNER", on(catalog.Schema, "new"), absent, func(m *Missing) { m.CreateSchema = true })
		}, "alice"},
		{"a surplus one", func(s *scene) { s.owns("alice", aliceOID) }, "daemon"},
		{"a surplus one, with a fallback owner", func(s *scene) { s.p.FallbackOwner = "bob"; s.owns("alice", aliceOID) }, "bob"},
	} {
		s := newScene(18)
		c.set(s)
		got := ""
		for _, change := range s.d.Needs(s.f.Server, s.p).Owners {
			got += change.To
		}
		if got != c.want {
			t.Errorf("%s: the new owner is %q, want %q", c.name, got, c.want)
		}
	}
}

// The daemon's rights are read over the roles that decide a change, and over no others: there may be thousands.
func TestRightsOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*scene)
		want []catalog.OID
	}{
		{"nothing", func(*scene) {}, nil},
		{"a grant by the owner", func(s *scene) { s.lacks("alice", "SELECT") }, nil},
		{"a grant that the daemon may not make", func(s *scene) { s.lacks("alice", "SELECT", owned(strangerOID)) }, []catalog.OID{strangerOID}},
		{"an owner", func(s *scene) { s.lacks("alice", "OWNER") }, []catalog.OID{testOwner}},
		{"a membership", func(s *scene) {
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), func(m *Missing) { m.ObjectOID = lenderOID })
		}, []catalog.OID{lenderOID}},
		{"a grant on a table", func(s *scene) { s.lacks("alice", "SELECT", through(selectorOID)) }, []catalog.OID{selectorOID}},
		{"a revoke", func(s *scene) { s.has("alice", "SELECT", from(strangerOID)) }, []catalog.OID{testOwner, strangerOID}},
		{"a surplus membership", func(s *scene) { s.member() }, []catalog.OID{daemonOID, lenderOID, aliceOID}},
		{"a surplus ownership", func(s *scene) { s.owns("alice", aliceOID) }, []catalog.OID{aliceOID}},
		{"an attribute", func(s *scene) { s.edit("alice", func(r *Role) { r.DesiredLogin = yes() }) }, []catalog.OID{aliceOID}},
		{"a setting", func(s *scene) { s.edit("alice", func(r *Role) { r.DesiredSettings = Settings{"jit": false} }) }, []catalog.OID{aliceOID}},
		{"a renamed intermediate role", func(s *scene) {
			s.role(selectorRole, 0, func(r *Role) { r.Intermediate, r.IntermediateOID = true, selectorOID })
		}, []catalog.OID{selectorOID}},
		{"a schema", func(s *scene) { s.f.Schemas = map[string]Schema{"s": {OwnerOID: strangerOID}} }, []catalog.OID{strangerOID}},
	} {
		s := newScene(18)
		c.set(s)
		if got := s.d.RightsOver(s.f, s.p); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: rights over %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRolesDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*scene)
		want bool
	}{
		{"nothing", func(*scene) {}, false},
		{"a grant", func(s *scene) { s.lacks("alice", "SELECT") }, false},
		{"an attribute", func(s *scene) { s.edit("alice", func(r *Role) { r.DesiredLogin = yes() }) }, true},
		{"a password", func(s *scene) { s.edit("alice", func(r *Role) { r.PasswordChange = yes() }) }, true},
		{"a renamed intermediate role", func(s *scene) {
			s.role(selectorRole, 0, func(r *Role) { r.Intermediate, r.IntermediateOID = true, selectorOID })
		}, true},
	} {
		s := newScene(18)
		c.set(s)
		if got := s.d.RolesDiffer(s.p); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// Only schemas and types can be renamed under a lock that a pass does not have, and only those that exist.
func TestRenameable(t *testing.T) {
	t.Parallel()
	s := newScene(18)
	s.lacks("alice", "USAGE", on(catalog.Schema, "old"))
	s.lacks("alice", "USAGE", on(catalog.Schema, "new"), absent)
	s.lacks("alice", "SELECT")
	s.has("bob", "USAGE", func(g *SurplusGrant) { g.ObjectType, g.ObjectOID = catalog.Type, 43000 })
	s.has("bob", "SELECT")
	s.owns("bob", bobOID, func(o *SurplusOwnership) { o.ObjectType, o.ObjectOID = catalog.Schema, 44000 })
	if _, oids := s.d.Renameable(); fmt.Sprint(oids) != "[41003 43000 44000]" {
		t.Errorf("renameable are %v", oids)
	}
}

func TestMayUseIntermediate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*Missing)
		want bool
	}{
		{"a privilege", func(*Missing) {}, true},
		{"not direct", direct(false), true},
		{"direct", direct(true), false},
		{"grantable", grantable, false},
		{"a column", func(m *Missing) { m.ColumnName = "c" }, false},
		{"no table", absent, false},
	} {
		s := newScene(18)
		s.lacks("alice", "SELECT", c.edit)
		if got := s.d.Missing[0].MayUseIntermediate(); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
