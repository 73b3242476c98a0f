package cli_test

import (
	"context"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// another makes one more database of the test's daemon, with the schema in it, and returns its URL.
func another(t *testing.T, env *pgtest.Env) string {
	t.Helper()
	name := env.Prefix + "another"
	super := env.Superuser(t)
	exec(t, super, "create database "+name+" owner "+env.Daemon)
	t.Cleanup(func() {
		if _, err := super.Exec(context.WithoutCancel(t.Context()), "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	url := elsewhere(env, name)
	call(t, "migrate", "-d", url).want(t, 0, "has version", "")
	return url
}

// A role is retired in all databases that are given: first one daemon is down, which is what the command waits for.
func TestRetire(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	url := another(t, env)
	alice, heir := env.Role("alice"), env.Role("heir")
	give(t, env, conn, alice)
	stop := start(t, "-d", env.URL(env.Daemon))
	defer stop()
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	session := env.Connect(t, alice)
	env.Exec(t, "create role "+heir)
	if env.Version >= 16 {
		env.Exec(t, "grant "+heir+" to "+env.Daemon+" with admin true")
	}
	there := connectTo(t, url)
	exec(t, there, "create schema theirs; grant usage on schema theirs to "+alice)

	r := call(t, "retire", alice, "--reassign-to", heir, "--timeout", "3s", "-d", env.URL(env.Daemon), "-d", url)
	r.want(t, 1, "is its daemon running?", "*")
	r.want(t, 1, "retiring: has privileges on 1 object in database", "*")
	if _, err := session.Exec(t.Context(), "select 1"); err == nil {
		t.Error("the session of the retired role goes on")
	}
	defer start(t, "-d", url)()
	r = call(t, "retire", alice, "-d", env.URL(env.Daemon), "-d", url)
	r.want(t, 0, "has gone", "*")
	if pgtest.One[bool](t, conn, "select exists (select from pg_roles where rolname = $1)", alice) {
		t.Error("the role is there, and retire says that it has gone")
	}
	if to := pgtest.One[string](t, conn, "select reassign_to from sync_roles.desired_roles where role_name = $1", alice); to != heir {
		t.Errorf("a call without --reassign-to has made it %q", to)
	}
	// Gone is gone; its rows say that they give nothing.
	call(t, "retire", alice, "-d", env.URL(env.Daemon), "-d", url).want(t, 0, "has gone", "*")
	until(t, conn, "select not exists (select from sync_roles.pending)")
	on(t, env, "status", alice).want(t, 2, "rows of desired_grants for it give nothing", "")
	exec(t, conn, "delete from sync_roles.desired_grants where role_name = $1", alice)
	exec(t, conn, "select sync_roles.wait_for_sync($1)", alice)
	on(t, env, "status", alice).want(t, 0, "in_sync", "")
}

// What cannot be retired is an error, and nothing is written, in no database.
func TestRetireRefused(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	env.Exec(t, "create role "+alice)
	on(t, env, "retire", env.Role("nobody")).want(t, 1, "", "neither exists nor has a row")
	on(t, env, "retire", alice, "postgres").want(t, 1, "", "is a superuser")
	on(t, env, "retire", alice, "--reassign-to", alice).want(t, 1, "", "is the role itself")
	on(t, env, "retire", alice, env.Daemon).want(t, 1, "", "runs pg-sync-roles")
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_roles"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	on(t, env, "retire", alice, "--timeout", "0s").want(t, 1, "pending", "")
	on(t, env, "explain", alice).want(t, 0, "*", "is retired")
}
