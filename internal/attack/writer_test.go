package attack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// insert is SQL for a row that asks for SELECT on a table of schema sales, with whatever else is given as column and value.
func insert(role, table string, more ...string) string {
	columns, values := "role_name, privilege, object_type, schema_name, object_name", fmt.Sprintf("'%s', 'SELECT', 'table', 'sales', '%s'", role, table)
	for i := 0; i < len(more); i += 2 {
		columns, values = columns+", "+more[i], values+", "+more[i+1]
	}
	return "insert into sync_roles.desired_grants (" + columns + ") overriding system value values (" + values + ")"
}

// state is all that rows and requests say, and who may read the tables of schema sales.
func (f *field) state(t *testing.T) string {
	t.Helper()
	return pgtest.One[string](t, f.Superuser(t), `
		select concat_ws(E'\n',
			(select string_agg(g::text, ';' order by g.id) from sync_roles.desired_grants as g),
			(select string_agg(p.role_name, ';' order by p.id) from sync_roles.pending as p),
			(select string_agg(c.relname || c.relacl::text, ';' order by c.relname) from pg_class as c where c.relnamespace = 'sales'::regnamespace))`)
}

// harmless runs attempts that must fail as said, and must leave everything as it was.
func (f *field) harmless(t *testing.T, role, state string, attempts map[string][]string) {
	t.Helper()
	before := f.state(t)
	for sql, words := range attempts {
		f.refused(t, role, sql, state, words...)
	}
	if after := f.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// A scoped writer writes what is in its scope, and nothing else; it is told why.
func TestWriterStaysInScope(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.run(t, f.etl, insert(alice, "orders"))
	f.harmless(t, f.etl, "42501", map[string][]string{
		strings.Replace(insert(alice, "orders"), "'SELECT'", "'DELETE'", 1): {"privilege 'DELETE' is out of scope", "SELECT"},
		strings.Replace(insert(alice, "orders"), "'sales'", "'finance'", 1): {"schema_name 'finance' is out of scope", "'sales'"},
		insert("public", "orders"):                                                      {"role_name 'public' is out of scope", "public is false"},
		insert(f.Role("invented"), "orders"):                                            {"role_name '" + f.Role("invented") + "' is out of scope", "may_create_roles"},
		insert(alice, "costs", "grantable", "true"):                                     {"grantable true is out of scope"},
		insert(alice, "costs", "created_by", "'"+f.Daemon+"'"):                          {"created_by '" + f.Daemon + "'"},
		insert(alice, "costs", "created_at", "'2001-01-01'"):                            {"created_at"},
		insert(alice, "costs", "id", "1"):                                               {"id 1 was not generated"},
		insert(alice, "costs", "id", "-1"):                                              {"id -1 was not generated"},
		insert(alice, "orders", "id", "1") + " on conflict (id) do nothing":             {"id 1 was not generated"},
		"update sync_roles.desired_grants set schema_name = 'finance'":                  {"schema_name 'finance' is out of scope"},
		"update sync_roles.desired_grants set created_by = '" + f.Daemon + "'":          {"created_by '" + f.Daemon + "'"},
		"update sync_roles.desired_grants set role_name = 'public'":                     {"role_name 'public' is out of scope"},
		"update sync_roles.desired_grants set role_name = 'invented'":                   {"role_name 'invented' is out of scope"},
		"insert into sync_roles.writers (writer_role) values ('" + f.etl + "')":         {"writers"},
		"update sync_roles.writers set schema_like = null":                              {"writers"},
		"truncate sync_roles.desired_grants":                                            {"desired_grants"},
		"select nextval('sync_roles.desired_grants_id_seq')":                            {"desired_grants_id_seq"},
		"insert into sync_roles.row_counts (writer, rows, sequence) values ('x', 1, 1)": {"row_counts"},
		"select sync_roles.slow_pattern_problem('x', 'like', 'table', 'sales')":         {"slow_pattern_problem"},
	})
	f.harmless(t, f.etl, "23514", map[string][]string{
		strings.Replace(insert(alice, "orders"), "'SELECT'", "'select'", 1): {"privilege 'select' does not exist", "allowed are SELECT"},
		strings.Replace(insert(alice, "orders"), "'table'", "'view'", 1):    {"object_type 'view' is unknown", "table"},
		strings.Replace(insert(alice, "orders"), "'sales'", "null", 1):      {"schema_name is NULL"},
	})
	f.call(t, "sync").want(t, 0)
	if !f.Can(t, alice, "select from sales.orders") || f.Can(t, alice, "delete from sales.orders") || f.Can(t, alice, "select from sales.costs") || f.Can(t, f.anylogin, "select from sales.orders") {
		t.Error("alice has not just SELECT on sales.orders")
	}
	if n := pgtest.One[int](t, f.Superuser(t), "select count(*) from pg_roles where rolname in ($1, 'invented')", f.Role("invented")); n != 0 {
		t.Error("a role was invented")
	}
	f.run(t, f.etl, "delete from sync_roles.desired_grants")
	f.call(t, "sync").want(t, 0)
	if f.Can(t, alice, "select from sales.orders") {
		t.Error("alice can still read")
	}
}

// What happened stays on record as it was: a row keeps its id and time, and a deleted row's id is no other's.
func TestWriterRewritesNoHistory(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.ask(t, alice, "orders")
	f.call(t, "sync").want(t, 0)
	f.run(t, f.Daemon, "delete from sync_roles.desired_grants")
	f.call(t, "sync").want(t, 0)

	conn := f.login(t, f.etl)
	var id int64
	if err := conn.QueryRow(t.Context(), insert(alice, "costs")+" returning id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	row := "select g.id || ' ' || g.created_at || ' ' || g.created_by from sync_roles.desired_grants as g"
	before := pgtest.One[string](t, f.Superuser(t), row)
	for _, sql := range []string{
		"update sync_roles.desired_grants set id = default", "update sync_roles.desired_grants set created_at = '2001-01-01'",
		insert(alice, "costs") + ` on conflict (role_name, selector)
			do update set created_at = '2001-01-01', id = default`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if after := pgtest.One[string](t, f.Superuser(t), row); after != before {
		t.Errorf("the row was %s, and is %s", before, after)
	}
	if _, err := conn.Exec(t.Context(), "delete from sync_roles.desired_grants"); err != nil {
		t.Fatal(err)
	}
	// And that of the row that the session inserted last.
	var last int64
	if err := conn.QueryRow(t.Context(), insert(alice, "costs")+" returning id").Scan(&last); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "delete from sync_roles.desired_grants"); err != nil {
		t.Fatal(err)
	}
	for _, reused := range []int64{1, id, last} {
		if _, err := conn.Exec(t.Context(), insert(alice, "costs", "id", fmt.Sprint(reused))); err == nil {
			t.Errorf("a writer's row has the id %d of a row that was deleted", reused)
		}
	}
}

// Whatever a writer asks, it learns nothing of rows, scopes and problems that are not its own.
func TestWriterLearnsNothing(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.run(t, f.Daemon, fmt.Sprintf(`
		insert into sync_roles.writers (writer_role, schema_like) values ('%s', 'secret');
		insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('%s', 'MEMBER', 'role', 'pg_read_server_files');
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('%[2]s', 'OWNER', 'table', 'sales', 'orders')`, f.dba, alice))
	f.call(t, "sync")
	f.refused(t, f.etl, "select sync_roles.wait_for_sync('"+alice+"')", "55000", "not in sync", "not for role")
	if err := f.attempt(t, f.etl, "select sync_roles.wait_for_sync('"+alice+"')"); strings.Contains(fmt.Sprint(err), "pg_read") {
		t.Errorf("it says %v", err)
	}
	f.refused(t, f.etl, "select sync_roles.may_write('"+f.dba+"', 'a', 'SELECT', 'table', 'secret', 't', 'exact', false)", "42883")
	for sql, want := range map[string]string{
		"select count(*)::text from sync_roles.desired_grants":                         "0",
		"select string_agg(schema_like, ',') from sync_roles.my_scopes":                "sales",
		"select count(*)::text from sync_roles.my_problems":                            "0",
		"select coalesce(string_agg(role_name, ','), '-') from sync_roles.my_problems": "-",
		"select count(*)::text from pg_stats where schemaname = 'sync_roles'":          "0",
		"select (sync_roles.direct_written() + sync_roles.patterns_written())::text":   "0",
	} {
		if got := pgtest.One[string](t, f.login(t, f.etl), sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	// The same for an OWNER row that it may write, and whose rival it may not see.
	f.run(t, f.Daemon, "insert into sync_roles.writers (writer_role, grantee_like, privileges) values ('"+f.etl+"', '"+f.etl+"', '{OWNER}')")
	own := strings.Replace(insert(f.etl, "orders"), "'SELECT'", "'OWNER'", 1)
	f.refused(t, f.etl, own, "23505", "another role")
	if err := f.attempt(t, f.etl, own); strings.Contains(fmt.Sprint(err), alice) {
		t.Errorf("it says %v", err)
	}
	for _, sql := range []string{"select * from sync_roles.my_scopes", "select sync_roles.wait_for_sync()", "select sync_roles.requests(null)"} {
		f.refused(t, f.anylogin, sql, "42501")
	}
}

// Rows for the object itself never use up its ACL: whoever else is to have access gets it.
func TestWriterCannotFillAnACL(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	invented := fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, direct)
		select '%s' || i, 'SELECT', 'table', 'sales', 'orders', true from generate_series(1, 1100) as i`, f.Role("invented"))
	f.harmless(t, f.etl, "42501", map[string][]string{invented: {"may_create_roles"}})
	f.run(t, f.Daemon, "update sync_roles.writers set may_create_roles = true")
	f.harmless(t, f.etl, "54000", map[string][]string{invented: {"max_direct 1000 is exceeded", "1100 rows"}})
	// The DBA allows even that.
	f.run(t, f.Daemon, "update sync_roles.writers set max_direct = 5000")
	f.run(t, f.etl, invented)
	f.call(t, "sync")
	f.ask(t, alice, "orders")
	f.call(t, "sync", alice).want(t, 0)
	if !f.Can(t, alice, "select from sales.orders") {
		t.Error("alice cannot read")
	}
	if n := pgtest.One[int](t, f.Superuser(t), "select cardinality(relacl) from pg_class where oid = 'sales.orders'::regclass"); n < 1000 || n > 1001 {
		t.Errorf("the ACL has %d entries, want 1001", n)
	}
	blocked := pgtest.One[string](t, f.Superuser(t), "select count(*) || ' ' || min(p ->> 'reason') || ' ' || min(p ->> 'fix') from sync_roles.role_status, jsonb_array_elements(problems) as p where status = 'blocked'")
	if !strings.HasPrefix(blocked, "101 the ACL of table sales.orders has 1000 entries") || !strings.Contains(blocked, "SET direct = NULL WHERE id = ") {
		t.Errorf("blocked: %s", blocked)
	}
	// The fix is one.
	f.run(t, f.Daemon, "update sync_roles.desired_grants set direct = null where direct")
	f.call(t, "sync").want(t, 0)
}

// tooSlow is a regex that takes a second to compile.
const tooSlow = "(?!(((((a{0,5}){0,5}){0,5}){0,5}){0,5})x)"

// Patterns that no pass could bear are refused when they are written, and more of them than a job can need.
func TestWriterCannotWearOutPasses(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	pattern := func(match, pattern string) string {
		return insert(alice, strings.ReplaceAll(pattern, "'", "''"), "name_match", "'"+match+"'")
	}
	f.harmless(t, f.etl, "23514", map[string][]string{
		pattern("regex", strings.Repeat("(.*)", 25)+`\1`):                   {"back-reference"},
		pattern("regex", `(a)\1`):                                           {"back-reference"},
		pattern("regex", tooSlow):                                           {"too slow"},
		pattern("regex", "(((((([a-z]{1,9}){1,9}){1,9}){1,9}){1,9}){1,9})"): {"not a valid regex", "too complex"},
		pattern("like", "%%"):                                               {"write '%'"},
		pattern("like", "%_%"):                                              {"write '_%'"},
		pattern("like", `\o%`):                                              {"write 'o%'"},
	})
	f.harmless(t, f.etl, "54000", map[string][]string{
		fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
			select '%s', 'SELECT', 'table', 'sales', repeat('_', i) || '%%', 'like' from generate_series(1, 201) as i`, alice): {"max_patterns 200 is exceeded", "201"},
	})
	f.run(t, f.etl, pattern("like", "o%"))
	f.call(t, "sync").want(t, 0)
	if !f.Can(t, alice, "select from sales.orders") || f.Can(t, alice, "select from sales.costs") {
		t.Error("alice has not just what her pattern finds")
	}
}

// A writer that keeps a transaction open, with an OWNER row in it, keeps nobody else from writing theirs, nor migrate from working.
func TestWriterLocksNobodyOut(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.run(t, f.Daemon, "insert into sync_roles.writers (writer_role, privileges) values ('"+f.etl+"', '{OWNER}')")
	tx, err := f.login(t, f.etl).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), strings.Replace(insert(alice, "orders"), "'SELECT'", "'OWNER'", 1)); err != nil {
		t.Fatal(err)
	}
	f.run(t, f.Daemon, "set lock_timeout = '2 s'; update sync_roles.installation set server_version = server_version;"+strings.Replace(insert(alice, "costs"), "'SELECT'", "'OWNER'", 1))
	f.call(t, "migrate").want(t, 0)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
