package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// Who can SET ROLE to a superuser can do everything, also where the membership has INHERIT.
func TestExplainSuperuser(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	super, member, group, shut := env.Role("super"), env.Role("member"), env.Role("group"), env.Role("shut")
	env.Exec(t, "create role "+super+" superuser; create role "+member+" login; create role "+group+"; create role "+shut+" login; grant "+super+" to "+group+"; grant "+group+" to "+member)
	way := "after SET ROLE " + super + ": member of " + group + " (INHERIT, SET) → member of " + super + " (INHERIT, SET) → a superuser"
	on(t, env, "explain", member, "app.t1").want(t, 0, "SELECT: only after SET ROLE\n   │  └─ "+way+"\n", "")
	on(t, env, "who", "DELETE", "app.t1").want(t, 0, member+"\n│  ├─ "+way+"\n", "")
	on(t, env, "explain", group).want(t, 0, "member of "+super+" (INHERIT, SET), a superuser\n", "")

	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 't1')", member)
	on(t, env, "sync").want(t, 0, member, "")
	r := on(t, env, "explain", member)
	r.want(t, 0, "everything\n│  └─ "+way+"\n", "")
	if strings.Count(r.stdout, "superuser") != 1 || !strings.Contains(r.stdout, "granted to "+member) {
		t.Errorf("the superuser is told of with each object, or app.t1 is not: %s", r.stdout)
	}
	var x explain.Explanation
	r = on(t, env, "explain", group, "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &x); err != nil || len(x.Memberships) != 1 || !x.Memberships[0].Superuser || len(x.Everything) != 1 || x.Everything[0].SetRole != super {
		t.Errorf("%v: %+v", err, r)
	}

	if env.Version < 16 {
		return
	}
	env.Exec(t, "grant "+super+" to "+shut+" with inherit true, set false")
	on(t, env, "explain", shut, "app.t1").want(t, 0, "SELECT: no", "")
	r = on(t, env, "explain", shut)
	r.want(t, 0, "member of "+super+" (INHERIT), a superuser", "")
	if strings.Contains(r.stdout, "everything") {
		t.Errorf("%s cannot SET ROLE %s: %s", shut, super, r.stdout)
	}
}
