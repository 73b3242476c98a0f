package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// The statement gives the ADMIN option on the roles that are named, also to a role with an odd name, and whatever the search_path of who runs it.
func TestRegainAdmin(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 25} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			if env.Version < 16 {
				t.Skip("before, CREATEROLE is enough")
			}
			daemon, super := env.Role(`o'd"d\$do$`), env.Superuser(t)
			oid := pgtest.One[uint32](t, super, "select oid from pg_database where datname = current_database()")
			env.Exec(t, "create role "+catalog.Quote(daemon))
			lock := env.Role("lock")
			roles := []string{lock}
			for i := range n {
				roles = append(roles, fmt.Sprintf("_pgsr_%d_%d", oid, i))
			}
			for _, role := range roles {
				env.Exec(t, "create role "+catalog.Quote(role))
			}
			other := fmt.Sprintf("_pgsr_1%d_0", oid)
			env.Exec(t, "create role "+other)
			defer func() { env.Exec(t, "drop role "+other) }()

			statement := catalog.RegainAdmin(roles, daemon)
			if do := strings.HasPrefix(statement, "DO "); do != (n > 20) {
				t.Errorf("for %d roles: %s", n, statement)
			}
			env.Exec(t, `create schema evil; create function evil.format(text, name, text) returns text language sql as $$ select 'create role evil' $$;
				set search_path = evil, pg_catalog; `+statement)
			given := pgtest.One[int](t, super, "select count(*)::int from pg_auth_members as m join pg_roles as r on r.oid = m.roleid where m.member = (select oid from pg_roles where rolname = $1) and m.admin_option and not m.inherit_option and not m.set_option and r.rolname = any ($2)",
				daemon, roles)
			all := pgtest.One[int](t, super, "select count(*)::int from pg_auth_members as m where m.member = (select oid from pg_roles where rolname = $1)", daemon)
			if given != len(roles) || all != given {
				t.Errorf("the statement gives %d of %d roles, and %d in all: %s", given, len(roles), all, statement)
			}
		})
	}
}
