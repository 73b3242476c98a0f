package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What another owner's role has granted to an exclusive role, and the daemon cannot revoke: blocked, and the rest goes.
func TestRevokeWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	x := r.user(t, "x")
	r.give(t, x)
	stranger := r.foreignOwner(t)
	r.Exec(t, fmt.Sprintf(`create table app.strange (id int); alter table app.strange owner to %s; set role %[1]s; grant select on app.strange to %[2]s; reset role;
		grant usage on foreign data wrapper %[3]s to %[2]s`, stranger, x, r.fdw))
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	r.pending(t)
	r.outcome(t, x, plan.Blocked)
	r.problem(t, x, plan.Blocked, "app.strange", stranger)
	r.problem(t, x, plan.Blocked, r.fdw, "postgres")
	r.cannot(t, x, "select from app.sales")
	r.can(t, x, "select from app.strange")
	var left []string
	for _, line := range r.holdings(t, x) {
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") && !strings.HasPrefix(line, "databases CONNECT") {
			left = append(left, line)
		}
	}
	sameList(t, "what the role has left", left, []string{"tables SELECT app.strange from " + stranger, "foreign_data_wrappers USAGE " + r.fdw + " from postgres"})
	r.quiet(t)
	r.fixes(t, x)
	r.rescan(t)
	r.cannot(t, x, "select from app.strange")
	r.is(t, false, "has_foreign_data_wrapper_privilege($1, $2, 'USAGE')", x, r.fdw)
	r.quiet(t)
}

// A superuser's daemon reaches everything.
func TestRevokeAsSuperuser(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	r.superuserDaemon(t)
	x, neighbour := r.user(t, "x"), r.user(t, "neighbour")
	r.give(t, x)
	r.give(t, neighbour)
	g := r.grantor(t, x)
	r.Exec(t, fmt.Sprintf("grant usage on foreign data wrapper %s to %s; create role %s; grant %[3]s to %[2]s; grant select on pg_authid to %[2]s; grant execute on function pg_read_file(text) to %[2]s",
		r.fdw, x, r.Role("g2")))
	same := r.untouched(t, neighbour, "public", g)
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	r.pending(t)
	r.outcome(t, x, plan.Applied)
	var left []string
	for _, line := range r.holdings(t, x) {
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") {
			left = append(left, line)
		}
	}
	sameList(t, "what the role has left", left, []string{
		"databases CONNECT " + r.Database + " from " + r.Daemon,
		// pg_catalog is not the rows' business, in either direction.
		"tables SELECT pg_catalog.pg_authid from postgres",
	})
	r.quiet(t)
	same()
}
