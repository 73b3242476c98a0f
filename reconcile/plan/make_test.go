package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

const testOwner = 20000

// randomDrift is a drift in which roles lack and hold at random.
func randomDrift(r *rand.Rand) (*Drift, *Facts) {
	d := &Drift{Roles: map[string]Role{}}
	f := testFacts(14 + r.IntN(5))
	for i := range 10 {
		name := fmt.Sprintf("role_%d", i)
		d.Roles[name] = Role{Name: name, OID: catalog.OID(30000 + i), Inherit: r.IntN(4) > 0, Managed: true, Superuser: r.IntN(10) == 0}
	}
	direct := []*bool{nil, new(bool), new(bool)}
	*direct[1] = true
	for i := range r.IntN(60) {
		table := r.IntN(5)
		m := Missing{GrantID: int64(i + 1), Role: fmt.Sprintf("role_%d", r.IntN(10)), Target: &Target{
			Privilege:  []string{"SELECT", "INSERT"}[r.IntN(2)],
			ObjectType: "table", SchemaName: "s", DesiredName: fmt.Sprintf("t_%d", table), ObjectName: fmt.Sprintf("t_%d", table), NameMatch: "exact",
			Direct: direct[r.IntN(3)], ClassOID: 1259, ObjectOID: catalog.OID(40000 + table), OwnerOID: testOwner, ACLLength: r.IntN(4), MayGrant: true,
		}}
		m.DesiredPrivilege = m.Privilege
		d.Missing = append(d.Missing, m)
	}
	for range r.IntN(30) {
		role, table := r.IntN(10), r.IntN(5)
		d.Grants = append(d.Grants, SurplusGrant{
			Role: fmt.Sprintf("role_%d", role), Privilege: "DELETE", GrantorOID: testOwner, OwnerOID: testOwner,
			ObjectType: "table", ClassOID: 1259, ObjectOID: catalog.OID(40000 + table), SchemaName: "s", ObjectName: fmt.Sprintf("t_%d", table),
		})
	}
	return d, f
}

// testFacts are those of a daemon with the privileges of the one owner. All names are free.
func testFacts(version int) *Facts {
	return &Facts{
		Rights:    map[catalog.OID]catalog.Rights{testOwner: {OID: testOwner, Name: "owner", Lender: "owner", Usage: true}},
		Server:    catalog.Server{Version: version, Role: "daemon", RoleOID: 20001, Database: "db", DatabaseOID: 5, Inherit: true},
		Conflicts: map[string]*NameHolder{},
	}
}

// finished makes a plan, and answers its questions: all names are free.
func finished(t *testing.T, d *Drift, f *Facts, policy Policy) *Plan {
	t.Helper()
	for range 10 {
		p := Make(d, f, policy)
		if p.Questions.Empty() {
			return p
		}
		for _, name := range p.Questions.Keepers {
			f.Conflicts[name] = nil
		}
		for _, q := range p.Questions.Names {
			f.Conflicts[q.Name] = nil
		}
	}
	t.Fatal("the plan's questions have no end")
	return nil
}

func sqlOf(p *Plan) []string {
	var list []string
	for _, s := range slices.Concat(p.foundations, p.grants, p.revokes) {
		list = append(list, s.SQL)
	}
	return list
}

// Where nothing differs, nothing is done.
func TestMakeNothing(t *testing.T) {
	t.Parallel()
	d, f := randomDrift(rand.New(rand.NewPCG(1, 1)))
	d.Missing, d.Grants = nil, nil
	if p := finished(t, d, f, Policy{MaxDirectGrantees: 500}); !p.Empty() {
		t.Errorf("plan for no drift: %q", sqlOf(p))
	}
}

// The same drift gives the same plan, in whatever order it was read.
func TestMakeIsDeterministic(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		d, f := randomDrift(r)
		first := sqlOf(finished(t, d, f, Policy{MaxDirectGrantees: 3}))
		r.Shuffle(len(d.Missing), func(i, j int) { d.Missing[i], d.Missing[j] = d.Missing[j], d.Missing[i] })
		r.Shuffle(len(d.Grants), func(i, j int) { d.Grants[i], d.Grants[j] = d.Grants[j], d.Grants[i] })
		if second := sqlOf(finished(t, d, f, Policy{MaxDirectGrantees: 3})); !slices.Equal(first, second) {
			t.Fatalf("seed %d: %q, then %q", seed, first, second)
		}
	}
}

// Every thing that is missing or surplus is either done by a step for its role, or a problem of that role; and nothing is done for
// others, or for roles that are never managed.
func TestMakeIsTotal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		d, f := randomDrift(rand.New(rand.NewPCG(seed, 3)))
		p := finished(t, d, f, Policy{MaxDirectGrantees: 500})
		done := map[string]bool{}
		for _, steps := range [][]Step{p.grants, p.revokes} {
			for _, s := range steps {
				for _, e := range s.Effects {
					done[e.Role] = true
					if Protection(d.Roles[e.Role], f.Server, Policy{}) != "" {
						t.Fatalf("seed %d: protected role %s is touched: %s", seed, e.Role, e.SQL)
					}
				}
			}
		}
		concerned := map[string]bool{}
		for _, m := range d.Missing {
			concerned[m.Role] = true
			if !done[m.Role] && len(p.Problems[m.Role]) == 0 && !p.Touched[m.Role] {
				t.Fatalf("seed %d: nothing is done about %+v", seed, m)
			}
		}
		for _, s := range d.Grants {
			concerned[s.Role] = true
			if !done[s.Role] && len(p.Problems[s.Role]) == 0 {
				t.Fatalf("seed %d: nothing is done about %+v", seed, s)
			}
		}
		for role := range done {
			if !concerned[role] {
				t.Fatalf("seed %d: %s is touched, about which nothing was said", seed, role)
			}
		}
	}
}

// Each object's ACL is rewritten once for all its new grantees, however many objects and grantees there are.
func TestGrantsAreGrouped(t *testing.T) {
	t.Parallel()
	var changes []PrivilegeChange
	for table := range 20 {
		for role := range 30 {
			changes = append(changes, PrivilegeChange{Object: &catalog.Object{Type: "table", OID: catalog.OID(table), Schema: "s", Name: fmt.Sprint("t_", table)}, Privilege: "SELECT", Role: fmt.Sprint("role_", role)})
		}
	}
	steps := aclSteps(grant, changes, maxNames)
	if len(steps) != 1 || len(steps[0].Effects) != 30 || steps[0].Effects[0].Granted != 20 {
		t.Errorf("got %d steps, first %+v", len(steps), steps[0])
	}
}

// Whatever is in a name, it stays one identifier.
func FuzzNamesInStatements(f *testing.F) {
	for _, name := range []string{"plain", `quo"te`, "new\nline", "semi;colon", "public", "PUBLIC", "--comment", "$1", "e\\scape", "ünï", `"; DROP ROLE x; --`} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || strings.ContainsRune(name, 0) {
			t.Skip("PostgreSQL has no empty names, and no NUL in names")
		}
		object := catalog.Object{Type: "table", Schema: name, Name: name}
		step := aclSteps(grant, []PrivilegeChange{{Object: &object, Privilege: "SELECT", Role: name}}, maxNames)[0]
		quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		grantee := quoted
		if name == "public" {
			grantee = "PUBLIC"
		}
		if want := "GRANT SELECT ON TABLE " + quoted + "." + quoted + " TO " + grantee; step.SQL != want {
			t.Errorf("got %s, want %s", step.SQL, want)
		}
	})
}

// What rows want on the object itself is granted until the ACL has 1,000 entries, and then blocked; an intermediate role always gets in.
func TestMakeLeavesRoomInAnACL(t *testing.T) {
	t.Parallel()
	yes := true
	for _, c := range []struct {
		name       string
		missing    Missing
		objectType catalog.ObjectType
		column     string
		granted    int // of 10, where there are 995
		fix        string
	}{
		{"direct", Missing{GrantID: 1, Target: &Target{Direct: &yes}}, "table", "", 5, "SET direct = NULL WHERE id = 1"},
		{"direct on a column", Missing{GrantID: 1, Target: &Target{Direct: &yes}}, "table", "c", 5, "SET direct = NULL WHERE id = 1"},
		{"direct on a sequence", Missing{GrantID: 1, Target: &Target{Direct: &yes}}, "sequence", "", 5, "SET direct = NULL"},
		{"grantable", Missing{GrantID: 1, Target: &Target{Grantable: true}}, "table", "", 5, "SET grantable = false, direct = NULL WHERE id = 1"},
		{"NOINHERIT before 16", Missing{GrantID: 1, Target: &Target{}}, "table", "", 5, "INHERIT"},
		{"an intermediate role", Missing{Target: &Target{Direct: &yes}}, "table", "", 10, ""},
		{"a schema, whose catalog has TOAST", Missing{GrantID: 1, Target: &Target{Direct: &yes}}, "schema", "", 10, ""},
	} {
		d, f := &Drift{Roles: map[string]Role{}}, testFacts(15)
		for i := range 10 {
			m, target := c.missing, *c.missing.Target
			target.Privilege, target.DesiredPrivilege, target.ObjectType, target.ObjectName, target.DesiredName, target.NameMatch = "SELECT", "SELECT", c.objectType, "t", "t", "exact"
			target.ColumnName, target.ClassOID, target.ObjectOID, target.OwnerOID, target.ACLLength, target.MayGrant = c.column, 1259, 40000, testOwner, 995, true
			m.Role, m.Target = fmt.Sprintf("role_%d", i), &target
			d.Roles[m.Role] = Role{Name: m.Role, OID: catalog.OID(30000 + i), Inherit: c.name != "NOINHERIT before 16", Managed: true}
			d.Missing = append(d.Missing, m)
			if i == 0 && c.column != "" { // the table's own ACL is another
				other := target
				other.ColumnName = ""
				d.Missing = append(d.Missing, Missing{GrantID: 2, Role: m.Role, Target: &other})
			}
		}
		p := finished(t, d, f, Policy{MaxDirectGrantees: 500})
		granted := strings.Count(strings.Join(sqlOf(p), ","), "role_")
		if c.column != "" {
			granted-- // on the table
		}
		if granted != c.granted || len(p.Problems) != 10-c.granted {
			t.Errorf("%s: %d granted and %d blocked, want %d granted: %q", c.name, granted, len(p.Problems), c.granted, sqlOf(p))
		}
		for role, problems := range p.Problems {
			if len(problems) != 1 || problems[0].Kind != Blocked || !strings.Contains(problems[0].Fix, c.fix) || !strings.Contains(problems[0].Reason, "1000 entries") {
				t.Errorf("%s: %s: %+v", c.name, role, problems)
			}
		}
	}
}
