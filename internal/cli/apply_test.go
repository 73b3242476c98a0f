package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// written writes a file.
func written(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A file gives access and takes away what is no longer in it; rows of other sources stay, and the same file again changes nothing.
func TestApply(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	env.Exec(t, "create role "+alice+" login; create role "+bob+" login")
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, source) values
		($1, 'CONNECT', 'database', null, current_database(), null), ($1, 'USAGE', 'schema', null, 'app', 'b'), ($2, 'USAGE', 'schema', null, 'app', null)`, alice, bob)
	file := written(t, "rows.yaml", `source: team
grants:
  # ticket 7
  - {role_name: [`+alice+`, `+bob+`], privilege: SELECT, object_type: table, schema_name: app, object_name: t1}
  - {role_name: `+bob+`, privilege: CONNECT, object_type: database, object_name: `+env.Database+`, expires_at: "2099-01-01T00:00:00Z"}
  - {role_name: `+bob+`, privilege: USAGE, object_type: schema, object_name: app} # had no source
  - {role_name: `+bob+`, privilege: INSERT, object_type: table, schema_name: app, object_name: t1, expires_at: "2001-01-01T00:00:00Z"}
`)
	r := on(t, env, "apply", file, "--dry-run")
	r.want(t, 2, `GRANT SELECT ON TABLE "app"."t1" TO`, "has expired, and is not written")
	for _, line := range []string{"-- + SELECT on table app.t1 for " + alice, "-- ~ USAGE on schema app for " + bob + `: note none → "had no source", source none → "team"`, "-- 3 rows inserted, 1 changed, 0 deleted."} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("%s is not in\n%s", line, r.stdout)
		}
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 3 {
		t.Errorf("the dry run left %d rows, want 3", n)
	}
	on(t, env, "apply", file).want(t, 0, "3 rows inserted, 1 changed, 0 deleted.", "has expired")
	on(t, env, "sync").want(t, 0, alice, "")
	reads := func(role string, want bool) {
		t.Helper()
		if env.Can(t, role, "select from app.t1") != want {
			t.Errorf("%s can read: %t", role, !want)
		}
	}
	reads(alice, true)
	reads(bob, true)
	on(t, env, "apply", file, "--dry-run").want(t, 0, "0 rows inserted, 0 changed, 0 deleted.", "has expired")
	on(t, env, "apply", file).want(t, 0, "0 rows inserted", "has expired")

	for _, format := range []string{"yaml", "csv"} {
		exported := on(t, env, "export", "--source", "team", "--format", format)
		exported.want(t, 0, alice, "")
		on(t, env, "apply", written(t, "again."+format, exported.stdout), "--source", "team", "--dry-run").want(t, 0, "0 rows inserted, 0 changed, 0 deleted.", "")
	}

	exec(t, conn, "update sync_roles.desired_grants set note = 'by hand', expires_at = null where source = 'team' and privilege = 'CONNECT'")
	less := written(t, "less.yaml", strings.Replace(readFile(t, file), alice+", ", "", 1))
	on(t, env, "apply", less).want(t, 0, "0 rows inserted, 1 changed, 1 deleted.", "has expired")
	on(t, env, "sync").want(t, 0, alice, "")
	reads(alice, false)
	reads(bob, true)
	if got := pgtest.One[string](t, conn, "select string_agg(privilege, ' ' order by privilege) from sync_roles.desired_grants where role_name = $1", alice); got != "CONNECT USAGE" {
		t.Errorf("other sources' rows for alice are %s", got)
	}
}

// What is wrong with a file is one clear sentence with the line, and nothing is done of it.
func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, source) values ('x', 'USAGE', 'schema', 'app', 'b')")
	const good = "grants:\n- {role_name: y, privilege: USAGE, object_type: schema, object_name: app}\n"
	for text, want := range map[string]struct {
		code int
		says string
	}{
		good:                                 {64, "says no source"},
		"source: a\n" + good + "- {role: y}": {1, `line 4: unknown key "role"`},
		"source: a\n" + good + "- {role_name: y, privilege: usage, object_type: schema, object_name: b}":               {1, "line 4: ERROR: privilege 'usage' does not exist"},
		"source: a\n" + good + "- {role_name: x, privilege: USAGE, object_type: schema, object_name: app}":             {1, `line 4: USAGE on schema app for x belongs to source "b"`},
		"source: a\n" + good + "- {role_name: pg_monitor, privilege: USAGE, object_type: schema, object_name: \"b'\"}": {1, "line 4"},
	} {
		r := on(t, env, "apply", written(t, "rows.yaml", text))
		r.want(t, want.code, "", want.says)
	}
	on(t, env, "apply", written(t, "rows.yaml", "source: a\n"+good), "--source", "c").want(t, 64, "", `is of source "a", and --source says "c"`)
	on(t, env, "apply", "no such file").want(t, 1, "", "no such file")
	on(t, env, "export", "--format", "xml").want(t, 64, "", "neither yaml nor csv")
	on(t, env, "export", "--schema").want(t, 0, `"$schema"`, "")
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 1 {
		t.Errorf("there are %d rows, want 1", n)
	}
}
