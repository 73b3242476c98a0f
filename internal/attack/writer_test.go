package attack_test

import "testing"

// A scoped writer writes what is in its scope, and nothing else.
func TestWriterStaysInScope(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.run(t, f.etl, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('"+alice+"', 'SELECT', 'table', 'sales', 'orders')")
	f.refused(t, f.etl, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('"+alice+"', 'DELETE', 'table', 'sales', 'orders')", "42501")
	f.call(t, "sync").want(t, 0)
	if !f.Can(t, alice, "select from sales.orders") || f.Can(t, alice, "delete from sales.orders") {
		t.Error("alice has not just SELECT")
	}
}
