package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What rows ask for stays, whatever the kind, and however it is held.
func TestRevokeKeepsWhatRowsAskFor(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	x := r.user(t, "x")
	r.give(t, x)
	o := "o_" + x
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	r.insert(t, x, "SELECT", "table", "app", "sales")
	r.add(t, row{role: x, privilege: "UPDATE", objectType: "table", schema: "app", name: "costs", column: "id"})
	r.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "kept", name: "%", match: "like"})
	r.insert(t, x, "CREATE", "schema", "", "app")
	r.insert(t, x, "USAGE", "sequence", "app", "seq")
	r.insert(t, x, "EXECUTE", "routine", "app", "fn")
	r.insert(t, x, "USAGE", "type", "app", "color")
	r.insert(t, x, "USAGE", "foreign_data_wrapper", "", r.fdw)
	r.insert(t, x, "USAGE", "foreign_server", "", r.server)
	r.insert(t, x, "USAGE", "language", "", r.language)
	r.insert(t, x, "CREATE", "tablespace", "", r.space)
	r.insert(t, x, "SELECT", "large_object", "", fmt.Sprint(r.large))
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	r.insert(t, x, "MEMBER", "role", "", r.group)
	r.insert(t, x, "OWNER", "table", "app", o)
	if r.Version >= 15 {
		r.insert(t, x, "SET", "parameter", "", r.parameter)
	}
	r.pending(t)
	r.outcome(t, x, plan.Applied)
	var got []string
	for _, line := range r.holdings(t, x) {
		line, _, _ = strings.Cut(line, " from ")
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") {
			got = append(got, line)
		}
	}
	want := []string{
		"tables SELECT app.sales", "tables UPDATE app.costs column id", "tables SELECT kept.t", "schemas CREATE app",
		"sequences USAGE app.seq", "routines EXECUTE app.fn", "types USAGE app.color", "foreign_data_wrappers USAGE " + r.fdw,
		"foreign_servers USAGE " + r.server, "languages USAGE " + r.language, "tablespaces CREATE " + r.space,
		fmt.Sprintf("large_objects SELECT %d", r.large), "databases CONNECT " + r.Database, "role_memberships " + r.group,
		"ownerships table app." + o, "ownerships sequence app." + o + "_id_seq",
	}
	if r.Version >= 15 {
		want = append(want, "parameters SET "+r.parameter)
	}
	// kept.% is held through an intermediate role as well, and its table of x's own went to the daemon.
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "role_memberships _pgsr_") })
	sameList(t, "what the role has", got, want)
	r.can(t, x, "select from app.sales, kept.t; update app.costs set id = 1; create table app.mine (id int)")
	r.cannot(t, x, "insert into app.sales values (1)")
	r.cannot(t, x, "delete from kept.t")
	r.quiet(t)

	// The rows go: nothing is left.
	r.write(t, "delete from sync_roles.desired_grants")
	r.pending(t)
	var left []string
	for _, line := range r.holdings(t, x) {
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") {
			left = append(left, line)
		}
	}
	sameList(t, "what the role has left", left, nil)
	r.quiet(t)
}

func TestRevokePreservesSchemas(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	x, neighbour := r.user(t, "x"), r.user(t, "neighbour")
	r.give(t, x)
	r.give(t, neighbour)
	same := r.untouched(t, neighbour, "public")
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	granted := r.insert(t, x, "SELECT", "table", "kept", "t")
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other, preserve_existing_grants_in_schemas) values ($1, '{all}', '{kept,nowhere}')", x)
	r.pending(t)
	r.outcome(t, x, plan.Applied)
	r.can(t, x, "select from kept.t; delete from kept.t; drop table kept."+quote("o_"+x))
	r.cannot(t, x, "select from app.sales")
	r.cannot(t, x, "select app.fn()")
	// The schema's own privileges are not preserved.
	r.is(t, false, "nspacl::text ~ $1 from pg_namespace where nspname = 'kept'", x+"=")
	r.owns(t, r.Daemon, "app.o_"+x)
	r.owns(t, x, "kept.o_"+x)
	r.quiet(t)

	// The row that spoke of kept.t goes: that is no "other".
	r.delete(t, granted)
	r.pending(t)
	r.cannot(t, x, "select from kept.t")
	r.can(t, x, "delete from kept.t")
	r.quiet(t)

	r.write(t, "update sync_roles.desired_roles set preserve_existing_grants_in_schemas = '{}'")
	r.pending(t)
	r.cannot(t, x, "delete from kept.t")
	r.owns(t, r.Daemon, "kept.o_"+x)
	r.quiet(t)
	same()
}

// What sync_roles itself granted (to writers) is not "other".
func TestRevokeSparesItsOwnSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asDaemon(t, fmt.Sprintf("grant usage on schema sync_roles to %[1]s; grant select, insert on sync_roles.desired_grants to %[1]s", x))
	f.write(t, "insert into sync_roles.writers (writer_role, grantee_like) values ($1, null)", x)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.can(t, x, "select from sync_roles.desired_grants")
	f.quiet(t)
}
