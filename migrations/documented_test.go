package migrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// Every table, view, column and function has a comment: people learn the schema with \d+.
func TestEverythingHasAComment(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	for what, sql := range map[string]string{
		"tables and views": `
			select relname from pg_class
			where relnamespace = 'sync_roles'::regnamespace and relkind in ('r', 'p', 'v', 'm') and obj_description(oid, 'pg_class') is null`,
		"columns": `
			select c.relname || '.' || a.attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid
			where c.relnamespace = 'sync_roles'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0 and not a.attisdropped
				and col_description(c.oid, a.attnum) is null
			order by c.relname, a.attnum`,
		"functions": `
			select oid::regprocedure::text from pg_proc
			where pronamespace = 'sync_roles'::regnamespace and obj_description(oid, 'pg_proc') is null`,
	} {
		if missing := list[string](t, conn, sql); len(missing) > 0 {
			t.Errorf("%s without a comment: %s", what, strings.Join(missing, ", "))
		}
	}
}

// PUBLIC has nothing in the schema, and no way in.
func TestPublicHasNothing(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	for what, sql := range map[string]string{
		"schema": `
			select a.privilege_type from pg_namespace as n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
			where n.nspname = 'sync_roles' and a.grantee = 0`,
		"tables, views and sequences": `
			select c.relname || ' ' || a.privilege_type
			from pg_class as c, aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))) as a
			where c.relnamespace = 'sync_roles'::regnamespace and c.relkind in ('r', 'v', 'S') and a.grantee = 0
				-- Who has USAGE on the schema finds there what is its own.
				and not (c.relname in ('my_scopes', 'my_problems', 'my_requests', 'history_begin') and a.privilege_type = 'SELECT')`,
		"columns": `
			select attrelid::regclass || '.' || attname from pg_attribute join pg_class as c on c.oid = attrelid, aclexplode(attacl) as a
			where c.relnamespace = 'sync_roles'::regnamespace and a.grantee = 0`,
		// What policies, triggers and wait_for_sync call with a writer's rights, it may call: its own ids and counts, how many requests there are, which ids are not in sync; and touch, to queue what it may touch.
		"functions with their owner's rights": `
			select p.oid::regprocedure::text from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
			where p.pronamespace = 'sync_roles'::regnamespace and a.grantee = 0 and p.prosecdef and p.proname not in
				('is_own_id', 'rows_written', 'patterns_written', 'direct_written', 'requests', 'requests_left', 'is_out_of_sync',
				'is_known_role', 'rows_out_of_sync', 'queue_rows_about', 'reached_by_login', 'reviews_of_login', 'entries_of_login')`,
	} {
		if found := list[string](t, conn, sql); len(found) > 0 {
			t.Errorf("PUBLIC has on %s: %v", what, found)
		}
	}

	nobody := env.Role("nobody")
	env.Exec(t, "create role "+nobody+" login; grant connect on database "+env.Database+" to "+nobody)
	for _, sql := range []string{
		"select from sync_roles.desired_grants", "select from sync_roles.role_status", "select sync_roles.wait_for_sync()",
		"insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('a', 'CONNECT', 'database', 'b')",
		"select sync_roles.privileges_of('table')",
	} {
		if env.Can(t, nobody, sql) {
			t.Errorf("anybody may run %s", sql)
		}
	}
}

// A function with its owner's rights must not look names up where a caller can put others.
func TestDefinersHaveASearchPath(t *testing.T) {
	t.Parallel()
	env := installed(t)
	loose := list[string](t, env.Connect(t, env.Daemon), `
		select oid::regprocedure::text from pg_proc
		where pronamespace = 'sync_roles'::regnamespace and prosecdef and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'`)
	if len(loose) > 0 {
		t.Errorf("SECURITY DEFINER without a fixed search_path: %v", loose)
	}
}

// CREATE OR REPLACE FUNCTION drops a setting that an earlier migration gave by ALTER FUNCTION.
func TestFunctionsKeepTheirSettings(t *testing.T) {
	t.Parallel()
	conn := installed(t).Connect(t, pgserver.Superuser)
	paths, err := filepath.Glob("*.up.sql")
	if err != nil {
		t.Fatal(err)
	}
	alter := regexp.MustCompile(`(?m)^ALTER FUNCTION (sync_roles\.\S+\)) SET (\w+) = (\w+);$`)
	altered := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range alter.FindAllStringSubmatch(string(text), -1) {
			altered++
			if settings := list[string](t, conn, "select unnest(proconfig) from pg_proc where oid = $1::regprocedure", found[1]); !slices.Contains(settings, found[2]+"="+found[3]) {
				t.Errorf("%s: %s has lost it, and has %v", found[0], found[1], settings)
			}
		}
	}
	if altered == 0 {
		t.Error("no ALTER FUNCTION was found")
	}
}

// Functions and operators of a caller's own schema do not get into the checks of the rows that it writes.
func TestACallersSearchPathChangesNothing(t *testing.T) {
	t.Parallel()
	env := installed(t)
	env.Exec(t, `create schema evil; grant usage on schema evil to public;
		create function evil.octet_length(text) returns integer language sql as 'select 1';
		create function evil.starts_with(text, text) returns boolean language sql as 'select false';
		create function evil.quote_literal(text) returns text language sql as 'select null::text'`)
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "set search_path = evil, pg_catalog")
	if err := grantRow(strings.Repeat("x", 64)).try(t, conn, "desired_grants"); sqlState(err) != "23514" {
		t.Errorf("a name of 64 bytes with a search_path of the caller's: %v", err)
	}
	if err := grantRow("pg_x").try(t, conn, "desired_grants"); sqlState(err) != "23514" {
		t.Errorf("a reserved name with a search_path of the caller's: %v", err)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.role_status"); n != 0 {
		t.Errorf("%d roles", n)
	}
}
