package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// forbiddenName says why membership in a role of this name is never for rows to ask, whether the role exists or not.
func forbiddenName(name string) string {
	if strings.HasPrefix(name, "_pgsr_") {
		return "membership in roles named _pgsr_... is not for rows to ask"
	}
	if strings.HasPrefix(name, "pg_") {
		return fmt.Sprintf("there is no predefined role %s on this server", name)
	}
	return ""
}

// membership decides about a MEMBER row.
func (c *decision) membership(m Missing) {
	member := c.drift.Roles[m.Role]
	if why := c.refusedMembership(m, member); why != "" {
		c.problems.add(m.Role, m.problem(Refused, why, ""))
		return
	}
	target := c.drift.Rights[m.OID]
	joined := link{role: m.ObjectName, member: m.Role, unit: m.Role, tail: membershipOptions(member, m.Grantable, c.drift.Server)}
	switch {
	case c.drift.Server.Superuser || target.Admin:
		c.touched[m.Role] = true
		c.join = append(c.join, joined)
	case target.Superuser:
		c.problems.add(m.Role, m.problem(Blocked, fmt.Sprintf("role %s is a superuser, and only superusers give membership in it", m.ObjectName), joinFix(joined)))
	default:
		c.problems.add(m.Role, m.problem(Blocked, fmt.Sprintf("the daemon has no ADMIN option on role %s", m.ObjectName), adminFix(m.ObjectName, c.drift.Server)))
	}
}

// membershipOptions are those that GRANT gives by itself, spelled out where an existing membership may lack them.
func membershipOptions(member Role, admin bool, server catalog.Server) string {
	switch {
	case server.MembershipOptions():
		options := " WITH INHERIT TRUE, SET TRUE"
		if !member.Inherit {
			options = " WITH INHERIT FALSE, SET TRUE"
		}
		if admin {
			options += ", ADMIN TRUE"
		}
		return options
	case admin:
		return " WITH ADMIN OPTION"
	default:
		return ""
	}
}

// refusedMembership says why a role may not become a member: it would come to reach what rows may not give away.
func (c *decision) refusedMembership(m Missing, member Role) string {
	if why := forbiddenName(m.ObjectName); strings.HasPrefix(m.ObjectName, "_pgsr_") {
		return why
	}
	for _, r := range c.drift.Reach[m.OID] {
		switch {
		case r.OID == member.OID:
			return fmt.Sprintf("role %s is itself a member of %s: memberships cannot be circular", m.ObjectName, m.Role)
		case r.Privileged != "" && r.OID == m.OID:
			return fmt.Sprintf("role %s is %s: rows give no membership in it, unless the daemon runs with --allow-membership-in", r.Name, r.Privileged)
		case r.Privileged != "":
			return fmt.Sprintf("membership in role %s reaches role %s, %s: rows do not give that, unless the daemon runs with --allow-membership-in", m.ObjectName, r.Name, r.Privileged)
		}
	}
	return ""
}

// lacksMembership is lacksGrant for what an intermediate role gives.
func (c *decision) lacksMembership(s SurplusMembership) bool {
	_, memberships := c.lacking()
	return memberships[link{role: fmt.Sprint(s.RoleOID), member: s.MemberName}]
}

// surplusMembership decides who can take a membership away: before PostgreSQL 16 whoever has ADMIN, since then only its grantor.
func (c *decision) surplusMembership(s SurplusMembership) {
	if c.protected[s.Unit] {
		return
	}
	if s.StillAsked && c.lacksMembership(s) {
		c.problems.add(s.Unit, Problem{Kind: Blocked, Taking: true, Privilege: "MEMBER", Object: "role " + s.RoleName, Reason: keptMeanwhile})
		return
	}
	server := c.drift.Server
	left := link{role: s.RoleName, option: s.OptionOnly, member: s.MemberName, unit: s.Unit}
	grantor := c.drift.Rights[s.Grantor]
	admin := c.drift.Rights[s.RoleOID].Admin
	switch {
	case !c.mayLeaveAlong(s):
		return
	case !server.MembershipOptions() && (server.Superuser || admin):
	case !server.MembershipOptions():
		c.blockedMembership(s, "the daemon has no ADMIN option on the role", leaveFix(s, grantor.Name, server))
		return
	case s.Grantor == server.RoleOID || server.Superuser || grantor.Usage:
		left.tail = " GRANTED BY " + catalog.Quote(grantor.Name)
	case grantor.Set:
		left.as = grantor.Name
	case grantor.Admin && !grantor.Superuser:
		left.as, left.borrow = grantor.Name, grantor.Lender
	case c.isIntermediate(s.RoleOID) && !admin:
		c.abandon(rebuild{
			role: s.RoleName, unit: s.Unit, leaving: []string{s.MemberName},
			why: fmt.Sprintf("cannot take the membership of %s in %s away: the daemon has no ADMIN option on the role", s.MemberName, s.RoleName),
		})
		c.takesMembership(s)
		return
	case c.isIntermediate(s.RoleOID):
		c.touched[s.Unit] = true
		c.rebuilding[s.RoleName] = rebuild{role: s.RoleName, unit: s.Unit, why: s.granted(grantor.Name)}
		c.takesMembership(s)
		return
	case c.isIntermediate(s.MemberOID) && c.drift.Rights[s.MemberOID].Admin:
		c.touched[s.Unit] = true
		c.rebuilding[s.MemberName] = rebuild{role: s.MemberName, unit: s.Unit, why: s.granted(grantor.Name)}
		return
	default:
		why, fix := fmt.Sprintf("it was granted by role %s, and only that role can revoke it", grantor.Name), leaveFix(s, grantor.Name, server)
		if i := slices.IndexFunc(s.Dependents, func(d Dependent) bool { return d.Desired }); i >= 0 && !admin {
			why += fmt.Sprintf("; role %s is a member by its ADMIN option, a row asks for that, and the daemon has no ADMIN option on the role", s.Dependents[i].Role)
			fix = adminFix(s.RoleName, server) + "; " + fix
		}
		if !admin && strings.HasPrefix(s.RoleName, fmt.Sprintf("_pgsr_%d_", server.DatabaseOID)) {
			fix = strangerFix(s.RoleName) // what abandon has left
		}
		c.blockedMembership(s, why, fix)
		return
	}
	c.touched[s.Unit] = true
	if s.PassedOn || len(s.Dependents) > 0 {
		c.leaveAlong(s, left)
	} else {
		c.leave = append(c.leave, left)
	}
	c.takesMembership(s)
}

// granted says why a membership cannot be taken away as others are.
func (s SurplusMembership) granted(by string) string {
	return fmt.Sprintf("cannot take the membership of %s in %s away: it was granted by role %s", s.MemberName, s.RoleName, by)
}

func (c *decision) takesMembership(s SurplusMembership) {
	if !s.StillAsked && !s.Expired {
		c.taking[s.Unit] = append(append(c.taking[s.Unit], loss{s.what(), s.Transactions, false}), lost(s.Dependents, s.what(), s.Transactions)...)
	}
}

func (c *decision) blockedMembership(s SurplusMembership, why, fix string) {
	c.problems.add(s.Unit, Problem{
		Kind: Blocked, Taking: true, Privilege: "MEMBER", Object: "role " + s.RoleName,
		Reason: fmt.Sprintf("cannot take the membership of %s in %s away: %s", s.MemberName, s.RoleName, why), Fix: fix,
	})
}

func (c *decision) isIntermediate(oid catalog.OID) bool {
	for _, r := range c.drift.Roles {
		if r.Intermediate && !r.Keeper && r.IntermediateOID == oid {
			return true
		}
	}
	return false
}
