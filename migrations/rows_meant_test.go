package migrations_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A word that is nearly right is refused with the one that was meant; one that is right, in the wrong place, with none.
func TestRowsThatAreNearlyRight(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	good := grantRow("alice")
	for _, c := range []struct {
		wrong row
		want  string
	}{
		{row{"privilege": "select"}, "did you mean 'SELECT'?"},
		{row{"privilege": " Select"}, "did you mean 'SELECT'?"},
		{row{"privilege": "all privileges"}, "did you mean 'ALL'?"},
		{row{"privilege": "TEMP", "object_type": "database", "schema_name": nil}, "did you mean 'TEMPORARY'?"},
		{row{"privilege": "alter system"}, "did you mean 'ALTER SYSTEM'?"},
		{row{"object_type": "view"}, "did you mean 'table'?"},
		{row{"object_type": "TABLES"}, "did you mean 'table'?"},
		{row{"object_type": "function"}, "did you mean 'routine'?"},
		{row{"object_type": "foreign data wrapper"}, "did you mean 'foreign_data_wrapper'?"},
		{row{"object_type": "user"}, "did you mean 'role'?"},
		{row{"name_match": "LIKE"}, "did you mean 'like'?"},
	} {
		err := good.with(c.wrong).try(t, conn, "desired_grants")
		if wantError(t, err, c.want); sqlState(err) != "23514" {
			t.Errorf("%v: SQLSTATE %q", c.wrong, sqlState(err))
		}
	}
	for _, wrong := range []row{{"privilege": "EXECUTE"}, {"privilege": "x"}, {"object_type": "x"}} {
		if text := everything(good.with(wrong).try(t, conn, "desired_grants")); strings.Contains(text, "did you mean") {
			t.Errorf("%v: %s", wrong, text)
		}
	}
	if err := good.try(t, conn, "desired_grants"); err != nil {
		t.Error(err)
	}
}

// What is allowed, and probably means something else, is said in grant_status, and only there and then.
func TestRowsThatLookLikeSomethingElse(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "set jit = off") // the view costs more to compile than to run
	env.Exec(t, `create schema app authorization `+env.Owner+`; set role `+env.Owner+`; create table app."50%" (id int); create table app.t1 (id int)`)
	good := grantRow(env.Role("alice")).with(row{"schema_name": "app", "object_name": "t1"})
	for _, c := range []struct {
		odd  row
		want string
	}{
		{row{"role_name": "PUBLIC"}, "PUBLIC is 'public', in lower case"},
		{row{"role_name": "Public "}, "PUBLIC is 'public', in lower case"},
		{row{"role_name": env.Role("alice ")}, "begins or ends with a space"},
		{row{"object_name": "t%"}, "looks like a pattern"},
		{row{"object_name": "t.*"}, "looks like a pattern"},
		{row{"object_name": "t1 "}, "begins or ends with a space"},
		{row{"object_name": `"t1"`}, "has quotes"},
		{row{"object_name": "app.t1"}, "the schema is in schema_name"},
		{row{"object_type": "routine", "privilege": "EXECUTE", "object_name": "app.f(integer)"}, "the schema is in schema_name"},
		{row{}, ""},
		{row{"object_name": "50%"}, ""},
		{row{"object_name": "t%", "name_match": "like"}, ""},
		{row{"role_name": "public"}, ""},
		{row{"object_type": "routine", "privilege": "EXECUTE", "object_name": "f(app.t1)"}, ""},
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		good.with(c.odd).mustInsert(t, tx, "desired_grants")
		reason := pgtest.One[string](t, tx, "select coalesce(reason, '') from sync_roles.grant_status")
		if c.want == "" && (strings.Contains(reason, "looks like") || strings.Contains(reason, "_name ")) || !strings.Contains(reason, c.want) {
			t.Errorf("%v: grant_status says %q, want %q", c.odd, reason, c.want)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
