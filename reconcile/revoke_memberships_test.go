package reconcile_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// databases covers the current database only, and role_memberships nothing of other databases' intermediate roles.
func TestRevokeOtherDatabases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	other := f.Role("other")
	f.Exec(t, "create database "+other+" template template0")
	f.afterwards(t, "drop database if exists "+other+" with (force)")
	f.Exec(t, fmt.Sprintf("alter database %[1]s owner to %[2]s; grant connect, create on database %[1]s to %[3]s; grant temporary on database %[4]s to %[3]s, %[5]s",
		other, f.Daemon, x, f.Database, neighbour))
	oid := pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = $1", other)
	foreign := []string{
		fmt.Sprintf("_pgsr_%d_%s", oid, x), fmt.Sprintf("_pgsr_local_%d_table_select_%s", oid, x),
	}
	gone := []string{fmt.Sprintf("_pgsr_4294967295_%s", x), fmt.Sprintf("_pgsr_%dx_%s", oid, x), fmt.Sprintf("_pgsr_x%d_%s", oid, x)}
	for _, g := range append(slices.Clone(foreign), gone...) {
		f.Exec(t, "create role "+g)
		f.afterwards(t, "drop role "+g)
		f.manageable(t, g)
		f.asDaemon(t, "grant "+g+" to "+x)
	}
	same := f.untouched(t, neighbour, "public")
	nothing := f.nothingBorrowed(t)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{databases,role_memberships}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	f.is(t, true, "has_database_privilege($1, $2, 'CONNECT') and has_database_privilege($1, $2, 'CREATE')", x, other)
	for _, g := range foreign {
		f.isMember(t, true, x, g)
	}
	for _, g := range gone {
		f.isMember(t, false, x, g)
	}
	f.quiet(t)
	nothing()
	same()
	f.is(t, false, "datacl::text ~ ($1 || '=[A-Zc]*T') from pg_database where datname = current_database()", x)
}

// A role that is exclusive and in a pattern's intermediate role keeps that, and loses the one whose row is gone.
func TestRevokeAndIntermediateRoles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
	f.add(t, row{role: neighbour, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	f.can(t, x, "select from app.sales, app.costs")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, x, "select from app.sales")
	f.can(t, x, "select from app.costs")
	f.can(t, neighbour, "select from app.sales")
	f.quiet(t)
	// By hand it gets into the neighbour's intermediate role.
	via := f.texts(t, "select role_name from sync_roles.intermediate_roles where object_name = 's%'")
	f.Exec(t, "grant "+quote(via[0])+" to "+x)
	f.rescan(t)
	f.cannot(t, x, "select from app.sales")
	f.can(t, neighbour, "select from app.sales")
	f.quiet(t)
}

// By hand an exclusive role got into a superuser, out of which only a superuser can take it: that is said, and the rest goes.
func TestRevokeMembershipInASuperuser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, boss, g := f.user(t, "x"), f.role(t, "boss", "superuser"), f.role(t, "g", "")
	f.asDaemon(t, "grant "+g+" to "+x)
	f.Exec(t, "grant "+boss+" to "+x)
	f.asOwner(t, "grant select on app.sales to "+x)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.problem(t, x, plan.Blocked, boss)
	f.isMember(t, false, x, g)
	f.is(t, false, "relacl::text ~ $1 from pg_class where oid = 'app.sales'::regclass", x+"=")
	f.quiet(t)
	f.fixes(t, x)
	f.rescan(t)
	f.isMember(t, false, x, boss)
	f.quiet(t)
}
