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
