package upgrade_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

var dumpPrograms = []string{"pg_dump", "pg_dumpall", "psql"}

// An upgrade changes nobody's access. The first command that needs what the daemon has lost names one statement. After that, or without most of it, what
// rows gave ends with them.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	oldBin, newBin := binDirs(t, dumpPrograms, nil)
	old := before15(t, oldBin)
	old.access(t, "on 15", true, everybody...)
	d := old.dumped(t, newBin)
	if err := old.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("row deleted before the first start", func(t *testing.T) {
		t.Parallel()
		restored(t, newBin, d, d.oid).goesAlong(t)
	})
	for _, way := range []struct {
		name string
		next func(t *testing.T) *warehouse
	}{
		{"pg_upgrade", func(t *testing.T) *warehouse {
			t.Helper()
			binDirs(t, []string{"pg_upgrade"}, []string{"pg_ctl", "pg_controldata", "pg_resetwal"})
			return old.upgraded(t, oldBin, newBin)
		}},
		{"dump into a database of the same OID", func(t *testing.T) *warehouse { t.Helper(); return restored(t, newBin, d, d.oid) }},
		{"dump into a database of another OID", func(t *testing.T) *warehouse { t.Helper(); return restored(t, newBin, d, "54321") }},
	} {
		for _, fixed := range []bool{true, false} {
			if fixed && strings.Contains(way.name, "another") {
				continue // as with the same
			}
			t.Run(fmt.Sprintf("%s, fixed %t", way.name, fixed), func(t *testing.T) {
				t.Parallel()
				w := way.next(t)
				w.access(t, "after the upgrade", true, everybody...)
				w.begin(t, fixed)
				w.access(t, "after the first sync", true, everybody...)
				w.goOn(t, fixed)
			})
		}
	}
}

// everybody is what the logins can do.
var everybody = []string{
	"alice: select from sales.orders", "alice: select from sales.offers", "alice: update sales.costs set id = 1",
	"bob: select from sales.reports", "dave: select from sales.reports",
	"bob: select from sales.orders", "dave: select from sales.orders", "carol: select id from sales.costs",
}

// begin is the first start after an upgrade: what the commands say before anything is deleted. A superuser runs the statement that they name, or no more of
// it than without which nothing works.
func (w *warehouse) begin(t *testing.T, fix bool) {
	t.Helper()
	if r := w.call(t, 1, "sync"); !strings.Contains(r.stderr, "run pg-sync-roles migrate") {
		t.Errorf("sync says nothing of migrate: %s", r.stderr)
	}
	statement := statementOf(t, w.call(t, 1, "migrate").stderr)
	if fix {
		w.exec(t, pgserver.Superuser, database, statement)
	} else {
		w.exec(t, pgserver.Superuser, database, "grant _pgsr_lock to "+daemon+" with admin true, inherit false, set false")
	}
	w.call(t, 0, "migrate")
	for command, says := range map[string]string{"sync": "Nothing to do.", "plan": "Nothing to do.", "status": "in_sync"} {
		r := w.call(t, 0, command)
		if !strings.Contains(r.stdout, says) {
			t.Errorf("%s says:\n%s", command, r.stdout)
		}
		if warned := strings.Contains(r.stderr, "GRANT "); warned == fix {
			t.Errorf("%s says, where the statement was run: %t:\n%s", command, fix, r.stderr)
		}
		if !fix && strings.Count(r.stderr, "\"_pgsr_") != strings.Count(statement, "\"_pgsr_")-1 {
			t.Errorf("%s does not name the same roles as\n%s:\n%s", command, statement, r.stderr)
		}
	}
}

// statementOf is the one statement that an error tells a superuser to run.
func statementOf(t *testing.T, message string) string {
	t.Helper()
	found := regexp.MustCompile(`as a superuser run: (GRANT .*)`).FindStringSubmatch(message)
	if found == nil {
		t.Fatalf("no statement for a superuser in: %s", message)
	}
	return found[1]
}

// goOn deletes and adds rows, and a table.
func (w *warehouse) goOn(t *testing.T, fixed bool) {
	t.Helper()
	w.nothingToDo(t, "before anything is deleted")
	w.exec(t, daemon, database, "delete from sync_roles.desired_grants where role_name = 'alice' and privilege = 'SELECT'")
	w.call(t, 0, "sync")
	w.access(t, "after a row was deleted", false, everybody[:2]...)
	w.access(t, "after a row was deleted", true, everybody[2:]...)
	w.nothingToDo(t, "after a row was deleted")

	w.exec(t, daemon, database, "set role sales_owner; create table sales.options ()")
	w.exec(t, daemon, database, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
		values ('carol', 'SELECT', 'table', 'sales', 'o%', 'like'), ('bob', 'UPDATE', 'table', 'sales', 'c%', 'like')`)
	w.call(t, 0, "sync")
	w.access(t, "after rows were added", true, "bob: select from sales.options", "carol: select from sales.options", "bob: update sales.costs set id = 1")
	w.access(t, "after rows were added", true, everybody[2:]...)
	w.access(t, "after rows were added", false, "alice: select from sales.options")
	w.nothingToDo(t, "after rows were added")
	if fixed {
		w.memberships(t)
	} else {
		w.quiet(t)
	}

	w.exec(t, daemon, database, "delete from sync_roles.desired_grants where privilege <> 'MEMBER'")
	w.call(t, 0, "sync")
	w.access(t, "after all rows were deleted", false, "alice: update sales.costs set id = 1", "bob: update sales.costs set id = 1",
		"bob: select from sales.orders", "carol: select from sales.orders", "dave: select from sales.options")
	w.access(t, "after all rows were deleted", true, "carol: select id from sales.costs") // nobody's row
	w.nothingToDo(t, "after all rows were deleted")
}

// memberships runs what docs/upgrade.md has for the roles that MEMBER rows name: then these end with their rows, too.
func (w *warehouse) memberships(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../docs/upgrade.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sql\n")
	sql, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/upgrade.md has no SQL")
	}
	w.exec(t, pgserver.Superuser, database, sql)
	w.access(t, "with another grantor", true, everybody[3:]...)
	w.nothingToDo(t, "with another grantor")
	w.exec(t, daemon, database, "delete from sync_roles.desired_grants where role_name = 'dave' and privilege = 'MEMBER'")
	w.call(t, 0, "sync")
	w.access(t, "after a MEMBER row was deleted", false, "dave: select from sales.reports")
	w.access(t, "after a MEMBER row was deleted", true, "bob: select from sales.reports", "dave: select from sales.orders")
	w.nothingToDo(t, "after a MEMBER row was deleted")
}

// quiet fails the test if sync still warns: what was lost has been replaced.
func (w *warehouse) quiet(t *testing.T) {
	t.Helper()
	if r := w.call(t, 0, "sync"); r.stderr != "" {
		t.Errorf("sync still says:\n%s", r.stderr)
	}
}

// goesAlong takes a row away that is deleted when no daemon runs, before the first start.
func (w *warehouse) goesAlong(t *testing.T) {
	t.Helper()
	w.exec(t, daemon, database, "delete from sync_roles.desired_grants where role_name = 'dave' and privilege = 'SELECT'")
	w.exec(t, pgserver.Superuser, database, "grant _pgsr_lock to "+daemon+" with admin true, inherit false, set false")
	w.access(t, "before the first start", true, everybody...)
	w.call(t, 0, "migrate")
	w.call(t, 0, "sync")
	w.access(t, "after the first sync", false, "dave: select from sales.orders")
	w.access(t, "after the first sync", true, "alice: select from sales.orders", "bob: select from sales.orders", "carol: select id from sales.costs")
	w.nothingToDo(t, "after the first sync")
}
