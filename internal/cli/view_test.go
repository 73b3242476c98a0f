package cli_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// Who reads a table but for some columns is offered a view, which shows those that it may read, and the row that lets it.
func TestExplainView(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	env.Exec(t, "create role "+alice+" login; grant connect on database "+env.Database+" to "+alice)
	if env.Version >= 16 {
		env.Exec(t, "grant "+alice+" to "+env.Daemon+" with admin true, inherit false, set false")
	}
	env.Exec(t, `set role `+env.Owner+`; grant usage on schema app to public; create table app."peo""ple" (id int, "e-mail" text, "na""me" text)`)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, except_columns) values ($1, 'SELECT', 'table', 'app', 'peo"ple', '{e-mail}')`, alice)
	on(t, env, "sync").want(t, 0, alice, "")
	if env.Can(t, alice, `select * from app."peo""ple"`) {
		t.Error("SELECT * is allowed")
	}
	view := on(t, env, "explain", alice, `app."peo""ple"`, "--view", `"People"`)
	view.want(t, 0, "CREATE VIEW", "")
	env.Exec(t, "set role "+env.Owner+"; grant usage, create on schema app to "+env.Daemon)
	exec(t, conn, view.stdout)
	on(t, env, "sync").want(t, 0, "*", "")
	if !env.Can(t, alice, `select id, "na""me" from (select * from app."People") as p`) || pgtest.One[bool](t, conn, `select exists (select from pg_attribute where attrelid = 'app."People"'::regclass and attname = 'e-mail')`) {
		t.Error("the view does not have the columns that may be read")
	}
	on(t, env, "explain", alice, "app.nothing", "--view", "x").want(t, 1, "", "there is no such table")
	on(t, env, "explain", "public", `app."peo""ple"`, "--view", "x").want(t, 1, "", "may read no column")
	call(t, "explain", alice, "--view", "x").want(t, 64, "", "--view is for a table")
	call(t, "explain", alice, "schema:app", "--view", "x").want(t, 64, "", "--view is for a table")
	call(t, "explain", alice, "app.t", "--view", "schema:x").want(t, 64, "", "the name of a view is wanted")
}
