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
	slot := int(h.Sum32() % keepers)
	if name := c.drift.KnownKeepers[slot]; name != "" {
		return name
	}
	derived := fmt.Sprintf("_pgsr_%d_keeper_%d", c.drift.Server.DatabaseOID, slot)
	c.keeperSlots[derived] = slot
	name := c.free(derived, "a keeper")
	if c.adoptable(derived) {
		// COMMENT locks the role against those who are granting it.
		comment := fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(name), literal("keeper of intermediate roles of sync_roles in database "+c.drift.Server.Database))
		c.foundingRoles["1 "+name] = Step{about: name, SQL: comment, then: adoptKeeperSQL, args: []any{name, slot}, sure: true}
	} else {
		create := "CREATE ROLE " + catalog.Quote(name) + " NOLOGIN NOINHERIT"
		c.foundingRoles["1 "+name] = Step{creates: name, about: name, SQL: create, then: registerKeeperSQL, args: []any{name, slot}}
	}
	c.foundingRoles["1 "+name+" member"] = Step{about: name, SQL: fmt.Sprintf("GRANT %s TO %s WITH INHERIT FALSE, SET TRUE", catalog.Quote(name), catalog.Quote(c.drift.Server.Role))}
	return name
}

const registerKeeperSQL = `
	insert into sync_roles.keepers (role_oid, role_name, slot)
	select r.oid, r.rolname, $2
	from pg_catalog.pg_roles as r
	where r.rolname = $1
	on conflict (slot) do update set role_oid = excluded.role_oid, role_name = excluded.role_name`

// adoptKeeperSQL registers a role that is there, if it still is as it would be made.
const adoptKeeperSQL = `
	insert into sync_roles.keepers (role_oid, role_name, slot)
	select r.oid, r.rolname, $2
	from pg_catalog.pg_roles as r
	where r.rolname = $1 and sync_roles.keeper_problem(r.oid, false) is null
	on conflict (slot) do update set role_oid = excluded.role_oid, role_name = excluded.role_name`
