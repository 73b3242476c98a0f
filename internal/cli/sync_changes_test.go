package cli_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sync names what it gave and took away, to whom; and a role that is in order already is not in it.
func TestSyncNamesWhatChanged(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob, group := env.Role("alice"), env.Role("bob"), env.Role("group")
	give(t, env, conn, bob)
	on(t, env, "sync").want(t, 0, bob, "")
	env.Exec(t, "create role "+alice+"; create role "+group+"; grant select on app.t2 to "+alice+" with grant option")
	if env.Version >= 16 {
		env.Exec(t, fmt.Sprintf("grant %s, %s to %s with admin true, inherit false, set false", alice, group, env.Daemon))
	}
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name) values
		($1, 'USAGE', 'schema', null, 'app', null), ($1, 'SELECT', 'table', 'app', 't1', 'id'), ($1, 'INSERT', 'table', 'app', 't1', null),
		($1, 'MEMBER', 'role', null, $2, null), ($1, 'OWNER', 'table', 'app', 't1', null)`, alice, group)
	exec(t, conn, "insert into sync_roles.desired_roles (role_name, login, revoke_other) values ($1, true, '{tables}')", alice)
	r := on(t, env, "sync")
	r.want(t, 0, "applied", "")
	for _, want := range []string{
		"+ USAGE on schema app", "+ MEMBER of role " + group, "+ OWNER of table app.t1", "- SELECT on table app.t2", "ALTER ROLE \"" + alice + "\" LOGIN",
	} {
		if !slices.Contains(strings.Split(r.stdout, "\n"), "  "+want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, bob) {
		t.Errorf("it names a role of which nothing changed:\n%s", r.stdout)
	}
	if env.Can(t, alice, "select from app.t2") {
		t.Error("what it says it took away is there")
	}
	on(t, env, "sync").want(t, 0, "Nothing to do.", "")

	exec(t, conn, "delete from sync_roles.desired_grants where role_name = $1 and privilege in ('USAGE', 'MEMBER')", alice)
	r = on(t, env, "sync", alice, "--output", "json")
	r.want(t, 0, alice, "")
	var rows []struct {
		Role    string   `json:"role_name"`
		Changes []string `json:"changes"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &rows); err != nil {
		t.Fatal(err)
	}
	want := []string{"- USAGE on schema app", "- MEMBER of role " + group}
	if len(rows) != 1 || rows[0].Role != alice || !slices.Equal(rows[0].Changes, want) {
		t.Errorf("got %+v, want %s: %q", rows, alice, want)
	}
}

// Much is shortened, and the rest is there for who asks.
func TestSyncShortensManyChanges(t *testing.T) {
	t.Parallel()
	for _, verbose := range []bool{false, true} {
		env, conn := installed(t)
		exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
			select $1 || n, 'CONNECT', 'database', current_database() from generate_series(1, 15) as n`, env.Role("user"))
		args := []string{"sync"}
		if verbose {
			args = append(args, "--verbose")
		}
		r := on(t, env, args...)
		r.want(t, 0, "+ CONNECT on database", "")
		shown := strings.Count(r.stdout, "\n  ")
		if cut := strings.Contains(r.stdout, "and 10 more; --verbose names all\n"); verbose != (shown == 30) || verbose == cut || !verbose && shown != 20 {
			t.Errorf("verbose %t: %d changes are shown:\n%s", verbose, shown, r.stdout)
		}
	}
}

// With a role that is blocked or refused, nothing is as it should be, although nothing can be done.
func TestSyncThatCanDoNothing(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	refused(t, conn, env.Role("bob"))
	on(t, env, "sync").want(t, 1, "refused", "not as desired")
	r := on(t, env, "sync")
	r.want(t, 1, "Nothing changed.", "not as desired")
	if strings.Contains(r.stdout, "Nothing to do") {
		t.Errorf("it says that there is nothing to do:\n%s", r.stdout)
	}
}
