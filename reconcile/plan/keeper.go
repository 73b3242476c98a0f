package plan

import (
	"fmt"
	"hash/fnv"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// A keeper has ADMIN on its share of the intermediate roles, and their memberships are written as it. Since PostgreSQL 16
// whoever is not a superuser gets ADMIN on every role it creates, and each GRANT of a membership looks through all that the
// acting role has: the daemon's list grows with every role, a keeper's stays short.
//
// A keeper for 64 intermediate roles: whoever has few need not wonder at as many keepers.
const (
	keepers      = 16
	rolesOfShare = 64
)

// UsesKeepers reports whether keepers help on this server, for the connected role. Citus logs in to the other nodes as the acting role, which a keeper, being
// NOLOGIN, cannot.
func UsesKeepers(server catalog.Server) bool {
	return server.MembershipOptions() && !server.Superuser && !server.Citus
}

// keeperFor makes sure of the keeper for an intermediate role, and returns its name.
func (m *maker) keeperFor(intermediate string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(intermediate))
	shares := min(keepers, 1+(m.facts.Shared+len(m.plan.Created))/rolesOfShare)
	slot := int(h.Sum32() % uint32(shares)) //nolint:gosec // from 1 to 16
	if name := m.facts.Slots[slot]; name != "" {
		return name
	}
	derived := OwnName(m.facts.Server.DatabaseOID, fmt.Sprint("keeper_", slot))
	name := m.freeName(derived, "a keeper")
	if m.slots[derived] {
		return name
	}
	m.slots[derived] = true
	if _, answered := m.facts.Conflicts[derived]; !answered {
		m.plan.Questions.Keepers = append(m.plan.Questions.Keepers, derived)
	}
	if m.reusable(derived) {
		// COMMENT locks the role against those who are granting it.
		comment := commentStatement(name, "keeper of intermediate roles of sync_roles in database "+m.facts.Server.Database)
		m.keepers = append(m.keepers, Step{Makes: name, SQL: comment, Record: Record{Kind: ReuseKeeper, Args: []any{name, slot}, Sure: true}})
	} else {
		create := "CREATE ROLE " + catalog.Quote(name) + " NOLOGIN NOINHERIT"
		m.keepers = append(m.keepers, Step{Creates: name, Makes: name, SQL: create, Record: Record{Kind: RegisterKeeper, Args: []any{name, slot}}})
	}
	m.keepers = append(m.keepers, Step{Makes: name, SQL: fmt.Sprintf("GRANT %s TO %s WITH INHERIT FALSE, SET TRUE", catalog.Quote(name), catalog.Quote(m.facts.Server.Role))})
	return name
}

// byLockKeeper has a statement run as the keeper of the lock, which takes CREATEROLE and ADMIN on an intermediate role: before it, PostgreSQL looks through all
// that the acting role has ADMIN on, and through their memberships (is_admin_of_role in acl.c), which for the daemon is every role that it created. The keeper
// of the lock has ADMIN on the one more only for the moment, so that the lock is had in the same time however many roles there are.
func byLockKeeper(lockKeeper, keeper, role string, step Step) []Step {
	if lockKeeper == "" || keeper == "" {
		return []Step{step}
	}
	step.As = lockKeeper
	return []Step{
		{Makes: step.Makes, As: keeper, SQL: fmt.Sprintf("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", catalog.Quote(role), catalog.Quote(lockKeeper))},
		step,
		{Makes: step.Makes, As: keeper, SQL: fmt.Sprintf("REVOKE %s FROM %s", catalog.Quote(role), catalog.Quote(lockKeeper))},
	}
}
