package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a role has through code is told with the code, what may be apart, and what a view lacks as in the way. Each is tried with a login.
func TestExplainThroughCode(t *testing.T) {
	t.Parallel()
	env, _ := installed(t)
	alice, eve := env.Role("alice"), env.Role("eve")
	env.Exec(t, strings.NewReplacer("{alice}", alice, "{eve}", eve, "{owner}", env.Owner, "{db}", env.Database).Replace(`
		create role {alice} login; create role {eve} login; grant connect on database {db} to {alice}, {eve}; grant usage on schema app to {alice};
		set role {owner};
		create table app.salaries (name text, pay text); create view app.names as select name from app.salaries; grant select on app.names to {alice};
		create function app.tell() returns bigint security definer language plpgsql as $$ begin return count(*) from app.salaries; end $$;
		revoke execute on function app.tell() from public; grant execute on function app.tell() to {alice};
		create table app.own (who text); alter table app.own enable row level security; create policy mine on app.own to {alice} using (who = current_user);
		grant select on app.own to {alice}`))
	as := env.Connect(t, alice)
	exec(t, as, "select name from app.names")
	cannot(t, as, "select name from app.salaries")

	through := "through view app.names, owned by " + env.Owner + ": "
	on(t, env, "explain", alice, "app.salaries").want(t, 0, through, "")
	r := on(t, env, "who", "SELECT", "app.salaries")
	r.want(t, 0, through, "")
	r.want(t, 0, "possible: through function app.tell(), owned by "+env.Owner+": ", "")
	if strings.Contains(r.stdout, eve) {
		t.Errorf("%s can do nothing:\n%s", eve, r.stdout)
	}
	on(t, env, "explain", alice).want(t, 0, "possible: all that function app.tell(), owned by "+env.Owner+" can do with ", "")
	on(t, env, "explain", alice, "app.own").want(t, 0, "row-level security: policies apply: mine", "")
	on(t, env, "explain", env.Owner, "app.own").want(t, 0, "row-level security: bypassed: owner", "")
	on(t, env, "explain", eve, "app.own").want(t, 0, "row-level security: no policy applies: no rows are seen", "")

	env.Exec(t, "revoke select on app.names from "+alice)
	cannot(t, as, "select name from app.names")
	if r := on(t, env, "explain", alice, "app.salaries"); strings.Contains(r.stdout, "through view") {
		t.Errorf("after REVOKE:\n%s", r.stdout)
	}
}

// A row for a view that needs more of its reader than the row gives says so, until that is granted.
func TestLackingBehindView(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	if env.Version < 15 {
		t.Skip("no security_invoker before PostgreSQL 15")
	}
	bob := env.Role("bob")
	give(t, env, conn, bob)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 'shy')", bob)
	env.Exec(t, "set role "+env.Owner+"; create view app.shy with (security_invoker) as select id from app.t2")
	on(t, env, "sync").want(t, 0, "*", "*")
	as := env.Connect(t, bob)
	reason := func() string {
		t.Helper()
		var status, reason string
		if err := conn.QueryRow(t.Context(), "select status, coalesce(reason, '') from sync_roles.grant_status where object_name = 'shy'").Scan(&status, &reason); err != nil {
			t.Fatal(err)
		}
		return status + ": " + reason
	}
	cannot(t, as, "select id from app.shy")
	lacking := bob + " has no SELECT on table app.t2"
	if got := reason(); got != "applied: granted, but of no use yet: "+lacking {
		t.Errorf("grant_status: %q", got)
	}
	on(t, env, "explain", bob, "app.shy").want(t, 0, "in the way: "+lacking, "")
	on(t, env, "who", "SELECT", "app.shy").want(t, 0, "in the way: "+lacking, "")

	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 't2')", bob)
	on(t, env, "sync").want(t, 0, "*", "*")
	exec(t, as, "select id from app.shy")
	if got := reason(); got != "applied: " {
		t.Errorf("grant_status, with all that the view needs: %q", got)
	}
	if r := on(t, env, "who", "SELECT", "app.shy"); strings.Contains(r.stdout, lacking) {
		t.Errorf("with all that the view needs:\n%s", r.stdout)
	}
}

func cannot(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	var pgErr *pgconn.PgError
	if _, err := conn.Exec(t.Context(), sql); !errors.As(err, &pgErr) || pgErr.Code != "42501" {
		t.Errorf("%s: %v, want permission denied", sql, err)
	}
}
