package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// Schemas and types that are being renamed are left alone for a moment, which their owner cannot prolong without end.
func TestRenamingKeepsNoAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.asOwner(t, "create schema data; create type app.mood as enum (); revoke all on type app.mood from public")
	deleted := []int64{
		f.add(t, row{role: alice, privilege: "CREATE", objectType: "schema", name: "data", direct: ptr(true)}),
		f.add(t, row{role: alice, privilege: "USAGE", objectType: "type", schema: "app", name: "mood", direct: ptr(true)}),
	}
	f.insert(t, bob, "USAGE", "type", "app", "mood")
	f.pending(t)
	f.inOrder(t, alice)
	f.asOwner(t, `alter schema data rename to data_0; create schema data;
		alter type app.mood rename to mood_0; create type app.mood as enum (); revoke all on type app.mood from public`)
	f.delete(t, deleted...)
	f.pending(t)
	holds := func(role string) bool {
		return pgtest.One[bool](t, f.super, `select exists (
			select from pg_namespace where nspname like 'data%' and has_schema_privilege($1, oid, 'CREATE')
			union all
			select from pg_type where typname like 'mood%' and has_type_privilege($1, oid, 'USAGE'))`, role)
	}
	for n := 1; holds(alice); n++ {
		if n == 10 {
			t.Fatal("a role keeps what no row asks for as long as its object is renamed again and again")
		}
		f.asOwner(t, fmt.Sprintf("alter schema data_%d rename to data_%d; alter type app.mood_%[1]d rename to mood_%[2]d", n-1, n))
		f.due(t)
		if _, err := f.engine.Retries(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.sync(t)
	f.is(t, true, "has_type_privilege('"+bob+"', 'app.mood', 'USAGE')")
	f.quiet(t)
}
