package reconcile_test

import "testing"

// Where a pass cannot keep others from renaming what it grants on, it grants all the same.
func TestWithoutSharing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.Exec(t, `revoke execute on function pg_catalog.table_to_xmlschema(regclass, boolean, boolean, text) from public;
		revoke execute on function pg_catalog.pg_get_object_address(text, text[], text[]) from public`)
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.insert(t, alice, "CREATE", "schema", "", "app")
	f.pending(t)
	f.can(t, alice, "select from app.sales; create table app.hers ()")
	f.inOrder(t, alice)
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.quiet(t)
}

// Whoever may write to a table may lock it, and keeps by that no longer what rows gave, neither for itself nor for others.
func TestLockKeepsNoAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version >= 18 {
		t.Skip("REVOKE itself waits for the lock")
	}
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.asOwner(t, "create view app.view as select from app.costs")
	var deleted []int64
	for name, direct := range map[string]bool{"sales": true, "costs": false, "view": true} {
		for role, privilege := range map[string]string{alice: "UPDATE", bob: "SELECT"} {
			deleted = append(deleted, f.add(t, row{role: role, privilege: privilege, objectType: "table", schema: "app", name: name, direct: &direct}))
		}
	}
	deleted = append(deleted, f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "amount"}))
	f.insert(t, carol, "SELECT", "table", "app", "sales")
	f.pending(t)
	locker := f.Connect(t, alice)
	if _, err := locker.Exec(t.Context(), "begin; lock table app.sales, app.costs, app.view in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	f.delete(t, deleted...)
	f.pending(t)
	for _, role := range []string{alice, bob} {
		f.inOrder(t, role)
		f.is(t, false, "bool_or(has_any_column_privilege('"+role+"', c.oid, 'SELECT, INSERT, UPDATE')) from pg_class as c where c.relnamespace = 'app'::regnamespace")
	}
	if _, err := locker.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	f.quiet(t)
	f.cannot(t, alice, "update app.sales set id = 1")
	f.cannot(t, bob, "select from app.sales")
	f.can(t, carol, "select from app.sales")
}

// The server's table of locks is everybody's: a pass that tries its statements one by one holds no more of it than others do.
func TestSharesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version >= 18 {
		t.Skip("GRANT locks its object itself")
	}
	alice, bad := f.user(t, "alice"), f.user(t, "bad")
	f.asOwner(t, "do $$ begin for n in 1..1100 loop execute format('create table app.t%s ()', n); end loop; end $$")
	f.Exec(t, `create table public.seen (locks bigint);
		grant insert on public.seen to public;
		create function public.look() returns event_trigger language plpgsql as $$
		begin
			if current_query() ~ 'GRANT.*"`+bad+`"' then raise 'not to bad'; end if;
			insert into public.seen select count(*) from pg_locks where pid = pg_backend_pid() and relation >= 16384 and mode = 'AccessShareLock';
		end $$;
		create event trigger `+f.Prefix+`look on ddl_command_start when tag in ('GRANT') execute function public.look()`)
	f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, direct)
		select $1, 'SELECT', 'table', 'app', 't' || n, true from generate_series(1, 1100) as n`, alice)
	f.add(t, row{role: bad, privilege: "SELECT", objectType: "table", schema: "app", name: "t1", direct: ptr(true)})
	f.pending(t)
	f.can(t, alice, "select from app.t1, app.t1100")
	f.cannot(t, bad, "select from app.t1")
	f.is(t, true, "max(locks) between 900 and 1090 from public.seen")
}
