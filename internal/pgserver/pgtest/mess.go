package pgtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Mess fills the database as years of work by hand do: several grantors, columns, grant options, PUBLIC revoked, partitions, default privileges, odd
// names. The owner needs a schema app, and the daemon may manage the roles. It returns them: this many users (23 at least), groups and the owner.
func (e *Env) Mess(tb testing.TB, users int) []string {
	tb.Helper()
	var roles []string
	create := func(name, attributes string) string {
		role := pgx.Identifier{e.Role(name)}.Sanitize()
		e.Exec(tb, "create role "+role+" "+attributes)
		if e.Version >= 16 {
			e.Exec(tb, "grant "+role+" to "+e.Daemon+" with admin true, inherit false, set false")
		}
		roles = append(roles, e.Role(name))
		return role
	}
	names := []string{"{owner}", e.Owner, "{db}", e.Database}
	for i := range users {
		attributes := "login"
		switch {
		case i%7 == 0:
			attributes = "login noinherit connection limit 3"
		case i%3 == 0:
			attributes = "login valid until '2030-01-01'"
		}
		names = append(names, fmt.Sprintf("{u%d}", i), create(fmt.Sprintf("u%d", i), attributes))
	}
	names = append(names, "{readers}", create("readers", ""), "{writers}", create("writers", ""), "{noinherit}", create("noinherit", "noinherit"),
		"{lead}", create("lead", "login"), "{weird}", create("We\"ird \n x", "login"))
	e.Exec(tb, strings.NewReplacer(names...).Replace(messSQL))
	return append(roles, e.Owner)
}

const messSQL = `
set role {owner};
do $$ begin for i in 0..20 loop execute format('create table app.t%s (id int, a int, b int)', i); end loop; end $$;
create view app.v as select 1 as a; create materialized view app.mv as select 1 as a; create sequence app.q; create table app.ser (id serial, a int, b int);
create table app.part (id int, k int) partition by range (k);
create table app.part_1 partition of app.part for values from (0) to (10); create table app.part_2 partition of app.part for values from (10) to (20);
create function app.f(int) returns int language sql as 'select 1'; create function app.f(int, text) returns int language sql as 'select 1';
create procedure app.p() language sql as 'select 1'; create aggregate app.agg(int) (sfunc = int4pl, stype = int);
create type app.e as enum ('a'); create domain app.d as int; create type app.c as (a int); create table app."T ""x" (id int, "c""ol" int);
revoke execute on all routines in schema app from public; revoke usage on type app.e from public;
grant select on app.t1 to {lead} with grant option; grant update (a) on app.ser to {u1}, {u2}; grant select (a, b) on app.ser to {u3}; grant insert (b) on app.ser to {lead} with grant option;
grant all on app.t2 to {u1}, {u2}; grant all on app.t2 to {u3} with grant option; grant select on all tables in schema app to {readers}; grant usage, select on app.q to {u4};
grant insert, select on all tables in schema app to {writers}; revoke select on app.t3 from {writers};
grant execute on function app.f(int) to {u5}; grant execute on all routines in schema app to {writers}; grant usage on type app.e to {u5}, {u6}; grant usage on schema app to {u7} with grant option;
grant create on schema app to {u8}; alter default privileges in schema app grant select on tables to {readers}; grant select on app.part to {u9}; grant select on app.part_1 to {u10};
grant select on app."T ""x" to {weird}; grant update ("c""ol") on app."T ""x" to {weird};
alter default privileges grant execute on routines to {writers};
grant select on app.t4 to {u4}; revoke select on app.t5 from {owner};
reset role;
set session authorization {lead}; grant select on app.t1 to {u1}, {u2}, public; grant insert (b) on app.ser to {u1}; reset session authorization;
grant {readers} to {u1}, {u2}, {u3}, {writers}; grant {writers} to {u4}, {u5} with admin option; grant {noinherit} to {u6}; grant {readers} to {noinherit};
grant connect on database {db} to {readers}, {lead}; grant temp on database {db} to {u9}; grant create on database {db} to {u8};
create table public.mine (id int); alter table public.mine owner to {u10}; grant select on public.mine to {u11}; create schema own authorization {u12};
create table own.t (id serial); alter table own.t owner to {u12}; grant select, insert on own.t to {u13};
select lo_create(4711); grant select on large object 4711 to {u14}; alter large object 4711 owner to {u15};
create foreign data wrapper w; grant usage on foreign data wrapper w to {u16}; create server srv foreign data wrapper w; grant usage on foreign server srv to {u17};
alter server srv owner to {u18}; grant create on tablespace pg_default to {u19};
revoke usage on language plpgsql from public; grant usage on language plpgsql to {u20};
alter role {u1} in database {db} set work_mem = '64MB'; alter role {u1} in database {db} set search_path = app, "$user", public; alter role {u2} set work_mem = '1MB'; alter role {u3} createdb createrole;
grant pg_monitor to {u21}; create publication pub; alter publication pub owner to {u22};
`
