package attack_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// plantSQL makes overloads of functions, and of operators, in a schema: with each combination of argument types that some call of ours could be closer
// to than PostgreSQL's own function is. Whatever runs one leaves a trace that no rollback removes, and fails.
const plantSQL = `
do $plant$
declare
	target constant text := current_setting('attack.schema');
	types constant text[] := '{text,name,oid,integer,bigint,boolean,"char",aclitem[],text[],name[],oid[],oidvector,jsonb,timestamptz,interval,regclass,xid8}';
	few constant text[] := '{text,name,oid,integer,aclitem[],text[]}';
	fewest constant text[] := '{text,name,oid}';
	body constant text := $body$ language plpgsql as $f$ begin perform pg_catalog.nextval('planted.calls'); raise exception 'planted code ran'; end $f$ $body$;
	f record;
	a text; b text; c text;
begin
	for f in
		select p.proname, array_agg(distinct case when p.provariadic <> 0 then 3 else p.pronargs end) as arities, bool_or(p.provariadic <> 0) as variadic
		from pg_catalog.pg_proc as p
		where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any (string_to_array(current_setting('attack.functions'), ','))
		group by 1
	loop
		foreach a in array types loop
			if 1 = any (f.arities) or f.variadic then
				execute format('create function %I.%I(%s) returns text', target, f.proname, a) || body;
			end if;
			foreach b in array few loop
				if 2 = any (f.arities) or f.variadic then
					execute format('create function %I.%I(%s, %s) returns text', target, f.proname, a, b) || body;
				end if;
			end loop;
		end loop;
		if 3 = any (f.arities) then
			foreach a in array fewest loop
				foreach b in array fewest loop
					foreach c in array fewest loop
						execute format('create function %I.%I(%s, %s, %s) returns text', target, f.proname, a, b, c) || body;
					end loop;
				end loop;
			end loop;
		end if;
	end loop;
	foreach a in array types loop
		foreach b in array few loop
			execute format('create function %I.planted_operator(%s, %s) returns boolean', target, a, b) || body;
			for f in
				select o from unnest('{=,<>,<,>,<=,>=,||,~,!~,~~,!~~,@>,<@,&&,->,->>,+,-,*,/,%}'::text[]) as o
			loop
				execute format('create operator %I.%s (leftarg = %s, rightarg = %s, function = %1$I.planted_operator)', target, f.o, a, b);
			end loop;
		end loop;
	end loop;
end
$plant$`

var called = regexp.MustCompile(`\b([a-z_][a-z0-9_]*)\s?\(`)

// functionsOfOurs lists the names that are called as functions anywhere in the program's SQL.
func functionsOfOurs(t *testing.T) string {
	t.Helper()
	set := map[string]bool{}
	for _, dir := range []string{"migrations", "reconcile", "desired", "catalog", "internal/cli", "internal/metrics"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".sql") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range called.FindAllStringSubmatch(string(text), -1) {
				set[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for name := range set {
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// plant lets a role plant overloads in a schema to which it may write.
func (f *field) plant(t *testing.T, role, schema string) {
	t.Helper()
	f.Exec(t, "create schema if not exists planted; create sequence if not exists planted.calls; grant usage on schema planted to public; grant usage on sequence planted.calls to public")
	conn := f.login(t, role)
	if _, err := conn.Exec(t.Context(), "select pg_catalog.set_config('search_path', 'pg_catalog', false), pg_catalog.set_config('attack.schema', $1, false), pg_catalog.set_config('attack.functions', $2, false)", schema, functionsOfOurs(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), plantSQL); err != nil {
		t.Fatal(err)
	}
	if n := pgtest.One[int](t, conn, "select pg_catalog.count(*) from pg_catalog.pg_proc as p where p.pronamespace operator(pg_catalog.=) $1::text::pg_catalog.regnamespace", quote(schema)); n < 1000 {
		t.Fatalf("only %d functions are planted", n)
	}
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// unharmed checks that nothing planted was ever called.
func (f *field) unharmed(t *testing.T) {
	t.Helper()
	if pgtest.One[bool](t, f.Superuser(t), "select is_called from planted.calls") {
		t.Error("planted code ran")
	}
}

// used exercises the schema and reads from all of it, as a superuser whose search_path has the planted schemas in front.
func (f *field) used(t *testing.T, path string) {
	t.Helper()
	super := f.Superuser(t)
	execute := func(sql string) {
		t.Helper()
		if _, err := super.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	relations := list(t, super, `
		select c.oid::regclass::text from pg_class as c
		where c.relnamespace = 'sync_roles'::regnamespace and c.relkind in ('r', 'v') order by 1`)
	// Not all of each: what all roles of the server can do with all that is planted are millions of rows.
	readAll := func() {
		t.Helper()
		for _, relation := range relations {
			execute("table " + relation + " limit 1000")
		}
	}
	execute("set search_path = " + path)
	readAll()
	role := f.Role("planted_user")
	execute(fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		('%[1]s', 'SELECT', 'table', 'sales', 'orders', 'exact'), ('%[1]s', 'SELECT', 'table', 'sales', 'c%%', 'like'), ('%[1]s', 'INSERT', 'table', 'sales', 'o.*', 'regex'),
		('%[1]s', 'EXECUTE', 'routine', 'sales', 'f(integer, text)', 'exact')`, role))
	execute(fmt.Sprintf("insert into sync_roles.desired_roles (role_name, login, settings, revoke_other) values ('%s', true, '{\"work_mem\": \"8MB\"}', '{all}')", role))
	execute(fmt.Sprintf("update sync_roles.desired_grants set note = 'x' where role_name operator(pg_catalog.=) '%s'", role))
	f.call(t, "sync").want(t, 0)
	execute("select sync_roles.wait_for_sync()")
	execute(fmt.Sprintf("select sync_roles.wait_for_sync('%s')", role))
	readAll()
	execute(fmt.Sprintf("delete from sync_roles.desired_grants where role_name operator(pg_catalog.=) '%s'", role))
	execute(fmt.Sprintf("delete from sync_roles.desired_roles where role_name operator(pg_catalog.=) '%s'", role))
	f.call(t, "sync").want(t, 0)
	for _, args := range [][]string{{"plan"}, {"status"}, {"explain", f.etl}, {"who", "SELECT", "sales.orders"}, {"adopt", f.etl}} {
		if r := f.call(t, args...); r.code == 1 && !strings.Contains(r.stderr, "cannot be") {
			t.Errorf("%v: %s", args, r.stderr)
		}
	}
	f.call(t, "sync").want(t, 0)
}

func list(t *testing.T, conn pgtest.Querier, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	return values
}
