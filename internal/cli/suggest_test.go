package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// What adopt --suggest prints is run as it is; then plan shows the change, sync does it, and there is nothing more to suggest.
func TestAdoptSuggest(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob, mart := env.Role("alice"), env.Role("bob's"), env.Role("mart")
	env.Exec(t, "create role "+alice+` login; create role "`+bob+`" login; create schema `+mart+" authorization "+env.Owner+"; set role "+env.Owner+"; create table "+mart+".a (); create table "+mart+`.b (); create table `+mart+".c ()")
	env.Exec(t, "grant connect on database "+env.Database+" to "+alice+`, "`+bob+`"; grant usage on schema `+mart+" to "+alice+`, "`+bob+`"; grant select on all tables in schema `+mart+" to "+alice+`, "`+bob+`"`)
	if env.Version >= 16 {
		env.Exec(t, "grant "+alice+`, "`+bob+`" to `+env.Daemon+" with admin true, inherit false, set false")
	}
	on(t, env, "adopt", "--suggest", "--patterns").want(t, 64, "", "patterns")
	on(t, env, "adopt", "--output", "json", alice).want(t, 64, "", "--suggest")
	on(t, env, "adopt", "--suggest", alice).want(t, 0, "-- No roles hold so much alike", "")

	printed := on(t, env, "adopt", "--suggest", alice, bob)
	printed.want(t, 0, "BEGIN;\n", "")
	if !strings.Contains(printed.stdout, "-- 1 of 1: "+mart+"_reader, a new group, for 2 roles with the same 3 privileges\n") {
		t.Errorf("printed is:\n%s", printed.stdout)
	}
	var list []struct {
		Group      string
		Members    []string
		Statements []string
	}
	if err := json.Unmarshal([]byte(on(t, env, "adopt", "--suggest", "--output", "json", alice, bob).stdout), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || strings.Join(list[0].Members, " ") != alice+" "+bob || len(list[0].Statements) < 4 {
		t.Errorf("in JSON it is %+v", list)
	}
	if pgtest.One[bool](t, conn, "select exists (select from sync_roles.desired_grants) or exists (select from pg_roles where rolname = $1)", mart+"_reader") {
		t.Error("something has changed")
	}

	exec(t, conn, printed.stdout)
	on(t, env, "plan").want(t, 2, "REVOKE", "")
	on(t, env, "sync").want(t, 0, "applied", "")
	on(t, env, "plan").want(t, 0, "Nothing to do", "")
	for _, role := range []string{alice, bob} {
		for _, table := range []string{"a", "b", "c"} {
			if !env.Can(t, role, "select from "+mart+"."+table) {
				t.Errorf("%s cannot read %s", role, table)
			}
		}
	}
	on(t, env, "adopt", "--suggest", alice, bob, mart+"_reader").want(t, 0, "-- No roles hold so much alike", "")
	exec(t, conn, "delete from sync_roles.desired_grants where role_name = $1 and privilege = 'MEMBER'", bob)
	on(t, env, "sync").want(t, 0, "applied", "")
	if env.Can(t, bob, "select from "+mart+".a") || !env.Can(t, alice, "select from "+mart+".a") {
		t.Error("bob can read without being a member, or alice cannot")
	}
}
