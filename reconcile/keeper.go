package reconcile

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"

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

// byLocker has a statement run as the keeper of the lock, which takes CREATEROLE and ADMIN on an intermediate role: before it, PostgreSQL looks through all
// that the acting role has ADMIN on, and through their memberships (is_admin_of_role in acl.c), which for the daemon is every role that it created. The keeper
// of the lock has ADMIN on the one more only for the moment, so that the lock is had in the same time however many roles there are.
func byLocker(locker, keeper, role string, step Step) []Step {
	if locker == "" || keeper == "" {
		return []Step{step}
	}
	step.As = locker
	return []Step{
		{about: step.about, As: keeper, SQL: fmt.Sprintf("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", catalog.Quote(role), catalog.Quote(locker))},
		step,
		{about: step.about, As: keeper, SQL: fmt.Sprintf("REVOKE %s FROM %s", catalog.Quote(role), catalog.Quote(locker))},
	}
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

const lockNamesakeSQL = `
	select r.rolname, coalesce(sync_roles.keeper_problem(r.oid, true), 'another role has been in its place')
	from sync_roles.keepers as k
	join pg_catalog.pg_roles as r on r.rolname = format('_pgsr_%s_keeper_lock', $1::oid)
	where k.locks and r.oid <> k.role_oid`

// reportLockNamesake tells, once, of a role that has the name of the keeper of the lock and is not ours: migrate has made one of another name.
func (e *Engine) reportLockNamesake(ctx context.Context, w work, report *Report) error {
	var name, why string
	err := e.conn.QueryRow(ctx, lockNamesakeSQL, e.server.DatabaseOID).Scan(&name, &why)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a role with the name of the keeper of role _pgsr_lock: %w", err)
	}
	list := []Problem{strangerProblem(name, "the keeper of role _pgsr_lock", why)}
	row := AuditRow{Role: name, Cause: w.cause, Outcome: Refused, Statements: []string{}, Problems: list, RequestedBy: []string{}, Attempt: 1, Instance: e.instance}
	said := false
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		roles, err := readRoles(ctx, tx, []string{name})
		if err != nil {
			return err
		}
		if said = roles[name].LastOutcome == Refused && slices.Equal(roles[name].LastProblems, list); said {
			return nil
		}
		return e.writeAudit(ctx, tx, &row)
	})
	if err != nil {
		return fmt.Errorf("record that role %q is not the keeper of role _pgsr_lock: %w", name, err)
	}
	if !said {
		report.Rows = append(report.Rows, row)
		e.recorded(w, row, nil)
		e.log.Warn().Str("pass", row.Pass).Str("role", name).Str("problems", reasons(list)).Msg("not as desired")
	}
	return nil
}
