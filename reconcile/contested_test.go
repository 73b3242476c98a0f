package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// statusOf reads how a role is, with its problems in words.
func statusOf(t *testing.T, conn *pgx.Conn, role string) (status, problems string) {
	t.Helper()
	return pgtest.One[string](t, conn, "select status from sync_roles.role_status where role_name = $1", role),
		pgtest.One[string](t, conn, "select coalesce(string_agg(p ->> 'reason', ' | '), '') from sync_roles.role_status as s, jsonb_array_elements(s.problems) as p where s.role_name = $1", role)
}

// Where the rows of two databases contradict each other about an attribute or a membership, role_status of both says so, and names the other. It is over
// when the rows agree.
func TestContestedByAnotherDatabase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ here, there, agree string }{
		"attribute": {
			"insert into sync_roles.desired_roles (role_name, connection_limit) values ('{r}', 3)",
			"insert into sync_roles.desired_roles (role_name, connection_limit) values ('{r}', 5)",
			"delete from sync_roles.desired_roles",
		},
		"membership": {
			"insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('{r}', 'MEMBER', 'role', '{g}')",
			"insert into sync_roles.desired_roles (role_name, revoke_other) values ('{r}', '{role_memberships}')",
			"update sync_roles.desired_roles set revoke_other = '{}'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			role, group, bystander := f.user(t, "role"), f.user(t, "group"), f.user(t, "bystander")
			sql := strings.NewReplacer("{r}", role, "{g}", group)
			config, _ := f.another(t)
			engine := openEngine(t, config)
			there, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = there.Close(context.WithoutCancel(t.Context())) }()
			rescan := func() {
				t.Helper()
				f.rescan(t)
				if _, err := engine.Rescan(t.Context(), audit.Rescan); err != nil {
					t.Fatal(err)
				}
			}
			f.write(t, sql.Replace(c.here))
			f.insert(t, bystander, "SELECT", "table", "app", "sales")
			f.pending(t)
			if _, err := there.Exec(t.Context(), sql.Replace(c.there)); err != nil {
				t.Fatal(err)
			}
			if _, err := engine.ServeQueue(t.Context(), audit.Notify); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				rescan()
				if status, problems := statusOf(t, f.daemon, role); status != "in_sync" {
					t.Fatalf("too soon to tell, the role is %s: %s", status, problems)
				}
			}
			for range 2 {
				rescan()
			}
			for conn, other := range map[*pgx.Conn]string{f.daemon: config.Database, there: f.Database} {
				if status, problems := statusOf(t, conn, role); status != "blocked" || !strings.Contains(problems, fmt.Sprintf("rows of database %q ask for something else", other)) {
					t.Errorf("the role is %s, and nothing says that it is %s which contests it: %s", status, other, problems)
				}
			}
			if status, problems := statusOf(t, f.daemon, bystander); status != "in_sync" {
				t.Errorf("another role is %s: %s", status, problems)
			}

			if _, err := there.Exec(t.Context(), c.agree); err != nil {
				t.Fatal(err)
			}
			if _, err := engine.ServeQueue(t.Context(), audit.Notify); err != nil {
				t.Fatal(err)
			}
			status, problems := "", ""
			for deadline := time.Now().Add(time.Minute); status != "in_sync" && time.Now().Before(deadline); {
				rescan()
				status, problems = statusOf(t, f.daemon, role)
			}
			if status != "in_sync" {
				t.Errorf("the rows agree, and the role is %s: %s", status, problems)
			}
			f.quiet(t)
		})
	}
}

// What somebody undoes by hand again and again is told without the name of a database; what is granted again on an object that is made anew, not at all.
func TestContestedByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", alice)
	f.insert(t, bob, "SELECT", "table", "app", "sales")
	f.pending(t)
	for range 4 {
		f.Exec(t, "alter role "+alice+" nologin")
		f.asOwner(t, "drop table app.sales; create table app.sales (id int, amount int)")
		f.rescan(t)
	}
	if status, problems := statusOf(t, f.daemon, alice); status != "blocked" || !strings.Contains(problems, "another session undoes it each time") {
		t.Errorf("the role is %s: %s", status, problems)
	}
	if status, problems := statusOf(t, f.daemon, bob); status != "in_sync" {
		t.Errorf("the reader of a table that is made anew is %s: %s", status, problems)
	}
	f.can(t, bob, "select from app.sales")
}

// A role that is not what it should be at each rescan keeps none of the others from what they lack.
func TestRescanBesideAContestedRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", alice)
	f.insert(t, bob, "SELECT", "table", "app", "sales")
	f.insert(t, carol, "SELECT", "table", "app", "none")
	f.pending(t)
	f.Exec(t, "alter role "+alice+" nologin")
	f.asOwner(t, "revoke select on app.sales from "+bob)
	if report := f.dryRun(t); len(report.Statements) < 2 {
		t.Errorf("plan has only %v", report.Statements)
	}
	f.rescan(t)
	f.can(t, bob, "select from app.sales")
	if n := len(f.audit(t, carol)); n != 1 {
		t.Errorf("%d audit rows are about a role that was waiting all the time, want 1", n)
	}
	f.quiet(t)
}
