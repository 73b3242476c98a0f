package reconcile_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// Whatever becomes of the keeper of the lock, passes go on; a rescan puts right what it can, and migrate the rest.
func TestLockWithoutKeeper(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]string{
		"dropped":              "drop owned by {k}; drop role {k}",
		"renamed":              "alter role {k} rename to {p}_other",
		"without CREATEROLE":   "alter role {k} nocreaterole",
		"without ADMIN":        "revoke _pgsr_lock from {k} granted by {d} cascade",
		"not the daemon's own": "revoke {k} from {d} granted by {d} cascade",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < 16 {
				t.Skip("before 16 there is no need of one")
			}
			keeper := pgtest.One[string](t, f.daemon, "select role_name from sync_roles.keepers where role_name like '%lock'")
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.insert(t, alice, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.Exec(t, strings.NewReplacer("{k}", keeper, "{d}", f.Daemon, "{p}", f.Prefix).Replace(spoil))
			f.insert(t, bob, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.can(t, bob, "select from app.sales")
			f.rescan(t)
			f.quiet(t)

			if _, err := migrations.Up(t.Context(), f.config(t)); err != nil {
				t.Fatal(err)
			}
			works := `select r.rolcreaterole and pg_has_role(r.oid, 'SET') and pg_has_role(r.oid, '_pgsr_lock', 'MEMBER WITH ADMIN OPTION') from pg_roles as r where r.rolname = $1`
			if !pgtest.One[bool](t, f.daemon, works, keeper) {
				t.Error("migrate did not put the keeper right")
			}
			f.insert(t, alice, "SELECT", "table", "app", "costs")
			f.pending(t)
			f.can(t, alice, "select from app.costs")
		})
	}
}
