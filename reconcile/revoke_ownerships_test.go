package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Owning the current database is an ownership, too; owning another one is not this database's business.
func TestRevokeOwnershipOfDatabases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	other := f.Role("other")
	f.Exec(t, "create database "+other+" template template0")
	f.afterwards(t, "drop database if exists "+other+" with (force)")
	f.Exec(t, fmt.Sprintf("alter database %[1]s owner to %[2]s; alter database %[3]s owner to %[2]s; alter role %[4]s createdb; grant create on database %[3]s to %[4]s", other, x, f.Database, f.Daemon))
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", x)
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	f.is(t, true, "datdba::regrole::text = $1 from pg_database where datname = current_database()", f.Daemon)
	f.is(t, true, "datdba::regrole::text = $1 from pg_database where datname = $2", x, other)
	f.quiet(t)
}

// Serial and identity sequences belong to a column: they follow their table, and cannot be given away alone.
func TestRevokeOwnedSequences(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, "grant usage, create on schema app to "+x)
	f.Exec(t, "set role "+x+`; create table app.s (id serial, b bigint generated always as identity, c int default 1);
		create sequence app.free; create sequence app.tied owned by app.s.c; create table app.wanted (id serial); create index on app.wanted (id)`)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", x)
	f.insert(t, x, "OWNER", "table", "app", "wanted")
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	for _, s := range []string{"app.s", "app.s_id_seq", "app.s_b_seq", "app.free", "app.tied"} {
		f.owns(t, f.Daemon, s)
	}
	for _, s := range []string{"app.wanted", "app.wanted_id_seq"} {
		f.owns(t, x, s)
	}
	f.quiet(t)
	f.delete(t, pgtest.One[int64](t, f.daemon, "select id from sync_roles.desired_grants"))
	f.pending(t)
	f.owns(t, f.Daemon, "app.wanted_id_seq")
	f.quiet(t)
}

// An ownership alone that is revoked takes the privileges it implied, and leaves those of others on the object.
func TestRevokeOwnershipsKeepsOthersAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf("create table app.t (id int); alter table app.t owner to %s; set role %[1]s; grant select on app.t to %s", x, neighbour))
	nothing := f.nothingBorrowed(t)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", x)
	f.pending(t)
	f.owns(t, f.Daemon, "app.t")
	f.cannot(t, x, "select from app.t")
	f.can(t, neighbour, "select from app.t")
	nothing()
	f.quiet(t)
}
