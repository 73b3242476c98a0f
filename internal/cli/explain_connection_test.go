package cli_test

import (
	"testing"
)

// A row that goes away while explain runs is still there for it: it sees one moment.
func TestExplainSeesOneMoment(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	env.Exec(t, "create role "+alice)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 't1')", alice)
	super := env.Superuser(t)
	exec(t, super, "begin; lock sync_roles.audit") // where it reads the row's status
	done := make(chan result)
	go func() { done <- on(t, env, "explain", alice, "app.t1") }()
	until(t, conn, "select exists (select from pg_locks where relation = 'sync_roles.audit'::regclass and not granted)")
	exec(t, super, "delete from sync_roles.desired_grants; commit")
	(<-done).want(t, 0, "asked for by row 1 by "+env.Daemon+", which is pending", "")
}

// What the user has in search_path does not count.
func TestExplainWithASearchPath(t *testing.T) {
	t.Parallel()
	env, _ := installed(t)
	alice := env.Role("alice")
	env.Exec(t, "create role "+alice+"; create schema mine; grant usage on schema mine to public; grant select on app.t1 to "+alice+`;
		create function mine.current_database() returns name language sql as $$ select 'elsewhere' $$;
		alter role `+env.Daemon+" in database "+env.Database+" set search_path = mine, pg_catalog")
	on(t, env, "explain", alice, "app.t1").want(t, 0, "no CONNECT on database "+env.Database, "")
	on(t, env, "who", "SELECT", "app.t1").want(t, 0, "no CONNECT on database "+env.Database, "")
}

// A lock that is not to be had is not waited for without end.
func TestExplainDoesNotWait(t *testing.T) {
	t.Parallel()
	env, _ := installed(t)
	super := env.Superuser(t)
	exec(t, super, "begin; lock sync_roles.intermediate_roles")
	on(t, env, "explain", env.Daemon, "app.t1").want(t, 1, "", "lock timeout")
	exec(t, super, "rollback")
}
