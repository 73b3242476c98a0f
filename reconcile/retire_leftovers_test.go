package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What a row cannot name goes too.
func TestRetireLeftovers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string // %[1]s: the role, %[2]s: the owner, %[3]s: another role, %[4]s: the database
		as   string // who runs it; empty: the superuser
		want string // true afterwards
	}{
		"its own default privileges": {
			as: "alice",
			sql: `alter default privileges grant select on tables to %[3]s; alter default privileges in schema app grant insert on tables to %[3]s;
				alter default privileges revoke execute on functions from public; alter default privileges revoke usage on types from public;
				alter default privileges revoke all on sequences from %[1]s; alter default privileges grant all on schemas to %[3]s with grant option`,
			want: "not exists (select from pg_default_acl)",
		},
		"default privileges of another": {
			as:   "owner",
			sql:  `alter default privileges grant select on tables to %[1]s, %[3]s; alter default privileges in schema app grant execute on functions to %[1]s`,
			want: "(select count(*) = 1 from pg_default_acl)",
		},
		"a policy for it alone, and one for others too": {
			as: "owner",
			sql: `alter table app.sales enable row level security; create policy alone on app.sales for select to %[1]s using (true);
				create policy several on app.sales for select to %[1]s, %[3]s using (true)`,
			want: "(select array_agg(polname::text || polroles::regrole[]::text) = array['several{%[3]s}'] from pg_policy where polrelid = 'app.sales'::regclass)",
		},
		"a user mapping": {
			sql: `create foreign data wrapper w; grant usage on foreign data wrapper w to %[2]s; set role %[2]s;
				create server s foreign data wrapper w; create user mapping for %[1]s server s; create user mapping for %[3]s server s; reset role`,
			want: "(select count(*) = 1 from pg_user_mapping)",
		},
		"a collation, a conversion, operators, and text search": {
			as: "alice",
			sql: `create collation app.c (locale = 'C'); create conversion app.v for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
				create function app.eq(int, int) returns boolean language sql immutable return $1 = $2; create operator app.=== (leftarg = int, rightarg = int, function = app.eq);
				create text search dictionary app.d (template = simple); create text search configuration app."My Conf" (copy = simple);
				create statistics app.st on id, amount from app.copy`,
			want: "(select collowner = (select oid from pg_roles where rolname = '%[5]s') from pg_collation where collname = 'c')",
		},
		"a publication": {
			as:   "alice",
			sql:  `create publication p`,
			want: "(select pubowner = (select oid from pg_roles where rolname = '%[5]s') from pg_publication)",
		},
		"large objects": {
			as:   "alice",
			sql:  `select lo_create(0)`,
			want: "(select bool_and(lomowner = (select oid from pg_roles where rolname = '%[5]s')) from pg_largeobject_metadata)",
		},
		"an extension": {
			as:   "alice",
			sql:  `create extension "pg_trgm" schema app`,
			want: "(select extowner = (select oid from pg_roles where rolname = '%[5]s') from pg_extension where extname = 'pg_trgm')",
		},
		"a domain, a range, an enum": {
			as:   "alice",
			sql:  `create domain app.d as int; create type app.r as range (subtype = float8); create type app.e as enum ('a'); create type app.k as (a int)`,
			want: "(select bool_and(typowner = (select oid from pg_roles where rolname = '%[5]s')) from pg_type where typnamespace = 'app'::regnamespace and typname in ('d', 'r', 'e', 'k'))",
		},
		"a schema": {
			as:   "alice",
			sql:  `create schema own; create table own.t ()`,
			want: "(select nspowner = (select oid from pg_roles where rolname = '%[5]s') from pg_namespace where nspname = 'own')",
		},
		"a subscription": {
			sql: `create subscription s connection 'host=127.0.0.1 password=x' publication p with (connect = false); alter role %[1]s superuser;
				alter subscription s owner to %[1]s; alter subscription s disable; alter subscription s set (slot_name = none); alter role %[1]s nosuperuser`,
			want: "true",
		},
		"what it reads of sync_roles": {
			sql:  `grant usage on schema sync_roles to %[1]s; grant select on sync_roles.role_status to %[1]s; grant select (role_name) on sync_roles.desired_grants to %[1]s`,
			want: "true",
		},
		"grants by its grant option": {
			sql:  `set role %[2]s; grant select on app.sales to %[1]s with grant option; reset role; set role %[1]s; grant select on app.sales to %[3]s; reset role`,
			want: "true",
		},
		"a member, and what that member made": {
			sql:  `grant %[1]s to %[3]s`,
			want: "true",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if name == "a subscription" && f.Version < 16 {
				t.Skip("before 16, only superusers can own subscriptions")
			}
			alice, bob, heir := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "heir")
			f.Exec(t, fmt.Sprintf("grant create on database %s to %s, %s, %s", f.Database, alice, f.Owner, f.Daemon))
			f.asOwner(t, "create table app.copy (id int, amount int); grant create on schema app to "+alice)
			if c.as == "alice" {
				f.Exec(t, "alter table app.copy owner to "+alice)
			}
			sql := fmt.Sprintf(c.sql+"%.0[5]s", alice, f.Owner, bob, f.Database, heir)
			sql = strings.ReplaceAll(sql, "%!(EXTRA", "")
			switch c.as {
			case "alice":
				sql = "set role " + alice + "; " + sql
			case "owner":
				sql = "set role " + f.Owner + "; " + sql
			}
			f.Exec(t, sql)
			nothingBorrowed := f.nothingBorrowed(t)
			f.retire(t, alice, heir)
			f.gone(t, alice)
			want := c.want
			want = strings.NewReplacer("%[3]s", bob, "%[5]s", heir).Replace(want)
			f.is(t, true, want)
			nothingBorrowed()
		})
	}
}

// What only a superuser can do is a problem with the statement as fix; all the rest is done, and afterwards the role goes.
func TestRetireWhatOnlyASuperuserCan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql, after string
		since      int
	}{
		"an extension's privileges":    {sql: "create function app.f() returns int language sql as 'select 1'; grant execute on function app.f() to %[1]s; alter extension plpgsql add function app.f()", since: 17},
		"a superuser's function":       {sql: "grant execute on function pg_catalog.pg_ls_logdir() to %[1]s"},
		"a superuser's database":       {sql: "grant connect on database postgres to %[1]s"},
		"an event trigger":             {sql: "alter role %[1]s superuser; create function app.e() returns event_trigger language plpgsql as 'begin end'; create event trigger %[1]s_e on sql_drop execute function app.e(); alter event trigger %[1]s_e owner to %[1]s; alter role %[1]s nosuperuser", after: "drop event trigger %[1]s_e"},
		"a superuser's foreign server": {sql: "create foreign data wrapper w; create server s foreign data wrapper w; create user mapping for %[1]s server s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < c.since {
				t.Skip("not on this server")
			}
			alice, heir := f.user(t, "alice"), f.user(t, "heir")
			f.Exec(t, fmt.Sprintf(c.sql, alice))
			f.Exec(t, "set role "+f.Owner+"; grant select on app.sales to "+alice+"; grant create on schema app to "+alice+"; set role "+alice+"; create table app.mine ()")
			f.retire(t, alice, heir)
			f.owns(t, heir, "app.mine")
			f.is(t, false, "has_table_privilege($1, 'app.sales', 'select')", alice)
			f.outcome(t, alice, plan.Blocked)
			f.quiet(t)
			fixed := false
			for _, p := range f.last(t, alice).Problems {
				if p.Kind == plan.Blocked {
					if c.after != "" {
						f.Exec(t, fmt.Sprintf(c.after, alice))
					} else {
						f.Exec(t, p.Fix)
					}
					fixed = true
				}
			}
			if !fixed {
				t.Fatalf("no problem says what is in the way: %v", f.last(t, alice))
			}
			f.sync(t)
			f.gone(t, alice)
		})
	}
}

// More than the locks of a transaction are taken for is moved in portions, and approved once.
func TestRetireManyObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, heir := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "heir")
	f.asOwner(t, "grant create on schema app to "+alice)
	f.Exec(t, "set role "+alice+"; do $$ begin for i in 1..1200 loop execute format('create table app.t_%s (id int)', i); end loop; end $$")
	f.asOwner(t, "do $$ begin for i in 1..2300 loop execute format('create table app.o_%s (id int); grant select on app.o_%1$s to "+alice+"', i); end loop; end $$")
	same := f.untouched(t, bob)
	f.retire(t, alice, heir)
	f.outcome(t, alice, plan.Held)
	f.is(t, false, "exists (select from pg_class where relowner = $1::regrole and relkind = 'r')", heir)
	f.quiet(t)
	f.approve(t, alice)
	f.sync(t)
	f.gone(t, alice)
	f.is(t, true, "count(*) = 1200 from pg_class where relowner = $1::regrole and relkind = 'r'", heir)
	same()
}

// Tablespaces and databases of the cluster go to the heir, too.
func TestRetireAnOwnerOfWhatIsShared(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 15 {
		t.Skip("this server has no in-place tablespaces")
	}
	alice, heir := f.user(t, "alice"), f.user(t, "heir")
	space := f.tablespace(t, "space", alice)
	config, _ := f.another(t)
	f.Exec(t, "alter role "+f.Daemon+" createdb")
	if _, err := f.super.Exec(t.Context(), "alter database "+config.Database+" owner to "+alice); err != nil {
		t.Fatal(err)
	}
	f.retire(t, alice, heir)
	f.gone(t, alice)
	f.is(t, true, "spcowner = $1::regrole from pg_tablespace where spcname = $2", heir, space)
	f.is(t, true, "datdba = $1::regrole from pg_database where datname = $2", heir, config.Database)
}

// A session's temporary tables go with it.
func TestRetireWithATemporaryTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.Exec(t, "grant temporary on database "+f.Database+" to "+alice)
	session := f.Connect(t, alice)
	if _, err := session.Exec(t.Context(), "create temporary table x (id serial)"); err != nil {
		t.Fatal(err)
	}
	f.retire(t, alice, "")
	f.ended(t, alice, session)
	f.sync(t) // its process may have taken its time
	f.gone(t, alice)
}
