package reconcile_test

import "testing"

// Rows that come by logical replication, which fires no ordinary triggers, give and take access as others do.
func TestReplicatedRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	apply := func(sql string, args ...any) {
		t.Helper()
		exec := func(sql string, args ...any) {
			t.Helper()
			if _, err := f.super.Exec(t.Context(), sql, args...); err != nil {
				t.Fatalf("run %s: %v", sql, err)
			}
		}
		exec("set session_replication_role = replica")
		exec(sql, args...)
		exec("reset session_replication_role")
		f.pending(t)
	}
	const insert = "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 'sales')"
	apply(insert, alice)
	f.can(t, alice, "select from app.sales")
	apply("update sync_roles.desired_grants set role_name = $1", bob)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, bob, "select from app.sales")
	apply("delete from sync_roles.desired_grants")
	f.cannot(t, bob, "select from app.sales")
	f.quiet(t)

	apply(insert, alice)
	f.can(t, alice, "select from app.sales")
	apply("truncate sync_roles.desired_grants")
	f.cannot(t, alice, "select from app.sales")
	apply("insert into sync_roles.desired_roles (role_name, connection_limit) values ($1, 3)", alice)
	f.is(t, true, "rolconnlimit = 3 from pg_roles where rolname = $1", alice)
	f.quiet(t)
}
