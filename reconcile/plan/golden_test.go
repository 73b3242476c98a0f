package plan

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var update = flag.Bool("update", false, "write testdata/plans.txt anew; read the difference before you commit it")

const goldenFile = "testdata/plans.txt"

// planCase is a drift of which testdata/plans.txt has the plan.
type planCase struct {
	name    string
	version int // of the server
	set     func(*scene)
}

// Each drift has the plan that testdata/plans.txt says: one arm of the planner after the other.
func TestPlans(t *testing.T) {
	t.Parallel()
	golden := map[string]string{}
	text, err := os.ReadFile(goldenFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for section := range strings.SplitSeq(string(text), "\n\n") {
		if name, lines, ok := strings.Cut(strings.TrimSpace(section), "\n"); ok {
			golden[name] = lines
		}
	}
	var all strings.Builder
	for _, c := range planCases() {
		name := fmt.Sprintf("# %s (PostgreSQL %d)", c.name, c.version)
		s := newScene(c.version)
		c.set(s)
		lines := strings.Join(s.tells(t, name), "\n")
		if lines == "" {
			lines = "nothing to do"
		}
		if golden[name] != lines && !*update {
			t.Errorf("%s: the plan is\n%s\nwant\n%s", name, lines, golden[name])
		}
		fmt.Fprintf(&all, "%s\n%s\n\n", name, lines)
		delete(golden, name)
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(strings.TrimSpace(all.String())+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range golden {
		t.Errorf("%s has a plan that no case makes: %s", goldenFile, name)
	}
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func dependent(role string, desired, option bool) Dependent {
	return Dependent{Role: role, Grantor: aliceOID, Desired: desired, Grantable: option, Option: option}
}

// superuserDaemon is that the daemon is a superuser.
func superuserDaemon(s *scene) { s.f.Server.Superuser = true }

// intermediate adds a registered intermediate role on which the daemon has ADMIN, or not.
func (s *scene) intermediate(name string, admin bool) {
	const oid = selectorOID
	s.role(name, oid, func(r *Role) { r.Intermediate, r.IntermediateOID, r.Managed = true, oid, false })
	s.f.Rights[oid] = catalog.Rights{OID: oid, Name: name, Lender: name, Admin: admin}
}

// contents says what the intermediate role has.
func (s *scene) contents(members []string, grants ...SurplusGrant) {
	const name, oid = selectorRole, selectorOID
	s.f.Intermediates = map[string]*Contents{name: {
		OID: oid, Name: name, Comment: "for SELECT", Keeper: "_pgsr_5_keeper_1", DesiredMembers: members, Members: append(members, "guest"), Grants: grants,
		OldName: "_pgsr_5_old_x", NewName: "_pgsr_5_new",
	}}
}

// heldBy is the privilege of an intermediate role on the table.
func heldBy(owner catalog.OID) SurplusGrant {
	return SurplusGrant{Role: selectorRole, Privilege: "SELECT", GrantorOID: owner, OwnerOID: owner, ObjectType: catalog.Table, ClassOID: 1259, ObjectOID: 40000, SchemaName: "s", ObjectName: "t"}
}

const selectorRole, selectorOID = "_pgsr_5_selector", 50000

func planCases() []planCase {
	return []planCase{
		// Grants.
		{"nothing differs", 18, func(*scene) {}},
		{"a privilege on a table", 18, func(s *scene) { s.lacks("alice", "SELECT") }},
		{"two privileges for two roles are one statement", 18, func(s *scene) {
			for _, role := range []string{"alice", "bob"} {
				s.lacks(role, "SELECT")
				s.lacks(role, "INSERT")
			}
		}},
		{"a privilege on a column", 18, func(s *scene) { s.lacks("alice", "SELECT", func(m *Missing) { m.ColumnName = "c" }) }},
		{"with grant option", 18, func(s *scene) { s.lacks("alice", "SELECT", grantable) }},
		{"to PUBLIC", 18, func(s *scene) {
			s.role(catalog.Public, 0)
			s.lacks(catalog.Public, "SELECT")
		}},
		{"a parameter without an OID", 18, func(s *scene) {
			s.lacks("alice", "SET", on("parameter", "work_mem"), func(m *Missing) { m.ObjectOID, m.ClassOID, m.SchemaName = 0, 0, "" })
		}},
		{"an intermediate role's own privilege", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.lacks(selectorRole, "SELECT", pattern, own)
		}},
		{"as a superuser, on whoever's table", 18, func(s *scene) {
			superuserDaemon(s)
			s.lacks("alice", "SELECT", owned(strangerOID))
		}},
		{"by a borrowed membership in the owner", 18, func(s *scene) { s.lacks("alice", "SELECT", owned(lenderOID)) }},
		{"on a stranger's table", 18, func(s *scene) { s.lacks("alice", "SELECT", owned(strangerOID)) }},
		{"on a stranger's table before options", 15, func(s *scene) { s.lacks("alice", "SELECT", owned(strangerOID)) }},
		{"on a superuser's table", 18, func(s *scene) { s.lacks("alice", "SELECT", owned(superOID)) }},
		{"in a schema without USAGE", 18, func(s *scene) {
			s.lacks("alice", "SELECT", func(m *Missing) { m.NoUsage = true })
		}},
		{"in a schema of which the owner lends USAGE", 18, func(s *scene) {
			s.f.Schemas = map[string]Schema{"s": {Name: "s", ClassOID: 2615, OID: 42000, OwnerOID: lenderOID, OwnerUsage: true}}
			s.lacks("alice", "SELECT", func(m *Missing) { m.NoUsage = true })
		}},
		{"neither USAGE nor the owner", 18, func(s *scene) {
			s.lacks("alice", "SELECT", owned(strangerOID), func(m *Missing) { m.NoUsage = true })
		}},
		{"a superuser's table with a grant option, without USAGE", 18, func(s *scene) {
			s.lacks("alice", "SELECT", owned(superOID), func(m *Missing) { m.MayGrant, m.NoUsage = true, true })
		}},
		// Rows that wait, and rows that are refused.
		{"a table that does not exist", 18, func(s *scene) { s.lacks("alice", "SELECT", absent) }},
		{"a routine with other overloads", 18, func(s *scene) {
			s.f.Overloads = map[Routine][]string{{"s", "f"}: {"f(integer)", "f(text)"}}
			s.lacks("alice", "EXECUTE", on(catalog.Routine, "f(date)"), absent)
		}},
		{"a pattern that finds nothing", 18, func(s *scene) { s.lacks("alice", "SELECT", pattern, absent) }},
		{"an intermediate role's pattern that finds nothing", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.lacks(selectorRole, "SELECT", pattern, absent, own)
		}},
		{"a column that does not exist", 18, func(s *scene) {
			s.lacks("alice", "SELECT", func(m *Missing) { m.ColumnName, m.ColumnMissing = "c", true })
		}},
		{"a row that no trigger has checked", 18, func(s *scene) {
			s.lacks("alice", "SELECT", func(m *Missing) { m.Refused = "there is no such privilege" })
		}},
		{"a superuser", 18, func(s *scene) {
			s.edit("alice", func(r *Role) { r.Superuser = true })
			s.lacks("alice", "SELECT")
			s.has("alice", "INSERT")
		}},
		{"a role of the provider", 18, func(s *scene) {
			s.edit("alice", func(r *Role) { r.Provider = true })
			s.lacks("alice", "SELECT")
		}},
		{"a protected role", 18, func(s *scene) {
			s.p.Protect = []string{"alice"}
			s.lacks("alice", "SELECT")
		}},
		{"the daemon's own role", 18, func(s *scene) {
			s.role("daemon", daemonOID)
			s.lacks("daemon", "SELECT")
		}},
		{"a role named _pgsr_ that is not registered", 18, func(s *scene) {
			s.role("_pgsr_9_x", 30009)
			s.lacks("_pgsr_9_x", "SELECT")
		}},
		{"a schema that is being renamed", 18, func(s *scene) {
			s.f.Renaming = map[catalog.OID]bool{41001: true}
			s.lacks("alice", "USAGE", on(catalog.Schema, "s"))
			s.has("bob", "USAGE", func(g *SurplusGrant) {
				g.ObjectType, g.ObjectOID, g.SchemaName, g.ObjectName = catalog.Schema, 41001, "", "s"
			})
		}},
		{"a schema that is renamed again and again", 18, func(s *scene) {
			s.f.Renaming = map[catalog.OID]bool{41001: true}
			s.edit("alice", func(r *Role) { r.FailedAttempts = 5 })
			s.lacks("alice", "USAGE", on(catalog.Schema, "s"))
		}},
		// Encodings.
		{"an intermediate role beside many others", 18, func(s *scene) {
			s.lacks("alice", "SELECT", pattern)
			s.f.Shared = 1024
		}},
		{"a pattern goes through an intermediate role", 15, func(s *scene) { s.lacks("alice", "SELECT", pattern) }},
		{"a pattern goes through an intermediate role with a keeper", 16, func(s *scene) {
			s.f.LockKeeper = "_pgsr_5_keeper_lock"
			s.lacks("alice", "SELECT", pattern)
			s.lacks("bob", "SELECT", pattern)
		}},
		{"a pattern with direct true", 18, func(s *scene) { s.lacks("alice", "SELECT", pattern, direct(true)) }},
		{"an exact name with direct false", 15, func(s *scene) { s.lacks("alice", "SELECT", direct(false)) }},
		{"a long ACL", 15, func(s *scene) {
			s.p.MaxDirectGrantees = 1
			s.lacks("alice", "SELECT")
			s.lacks("bob", "SELECT")
		}},
		{"membership in an intermediate role that is there", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.f.Keepers = map[catalog.OID]string{selectorOID: "_pgsr_5_keeper_1"}
			s.lacks("alice", "SELECT", pattern, through(selectorOID))
		}},
		{"NOINHERIT before 16 goes direct", 15, func(s *scene) {
			s.edit("alice", func(r *Role) { r.Inherit = false })
			s.lacks("alice", "SELECT", pattern)
		}},
		{"NOINHERIT before 16 with direct false", 15, func(s *scene) {
			s.edit("alice", func(r *Role) { r.Inherit = false })
			s.lacks("alice", "SELECT", direct(false))
		}},
		{"the name of an intermediate role is taken", 15, func(s *scene) {
			s.lacks("alice", "SELECT", pattern)
			name := s.d.Missing[0].intermediateName(5)
			s.f.Conflicts[name] = &NameHolder{Name: name, OID: 30008, Problem: "it is a login", Instead: "_pgsr_5_instead"}
		}},
		{"an intermediate role that was made before", 15, func(s *scene) {
			s.lacks("alice", "SELECT", pattern)
			name := s.d.Missing[0].intermediateName(5)
			s.f.Conflicts[name] = &NameHolder{Name: name, OID: 30008}
		}},
		{"an intermediate role for a stranger's table is not made", 15, func(s *scene) { s.lacks("alice", "SELECT", pattern, owned(strangerOID)) }},
		{"an intermediate role without the ADMIN option is replaced", 18, func(s *scene) {
			s.intermediate(selectorRole, false)
			s.contents([]string{"bob"}, heldBy(testOwner))
			s.f.Slots = map[int]string{0: "k", 1: "k", 2: "k", 3: "k", 4: "k", 5: "k", 6: "k", 7: "k", 8: "k", 9: "k", 10: "k", 11: "k", 12: "k", 13: "k", 14: "k", 15: "k"}
			s.lacks("alice", "SELECT", pattern, through(selectorOID))
		}},
		// Revokes.
		{"a revoke", 18, func(s *scene) { s.has("alice", "SELECT") }},
		{"a revoke of the grant option", 18, func(s *scene) { s.has("alice", "SELECT", func(g *SurplusGrant) { g.OptionOnly = true }) }},
		{"what the daemon granted by a grant option", 18, func(s *scene) {
			s.has("alice", "SELECT", from(daemonOID), func(g *SurplusGrant) { g.OwnerOID = strangerOID })
		}},
		{"what another role granted, as that role", 18, func(s *scene) {
			s.f.Rights[strangerOID] = catalog.Rights{OID: strangerOID, Name: "stranger", Lender: "stranger", Set: true}
			s.has("alice", "SELECT", from(strangerOID))
		}},
		{"what another role granted, by a borrowed membership", 18, func(s *scene) { s.has("alice", "SELECT", from(lenderOID)) }},
		{"what a stranger granted", 18, func(s *scene) { s.has("alice", "SELECT", from(strangerOID)) }},
		{"what a former non-superuser granted", 18, func(s *scene) { s.has("alice", "SELECT", from(superOID)) }},
		{"on a stranger's table", 17, func(s *scene) { s.has("alice", "SELECT", belongs(strangerOID)) }},
		{"on a superuser's table", 17, func(s *scene) { s.has("alice", "SELECT", belongs(superOID)) }},
		{"where another grantor rivals the owner", 18, func(s *scene) {
			s.has("alice", "SELECT", func(g *SurplusGrant) { g.Rival = true })
		}},
		{"a revoke in a schema without USAGE", 18, func(s *scene) { s.has("alice", "SELECT", func(g *SurplusGrant) { g.NoUsage = true }) }},
		{"where another grantor rivals the owner, in a schema without USAGE", 18, func(s *scene) {
			s.f.Schemas = map[string]Schema{"s": {Name: "s", ClassOID: 2615, OID: 42000, OwnerOID: testOwner, UsageOption: true}}
			s.has("alice", "SELECT", func(g *SurplusGrant) { g.NoUsage, g.Rival = true, true })
		}},
		{"what a superuser granted by a grant option, in a schema without USAGE", 18, func(s *scene) {
			superuserDaemon(s)
			s.has("alice", "SELECT", from(daemonOID), func(g *SurplusGrant) { g.OwnerOID, g.NoUsage = strangerOID, true })
		}},
		{"a revoke as a grantor without USAGE", 18, func(s *scene) {
			s.f.Schemas = map[string]Schema{"s": {Name: "s", ClassOID: 2615, OID: 42000, OwnerOID: testOwner, UsageOption: true}}
			s.has("alice", "SELECT", from(lenderOID), func(g *SurplusGrant) { g.GrantorNoUsage = true })
		}},
		{"a revoke as a grantor without USAGE, which none can give", 18, func(s *scene) {
			s.has("alice", "SELECT", from(lenderOID), func(g *SurplusGrant) { g.GrantorNoUsage = true })
		}},
		{"a revoke waits for the new grant", 18, func(s *scene) {
			s.lacks("alice", "SELECT", owned(strangerOID))
			s.has("alice", "SELECT", func(g *SurplusGrant) { g.StillDesired = true })
		}},
		{"a table's privilege beside a column's", 18, func(s *scene) {
			s.has("alice", "SELECT", func(g *SurplusGrant) { g.Columns, g.ColumnOptions = []string{"a", "b"}, []bool{false, true} })
			s.has("alice", "SELECT", func(g *SurplusGrant) { g.ColumnName = "b" })
		}},
		{"a cascade", 18, func(s *scene) { s.has("alice", "SELECT", passedTo(dependent("bob", false, false))) }},
		{"a cascade from which a row is spared", 18, func(s *scene) { s.has("alice", "SELECT", passedTo(dependent("bob", true, true))) }},
		{"a cascade over a protected role", 18, func(s *scene) {
			s.p.Protect = []string{"bob"}
			s.has("alice", "SELECT", passedTo(dependent("bob", false, false)))
		}},
		{"a cascade from which a row cannot be spared", 18, func(s *scene) {
			s.has("alice", "SELECT", func(g *SurplusGrant) { g.OwnerOID, g.GrantorOID = strangerOID, daemonOID }, passedTo(dependent("bob", true, false)))
		}},
		{"a dependent goes along", 18, func(s *scene) {
			s.has("alice", "SELECT", passedTo(dependent("bob", false, false)))
			s.has("bob", "SELECT", from(aliceOID))
		}},
		// Memberships.
		{"a MEMBER row", 18, func(s *scene) {
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), func(m *Missing) { m.ObjectOID = lenderOID })
		}},
		{"a MEMBER row before options", 15, func(s *scene) {
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), grantable, func(m *Missing) { m.ObjectOID = lenderOID })
		}},
		{"a MEMBER row of a NOINHERIT role", 18, func(s *scene) {
			s.edit("alice", func(r *Role) { r.Inherit = false })
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), grantable, func(m *Missing) { m.ObjectOID = lenderOID })
		}},
		{"membership in a role without ADMIN", 18, func(s *scene) {
			s.lacks("alice", "MEMBER", on(catalog.Role, "stranger"), func(m *Missing) { m.ObjectOID = strangerOID })
		}},
		{"membership in a role that reaches another", 18, func(s *scene) {
			s.f.Reachable = map[catalog.OID][]Reachable{lenderOID: {{lenderOID, lenderOID, "lender", ""}, {lenderOID, bobOID, "bob", ""}}}
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), func(m *Missing) { m.ObjectOID = lenderOID })
		}},
		{"membership in a superuser", 18, func(s *scene) {
			s.lacks("alice", "MEMBER", on(catalog.Role, "super"), func(m *Missing) { m.ObjectOID = superOID })
		}},
		{"membership in a role that does not exist", 18, func(s *scene) { s.lacks("alice", "MEMBER", on(catalog.Role, "group"), absent) }},
		{"membership in a predefined role that does not exist", 18, func(s *scene) { s.lacks("alice", "MEMBER", on(catalog.Role, "pg_x"), absent) }},
		{"membership in an intermediate role", 18, func(s *scene) { s.lacks("alice", "MEMBER", on(catalog.Role, "_pgsr_5_x")) }},
		{"membership that reaches a privileged role", 18, func(s *scene) {
			s.f.Reachable = map[catalog.OID][]Reachable{lenderOID: {{lenderOID, superOID, "super", "a superuser"}}}
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), func(m *Missing) { m.ObjectOID = lenderOID })
		}},
		{"circular membership", 18, func(s *scene) {
			s.f.Reachable = map[catalog.OID][]Reachable{lenderOID: {{lenderOID, aliceOID, "alice", ""}}}
			s.lacks("alice", "MEMBER", on(catalog.Role, "lender"), func(m *Missing) { m.ObjectOID = lenderOID })
		}},
		{"a surplus membership", 18, func(s *scene) { s.member() }},
		{"a surplus membership before options", 15, func(s *scene) { s.member() }},
		{"a surplus ADMIN option", 18, func(s *scene) { s.member(func(m *SurplusMembership) { m.OptionOnly = "ADMIN" }) }},
		{"a membership that a stranger granted", 18, func(s *scene) { s.member(func(m *SurplusMembership) { m.GrantorOID = strangerOID }) }},
		{"a membership that is passed on", 18, func(s *scene) {
			s.member(func(m *SurplusMembership) {
				m.PassedOn, m.Dependents = true, []Dependent{dependent("bob", true, true), dependent("carol", false, false)}
			})
		}},
		{"a membership that is passed on, before options", 15, func(s *scene) {
			s.member(func(m *SurplusMembership) {
				m.PassedOn, m.Dependents = true, []Dependent{dependent("bob", true, true), dependent("carol", false, false)}
			})
		}},
		{"a membership that is passed on to a protected role", 18, func(s *scene) {
			s.p.Protect = []string{"bob"}
			s.member(func(m *SurplusMembership) {
				m.PassedOn, m.Dependents = true, []Dependent{dependent("bob", false, true)}
			})
		}},
		{"a superuser's membership in an intermediate role", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.contents([]string{"bob"}, heldBy(testOwner))
			s.member(func(m *SurplusMembership) {
				m.GrantedOID, m.GrantedName, m.GrantorOID = selectorOID, selectorRole, superOID
			})
		}},
		{"a superuser's membership in an intermediate role that cannot be emptied", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.contents([]string{"bob"}, heldBy(strangerOID))
			s.member(func(m *SurplusMembership) {
				m.GrantedOID, m.GrantedName, m.GrantorOID = selectorOID, selectorRole, superOID
			})
		}},
		{"a membership kept until the new grant is in place", 18, func(s *scene) {
			s.lacks("alice", "SELECT", owned(strangerOID), through(lenderOID), direct(true))
			s.member(func(m *SurplusMembership) { m.StillDesired = true })
		}},
		// Ownerships.
		{"an OWNER row", 18, func(s *scene) {
			s.lacks("alice", "OWNER")
			s.owner(func(f *OwnerFacts) { f.ToOID = aliceOID })
			s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Admin: true}
		}},
		{"an OWNER row for which CREATE is lent", 18, func(s *scene) {
			s.lacks("alice", "OWNER")
			s.owner(func(f *OwnerFacts) { f.ToOID, f.CreateInSchema, f.SchemaOwnerOID = aliceOID, false, lenderOID })
			s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Set: true}
		}},
		{"an OWNER row without any right", 18, func(s *scene) {
			s.lacks("alice", "OWNER", owned(strangerOID))
			s.owner(func(f *OwnerFacts) {
				f.ToOID, f.CreateInSchema, f.SchemaOwnerOID, f.NoUsage = aliceOID, false, strangerOID, true
			})
		}},
		{"an OWNER row for a superuser's table", 18, func(s *scene) {
			s.lacks("alice", "OWNER", owned(superOID))
			s.owner(func(f *OwnerFacts) { f.ToOID = aliceOID })
		}},
		{"an OWNER row that another wins", 18, func(s *scene) { s.lacks("alice", "OWNER", func(m *Missing) { m.WinnerID = 99 }) }},
		{"an OWNER row for a column's sequence", 18, func(s *scene) {
			s.lacks("alice", "OWNER")
			s.owner(func(f *OwnerFacts) { f.FollowsTable = true })
		}},
		{"an OWNER row for a foreign data wrapper", 18, func(s *scene) { s.lacks("alice", "OWNER", on(catalog.ForeignDataWrapper, "w")) }},
		{"an OWNER row for a schema to be created", 18, func(s *scene) {
			s.lacks("alice", "OWNER", on(catalog.Schema, "new"), absent, func(m *Missing) { m.CreateSchema = true })
			s.owner(func(f *OwnerFacts) { f.ToOID, f.CreateInDatabase = aliceOID, true })
			s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Set: true}
		}},
		{"an OWNER row for a schema, without CREATE on the database", 18, func(s *scene) {
			s.lacks("alice", "OWNER", on(catalog.Schema, "new"), absent, func(m *Missing) { m.CreateSchema = true })
			s.owner(func(f *OwnerFacts) { f.ToOID = aliceOID })
			s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Set: true}
		}},
		{"an OWNER row for a database, without CREATEDB", 18, func(s *scene) {
			s.lacks("alice", "OWNER", on(catalog.Database, "db"))
			s.owner(func(f *OwnerFacts) { f.ToOID = aliceOID })
			s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Set: true}
		}},
		{"a surplus ownership", 18, func(s *scene) {
			s.owns("alice", aliceOID)
			s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Admin: true}
			s.disowned("daemon", func(f *OwnerFacts) { f.ToOID = daemonOID })
		}},
		{"a surplus ownership, with a fallback owner that does not exist", 18, func(s *scene) {
			s.p.FallbackOwner = "nobody_yet"
			s.owns("alice", testOwner)
			s.disowned("nobody_yet", func(*OwnerFacts) {})
		}},
		{"what the fallback owner owns", 18, func(s *scene) {
			s.p.FallbackOwner = "alice"
			s.owns("alice", aliceOID)
		}},
		// Roles and settings.
		{"a role that does not exist", 18, func(s *scene) { s.role("carol", 0, func(r *Role) { r.DesiredLogin, r.DesiredInherit = yes(), no() }) }},
		{"a role with a password", 18, func(s *scene) {
			s.edit("alice", func(r *Role) { r.PasswordChange = yes() })
			s.admin()
		}},
		{"attributes", 18, func(s *scene) {
			s.edit("alice", func(r *Role) {
				limit := 3
				r.DesiredLogin, r.DesiredConnectionLimit = yes(), &limit
				r.DesiredValidUntil = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
			})
			s.admin()
		}},
		{"attributes of a role without ADMIN", 18, func(s *scene) { s.edit("alice", func(r *Role) { r.DesiredLogin = yes() }) }},
		{"attributes that no flag allows", 18, func(s *scene) {
			s.edit("alice", func(r *Role) { r.DesiredCreateRole, r.DesiredReplication, r.DesiredBypassRLS = yes(), yes(), yes() })
			s.admin()
		}},
		{"an allowed attribute that the daemon lacks", 18, func(s *scene) {
			s.p.AllowAttribute = []string{"bypassrls"}
			s.edit("alice", func(r *Role) { r.DesiredBypassRLS = yes() })
			s.admin()
		}},
		{"an allowed attribute that only superusers change", 15, func(s *scene) {
			s.p.AllowAttribute = []string{"bypassrls"}
			s.edit("alice", func(r *Role) { r.DesiredBypassRLS = yes() })
			s.admin()
		}},
		{"a role with REPLICATION before 16", 15, func(s *scene) {
			s.edit("alice", func(r *Role) { r.Replication, r.DesiredLogin = true, yes() })
			s.admin()
		}},
		{"an intermediate role that is a login", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.edit(selectorRole, func(r *Role) { r.Login = true })
		}},
		{"an intermediate role with an attribute that cannot be revoked", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.edit(selectorRole, func(r *Role) { r.BypassRLS = true })
			s.contents([]string{"bob"})
		}},
		{"an intermediate role that is gone", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.edit(selectorRole, func(r *Role) { r.OID = 0 })
		}},
		{"an intermediate role that was renamed", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.edit(selectorRole, func(r *Role) { r.OID, r.RenamedTo, r.RenamedOurs = 0, "x", true })
		}},
		{"an intermediate role that was renamed, and its name is taken", 18, func(s *scene) {
			s.intermediate(selectorRole, true)
			s.edit(selectorRole, func(r *Role) { r.OID, r.RenamedTo, r.RenamedOurs = 30007, "x", true })
			s.f.FreshNames = map[string]string{selectorRole: "_pgsr_5_fresh"}
		}},
		{"a keeper that was renamed, without ADMIN", 18, func(s *scene) {
			s.intermediate("_pgsr_5_keeper_1", false)
			s.edit("_pgsr_5_keeper_1", func(r *Role) { r.OID, r.RenamedTo, r.RenamedOurs, r.Keeper = 0, "x", true, true })
		}},
		{"settings", 18, func(s *scene) {
			s.edit("alice", func(r *Role) {
				r.DesiredSettings, r.Settings = Settings{"work_mem": "64MB", "search_path": []any{"a", "b c"}}, []string{"jit=off", "work_mem=4MB"}
			})
			s.admin()
		}},
		{"settings that cannot be", 18, func(s *scene) {
			s.edit("alice", func(r *Role) { r.DesiredSettings = Settings{"work_mem": map[string]any{}, "Jit": true, "jit": false} })
			s.admin()
		}},
		{"settings of a role without ADMIN", 18, func(s *scene) { s.edit("alice", func(r *Role) { r.DesiredSettings = Settings{"jit": false} }) }},
	}
}

// admin gives the daemon the ADMIN option on alice.
func (s *scene) admin() {
	s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Admin: true}
}

// owner says what giving the object of the first row to alice takes.
func (s *scene) owner(edit func(*OwnerFacts)) {
	s.ownerOf(*s.d.Missing[0].Object(), "alice", edit)
}

// disowned says what taking the first surplus ownership away takes.
func (s *scene) disowned(to string, edit func(*OwnerFacts)) {
	s.ownerOf(s.d.Ownerships[0].Object(), to, edit)
}

func (s *scene) ownerOf(object catalog.Object, to string, edit func(*OwnerFacts)) {
	f := OwnerFacts{CreateInSchema: true, SchemaOwnerOID: testOwner}
	edit(&f)
	s.f.Owners = map[OwnerChange]OwnerFacts{{object, to}: f}
}
