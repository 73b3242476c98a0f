package attack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A schema that is another role's, or has what another role made, is neither installed into nor worked with.
func TestForeignSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, want string }{
		"owned by a role that the daemon inherits": {"create schema sync_roles authorization %[2]s", "belongs to role"},
		"not empty":                    {"create schema sync_roles authorization %[1]s; set role %[1]s; create table sync_roles.writers (id int)", "neither empty nor made by"},
		"with a function of another's": {"create schema sync_roles authorization %[1]s; grant create, usage on schema sync_roles to %[3]s; set role %[3]s; create function sync_roles.f() returns int language sql return 1", "function sync_roles.f()"},
		"with a table of another's":    {"create schema sync_roles authorization %[1]s; grant create, usage on schema sync_roles to %[3]s; set role %[3]s; create table sync_roles.schema_migrations (version bigint, dirty boolean)", "sync_roles.schema_migrations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := bare(t)
			f.Exec(t, fmt.Sprintf(c.before, f.Daemon, f.Owner, f.anylogin))
			for _, command := range [][]string{{"migrate"}, {"run"}} {
				if r := f.call(t, command...).want(t, 1); !strings.Contains(r.stderr, c.want) {
					t.Errorf("%v says: %s", command, r.stderr)
				}
			}
		})
	}
}

// What others get into an installed schema, with rights that a DBA gave by mistake, is named and not run; the rights are revoked again.
func TestIntrudersAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ plant, want string }{
		"an overload":           {"create function sync_roles.name_matches(name, text, text) returns boolean language plpgsql as $$begin raise exception 'planted'; end$$", "name_matches(name,text,text)"},
		"a trigger":             {"create function sales.spy() returns trigger language plpgsql as $$begin raise exception 'planted'; end$$; create trigger spy before delete on sync_roles.pending execute function sales.spy()", "trigger spy"},
		"PostgreSQL's function": {"create trigger spy before update on sync_roles.intermediate_roles for each row execute function suppress_redundant_updates_trigger()", "trigger spy"},
		"a foreign key":         {"create table sales.keep (id bigint references sync_roles.desired_grants)", "foreign key"},
		"an operator":           {"create function sync_roles.eq(name, text) returns boolean language sql return true; create operator sync_roles.= (leftarg = name, rightarg = text, function = sync_roles.eq)", "operator"},
		"a type":                {"create type sync_roles.t as enum ('a')", "type"},
		"a view":                {"create view sync_roles.v as select 1 as x", "view sync_roles.v"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			f.Exec(t, fmt.Sprintf(`
				grant create on schema sales to %[1]s;
				set role %[2]s;
				grant usage, create on schema sync_roles to %[1]s;
				grant trigger, references, select, delete on all tables in schema sync_roles to %[1]s;
				reset role; set role %[1]s; %[3]s`, f.anylogin, f.Daemon, c.plant))
			for _, command := range [][]string{{"migrate"}, {"sync"}, {"plan"}, {"run", "--no-migrate"}} {
				if r := f.call(t, command...).want(t, 1); !strings.Contains(r.stderr, c.want) || !strings.Contains(r.stderr, "to remove it") {
					t.Errorf("%v says: %s", command, r.stderr)
				}
			}
			f.Exec(t, "drop trigger if exists spy on sync_roles.intermediate_roles; drop owned by "+f.anylogin+" cascade; grant connect on database "+f.Database+" to "+f.anylogin)
			f.call(t, "migrate").want(t, 0)
		})
	}
}

// What others hold in the schema and should not is revoked by migrate; what a DBA may mean stays.
func TestPrivilegesInTheSchemaAreRepaired(t *testing.T) {
	t.Parallel()
	f := installed(t)
	f.Exec(t, fmt.Sprintf(`
		set role %[2]s;
		grant usage, create on schema sync_roles to %[1]s, public;
		grant all on all tables in schema sync_roles to public;
		grant select, insert, update, delete, truncate, trigger, references on all tables in schema sync_roles to %[1]s;
		grant update (problems) on sync_roles.intermediate_roles to %[1]s;
		grant execute on all functions in schema sync_roles to public;
		grant all on all sequences in schema sync_roles to %[1]s`, f.anylogin, f.Daemon))
	f.call(t, "migrate").want(t, 0)
	super := f.Superuser(t)
	left := list(t, super, `
		select c.relname || ' ' || a.privilege_type || ' ' || coalesce(r.rolname, 'PUBLIC')
		from pg_class as c cross join lateral aclexplode(c.relacl) as a left join pg_roles as r on r.oid = a.grantee
		where c.relnamespace = 'sync_roles'::regnamespace and a.grantee <> c.relowner and coalesce(r.rolname, '') <> $1
			and not (a.privilege_type = 'SELECT' and a.grantee <> 0)
			and not (a.privilege_type in ('INSERT', 'UPDATE', 'DELETE') and c.relname in ('desired_grants', 'desired_roles', 'writers', 'approvals', 'reviews', 'review_items', 'requestable', 'requests', 'request_approvals') and a.grantee <> 0)
			and c.relname <> 'my_scopes' and c.relkind <> 'v'`, f.etl)
	if len(left) > 0 {
		t.Errorf("left in the schema: %v", left)
	}
	if pgtest.One[bool](t, super, "select has_schema_privilege($1, 'sync_roles', 'CREATE')", f.anylogin) {
		t.Error("another role may create in the schema")
	}
	for _, sql := range []string{"delete from sync_roles.pending", "insert into sync_roles.writers (writer_role) values ('x') -- stays allowed", "select sync_roles.adapt_to_server()", "select sync_roles.apply_password('x')"} {
		if allowed := strings.Contains(sql, "stays allowed"); f.Can(t, f.anylogin, sql) != allowed {
			t.Errorf("%s: allowed is %t", sql, !allowed)
		}
	}
	f.ask(t, f.anylogin, "orders")
	f.call(t, "sync").want(t, 0)
}

// Default privileges of the installing role give others nothing in the schema, and take nothing from writers that they need.
func TestDefaultPrivilegesDoNotReachTheSchema(t *testing.T) {
	t.Parallel()
	f := bare(t)
	f.Exec(t, fmt.Sprintf(`
		alter default privileges for role %[1]s grant all on tables to public;
		alter default privileges for role %[1]s grant all on tables to %[2]s;
		alter default privileges for role %[1]s grant all on sequences to public;
		alter default privileges for role %[1]s grant all on schemas to public;
		alter default privileges for role %[1]s grant all on routines to %[2]s;
		alter default privileges for role %[1]s revoke execute on routines from public`, f.Daemon, f.anylogin))
	f.call(t, "migrate").want(t, 0)
	for _, sql := range []string{"select from sync_roles.writers", "insert into sync_roles.writers (writer_role) values ('x')", "select sync_roles.wait_for_sync()"} {
		if f.Can(t, f.anylogin, sql) {
			t.Errorf("a login can: %s", sql)
		}
	}
	f.scope(t)
	alice := f.user(t, "alice")
	f.run(t, f.etl, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('"+alice+"', 'SELECT', 'table', 'sales', 'orders')")
	f.call(t, "sync").want(t, 0)
	f.run(t, f.etl, "select sync_roles.wait_for_sync('"+alice+"')")
}

// A superuser who installs event triggers runs nothing that the schema's owner has made, and owns what is then run in each superuser's DDL.
func TestEventTriggersAreTheSuperusersOwn(t *testing.T) {
	t.Parallel()
	f := installed(t)
	f.Exec(t, "create schema planted; create sequence planted.calls; grant usage on schema planted to public; grant usage on sequence planted.calls to public")
	body := " language plpgsql as $$ begin perform pg_catalog.nextval('planted.calls'); end $$"
	f.run(t, f.Daemon, "create function sync_roles.notice_ddl() returns event_trigger"+body+"; create or replace function sync_roles.adapt_to_server() returns void"+body+"; update sync_roles.installation set server_version = 0")
	r := call(t.Context(), "migrate", "--event-triggers", "-d", f.URL(pgserver.Superuser)).want(t, 0)
	f.Exec(t, "create table sales.new (id int); drop table sales.new")
	f.unharmed(t)
	super := f.Superuser(t)
	if owners := list(t, super, "select distinct r.rolname::text from pg_event_trigger as e join pg_proc as p on p.oid = e.evtfoid join pg_roles as r on r.oid = p.proowner"); len(owners) != 1 || owners[0] != pgserver.Superuser {
		t.Errorf("what event triggers run belongs to %v: %s", owners, r.stdout)
	}
	for _, sql := range []string{"create or replace function sync_roles.notice_ddl() returns event_trigger" + body, "alter function sync_roles.notice_ddl() owner to " + f.Daemon} {
		if f.Can(t, f.Daemon, sql) {
			t.Errorf("the daemon's role can: %s", sql)
		}
	}
	call(t.Context(), "migrate", "--event-triggers=false", "-d", f.URL(pgserver.Superuser)).want(t, 0)
	f.unharmed(t)
}

// With createrole_self_grant set, the daemon does not come to inherit the roles that it makes.
func TestTheDaemonInheritsNoRoleThatItMakes(t *testing.T) {
	t.Parallel()
	f := installed(t)
	if f.Version < 16 {
		t.Skip("createrole_self_grant is of PostgreSQL 16")
	}
	f.Exec(t, fmt.Sprintf("alter database %s set createrole_self_grant = 'set, inherit'; alter role %s set createrole_self_grant = 'set, inherit'", f.Database, f.Daemon))
	made := f.Role("made")
	f.ask(t, made, "orders")
	f.call(t, "migrate").want(t, 0)
	f.call(t, "sync").want(t, 0)
	if pgtest.One[bool](t, f.Superuser(t), "select pg_has_role($1, $2, 'USAGE') or pg_has_role($1, $2, 'SET')", f.Daemon, made) {
		t.Error("the daemon inherits a role that it made, or can become it")
	}
}
