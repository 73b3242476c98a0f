package cli_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// explain names the way by which a role has its access, the row behind each step, and what is in the way.
func TestExplain(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, team, bob := env.Role("alice"), env.Role("team"), env.Role("bob")
	exec(t, conn, "insert into sync_roles.desired_roles (role_name, login) values ($1, true), ($2, true)", alice, bob)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, direct, note) values
		($1, 'MEMBER', 'role', null, $2, 'exact', null, 'JIRA-1'), ($2, 'SELECT', 'table', 'app', 't%', 'like', null, 'JIRA-2'),
		($1, 'INSERT', 'table', 'app', 't1', 'exact', true, 'JIRA-3'), ($1, 'CONNECT', 'database', null, $3, 'exact', null, null)`, alice, team, env.Database)
	on(t, env, "sync").want(t, 0, alice, "")
	env.Exec(t, "grant usage on schema app to public; grant update on app.t1 to public; revoke connect on database "+env.Database+" from "+bob)

	r := on(t, env, "explain", alice, "app.t1")
	for _, words := range []string{
		"table app.t1", "SELECT: yes", "member of " + team + " (INHERIT, SET) [row 1 by " + env.Daemon + ": JIRA-1] → member of _pgsr_", "JIRA-2",
		"INSERT: yes", "granted to " + alice + " by " + env.Owner + " [row 3 by " + env.Daemon + ": JIRA-3]", "UPDATE: yes", "PUBLIC", "DELETE: no",
	} {
		if !strings.Contains(r.stdout, words) {
			t.Errorf("it does not say %q", words)
		}
	}
	r.want(t, 0, "*", "")
	if strings.Contains(r.stdout, "in the way") {
		t.Error("something is in the way")
	}
	if t.Failed() {
		t.Log(r.stdout)
	}
	env.Exec(t, "revoke usage on schema app from public; revoke usage on schema app from "+team)
	on(t, env, "explain", alice, "app.t1").want(t, 0, "in the way: no USAGE on schema app", "")
	on(t, env, "explain", bob, "app.t1").want(t, 0, "in the way: no CONNECT on database "+env.Database, "")
	on(t, env, "explain", bob, "t1").want(t, 0, "SELECT: no", "")
	on(t, env, "explain", alice, "role:"+team).want(t, 0, "INHERIT: yes", "")
	on(t, env, "explain", bob, "role:"+team).want(t, 0, "SET: no", "")
	on(t, env, "explain", "public", "app.t1").want(t, 0, "UPDATE: yes", "")
	on(t, env, "explain", "postgres").want(t, 0, "a superuser: it can do everything", "")
	on(t, env, "explain", alice).want(t, 0, "member of "+team, "")

	on(t, env, "explain", env.Role("nobody")).want(t, 1, "", "does not exist")
	on(t, env, "explain", alice, "app.nothing").want(t, 1, "", "table app.nothing does not exist")
	on(t, env, "explain", alice, "app").want(t, 1, "", "there is schema:app")
	on(t, env, "explain", alice, "pg_catalog.pg_class").want(t, 1, "", "PostgreSQL's own")
	on(t, env, "explain", alice, "view:app.t1").want(t, 64, "", `"view" is no object type`)
	on(t, env, "explain", alice, "a.b.c").want(t, 64, "", "quoted as in SQL")
	on(t, env, "explain").want(t, 64, "", "Try: pg-sync-roles explain --help")
}

// The JSON has the same.
func TestExplainJSON(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	on(t, env, "sync").want(t, 0, alice, "")
	env.Exec(t, `set role `+env.Owner+`; create table app."Odd "".name" (id int); grant select (id) on app."Odd "".name" to `+alice)
	var x explain.Explanation
	r := on(t, env, "explain", alice, `app."Odd "".name"`, "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &x); err != nil || r.code != 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	i := slices.IndexFunc(x.Objects[0].Privileges, func(p explain.Privilege) bool { return p.Column == "id" })
	if x.Role != alice || !x.Login || len(x.Objects) != 1 || x.Objects[0].Name != `Odd ".name` || i < 0 || !x.Objects[0].Privileges[i].Has || x.Objects[0].Privileges[0].Has {
		t.Errorf("it says %s", r.stdout)
	}
	r = on(t, env, "explain", alice, "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &x); err != nil || r.code != 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	rows := map[string]int64{}
	for _, o := range x.Objects {
		for _, p := range o.Privileges {
			for _, w := range p.Paths {
				for _, row := range w.Rows {
					rows[string(o.Type)+" "+o.Name+" "+p.Privilege] = row.ID
				}
			}
		}
	}
	if len(rows) != 3 || rows["table t1 SELECT"] != 3 {
		t.Errorf("the rows behind what alice has are %v", rows)
	}
}

// who is the other way round.
func TestWho(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob, team := env.Role("alice"), env.Role("bob"), env.Role("team")
	give(t, env, conn, alice)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note) values
		($1, 'SELECT', 'table', 'app', 't1', 'JIRA-5'), ($2, 'MEMBER', 'role', null, $1, null)`, team, bob)
	on(t, env, "sync").want(t, 0, alice, "")
	var list []explain.ObjectHolders
	r := on(t, env, "who", "select", "app.t1", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || r.code != 0 || len(list) != 1 {
		t.Fatalf("%v: %+v", err, r)
	}
	found := map[string]explain.Holder{}
	for _, h := range list[0].Roles {
		found[h.Role] = h
	}
	for _, role := range []string{alice, bob, team, env.Owner, env.Daemon, "postgres", "pg_read_all_data"} {
		if !found[role].Has {
			t.Errorf("%s is not found", role)
		}
	}
	if h := found[bob]; h.Paths[0].Rows[0].Note != "JIRA-5" || h.Paths[0].Memberships[0].Role != team || len(h.BlockedBy) != 1 || len(h.Paths[0].BlockedBy) != 1 {
		t.Errorf("bob: %+v", h)
	}
	if _, ok := found["public"]; ok || len(found[alice].BlockedBy) != 0 {
		t.Errorf("PUBLIC, or something in alice's way: %s", r.stdout)
	}
	env.Exec(t, "grant select on app.t1 to public")
	on(t, env, "who", "SELECT", "app.t1").want(t, 0, "PUBLIC: every role", "")
	on(t, env, "who", "SELECT", "app.t2").want(t, 0, "SELECT on table app.t2", "")
	on(t, env, "who", "USAGE", "schema:app").want(t, 0, alice, "")
	on(t, env, "who", "EXECUTE", "app.t1").want(t, 1, "", "object type table has no privilege EXECUTE on this server: it has SELECT, INSERT, ")
	on(t, env, "who", "SELECT", "app.t9").want(t, 1, "", "does not exist")
	on(t, env, "who", "MEMBER", "role:"+team).want(t, 64, "", "explain ROLE role:GROUP")
	if env.Version >= 15 {
		on(t, env, "explain", bob, "parameter:work_mem").want(t, 0, "every role may SET this parameter", "")
		on(t, env, "explain", bob, "parameter:log_statement").want(t, 0, "SET: no", "")
	}
	if strings.Contains(on(t, env, "who", "SELECT", "app.t2").stdout, alice) {
		t.Error("alice can read t2")
	}
}
