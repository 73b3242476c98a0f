package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// revocable is a database with something of every kind that revoke_other knows. All but what superusers alone can own belongs to the
// owner; on that, the daemon has the grant option, and by its hand the grants are made.
type revocable struct {
	*fixture
	space, fdw, server, language, group, parameter string
	large                                          uint32
}

func newRevocable(t *testing.T) *revocable {
	t.Helper()
	f := newFixture(t)
	r := &revocable{
		fixture: f, fdw: f.Role("fdw"), server: f.Role("srv"), language: f.Role("lang"), parameter: f.Prefix + "a.b",
		space: f.tablespace(t, "space", f.Owner), group: f.role(t, "group", ""),
	}
	f.Exec(t, fmt.Sprintf(`
		create foreign data wrapper %[1]s;
		grant usage on foreign data wrapper %[1]s to %[2]s;
		grant usage on foreign data wrapper %[1]s to %[5]s with grant option;
		create server %[3]s foreign data wrapper %[1]s;
		alter server %[3]s owner to %[2]s;
		create trusted language %[4]s handler plpgsql_call_handler;
		revoke usage on language %[4]s from public;
		alter language %[4]s owner to %[2]s`, r.fdw, f.Owner, r.server, r.language, f.Daemon))
	if f.Version >= 15 {
		f.Exec(t, fmt.Sprintf("grant set, alter system on parameter %s to %s with grant option", r.parameter, f.Daemon))
	}
	f.asOwner(t, `
		create schema kept;
		grant usage on schema kept to public;
		create table kept.t (id int);
		create sequence app.seq;
		create function app.fn() returns int language sql as 'select 1';
		revoke execute on function app.fn() from public;
		create type app.color as enum ('red');
		revoke usage on type app.color from public`)
	r.large = pgtest.One[uint32](t, f.super, "select lo_create(0)")
	f.Exec(t, fmt.Sprintf("alter large object %d owner to %s", r.large, f.Owner))
	return r
}

// give grants a role something of every kind, by hand.
func (r *revocable) give(t *testing.T, role string) {
	t.Helper()
	q := quote(role)
	r.asOwner(t, fmt.Sprintf(`
		grant select, insert on app.sales to %[1]s;
		grant update (id), references (id) on app.costs to %[1]s;
		grant select, delete on kept.t to %[1]s;
		grant usage, create on schema app to %[1]s;
		grant usage on schema kept to %[1]s;
		grant usage, select on sequence app.seq to %[1]s;
		grant execute on function app.fn() to %[1]s;
		grant usage on type app.color to %[1]s;
		grant usage on foreign server %[2]s to %[1]s;
		grant usage on language %[3]s to %[1]s;
		grant create on tablespace %[4]s to %[1]s;
		grant select on large object %[5]d to %[1]s;
		alter default privileges in schema app grant select on tables to %[1]s`, q, r.server, r.language, r.space, r.large))
	r.asDaemon(t, fmt.Sprintf(`
		grant usage on foreign data wrapper %[2]s to %[1]s;
		grant connect, temporary on database %[3]s to %[1]s;
		grant %[4]s to %[1]s`, q, r.fdw, r.Database, r.group))
	if r.Version >= 15 {
		r.asDaemon(t, fmt.Sprintf("grant set, alter system on parameter %s to %s", r.parameter, q))
	}
	r.Exec(t, fmt.Sprintf(`
		create table app.%[2]s (id serial);
		create table kept.%[2]s (id int);
		create schema %[2]s;
		create sequence app.%[3]s;
		create function app.%[2]s() returns int language sql as 'select 1';
		revoke execute on function app.%[2]s() from public;
		create type app.%[4]s as enum ('x');
		alter table app.%[2]s owner to %[1]s;
		alter table kept.%[2]s owner to %[1]s;
		alter schema %[2]s owner to %[1]s;
		alter sequence app.%[3]s owner to %[1]s;
		alter function app.%[2]s() owner to %[1]s;
		alter type app.%[4]s owner to %[1]s`, q, quote("o_"+role), quote("s_"+role), quote("t_"+role)))
}
