package migrations_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// grant writes a row, changes it, and queues its role; revoke deletes it. Both can be repeated.
func TestGrantAndRevoke(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	const call = "select sync_roles.grant('alice', 'SELECT', 'table', 's', 't'"
	id := pgtest.One[int64](t, conn, call+", grantable => true, expires_at => now() + interval '1 day', note => 'why', source => 'job')")
	env.Exec(t, "delete from sync_roles.pending")
	if again := pgtest.One[int64](t, conn, call+", source => 'another')"); again != id { // whose DELETE must not take this job's access
		t.Errorf("granted again: id %d, want %d", again, id)
	}
	got := pgtest.One[string](t, conn, "select concat_ws(' ', count(*), bool_or(grantable), count(expires_at), min(note), min(source)) from sync_roles.desired_grants")
	if got != "1 f 0 why job" {
		t.Errorf("the row says %s", got)
	}
	env.Exec(t, "delete from sync_roles.pending")
	pgtest.One[int64](t, conn, call+")")
	if queued := pgtest.One[string](t, conn, "select string_agg(role_name, ',') from sync_roles.pending"); queued != "alice" {
		t.Errorf("granted a third time, without a change: queued %q", queued)
	}
	if other := pgtest.One[int64](t, conn, "select sync_roles.grant(role_name => 'alice', privilege => 'SELECT', object_type => 'table', schema_name => 's', object_name => 't%', name_match => 'like')"); other == id {
		t.Error("a pattern is another row")
	}
	for i, want := range []bool{true, false} {
		if got := pgtest.One[bool](t, conn, "select sync_roles.revoke('alice', 'SELECT', 'table', 's', 't')"); got != want {
			t.Errorf("revoke %d: %t", i, got)
		}
	}
	if left := pgtest.One[string](t, conn, "select string_agg(object_name, ',') from sync_roles.desired_grants"); left != "t%" {
		t.Errorf("left are %s", left)
	}
	for _, sql := range []string{"grant", "revoke"} {
		wantError(t, tryExec(t, conn, "select sync_roles."+sql+"('alice', 'select', 'table', 's', 't')"), "privilege 'select'")
		wantError(t, tryExec(t, conn, "select sync_roles."+sql+"('alice', 'SELECT', 'table', 's')"), "object_name")
	}
}

// Within its scope a writer grants and revokes, whoever wrote the row; out of it, it is told so.
func TestFunctionsKnowScopes(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "schema_like": "s"}.mustInsert(t, owner, "writers")
	grantRow(role).with(row{"schema_name": "other"}).mustInsert(t, owner, "desired_grants")
	grantRow(role).mustInsert(t, owner, "desired_grants")
	name := grantRow(role)["object_name"]
	execute(t, writer, "select sync_roles.grant($1, 'SELECT', 'table', 's', $2)", role, name)
	for _, sql := range []string{"grant", "revoke"} {
		err := tryExec(t, writer, "select sync_roles."+sql+"($1, 'SELECT', 'table', 'other', $2)", role, name)
		wantError(t, err, "schema_name 'other' is out of scope")
	}
	if !pgtest.One[bool](t, writer, "select sync_roles.revoke($1, 'SELECT', 'table', 's', $2)", role, name) {
		t.Error("the owner's row in its scope was not deleted")
	}
	if left := pgtest.One[string](t, owner, "select string_agg(schema_name, ',') from sync_roles.desired_grants"); left != "other" {
		t.Errorf("left are rows for %s", left)
	}
}

// touch queues whoever has rows for the object, by whatever kind of row; for its owner, and for writers as far as their scope goes.
func TestTouch(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	writerRole, writer := newWriter(t, env, "etl")
	makerRole, maker := newWriter(t, env, "maker")
	_, stranger := newWriter(t, env, "stranger")
	super := env.Superuser(t)
	execute(t, super, `create schema "S"; create table "S"."a""b"(); create function "S".f(int) returns int language sql return 1`)
	execute(t, super, `alter table "S"."a""b" owner to `+makerRole)
	row{"writer_role": writerRole, "schema_like": "S", "grantee_like": "in%"}.mustInsert(t, owner, "writers")
	for role, r := range map[string]row{
		"in_exact":   {"object_name": `a"b`},
		"in_pattern": {"object_name": `a%`, "name_match": "like"},
		"out_regex":  {"object_name": `a.b`, "name_match": "regex"},
		"in_routine": {"object_name": "f(integer)", "object_type": "routine", "privilege": "EXECUTE"},
		"other":      {"object_name": `a"b`, "schema_name": "other"},
		"of_schema":  {"object_name": "S", "object_type": "schema", "schema_name": nil, "privilege": "USAGE"},
	} {
		row{"schema_name": "S", "object_type": "table", "privilege": "SELECT", "role_name": role}.with(r).mustInsert(t, owner, "desired_grants")
	}
	for _, c := range []struct {
		who    *pgx.Conn
		call   string
		queued string
	}{
		{owner, `'S', 'a"b'`, "in_exact in_pattern out_regex"},
		{owner, `'S', 'f'`, "in_routine"},
		{owner, `'S', 'f(integer)'`, "in_routine"},
		{owner, `'S', 'none'`, ""},
		{owner, `'S'`, "in_exact in_pattern in_routine of_schema out_regex"},
		{maker, `'S', 'a"b'`, "in_exact in_pattern out_regex"},
		{writer, `'S', 'a"b'`, "in_exact in_pattern"},
		{writer, `'S'`, "in_exact in_pattern in_routine"},
	} {
		env.Exec(t, "delete from sync_roles.pending")
		n := pgtest.One[int](t, c.who, "select sync_roles.touch("+c.call+")")
		if want := len(strings.Fields(c.queued)); n != want {
			t.Errorf("touch(%s) by %s says %d, want %d", c.call, c.who.Config().User, n, want)
		}
		got := pgtest.One[string](t, owner, "select coalesce(string_agg(role_name, ' ' order by role_name), '') from sync_roles.pending")
		if got != c.queued {
			t.Errorf("touch(%s) by %s queued %q, want %q", c.call, c.who.Config().User, got, c.queued)
		}
	}
	wantError(t, tryExec(t, maker, `select sync_roles.touch('S')`), "may not touch \"S\"")
	wantError(t, tryExec(t, maker, `select sync_roles.touch('S', 'f')`), "may not touch \"S\".f")
	wantError(t, tryExec(t, writer, `select sync_roles.touch('other')`), "may not touch other")
	wantError(t, tryExec(t, stranger, `select sync_roles.touch('S', 'a"b')`), "may not touch")
	wantError(t, tryExec(t, owner, `select sync_roles.touch(null)`), "schema_name is NULL")
}
