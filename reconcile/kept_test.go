package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// refused gives a role SELECT on app.sales by a grantor that can no longer revoke it: it has lost USAGE on the schema, which belongs to a superuser, so
// that the daemon cannot lend it.
func (f *fixture) refused(t *testing.T, role string) (lead string) {
	t.Helper()
	lead = f.user(t, "lead")
	f.Exec(t, "revoke usage on schema app from public; grant usage on schema app to "+lead+"; grant select on app.sales to "+lead+" with grant option; set role "+lead+"; grant select on app.sales to "+role)
	f.Exec(t, "alter schema app owner to postgres; grant usage, create on schema app to "+f.Owner+"; revoke usage on schema app from "+lead)
	return lead
}

// What could not be revoked is not forgotten with the row that gave it, however much is written meanwhile.
func TestKeptWhileOthersWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.user(t, "r")
	lead := f.refused(t, r)
	id := f.insert(t, r, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.delete(t, id)
	f.insert(t, r, "USAGE", "schema", "", "app")

	// A request comes between the first reading of a pass and its last: here from an event trigger at a GRANT of the same pass.
	f.Exec(t, `create function public.ask() returns event_trigger language plpgsql security definer as $$
		begin insert into sync_roles.pending (role_name) values ('`+r+`'); end $$;
		create event trigger `+f.Prefix+`ask on ddl_command_start when tag in ('GRANT') execute function public.ask()`)
	f.pending(t)
	f.Exec(t, "drop event trigger "+f.Prefix+"ask")
	f.pending(t)
	f.is(t, true, "has_table_privilege($1, 'app.sales', 'SELECT')", r)
	f.outcome(t, r, plan.Blocked)
	f.is(t, true, "exists (select from sync_roles.withdrawn)")
	if p := f.problem(t, r, plan.Blocked, "no USAGE on schema app"); p.Fix != `GRANT USAGE ON SCHEMA "app" TO `+quote(lead) {
		t.Errorf("the fix is %q", p.Fix)
	}

	f.Exec(t, "grant usage on schema app to "+lead)
	f.rescan(t)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'SELECT')", r)
	f.is(t, false, "exists (select from sync_roles.withdrawn)")
	f.quiet(t)
}

// A table that was renamed is remembered until nobody holds by its old name what rows gave, whatever is in the way of taking it, and for how long.
func TestKeptAfterARename(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		r := f.user(t, "r")
		lead := f.refused(t, r)
		f.insert(t, r, "SELECT", "table", "app", "sales")
		f.pending(t)
		f.Exec(t, "alter table app.sales rename to sold")
		for range 3 {
			f.rescan(t)
			f.outcome(t, r, plan.Blocked)
			f.is(t, true, "has_table_privilege($1, 'app.sold', 'SELECT')", r)
		}
		f.Exec(t, "grant usage on schema app to "+lead)
		f.rescan(t)
		f.is(t, false, "has_table_privilege($1, 'app.sold', 'SELECT')", r)
		f.outcome(t, r, plan.Waiting)
		f.quiet(t)
	})
	t.Run("waiting for its next try", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		r := f.user(t, "r")
		f.insert(t, r, "SELECT", "table", "app", "sales")
		f.pending(t)
		f.Exec(t, "insert into sync_roles.retries values ('"+r+"', 5, now() + interval '10 min'); alter table app.sales rename to sold")
		f.rescan(t)
		f.due(t)
		if _, err := f.engine.ServeRetries(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.rescan(t)
		f.cannot(t, r, "select from app.sold")
		f.outcome(t, r, plan.Waiting)
		f.quiet(t)
	})
}

// Rows expire for each role of a batch, also where one of them cannot be served; and what has expired is not given.
func TestExpiryBesideTrouble(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r, other := f.user(t, "r"), f.user(t, "other")
	f.refused(t, r)
	f.insert(t, r, "SELECT", "table", "app", "sales")
	f.insert(t, other, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.Exec(t, "update sync_roles.desired_grants set expires_at = now() - interval '1 s'")
	if _, err := f.engine.ServeExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.is(t, false, "exists (select from sync_roles.desired_grants)")
	f.is(t, false, "has_table_privilege($1, 'app.costs', 'SELECT')", other)
	f.outcome(t, r, plan.Blocked)
	f.inOrder(t, other)

	f.Exec(t, "grant usage on schema app to public")
	late := f.user(t, "late")
	f.write(t, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, expires_at) values ($1, 'SELECT', 'table', 'app', 'costs', '2001-01-01')", late)
	f.pending(t)
	f.cannot(t, late, "select from app.costs")
	if _, err := f.engine.ServeExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.is(t, false, "exists (select from sync_roles.desired_grants)")
}

// A batch that fails as a whole is split, and what has expired goes in each part.
func TestExpiryInASplitBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.user(t, "a"), f.user(t, "b")
	f.insert(t, a, "SELECT", "table", "app", "sales")
	f.insert(t, b, "SELECT", "table", "app", "sales")
	f.pending(t)
	// The audit refuses what is about both.
	f.Exec(t, `create function public.one() returns trigger language plpgsql as $$
		begin
			if new.cause = 'expiry' and exists (select from sync_roles.audit where pass = new.pass and cause = 'expiry' and role_name <> new.role_name) then raise 'one at a time'; end if;
			return new;
		end $$;
		create trigger one before insert on sync_roles.audit for each row execute function public.one()`)
	f.write(t, "update sync_roles.desired_grants set expires_at = now() - interval '1 s'")
	if _, err := f.engine.ServeExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Exec(t, "drop trigger one on sync_roles.audit")
	f.is(t, false, "exists (select from sync_roles.desired_grants)")
	f.cannot(t, a, "select from app.sales")
	f.cannot(t, b, "select from app.sales")
	f.quiet(t)
}

// What an intermediate role cannot have, its members lack, and their status says so.
func TestLackingThroughAnIntermediateRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r, other := f.user(t, "r"), f.user(t, "other")
	f.asOwner(t, "create table app.t1 (id int)")
	id := f.add(t, row{role: r, privilege: "SELECT", objectType: "table", schema: "app", name: "t%", match: "like"})
	f.insert(t, other, "SELECT", "table", "app", "t1")
	f.pending(t)
	f.Exec(t, "create table app.t2 (id int)") // a superuser's
	f.rescan(t)
	f.can(t, r, "select from app.t1")
	f.cannot(t, r, "select from app.t2")
	f.is(t, true, "status = 'blocked' and problems::text like '%app.t2%' from sync_roles.role_status where role_name = $1", r)
	f.is(t, true, "status = 'blocked' and reason like '%app.t2%' from sync_roles.grant_status where id = $1", id)
	f.is(t, true, "status = 'in_sync' from sync_roles.role_status where role_name = $1", other)
	f.quiet(t)

	f.Exec(t, "alter table app.t2 owner to "+f.Owner)
	f.rescan(t)
	f.can(t, r, "select from app.t2")
	f.is(t, true, "status = 'in_sync' and problems = '[]' from sync_roles.role_status where role_name = $1", r)
	f.is(t, true, "status = 'applied' and reason is null from sync_roles.grant_status where id = $1", id)
	f.quiet(t)
}

// An intermediate role that another daemon has dropped meanwhile is nobody's problem.
func TestIntermediateRoleDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.user(t, "r")
	id := f.add(t, row{role: r, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	name := pgtest.One[string](t, f.super, "select role_name from sync_roles.intermediate_roles")
	f.delete(t, id)
	f.pending(t)
	before := f.newestAudit(t)
	f.sync(t, name) // as another daemon would, which glanced before
	if f.newestAudit(t) != before {
		t.Errorf("the audit has more of it: %v", f.audit(t, name))
	}
}

// An intermediate role that only a new one can be rid of a member is rebuilt as a whole or not at all.
func TestRebuildIsAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("before 16 a membership can be revoked whoever granted it")
	}
	alice, mallory, lead := f.user(t, "alice"), f.user(t, "mallory"), f.user(t, "lead")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.insert(t, alice, "USAGE", "schema", "", "app")
	f.pending(t)
	name := pgtest.One[string](t, f.super, "select role_name from sync_roles.intermediate_roles")
	f.Exec(t, "alter schema app owner to postgres; revoke usage on schema app from public; grant usage on schema app to "+f.Owner+", "+mallory+", "+lead+"; grant select on app.costs to "+lead+" with grant option; set role "+lead+"; grant select on app.costs to "+name)
	f.Exec(t, "revoke usage on schema app from "+lead+"; grant "+name+" to "+mallory)
	const old = "exists (select from pg_roles where rolname like '%\\_old')"
	for range 2 {
		f.rescan(t)
		f.is(t, false, old)
		f.can(t, alice, "select from app.sales")
		f.can(t, mallory, "select from app.sales")
		f.problem(t, name, plan.Blocked, "membership of "+mallory, "cannot be made anew", lead+", only that role can revoke it, and it has no USAGE")
	}
	f.Exec(t, "grant usage on schema app to "+lead)
	f.rescan(t)
	f.is(t, false, old)
	f.can(t, alice, "select from app.sales")
	f.cannot(t, alice, "select from app.costs")
	f.cannot(t, mallory, "select from app.sales")
	f.quiet(t)
}
