package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// An upgrade to PostgreSQL 16 or later, by pg_upgrade or by a dump, leaves the daemon without an ADMIN option on what it made: before, CREATEROLE was
// enough, and none was recorded. All memberships then have the bootstrap superuser as their grantor. Access stays as it was. What follows is done about it:
//
// The roles stay registered (migrations/resettle.go), and whoever starts the daemon, or looks, is told the one statement that gives the option back.
//
// Nothing waits for that. An intermediate role of which the members must change is abandoned: another one, which the daemon has ADMIN on, takes its place
// in the registry, with the members that stay; what the old one holds is taken away from it, which takes the rights over the objects and none over the
// role. All of that is one transaction, so nobody's access is interrupted, and whoever is to leave is a member of a role that holds nothing.
// What is left of it only somebody else can drop.

// LostAdmin is which of the roles that were made here the connected role can no longer give, take away or drop.
type LostAdmin struct {
	Roles []string // in order
	Fix   string   // the statement for a superuser
}

// Reason says what is wrong, for people.
func (l LostAdmin) Reason() string {
	roles := fmt.Sprintf("%d roles", len(l.Roles))
	if len(l.Roles) == 1 {
		roles = "role " + l.Roles[0]
	}
	return "the daemon has no ADMIN option on " + roles + " that it made, as after an upgrade from PostgreSQL 15 or older"
}

const registeredSQL = `
	select role_oid from sync_roles.intermediate_roles
	union
	select role_oid from sync_roles.keepers`

// ReadLostAdmin looks through the registry. Roles is empty where nothing is wrong.
func ReadLostAdmin(ctx context.Context, q catalog.Querier, server catalog.Server) (l LostAdmin, err error) {
	if server.Superuser || !server.MembershipOptions() {
		return l, nil
	}
	registered, err := collect[struct{ OID catalog.OID }](ctx, q, registeredSQL)
	if err != nil {
		return l, fmt.Errorf("read the registry of intermediate roles: %w", err)
	}
	oids := make([]catalog.OID, len(registered))
	for i, r := range registered {
		oids[i] = r.OID
	}
	rights, err := catalog.ReadRights(ctx, q, oids)
	if err != nil {
		return l, err
	}
	for _, r := range rights {
		if !r.Admin {
			l.Roles = append(l.Roles, r.Name)
		}
	}
	if len(l.Roles) > 0 {
		slices.Sort(l.Roles)
		l.Fix = regainFix(l.Roles, server)
	}
	return l, nil
}

// LostAdmin is ReadLostAdmin for the engine's connection.
func (e *Engine) LostAdmin(ctx context.Context) (LostAdmin, error) {
	return ReadLostAdmin(ctx, e.conn, e.server)
}

// warnOfLostAdmin writes into the log what people are told by the commands.
func (e *Engine) warnOfLostAdmin(ctx context.Context) error {
	lost, err := e.LostAdmin(ctx)
	if err != nil || len(lost.Roles) == 0 {
		return err
	}
	e.log.Warn().Int("roles", len(lost.Roles)).Str("fix", lost.Fix).
		Msg(lost.Reason() + ": as a superuser run the fix, once; until then each of them whose members change is replaced by another, and left behind")
	return nil
}

// abandon has a role of which the members must change, and which the daemon has no ADMIN option on, replaced by another.
func (c *decision) abandon(r rebuild) {
	c.touched[r.unit] = true
	r.lost = true
	if before, ok := c.rebuilding[r.role]; ok && before.lost {
		before.giving = before.giving && r.giving
		before.leaving = append(before.leaving, r.leaving...)
		c.rebuilding[r.role] = before
		return
	}
	if usesKeepers(c.drift.Server) {
		r.keeper = c.foundKeeper(r.role)
	}
	c.rebuilding[r.role] = r
}

// supersede puts another role in the place of one that the daemon has no ADMIN option on, with all its members but those that are to leave; none
// where nobody stays.
func (e *Engine) supersede(ctx context.Context, a *applier, r rebuild, name string) ([]Problem, error) {
	members, err := names(ctx, a.tx, stayingMembersSQL, r.role, r.leaving)
	if err != nil {
		return nil, fmt.Errorf("read members of intermediate role %q: %w", r.role, err)
	}
	if len(members) == 0 && !r.giving {
		return e.emptyRole(ctx, a, r.role, r.unit, Step{Effects: []Effect{{Unit: r.unit}}, then: forgetNamedSQL, args: []any{r.role}})
	}
	var comment string
	err = a.tx.QueryRow(ctx, "select coalesce(shobj_description(role_oid, 'pg_authid'), '') from sync_roles.intermediate_roles where role_name = $1", r.role).Scan(&comment)
	if err != nil {
		return nil, fmt.Errorf("read what intermediate role %q is for: %w", r.role, err)
	}
	create := "CREATE ROLE " + catalog.Quote(name) + " NOLOGIN"
	if r.keeper != "" {
		create += " ADMIN " + catalog.Quote(r.keeper)
	}
	steps := []Step{
		{SQL: create, Effects: []Effect{{Unit: r.unit, SQL: create}}, then: supersedeSQL, args: []any{r.role, name}},
		{SQL: fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(name), literal(comment))},
	}
	var links []link
	for _, m := range members {
		links = append(links, link{role: name, member: m, unit: m, tail: " WITH INHERIT TRUE, SET FALSE, ADMIN FALSE", as: r.keeper})
	}
	for _, step := range membershipSteps(grant, links) {
		step.Effects = nil // nothing new for them
		steps = append(steps, step)
	}
	if err := a.run(ctx, steps); err != nil {
		return nil, fmt.Errorf("put another role in the place of intermediate role %q: %w", r.role, err)
	}
	return e.emptyRole(ctx, a, r.role, r.unit)
}

// stayingMembersSQL lists the members but those that leave. Others that no row asks for are found by the next rescan, which can take them away then.
const stayingMembersSQL = `
	select distinct u.rolname
	from sync_roles.intermediate_roles as i
	join sync_roles.memberships as m on m.role_oid = i.role_oid and m.inherit_option
	join pg_catalog.pg_roles as u on u.oid = m.member_oid
	where i.role_name = $1 and u.rolname <> all (coalesce($2::name[], '{}'))
	order by 1`

const supersedeSQL = `
	update sync_roles.intermediate_roles as i set role_oid = r.oid, role_name = r.rolname
	from pg_catalog.pg_roles as r
	where i.role_name = $1 and r.rolname = $2`

// noteShell tells of a role that another took the place of, or none.
func (s *state) noteShell(name string) {
	if s.strangers == nil {
		s.strangers = map[string]Problem{}
	}
	s.strangers[name] = Problem{
		Kind: Blocked, Object: "role " + name,
		Reason: "it was an intermediate role, on which the daemon has no ADMIN option; it holds nothing any more, and only somebody else can drop it",
		Fix:    strangerFix(name),
	}
}
