package reconcile_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// fixForms are the functions of fixes.go, and what they print.
var fixForms = map[string]string{
	"AdminFix":         `GRANT \S+ TO \S+ WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`,
	"alterFix":         `ALTER ROLE \S+ [A-Z0-9 ]+; SELECT sync_roles.apply_password\(\S+\)`,
	"AttributeFix":     `ALTER ROLE \S+ [A-Z]+`,
	"createFix":        `GRANT CREATE ON SCHEMA \S+ TO \S+`,
	"createOwnerFix":   `CREATE ROLE \S+(; GRANT \S+ TO \S+ WITH INHERIT TRUE, SET TRUE)?`,
	"databaseFix":      `GRANT CREATE ON DATABASE \S+ TO \S+`,
	"encodingFix":      `UPDATE sync_roles.desired_grants SET .*direct = NULL WHERE id = \d+`,
	"forgetFix":        `DELETE FROM sync_roles.withdrawn WHERE grant_id = \d+`,
	"formerGrantorFix": `BEGIN; ALTER ROLE \S+ NOSUPERUSER; SET ROLE \S+; REVOKE .+; RESET ROLE; ALTER ROLE \S+ SUPERUSER; COMMIT|REVOKE .+ FROM \S+ GRANTED BY \S+?( CASCADE)?`,
	"formerFix":        `REASSIGN OWNED BY \S+ TO \S+; DROP OWNED BY \S+; DROP ROLE \S+`,
	"joinFix":          `GRANT \S+ TO \S+( WITH INHERIT TRUE, SET TRUE(, ADMIN TRUE)?| WITH ADMIN OPTION)?`,
	"leaveFix":         `REVOKE (ADMIN OPTION FOR )?\S+ FROM \S+( GRANTED BY \S+?( CASCADE)?)?`,
	"memberFix":        `GRANT \S+ TO \S+( WITH INHERIT TRUE, SET (TRUE|FALSE))?`,
	"ownerFix":         `GRANT .+ ON .+ TO \S+ WITH GRANT OPTION`,
	"ownFix":           `ALTER .+ OWNER TO \S+`,
	"regrantFix":       `GRANT .+ ON .+ TO \S+?( WITH GRANT OPTION)?`,
	"rejoinFix":        `(REVOKE \S+ FROM \S+; )?GRANT \S+ TO \S+?( WITH ADMIN OPTION)?`,
	"revokeFix":        `(GRANT USAGE ON SCHEMA \S+ TO \S+; )?(SET ROLE \S+; )?REVOKE .+ ON .+ FROM .+`,
	"settingFix":       `GRANT SET ON PARAMETER \S+ TO \S+|ALTER ROLE \S+ IN DATABASE \S+ SET .+`,
	"conflictFix":      `DROP ROLE \S+`,
	"usageFix":         `GRANT USAGE ON SCHEMA \S+ TO \S+`,
}

// fixedElsewhere are those that have a test of their own.
var fixedElsewhere = map[string]string{
	"approveFix":           "TestLimitHoldsWhenTheTableIsEmptied",
	"defaultFix":           "TestAtCreationWithoutRights",
	"initialPrivilegesFix": "TestRetireWhatOnlyASuperuserCan",
	"RegainFix":            "TestLostAdmin",
	"retiredRowsFix":       "TestRetireWithRows",
	"sessionsFix":          "TestSessionsWithoutTheRight",
	"UnhideFix":            "TestFixesOfTheConnection",
}

// fixCase is something that the daemon cannot do, and says how to allow.
type fixCase struct {
	fix           string // of which functions the statement is
	since, before int    // versions of the server
	policy        func(f *fixture) plan.Policy
	setUp         func(t *testing.T, f *fixture, alice string)
	row           row                                   // what alice has asked for after that
	taken         bool                                  // it is about access that she keeps, and not about access that she has not
	about         func(t *testing.T, f *fixture) string // whose audit says it, if not hers
	try           string                                // what alice can do then, or cannot do any more
}

func fixCases() map[string]fixCase {
	cases := map[string]fixCase{}
	for _, list := range []map[string]fixCase{grantFixes, ownerFixes, revokeFixes, membershipFixes, roleFixes} {
		maps.Copy(cases, list)
	}
	return cases
}

// What is printed as a fix helps: whoever has the right to runs it, and the next rescan or sync does what was blocked, and has nothing more to say.
func TestFixesHelp(t *testing.T) {
	t.Parallel()
	for name, c := range fixCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < c.since || c.before != 0 && f.Version >= c.before {
				t.Skip("not on this server")
			}
			if c.policy != nil {
				f.engine = f.engineWith(t, c.policy(f))
			}
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			c.setUp(t, f, alice)
			f.insert(t, bob, "SELECT", "table", "app", "sales")
			if c.row.privilege != "" {
				c.row.name = f.filled(c.row.name)
				f.add(t, c.row.of(alice))
			}
			f.pending(t)
			about, try := alice, f.filled(c.try)
			if c.about != nil {
				about = c.about(t, f)
			}
			access := func(want bool) {
				t.Helper()
				if got := try != "" && f.Can(t, alice, try); try != "" && got != want {
					t.Errorf("alice can %s: %t, want %t", try, got, want)
				}
			}
			access(c.taken)
			last := f.last(t, about)
			if last.Outcome != "blocked" && last.Outcome != "refused" || len(last.Problems) != 1 {
				t.Fatalf("want one problem with a fix: %v", last)
			}
			fix := last.Problems[0].Fix
			c.isForm(t, fix)
			f.Exec(t, fix)
			f.rescan(t)
			f.inOrder(t, alice)
			access(!c.taken)
			f.can(t, bob, "select from app.sales")
			f.quiet(t)
		})
	}
}

// isForm asserts that the statement is what the case is for.
func (c fixCase) isForm(t *testing.T, fix string) {
	t.Helper()
	var forms []string
	for name := range strings.FieldsSeq(c.fix) {
		if fixForms[name] == "" {
			t.Fatalf("%s prints nothing that is known", name)
		}
		forms = append(forms, "(?:"+fixForms[name]+")")
	}
	if !regexp.MustCompile("^" + strings.Join(forms, "; ") + "$").MatchString(fix) {
		t.Errorf("%q is not of %s", fix, c.fix)
	}
}

// filled puts names of this test in: <daemon>, <db>, <owner>, and <a> for the role a.
func (f *fixture) filled(sql string) string {
	sql = strings.NewReplacer("<daemon>", f.Daemon, "<db>", f.Database, "<owner>", f.Owner).Replace(sql)
	return regexp.MustCompile(`<([a-z]+)>`).ReplaceAllString(sql, f.Prefix+"$1")
}

// bySuperuser is a set-up of nothing but SQL.
func bySuperuser(sql string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, _ string) {
		t.Helper()
		f.Exec(t, f.filled(sql))
	}
}

// withdrawn is a set-up in which alice has a row, what the SQL makes satisfies it, and then the row is deleted.
func withdrawn(r row, sql string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, alice string) {
		t.Helper()
		bySuperuser(sql)(t, f, alice)
		r.name = f.filled(r.name)
		id := f.add(t, r.of(alice))
		f.pending(t)
		f.inOrder(t, alice)
		f.delete(t, id)
	}
}

// table is a row for the table that the set-ups make.
func table(privilege string) row {
	return row{privilege: privilege, objectType: "table", schema: "inner_", name: "t"}
}

// innerTable makes schema inner_ with table t.
const innerTable = "create schema inner_; create table inner_.t (id int, amount int);"
