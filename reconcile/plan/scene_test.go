package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// A scene is a drift with its facts, in the making. The daemon is role daemon, no superuser, and has the privileges of role owner, to whom table s.t and
// all else belongs that is not said to be another's.
type scene struct {
	d *Drift
	f *Facts
	p Policy
}

const (
	daemonOID   = 20001
	strangerOID = 20002 // a role that the daemon has nothing to do with
	lenderOID   = 20003 // a role that the daemon has ADMIN on
	superOID    = 20004 // a superuser
	aliceOID    = 30000
	bobOID      = 30001
)

func newScene(version int) *scene {
	s := &scene{d: &Drift{Roles: map[string]Role{}}, f: testFacts(version), p: Policy{MaxDirectGrantees: 500}}
	s.f.Rights[strangerOID] = catalog.Rights{OID: strangerOID, Name: "stranger", Lender: "stranger"}
	s.f.Rights[lenderOID] = catalog.Rights{OID: lenderOID, Name: "lender", Lender: "lender", Admin: true}
	s.f.Rights[superOID] = catalog.Rights{OID: superOID, Name: "super", Lender: "super", Superuser: true}
	s.f.Rights[daemonOID] = catalog.Rights{OID: daemonOID, Name: "daemon", Lender: "daemon", Usage: true, Set: true}
	s.role("alice", aliceOID)
	s.role("bob", bobOID)
	return s
}

func (s *scene) role(name string, oid catalog.OID, edits ...func(*Role)) {
	r := Role{Name: name, OID: oid, Inherit: true, Managed: true}
	for _, edit := range edits {
		edit(&r)
	}
	s.d.Roles[name] = r
}

func (s *scene) edit(name string, edit func(*Role)) {
	r := s.d.Roles[name]
	edit(&r)
	s.d.Roles[name] = r
}

// lacks adds a privilege on a table, or what the edits make of it, for which a role has a row.
func (s *scene) lacks(role, privilege string, edits ...func(*Missing)) {
	m := Missing{GrantID: int64(len(s.d.Missing) + 1), Role: role, Target: &Target{
		Privilege: privilege, DesiredPrivilege: privilege, ObjectType: catalog.Table, SchemaName: "s", DesiredName: "t", ObjectName: "t", NameMatch: "exact",
		ClassOID: 1259, ObjectOID: 40000, OwnerOID: testOwner, MayGrant: true,
	}}
	for _, edit := range edits {
		edit(&m)
	}
	s.d.Missing = append(s.d.Missing, m)
}

// on is an object of any type.
func on(t catalog.ObjectType, name string) func(*Missing) {
	return func(m *Missing) {
		m.ObjectType, m.DesiredName, m.ObjectName, m.ObjectOID = t, name, name, 41000+catalog.OID(len(name))
		if t == catalog.Schema || t == catalog.Database || t == catalog.Role {
			m.SchemaName = ""
		}
	}
}

// absent is that no object has the name.
func absent(m *Missing) { m.ObjectName, m.ObjectOID = "", 0 }

// pattern is that the row has a pattern, which finds the table.
func pattern(m *Missing) { m.NameMatch, m.DesiredName = "like", "%" }

// owned is that the object belongs to a role over which the daemon has other rights.
func owned(oid catalog.OID) func(*Missing) {
	return func(m *Missing) { m.OwnerOID, m.MayGrant = oid, false }
}

func direct(yes bool) func(*Missing) { return func(m *Missing) { m.Direct = &yes } }

func grantable(m *Missing) { m.Grantable = true }

// own makes it the intermediate role's own privilege.
func own(m *Missing) { m.GrantID = 0 }

// through is that the selector has an intermediate role.
func through(oid catalog.OID) func(*Missing) { return func(m *Missing) { m.IntermediateOID = oid } }

// has adds a privilege on a table, or what the edits make of it, that a role holds and should not.
func (s *scene) has(role, privilege string, edits ...func(*SurplusGrant)) {
	g := SurplusGrant{
		Role: role, Privilege: privilege, GrantorOID: testOwner, OwnerOID: testOwner, ObjectType: catalog.Table, ClassOID: 1259, ObjectOID: 40000,
		SchemaName: "s", ObjectName: "t", Transactions: []int64{7},
	}
	for _, edit := range edits {
		edit(&g)
	}
	s.d.Grants = append(s.d.Grants, g)
}

func from(grantor catalog.OID) func(*SurplusGrant) {
	return func(g *SurplusGrant) { g.GrantorOID = grantor }
}

func belongs(owner catalog.OID) func(*SurplusGrant) {
	return func(g *SurplusGrant) { g.GrantorOID, g.OwnerOID = owner, owner }
}

func passedTo(dependents ...Dependent) func(*SurplusGrant) {
	return func(g *SurplusGrant) { g.PassedOn, g.Dependents = true, dependents }
}

// member adds a membership in role lender that alice should not have.
func (s *scene) member(edits ...func(*SurplusMembership)) {
	m := SurplusMembership{Role: "alice", GrantedOID: lenderOID, GrantedName: "lender", MemberOID: aliceOID, MemberName: "alice", GrantorOID: daemonOID, Transactions: []int64{7}}
	for _, edit := range edits {
		edit(&m)
	}
	s.d.Memberships = append(s.d.Memberships, m)
}

// owns adds a table that a role should not own.
func (s *scene) owns(role string, owner catalog.OID, edits ...func(*SurplusOwnership)) {
	o := SurplusOwnership{Role: role, ObjectType: catalog.Table, ClassOID: 1259, ObjectOID: 40000, SchemaName: "s", ObjectName: "t", OwnerOID: owner, Transactions: []int64{7}}
	for _, edit := range edits {
		edit(&o)
	}
	s.d.Ownerships = append(s.d.Ownerships, o)
}

// told are the plan's steps and problems, a line each: what a reader of the audit would want to know.
func told(p *Plan) []string {
	var lines []string
	for _, step := range p.All() {
		line := step.SQL
		if line == "" {
			line = fmt.Sprint(step.Record.Kind, " ", step.Record.Args)
		}
		if step.As != "" {
			line = "as " + step.As + ": " + line
		}
		if len(step.Borrow) > 0 {
			line = "borrowing " + strings.Join(step.Borrow, ", ") + ": " + line
		}
		lines = append(lines, line)
		for _, effect := range step.Effects {
			if changes := effect.Described(); len(changes) > 0 {
				lines = append(lines, fmt.Sprintf("\t%s: %s", effect.Role, strings.Join(changes, ", ")))
			}
		}
	}
	for _, role := range sortedKeys(p.Problems) {
		for _, problem := range p.Problems[role] {
			line := fmt.Sprintf("%s is %s: %s: %s", role, problem.Kind, problem.Code, problem.Reason)
			if problem.Fix != "" {
				line += " [" + problem.Fix + "]"
			}
			lines = append(lines, line)
		}
	}
	for _, role := range sortedKeys(p.Conflicts) {
		lines = append(lines, fmt.Sprintf("in the way is %s: %s: %s", role, p.Conflicts[role].Code, p.Conflicts[role].Reason))
	}
	return lines
}

// tells returns what the plan of a scene says, and asserts that it touches roles where it has steps, and only there.
func (s *scene) tells(t *testing.T, name string) []string {
	t.Helper()
	p := finished(t, s.d, s.f, s.p)
	if p.Empty() != (len(p.Touched) == 0) {
		t.Errorf("%s: the plan touches %v, and has the steps %v", name, sortedKeys(p.Touched), told(p))
	}
	return told(p)
}
