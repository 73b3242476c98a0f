package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// What a row asks for and the role has not, is named with the row's status.
func TestExplainWhatIsMissing(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	env.Exec(t, "create table app.theirs (id int)")
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note) values ($1, 'SELECT', 'table', 'app', 'theirs', 'JIRA-4')", alice)
	on(t, env, "sync").want(t, 1, "blocked", "not as desired")
	on(t, env, "explain", alice, "app.theirs").want(t, 0, "asked for by row 1 by "+env.Daemon+": JIRA-4, which is blocked: table app.theirs belongs to role postgres", "")
}

// No row for the object is left out, whatever it asks for and for whomever of those whose access the role has.
func TestExplainRowsThatAreNotFulfilled(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, team, all := env.Role("alice"), env.Role("team"), env.Role("all")
	env.Exec(t, "create table app.theirs (id int, price int); create role "+alice+" login; create role "+team+"; grant "+team+" to "+alice+"; grant select on app.theirs to "+alice)
	insert := func(role, privilege, column string, grantable bool) {
		t.Helper()
		exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, grantable)
			values ($1, $2, 'table', 'app', 'theirs', nullif($3, ''), $4)`, role, privilege, column, grantable)
	}
	insert(alice, "UPDATE", "price", false) // 1
	insert(alice, "UPDATE", "nothing", false)
	insert(alice, "OWNER", "", false) // 3
	insert(team, "SELECT", "", false)
	insert(team, "INSERT", "", false) // 5
	insert("public", "DELETE", "", false)
	insert(team, "SELECT", "price", false) // 7
	insert(alice, "SELECT", "", true)
	insert(all, "ALL", "", false)                                                                                                                                                              // 9
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'MEMBER', 'role', 'pg_monitor'), ($1, 'MEMBER', 'role', $2)", team, all) // 10, 11
	on(t, env, "sync").want(t, 1, "blocked", "not as desired")

	r := on(t, env, "explain", alice, "app.theirs")
	r.want(t, 0, "*", "")
	row := func(id, status string) string {
		return "asked for by row " + id + " by " + env.Daemon + ", which is " + status + ": "
	}
	const theirs = "table app.theirs belongs to role postgres"
	for _, lines := range []string{
		"UPDATE (price): no\n   │  └─ " + row("1", "blocked") + theirs,
		"UPDATE (nothing): no\n   │  └─ " + row("2", "waiting"),
		"OWNER: no\n   │  └─ " + row("3", "blocked") + "it belongs to role postgres",
		"for " + team + ": " + row("4", "blocked") + theirs,
		"INSERT: no\n   │  ├─ for " + team + ": " + row("5", "blocked") + theirs,
		"for PUBLIC: " + row("6", "blocked") + theirs,
		"SELECT (price): yes\n   │  ├─ granted to " + alice + " by postgres",
		"for " + team + ": " + row("7", "blocked") + theirs,
		"SELECT: yes\n   │  ├─ granted to " + alice + " by postgres [row 8 by " + env.Daemon + "]",
		"asked for with grant option by row 8 by " + env.Daemon + ", which is blocked: " + theirs,
		"TRUNCATE: no\n   │  └─ for " + all + ": " + row("9", "blocked") + theirs,
	} {
		if !strings.Contains(r.stdout, lines) {
			t.Errorf("it does not say %q", lines)
		}
	}
	if t.Failed() {
		t.Log(r.stdout)
	}
	on(t, env, "explain", alice, "role:pg_monitor").want(t, 0, "SET: no\n      └─ for "+team+": asked for by row 10 by "+env.Daemon+", which is refused: role pg_monitor", "")

	var x explain.Explanation
	r = on(t, env, "explain", "public", "app.theirs", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &x); err != nil || r.code != 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	for _, p := range x.Objects[0].Privileges {
		if want := p.Privilege == "DELETE"; (len(p.Unfulfilled) == 1 && p.Unfulfilled[0].Role == "public" && p.Unfulfilled[0].ID == 6) != want || !want && len(p.Unfulfilled) > 0 {
			t.Errorf("PUBLIC's %s is asked for by %+v", p.Privilege, p.Unfulfilled)
		}
	}

	// What is fulfilled is not asked for.
	env.Exec(t, "alter table app.theirs owner to "+env.Owner+"; alter table app.theirs add nothing int; grant create on schema app to "+alice+"; grant "+alice+" to "+env.Daemon)
	on(t, env, "sync").want(t, 1, "refused", "not as desired")
	r = on(t, env, "explain", alice, "app.theirs")
	r.want(t, 0, "*", "")
	if strings.Contains(r.stdout, "asked for") {
		t.Errorf("all is fulfilled: %s", r.stdout)
	}
}

// Each of several routines of one name has its rows. What an owner was asked for is fulfilled by what it has as the owner.
func TestExplainRowsOfRoutinesAndOwners(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, keeper := env.Role("alice"), env.Role("keeper")
	env.Exec(t, "create role "+alice+"; create role "+keeper+"; create table app.kept (id int); alter table app.kept owner to "+keeper)
	env.Exec(t, `create function app.f(int) returns int language sql as 'select 1'; create function app.f(text) returns int language sql as 'select 1';
		revoke execute on all functions in schema app from public`)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, grantable) values
		($1, 'EXECUTE', 'routine', 'app', 'f(integer)', false), ($1, 'EXECUTE', 'routine', 'app', 'f(text)', false), ($2, 'SELECT', 'table', 'app', 'kept', true)`, alice, keeper)
	r := on(t, env, "explain", alice, "routine:app.f")
	r.want(t, 0, "asked for by row 1 by "+env.Daemon, "")
	r.want(t, 0, "asked for by row 2 by "+env.Daemon, "")
	r = on(t, env, "explain", keeper, "app.kept")
	r.want(t, 0, "the owner [row 3 by "+env.Daemon+"]", "")
	if strings.Contains(r.stdout, "asked for") {
		t.Errorf("the owner has it: %s", r.stdout)
	}
}
