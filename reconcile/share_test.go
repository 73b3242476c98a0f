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
