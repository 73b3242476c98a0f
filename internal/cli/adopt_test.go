package cli_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// adopt takes over what roles hold; plan is empty afterwards, and access as it was.
func TestAdopt(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	env.Exec(t, "create role "+alice+" login; create role "+bob+" login; grant connect on database "+env.Database+" to "+alice+"; grant usage on schema app to "+alice+"; grant select on app.t1 to "+alice)
	on(t, env, "adopt", "postgres").want(t, 1, "", "superusers are never managed")
	on(t, env, "adopt", alice, env.Role("nobody")).want(t, 1, "", "does not exist")
	on(t, env, "adopt", alice).want(t, 0, "Adopted 1 role with 3 rows", "")
	on(t, env, "plan").want(t, 0, "Nothing to do", "")
	on(t, env, "adopt", alice).want(t, 0, "with 0 rows", "")
	if !env.Can(t, alice, "select from app.t1") {
		t.Error("alice cannot read")
	}
	if pgtest.One[bool](t, conn, "select exists (select from sync_roles.desired_roles where role_name = $1)", bob) {
		t.Error("bob was adopted, too")
	}

	env.Exec(t, "grant select on pg_authid to "+bob+`; create schema "s(x)"; create function "s(x)"."f(x)"() returns int language sql as 'select 1'; grant execute on function "s(x)"."f(x)"() to `+bob)
	r := on(t, env, "adopt", bob)
	r.want(t, 1, "Adopted 1 role with 0 rows", "rows cannot name it")
	for _, word := range []string{"pg_authid", "NOT ADOPTED", "LEFT ALONE", "2 grants cannot be expressed as rows"} {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("stderr does not say %s:\n%s", word, r.stderr)
		}
	}
	// Either alone is left out, too.
	carol := env.Role("carol")
	env.Exec(t, "create role "+carol+"; grant select on pg_authid to "+carol)
	r = on(t, env, "adopt", carol)
	r.want(t, 1, "Adopted 1 role", "1 grant cannot be expressed as rows")
	env.Exec(t, "revoke select on pg_authid from "+carol)
	on(t, env, "adopt", carol).want(t, 0, "Adopted 1 role", "")

	exec(t, conn, "delete from sync_roles.desired_grants where role_name = $1 and object_type = 'table'", alice)
	on(t, env, "sync").want(t, 0, alice, "")
	if env.Can(t, alice, "select from app.t1") {
		t.Error("alice can still read")
	}
}

// --all is everybody but those who are never managed.
func TestAdoptAll(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	env.Exec(t, "create role "+alice+" login; create role "+env.Role("super")+" superuser")
	r := on(t, env, "adopt", "--all") // other tests' roles too, which may have what rows cannot say
	if !strings.HasPrefix(r.stdout, "Adopted ") {
		t.Errorf("not adopted: %+v", r)
	}
	for role, want := range map[string]bool{alice: true, env.Owner: true, env.Role("super"): false, env.Daemon: false, "postgres": false, "pg_monitor": false, "_pgsr_lock": false, "public": false} {
		if got := pgtest.One[bool](t, conn, "select exists (select from sync_roles.desired_roles where role_name = $1)", role); got != want {
			t.Errorf("%s is adopted: %t, want %t", role, got, want)
		}
	}
}
