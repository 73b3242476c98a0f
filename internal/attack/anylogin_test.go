package attack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"
)

// creators makes a role that may plant functions where a search_path that is not pinned looks: in a schema named like the daemon, and in public.
func (f *field) creators(t *testing.T) (role, path string) {
	t.Helper()
	f.Exec(t, fmt.Sprintf("grant create on database %s to %s; grant create on schema public to %[2]s", f.Database, f.anylogin))
	f.run(t, f.anylogin, fmt.Sprintf("create schema %s; grant usage on schema %[1]s to public", quote(f.Daemon)))
	return f.anylogin, quote(f.Daemon) + ", public, pg_catalog"
}

// Functions and operators that a login plants are never run: not by the installation, not by an upgrade, not by passes, not for a superuser who reads
// the views and writes rows.
func TestPlantedFunctionsNeverRun(t *testing.T) {
	t.Parallel()
	f := bare(t)
	role, path := f.creators(t)
	f.plant(t, role, f.Daemon)
	f.call(t, "migrate").want(t, 0)
	f.unharmed(t)
	f.scope(t)
	f.used(t, path)
	// As after pg_upgrade.
	f.Exec(t, "update sync_roles.installation set server_version = 0")
	f.call(t, "migrate").want(t, 0)
	f.used(t, path)
	f.unharmed(t)
	stop := f.start(t)
	f.ask(t, f.anylogin, "orders")
	f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT')", f.anylogin)
	stop().want(t, 0)
	f.call(t, "migrate", "down", "--force").want(t, 0)
	f.unharmed(t)
}

// An installation of version 4 is upgraded without running what was planted meanwhile.
func TestPlantedFunctionsDoNotRunInAnUpgrade(t *testing.T) {
	t.Parallel()
	f := bare(t)
	role, path := f.creators(t)
	f.version4(t)
	f.plant(t, role, "public")
	f.call(t, "migrate").want(t, 0)
	f.used(t, path)
	f.unharmed(t)
}

// version4 installs the schema as version 4 had it.
func (f *field) version4(t *testing.T) {
	t.Helper()
	conn := f.login(t, f.Daemon)
	paths, err := filepath.Glob("../../migrations/00000[1-4]_*.sql")
	if err != nil || len(paths) != 4 {
		t.Fatalf("%v %v", paths, err)
	}
	sort.Strings(paths)
	sql := "create schema sync_roles; create table sync_roles.schema_migrations (version bigint not null primary key, dirty boolean not null); insert into sync_roles.schema_migrations values (4, false);"
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sql += string(text) + ";"
	}
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// Every function of the schema is pinned, and nothing in the schema was bound to what is not PostgreSQL's own.
func TestNothingIsLookedUpInTheCallersPath(t *testing.T) {
	t.Parallel()
	f := installed(t)
	super := f.Superuser(t)
	for what, sql := range map[string]string{
		"functions that are not pinned": `
			select p.oid::regprocedure::text from pg_proc as p
			where p.pronamespace = 'sync_roles'::regnamespace and p.prosqlbody is null
				and not coalesce(p.proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'`,
		"functions that read backslashes as the session does": `
			select p.oid::regprocedure::text from pg_proc as p
			where p.pronamespace = 'sync_roles'::regnamespace and p.prosqlbody is null and p.prosrc ~ '''[^'']*\\[^'']*''' and p.prosrc !~ 'E''[^'']*\\'
				and not coalesce(p.proconfig, '{}') @> '{standard_conforming_strings=on}'`,
		"functions that spell types as the session does": `
			select p.oid::regprocedure::text from pg_proc as p
			where p.pronamespace = 'sync_roles'::regnamespace and p.prosrc ~ '(format_type|regprocedure)'
				and not coalesce(p.proconfig, '{}') @> '{quote_all_identifiers=off}'`,
		"parts bound to what is neither PostgreSQL's nor the schema's": `
			select d.classid::regclass || ' ' || pg_describe_object(d.classid, d.objid, d.objsubid) || ' to ' || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
			from (select * from pg_depend where classid <> 0 and refclassid <> 0) as d
			cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) as o
			cross join lateral pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) as r
			where (o.schema = 'sync_roles' or o.identity like '% on sync_roles.%') and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
				and coalesce(r.schema, '') not in ('sync_roles', 'pg_catalog', 'pg_toast')`,
	} {
		if found := list(t, super, sql); len(found) > 0 {
			t.Errorf("%s: %s", what, strings.Join(found, ", "))
		}
	}
}

// Settings of a session or of the database do not change what functions and views mean.
func TestSettingsChangeNoMeaning(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.Exec(t, "create function sales.total(a int, b text) returns int language sql return 1; revoke execute on function sales.total from public; alter function sales.total owner to "+f.Owner)
	for _, setting := range []string{
		"standard_conforming_strings = off", "quote_all_identifiers = on", "backslash_quote = off", "array_nulls = off", "transform_null_equals = on",
		"IntervalStyle = iso_8601", "DateStyle = 'SQL, DMY'", "bytea_output = escape", "search_path = sales", "default_transaction_isolation = serializable", "check_function_bodies = off",
	} {
		if f.Version < 19 || setting != "standard_conforming_strings = off" { // since then it is always on
			f.Exec(t, fmt.Sprintf("alter database %s set %s", f.Database, setting))
		}
	}
	if f.Version < 19 {
		f.Exec(t, fmt.Sprintf("alter role %s set standard_conforming_strings = off; alter role %[1]s set escape_string_warning = off", f.Daemon))
	}
	f.call(t, "migrate").want(t, 0)
	f.run(t, f.Daemon, fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		('%[1]s', 'EXECUTE', 'routine', 'sales', 'total(integer, text)', 'exact'), ('%[1]s', 'SELECT', 'table', 'sales', 'ord[a-z]+', 'regex'), ('%[1]s', 'INSERT', 'table', 'sales', 'c%%', 'like')`, alice))
	f.run(t, f.Daemon, "insert into sync_roles.desired_roles (role_name, password_verifier) values ('"+alice+"', 'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=')")
	f.call(t, "sync").want(t, 0)
	for _, sql := range []string{"select sales.total(1, '')", "select from sales.orders", "insert into sales.costs values (1)"} {
		if !f.Can(t, alice, sql) {
			t.Errorf("alice cannot: %s", sql)
		}
	}
	f.call(t, "plan").want(t, 0) // nothing to do
	f.run(t, f.Daemon, "delete from sync_roles.desired_grants")
	f.call(t, "sync").want(t, 0)
	if f.Can(t, alice, "select sales.total(1, '')") || f.Can(t, alice, "select from sales.orders") {
		t.Error("alice still can")
	}
}

// What any login can lock keeps no one from installing, and no daemon from starting.
func TestAdvisoryLocksStopNobody(t *testing.T) {
	t.Parallel()
	f := installed(t)
	conn := f.login(t, f.anylogin)
	// All numbers that an installer could take by name: ours of version 4, and golang-migrate's, which it derives from the names of database, schema and table.
	if _, err := conn.Exec(t.Context(), "select pg_advisory_lock(7300316049), pg_advisory_lock($1::text::bigint)", migrateLock(f.Database)); err != nil {
		t.Fatal(err)
	}
	f.call(t, "migrate").want(t, 0)
	stop := f.start(t)
	alice := f.user(t, "alice")
	f.ask(t, alice, "orders")
	f.until(t, "select has_table_privilege($1, 'sales.orders', 'SELECT')", alice)
	stop().want(t, 0)
}

// migrateLock is what database.GenerateAdvisoryLockId of golang-migrate gives for our table in a database.
func migrateLock(name string) string {
	id, err := database.GenerateAdvisoryLockId(name, "sync_roles", "schema_migrations")
	if err != nil {
		panic(err)
	}
	return id
}
