package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Dependent is a role that holds a privilege, or a membership, only because a role that loses it has passed it on. PostgreSQL takes it along
// (REVOKE … CASCADE): access that has ended has ended for those to whom the grantee gave it, too.
type Dependent struct {
	Role      string      `json:"role"`
	Grantor   catalog.OID `json:"grantor"`
	Desired   bool        `json:"desired"`   // a row of its own asks for it: then it is granted again first
	Grantable bool        `json:"grantable"` // that row asks for the grant option, or the ADMIN option, too
	Option    bool        `json:"option"`    // it has that option by the grantor
}

// passedOn is a privilege on an object, or a column, that a role holds from one grantor.
type passedOn struct {
	class, oid        catalog.OID
	column, privilege string
	grantor           catalog.OID
	role              string
}

// cascade is a revoke that takes dependents along.
type cascade struct {
	step       Step
	dependents []Dependent
	revoked    cell // zero: a membership
}

// surplusGrants decides about all that is to be revoked: first what takes others along, because those need no revoke of their own then.
func (c *decision) surplusGrants(list []SurplusGrant) {
	slices.SortStableFunc(list, func(a, b SurplusGrant) int { return cmp.Compare(len(b.Dependents), len(a.Dependents)) })
	for _, s := range list {
		if c.along[passedOn{s.Class, s.OID, s.ColumnName, s.Privilege, s.Grantor, s.Role}] {
			c.touched[s.Role] = true
			continue
		}
		c.surplusGrant(s)
	}
}

// mayTakeAlong reports whether a privilege can be revoked together with what depends on it, or adds the problem that keeps it.
func (c *decision) mayTakeAlong(s SurplusGrant, owner catalog.Rights) bool {
	var reasons, fixes []string
	for _, d := range s.Dependents {
		_, ok := c.asOwner(s, owner)
		if c.policy.protects(d.Role) {
			reasons = append(reasons, fmt.Sprintf("role %s holds it by this role's grant option, would lose it, and is protected (--protect)", d.Role))
			fixes = append(fixes, regrantFix(s, d))
		} else if d.Desired && !ok {
			reasons = append(reasons, fmt.Sprintf("role %s holds it by this role's grant option, a row asks for it, and the daemon cannot grant it as the owner, role %s", d.Role, owner.Name))
			if owner.Superuser {
				fixes = append(fixes, regrantFix(s, d))
			} else {
				fixes = append(fixes, memberFix(owner.Lender, false, c.drift.Server))
			}
		}
	}
	if len(reasons) == 0 {
		return true
	}
	c.cannotTake(s, strings.Join(reasons, "; "), strings.Join(slices.Compact(fixes), "; "))
	return false
}

// asOwner says whose privileges it takes to grant as an object's owner.
func (c *decision) asOwner(s SurplusGrant, owner catalog.Rights) (borrow lenders, ok bool) {
	if c.drift.Server.Superuser || owner.Usage && !s.NoUsage {
		return lenders{}, true
	}
	if borrow, ok := c.withinSchema(s, owner); ok {
		return borrow, true
	}
	return lenders{owner: owner.Lender}, canBorrow(owner)
}

// withinSchema says whose privileges it takes to act as an object's owner in a schema on which the daemon has no USAGE; ok is false where it has, or
// cannot borrow them.
func (c *decision) withinSchema(s SurplusGrant, owner catalog.Rights) (borrow lenders, ok bool) {
	schema, lent := c.schemaLender(s.SchemaName)
	switch {
	case !s.NoUsage || !lent:
		return lenders{}, false
	case owner.Usage:
		return lenders{schema: schema}, true
	default:
		return lenders{owner: owner.Lender, schema: schema}, canBorrow(owner)
	}
}

// takeAlong revokes a privilege with all that its grantee has passed on. Dependents of which a row asks for it get it from the owner first.
func (c *decision) takeAlong(s SurplusGrant, revoked cell, owner catalog.Rights) {
	for _, d := range s.Dependents {
		if d.Desired {
			borrow, _ := c.asOwner(s, owner)
			c.give = append(c.give, cell{object: revoked.object, column: s.ColumnName, privilege: s.Privilege, role: d.Role, withOption: d.Grantable, borrow: borrow})
		}
		c.along[passedOn{s.Class, s.OID, s.ColumnName, s.Privilege, d.Grantor, d.Role}] = true
	}
	c.cascades = append(c.cascades, cascade{aclSteps(revoke, []cell{revoked}, 1)[0], s.Dependents, revoked})
}

// cascadeSteps names each role that loses something with the grantee.
func (c *decision) cascadeSteps() []Step {
	slices.SortFunc(c.cascades, func(a, b cascade) int {
		return cmp.Or(cmp.Compare(a.step.As, b.step.As), cmp.Compare(a.step.SQL, b.step.SQL))
	})
	steps := make([]Step, 0, len(c.cascades))
	for _, passed := range c.cascades {
		step := passed.step
		step.SQL += " CASCADE"
		step.Effects = slices.Clone(step.Effects)
		step.Effects[0].SQL += " CASCADE"
		for _, d := range passed.dependents {
			if !d.Desired {
				step.Effects = append(step.Effects, Effect{Unit: d.Role, SQL: step.Effects[0].SQL, Revoked: 1, Changes: step.Effects[0].Changes})
			}
		}
		if kept := c.keptColumns(passed.revoked); len(kept) > 0 {
			steps = append(steps, c.bundled(append([]Step{step}, columnSteps(kept, 1)...))...)
			continue
		}
		steps = append(steps, step)
	}
	return steps
}

// lost lists what dependents lose, for the limits.
func lost(dependents []Dependent, what string, transactions []int64) []loss {
	var list []loss
	for _, d := range dependents {
		if !d.Desired {
			list = append(list, loss{what + " of role " + d.Role, transactions, false})
		}
	}
	return list
}

// leaveAlong ends a membership with those that the member has given to others by its ADMIN option. Since PostgreSQL 16 that is CASCADE; before,
// each is a REVOKE of its own.
func (c *decision) leaveAlong(s SurplusMembership, left link) {
	options := c.drift.Server.MembershipOptions()
	for _, d := range s.Dependents {
		switch {
		case d.Desired && options:
			tail := ""
			if d.Grantable {
				tail = " WITH ADMIN TRUE"
			}
			c.join = append(c.join, link{role: s.RoleName, member: d.Role, unit: d.Role, tail: tail})
		case !d.Desired && !options:
			c.leave = append(c.leave, link{role: s.RoleName, member: d.Role, unit: d.Role})
		}
	}
	if !options {
		c.leave = append(c.leave, left)
		return
	}
	c.cascades = append(c.cascades, cascade{step: membershipSteps(revoke, []link{left})[0], dependents: s.Dependents})
}

// mayLeaveAlong is mayTakeAlong for memberships.
func (c *decision) mayLeaveAlong(s SurplusMembership) bool {
	var reasons, fixes []string
	for _, d := range s.Dependents {
		if c.policy.protects(d.Role) {
			reasons = append(reasons, fmt.Sprintf("role %s is a member by its ADMIN option, would lose that too, and is protected (--protect)", d.Role))
			fixes = append(fixes, rejoinFix(s.RoleName, d, c.drift.Server))
		}
	}
	if len(reasons) == 0 {
		return true
	}
	c.blockedMembership(s, strings.Join(reasons, "; "), strings.Join(fixes, "; "))
	return false
}
