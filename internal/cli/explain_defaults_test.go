package cli_test

import (
	"strings"
	"testing"
)

// explain and who list default privileges, the daemon's and others'.
func TestExplainDefaultPrivileges(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	give(t, env, conn, alice)
	env.Exec(t, "create role "+bob+" login; set role "+env.Owner+"; alter default privileges grant insert on tables to "+bob+"; reset role")
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, at_creation) values ($1, 'SELECT', 'table', 'app', '%', 'like', true)", alice)
	on(t, env, "sync").want(t, 0, "SELECT on each new table of role "+env.Owner+" in schema app", "")
	each := "each new table of " + env.Owner
	on(t, env, "explain", alice).want(t, 0, each+" in schema app", "")
	on(t, env, "explain", alice, "app.t1").want(t, 0, each+" in schema app", "")
	on(t, env, "explain", bob, "app.t1").want(t, 0, each+"\n   └─ INSERT: yes", "")
	on(t, env, "who", "SELECT", "app.t1").want(t, 0, alice+", on "+each+" in schema app", "")
	on(t, env, "who", "INSERT", "app.t1").want(t, 0, bob+", on "+each, "")
	on(t, env, "who", "DELETE", "app.t1").want(t, 0, "*", "")
	if r := on(t, env, "explain", bob, "schema:app"); r.code != 0 || strings.Contains(r.stdout, "each new") {
		t.Errorf("of a schema: %+v", r)
	}
	on(t, env, "explain", alice, "--output", "json").want(t, 0, `"new_objects": [`, "")
}
