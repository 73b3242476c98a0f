package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// limited is a fixture of which the engine holds what revokes more than so much.
func limited(t *testing.T, revokes, percent int) *fixture {
	t.Helper()
	f := newFixture(t)
	policy := defaultPolicy
	policy.Limit = plan.Limit{Revokes: revokes, Percent: percent}
	f.engine = f.engineWith(t, policy)
	return f
}

// held asserts which roles are held, in all places that say so.
func (f *fixture) held(t *testing.T, roles ...string) {
	t.Helper()
	sameList(t, "held", roles, f.texts(t, "select role_name from sync_roles.held"))
	sameList(t, "held by role_status", roles, f.texts(t, "select role_name from sync_roles.role_status where status = 'held'"))
	for _, role := range roles {
		f.problem(t, role, plan.Held, "role "+role, "--max-revokes")
	}
}

func (f *fixture) approve(t *testing.T, roles ...string) {
	t.Helper()
	if _, err := f.engine.Approve(t.Context(), roles); err != nil {
		t.Fatalf("approve %v: %v", roles, err)
	}
}

// What roles hold is not counted for each of many revokes that follow one another; one that is too large is held nevertheless.
func TestLimitAfterManyRevokes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := defaultPolicy
	policy.Limit = plan.Limit{Revokes: 5, Percent: 25, Window: time.Minute}
	f.engine = f.engineWith(t, policy)
	alice := f.user(t, "alice")
	f.asOwner(t, "do $$ begin for i in 1..40 loop execute format('create table app.many_%s (a int)', i); end loop; end $$")
	var ids []int64
	for i := 1; i <= 40; i++ {
		ids = append(ids, f.insert(t, alice, "SELECT", "table", "app", fmt.Sprintf("many_%d", i)))
	}
	f.pending(t)
	for i, id := range ids[:9] {
		f.delete(t, id)
		f.pending(t)
		f.cannot(t, alice, fmt.Sprintf("select from app.many_%d", i+1))
	}
	f.held(t)
	f.delete(t, ids[9:19]...)
	f.pending(t)
	f.held(t, alice)
	f.can(t, alice, "select from app.many_10")
	f.can(t, alice, "select from app.many_40")
	f.quiet(t)
}

// Who empties desired_grants by mistake takes nothing from anybody, whatever the rows gave and however it is held, until a person approves.
func TestLimitHoldsWhenTheTableIsEmptied(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]string{"delete": "delete from sync_roles.desired_grants", "truncate": "truncate sync_roles.desired_grants"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := limited(t, 5, 25)
			alice, bob, carol, dave := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol"), f.user(t, "dave")
			group := f.Role("group")
			f.asOwner(t, "create sequence app.seq; grant select on app.costs to "+dave)
			f.insert(t, alice, "SELECT", "table", "app", "sales")
			f.insert(t, alice, "OWNER", "sequence", "app", "seq")
			f.insert(t, bob, "MEMBER", "role", "", group)
			f.insert(t, group, "SELECT", "table", "app", "costs")
			for _, role := range []string{alice, bob, carol} {
				f.add(t, row{role: role, privilege: "INSERT", objectType: "table", schema: "app", name: "s%", match: "like"})
			}
			f.add(t, row{role: carol, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "id", direct: ptr(true)})
			f.pending(t)
			all := func(try func(t *testing.T, role, sql string)) {
				t.Helper()
				try(t, alice, "select from app.sales")
				try(t, alice, "alter sequence app.seq increment 2")
				try(t, bob, "select from app.costs")
				try(t, carol, "select id from app.sales")
				for _, role := range []string{alice, bob, carol} {
					try(t, role, "insert into app.sales values (1)")
				}
			}
			all(f.can)

			f.write(t, empty)
			f.pending(t)
			all(f.can)
			f.held(t, alice, bob, carol, group)
			f.quiet(t) // which also looks at intermediate roles and their members
			f.sync(t)
			f.prune(t)
			all(f.can)

			f.insert(t, carol, "UPDATE", "table", "app", "costs") // what is given is not held
			f.pending(t)
			f.can(t, carol, "update app.costs set id = 1")
			f.held(t, alice, bob, carol, group)
			f.can(t, carol, "insert into app.sales values (1)")

			f.approve(t)
			f.pending(t)
			all(f.cannot)
			f.can(t, carol, "update app.costs set id = 1")
			f.can(t, dave, "select from app.costs")
			f.held(t)
			if by := f.last(t, alice).RequestedBy; len(by) != 1 || by[0] != f.Daemon {
				t.Errorf("requested by %q, want who approved", by)
			}
			f.is(t, true, "count(*) = 0 from sync_roles.approvals")
			f.is(t, true, "count(*) = 0 from sync_roles.withdrawn")
			f.noIntermediates(t)
			f.quiet(t)
		})
	}
}

// Putting the rows back clears it, role by role.
func TestLimitRowsPutBack(t *testing.T) {
	t.Parallel()
	f := limited(t, 2, 25)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	for _, role := range []string{alice, bob} {
		f.insert(t, role, "SELECT", "table", "app", "sales")
		f.insert(t, role, "SELECT", "table", "app", "costs")
	}
	f.pending(t)
	f.write(t, "create temp table saved as table sync_roles.desired_grants")
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.held(t, alice, bob)
	f.write(t, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select role_name, privilege, object_type, schema_name, object_name from saved where role_name = $1", alice)
	f.pending(t)
	f.inOrder(t, alice)
	f.held(t, bob) // also where what is left would be within the limit
	f.quiet(t)
	f.write(t, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select role_name, privilege, object_type, schema_name, object_name from saved where role_name = $1", bob)
	f.pending(t)
	f.held(t)
	f.can(t, alice, "select from app.sales, app.costs")
	f.can(t, bob, "select from app.sales, app.costs")
	f.quiet(t)
}

// Both limits must be exceeded. One that is just reached is not.
func TestLimitIsForBoth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		revokes, percent, of, deleted int
		want                          bool
	}{
		{3, 25, 16, 4, false}, // a quarter
		{3, 25, 16, 5, true},
		{4, 25, 8, 4, false}, // four
		{4, 25, 8, 5, true},
		{4, 25, 40, 6, false},
		{0, 25, 8, 8, false}, // no limit
		{4, 0, 40, 5, true},  // the number alone
		{4, 0, 40, 4, false},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			f := limited(t, c.revokes, c.percent)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.asOwner(t, "do $$ begin for i in 1..40 loop execute format('create table app.t%s (id int)', i); end loop; end $$")
			f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
				select case when i <= $3 then $1 else $2 end, 'SELECT', 'table', 'app', 't' || i from generate_series(1, $4) as i`, alice, bob, c.deleted, c.of)
			// Rows of which the object does not exist give nothing.
			f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
				select $1, 'SELECT', 'table', 'app', 'nowhere' || i from generate_series(1, 100) as i`, bob)
			f.pending(t)
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
			f.pending(t)
			if c.want {
				f.held(t, alice)
				f.can(t, alice, "select from app.t1")
			} else {
				f.held(t)
				f.cannot(t, alice, "select from app.t1")
			}
			f.quiet(t)
		})
	}
}

// While one thing is held, what others do in the ordinary way is done.
func TestLimitIsNotInTheWayOfOthers(t *testing.T) {
	t.Parallel()
	f := limited(t, 2, 25)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	for _, role := range []string{alice, bob} {
		f.insert(t, role, "SELECT", "table", "app", "sales")
		f.insert(t, role, "SELECT", "table", "app", "costs")
	}
	id := f.insert(t, carol, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.write(t, "delete from sync_roles.desired_grants where role_name = any ($1)", []string{alice, bob})
	f.pending(t)
	f.held(t, alice, bob)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, carol, "select from app.costs")
	f.held(t, alice, bob)
	f.can(t, bob, "select from app.costs")
	f.quiet(t)
}

// A change of encoding takes nothing away, however many it concerns.
func TestLimitIsNotForEncodings(t *testing.T) {
	t.Parallel()
	f := limited(t, 1, 0)
	roles := []string{f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")}
	for _, role := range roles {
		f.add(t, row{role: role, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(true)})
		f.add(t, row{role: role, privilege: "INSERT", objectType: "table", schema: "app", name: "%", match: "like", direct: ptr(true)})
	}
	f.pending(t)
	for _, direct := range []bool{false, true, false} {
		f.write(t, "update sync_roles.desired_grants set direct = $1", direct)
		f.pending(t)
		f.held(t)
		for _, role := range roles {
			f.inOrder(t, role)
			f.can(t, role, "select from app.sales")
			f.is(t, direct, "exists (select from pg_class, aclexplode(relacl) as a where relname = 'sales' and a.grantee = $1::regrole)", role)
		}
		f.quiet(t)
	}
}

// What makes roles exclusive can revoke as much as a DELETE.
func TestLimitForExclusiveRoles(t *testing.T) {
	t.Parallel()
	f := limited(t, 2, 25)
	alice := f.user(t, "alice")
	f.asOwner(t, "grant all on app.sales to "+alice)
	f.insert(t, alice, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{tables}')", alice)
	f.pending(t)
	f.held(t, alice)
	f.can(t, alice, "delete from app.sales")
	f.quiet(t)
	f.approve(t, alice)
	f.pending(t)
	f.cannot(t, alice, "delete from app.sales")
	f.can(t, alice, "select from app.costs")
	f.quiet(t)
}

// An approval is for what was held when it was written, and not for what has come to it since.
func TestLimitApprovalIsForOnePlan(t *testing.T) {
	t.Parallel()
	f := limited(t, 2, 25)
	alice := f.user(t, "alice")
	var first, second []int64
	for _, privilege := range []string{"SELECT", "INSERT", "UPDATE"} {
		first = append(first, f.insert(t, alice, privilege, "table", "app", "sales"))
		second = append(second, f.insert(t, alice, privilege, "table", "app", "costs"))
	}
	f.pending(t)
	f.delete(t, first...)
	f.pending(t)
	f.held(t, alice)
	f.approve(t)
	f.delete(t, second...)
	f.pending(t)
	f.held(t, alice)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, alice, "select from app.costs")
	f.is(t, true, "count(*) = 0 from sync_roles.approvals")
	f.quiet(t)

	if _, err := f.daemon.Exec(t.Context(), "insert into sync_roles.approvals (role_name) values ('nobody')"); err == nil || !strings.Contains(err.Error(), "'nobody' is not held") {
		t.Errorf("approved for a role that is not held: %v", err)
	}
	f.write(t, "insert into sync_roles.approvals (note) values ('JIRA-6')")
	f.is(t, true, "note = 'JIRA-6' from sync_roles.approvals where role_name = $1", alice)
	f.pending(t)
	f.cannot(t, alice, "select from app.costs")
	f.quiet(t)
}

// A deletion is measured as a whole, also where it takes several passes.
func TestLimitAcrossPasses(t *testing.T) {
	t.Parallel()
	f := limited(t, 1050, 25)
	f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, direct)
		select $1 || i, 'SELECT', 'table', 'app', 'sales', false from generate_series(1, 1100) as i`, f.Role("r"))
	f.pending(t)
	count := "count(*) = $2 from pg_auth_members as m join sync_roles.intermediate_roles as i on i.role_oid = m.roleid join pg_roles as r on r.oid = m.member where r.rolname ~ ('^' || $1)"
	f.is(t, true, count, f.Role("r"), 1100)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.is(t, true, count, f.Role("r"), 1100)
	f.is(t, true, "count(*) = 1100 from sync_roles.held")
	f.quiet(t)
	f.is(t, true, count, f.Role("r"), 1100)
	f.approve(t)
	f.pending(t)
	f.is(t, true, count, f.Role("r"), 0)
	f.is(t, true, "count(*) = 0 from sync_roles.held")
	if n := pgtest.One[int](t, f.daemon, "select count(*)::int from sync_roles.audit where outcome = 'held'"); n != 1100 {
		t.Errorf("%d rows of the audit say held, want one for each role", n)
	}
	f.quiet(t)
}

// expire lets the time of all rows be over. For the triggers, nobody has shortened it.
func (f *fixture) expire(t *testing.T) {
	t.Helper()
	f.write(t, `alter table sync_roles.desired_grants disable trigger user;
		update sync_roles.desired_grants set expires_at = now() - interval '1 s';
		alter table sync_roles.desired_grants enable trigger user;
		alter table sync_roles.desired_grants enable replica trigger enqueue_replicated`)
}

// What has expired goes, however much it is and whatever else is held: it was never meant to stay.
func TestLimitIsNotForExpiry(t *testing.T) {
	t.Parallel()
	f := limited(t, 2, 25)
	alice, bob, group := f.user(t, "alice"), f.user(t, "bob"), f.Role("group")
	for _, privilege := range []string{"SELECT", "INSERT", "UPDATE"} {
		f.insert(t, alice, privilege, "table", "app", "sales")
		f.insert(t, alice, privilege, "table", "app", "costs")
	}
	f.asOwner(t, "create table app.own (id int)")
	f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
	f.insert(t, bob, "MEMBER", "role", "", group)
	f.insert(t, bob, "OWNER", "table", "app", "own")
	f.pending(t)
	f.can(t, bob, "select from app.costs")
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1 and object_name = 'sales'", alice)
	f.pending(t)
	f.held(t, alice)
	f.expire(t)
	if _, err := f.engine.ServeExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.is(t, false, "exists (select from sync_roles.desired_grants)")
	f.held(t, alice)
	f.can(t, alice, "select from app.sales")
	f.cannot(t, alice, "select from app.costs")
	f.cannot(t, bob, "select from app.costs")
	f.isMember(t, false, bob, group)
	f.owns(t, f.Daemon, "app.own")
	f.quiet(t)
	f.approve(t)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.quiet(t)
}

// One role's approval is no other's, and what is found elsewhere meanwhile is measured apart.
func TestLimitApprovalIsForOneRole(t *testing.T) {
	t.Parallel()
	f := limited(t, 2, 25)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	for _, role := range []string{alice, bob} {
		f.insert(t, role, "SELECT", "table", "app", "sales")
		f.insert(t, role, "SELECT", "table", "app", "costs")
	}
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", carol)
	f.insert(t, carol, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.write(t, "delete from sync_roles.desired_grants where object_type = 'table'")
	f.pending(t)
	f.held(t, alice, bob)
	f.asOwner(t, "grant select, insert on app.sales to "+carol)
	f.rescan(t)
	f.cannot(t, carol, "select from app.sales")
	f.held(t, alice, bob)

	f.approve(t, alice)
	// The first pass with the approval fails: the audit says who approved all the same.
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "grant update on app.sales, app.costs to "+f.Owner); err != nil {
		t.Fatal(err)
	}
	f.pending(t)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.due(t)
	if _, err := f.engine.ServeRetries(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.rescan(t)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, bob, "select from app.sales, app.costs")
	f.held(t, bob)
	f.quiet(t)
}

// What new rows give does not make what is revoked a smaller share; and a role whose pass fails does not make the others' deletion small.
func TestLimitIsOfWhatWasHeld(t *testing.T) {
	t.Parallel()
	f := limited(t, 3, 25)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	for _, privilege := range []string{"SELECT", "INSERT"} {
		f.insert(t, alice, privilege, "table", "app", "sales")
		f.insert(t, bob, privilege, "table", "app", "costs")
	}
	f.pending(t)
	f.write(t, "with gone as (delete from sync_roles.desired_grants returning role_name) insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select distinct 'x' || role_name, 'ALL', 'table', 'app', t from gone, unnest('{sales,costs}'::text[]) as t")
	f.pending(t)
	f.held(t, alice, bob)
	f.can(t, alice, "select from app.sales")
	f.quiet(t)

	g := limited(t, 3, 25)
	carol, dave := g.user(t, "carol"), g.user(t, "dave")
	for _, privilege := range []string{"SELECT", "INSERT"} {
		g.insert(t, carol, privilege, "table", "app", "sales")
		g.insert(t, dave, privilege, "table", "app", "costs")
	}
	g.pending(t)
	g.write(t, "insert into sync_roles.retries values ($1, 1, now() + interval '1 h')", carol)
	g.write(t, "delete from sync_roles.desired_grants")
	g.write(t, "delete from sync_roles.pending where role_name = $1", carol) // as the record of its failure does
	g.pending(t)
	g.held(t, dave)
	g.due(t)
	if _, err := g.engine.ServeRetries(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.held(t, carol, dave)
}

// A change of encoding that PostgreSQL refuses leaves the way that there is.
func TestLimitEncodingRefused(t *testing.T) {
	t.Parallel()
	for _, direct := range []bool{true, false} {
		f := newFixture(t)
		alice := f.user(t, "alice")
		f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(direct)})
		f.pending(t)
		f.can(t, alice, "select from app.sales")
		f.Exec(t, `create function public.no() returns event_trigger language plpgsql as $$
			begin if current_query() ~ 'GRANT SELECT ON' then raise 'not this way'; end if; end $$;
			create event trigger `+f.Prefix+`no on ddl_command_start when tag in ('GRANT') execute function public.no()`)
		f.write(t, "update sync_roles.desired_grants set direct = $1", !direct)
		f.pending(t)
		f.can(t, alice, "select from app.sales")
		f.Exec(t, "drop event trigger "+f.Prefix+"no")
		f.rescan(t)
		f.can(t, alice, "select from app.sales")
		f.is(t, !direct, "exists (select from pg_class, aclexplode(relacl) as a where relname = 'sales' and a.grantee = $1::regrole)", alice)
		f.quiet(t)
	}
}
