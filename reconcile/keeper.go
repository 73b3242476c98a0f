package reconcile

import (
	"fmt"
	"hash/fnv"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// A keeper has ADMIN on its share of the intermediate roles, and their memberships are written as it. Since PostgreSQL 16
// whoever is not a superuser gets ADMIN on every role it creates, and each GRANT of a membership looks through all that the
// acting role has: the daemon's list grows with every role, a keeper's stays short.
const keepers = 16

// usesKeepers reports whether keepers help on this server, for the connected role.
func usesKeepers(server catalog.Server) bool {
	return server.MembershipOptions() && !server.Superuser
}

// foundKeeper makes sure of the keeper for an intermediate role, and returns its name.
func (c *decision) foundKeeper(intermediate string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(intermediate))
	name := fmt.Sprintf("_pgsr_%d_keeper_%d", c.drift.Server.DatabaseOID, h.Sum32()%keepers)
	if c.drift.KnownKeepers[name] {
		return name
	}
	create := "CREATE ROLE " + catalog.Quote(name) + " NOLOGIN NOINHERIT"
	c.foundingRoles["1 "+name] = Step{creates: name, SQL: create, then: registerKeeperSQL, args: []any{name}}
	c.foundingRoles["1 "+name+" member"] = Step{SQL: fmt.Sprintf("GRANT %s TO %s WITH INHERIT FALSE, SET TRUE", catalog.Quote(name), catalog.Quote(c.drift.Server.Role))}
	return name
}

const registerKeeperSQL = `
	insert into sync_roles.keepers (role_oid, role_name)
	select oid, rolname from pg_catalog.pg_roles where rolname = $1
	on conflict (role_name) do update set role_oid = excluded.role_oid`
