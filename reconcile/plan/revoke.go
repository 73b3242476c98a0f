package plan

import (
	"cmp"
	"fmt"
	"slices"
)

// revokeSurplus decides about all that roles have and should not, and lets the limit filter it.
func (m *maker) revokeSurplus() {
	revocations := m.revocations()
	removals := m.removals()
	ownerships := m.surplusOwnerships()
	all := m.losses(m.withoutAlong(revocations), removals, ownerships)
	m.retirementLosses(all)
	m.plan.Undeclared = all.byDeletion()[Undeclared]
	verdicts, questions := m.policy.Limit.judge(all, m.drift, m.facts.Limit)
	m.plan.Questions.add(questions)
	m.plan.Verdicts = verdicts
	if m.policy.Limit.Revokes > 0 {
		m.plan.Held = verdicts.held(all)
	}
	for role, h := range m.plan.Held {
		m.report(role, h.problem(role, m.policy.Limit))
	}
	revocations = slices.DeleteFunc(revocations, func(r Revocation) bool {
		return r.problem == nil && m.holds(r.Role, r.Surplus.String(), r.Surplus.Expired)
	})
	removals = slices.DeleteFunc(removals, func(r Removal) bool { return m.holds(r.Role, r.Surplus.String(), r.Surplus.Expired) })
	ownerships = slices.DeleteFunc(ownerships, func(o OwnershipChange) bool { return m.holds(o.Role, o.surplus.String(), o.surplus.Expired) })
	m.release(all)
	m.revoke(m.emptiedPart(revocations))
	m.remove(removals)
	m.plan.Ownerships = append(m.plan.Ownerships, ownerships...)
}

// holds reports whether the limit holds what a role would lose. What has expired goes all the same: it was never meant to stay.
func (m *maker) holds(role, what string, expired bool) bool {
	_, held := m.plan.Held[role]
	return held && !expired && m.plan.Verdicts.Held[role][what]
}

// revocations decides about each surplus grant who can revoke it. Those that take others along come first.
func (m *maker) revocations() []Revocation {
	var list []Revocation
	for i := range m.drift.Grants {
		s := &m.drift.Grants[i]
		if m.protected[s.Role] || m.suspends(s.Role) {
			continue
		}
		change, problem := m.revocation(s)
		list = append(list, Revocation{change, s, problem})
	}
	slices.SortStableFunc(list, func(a, b Revocation) int { return cmp.Compare(len(b.Surplus.Dependents), len(a.Surplus.Dependents)) })
	return list
}

// revocation decides who can revoke a privilege: only its grantor can.
func (m *maker) revocation(s *SurplusGrant) (change PrivilegeChange, problem *Problem) {
	object := s.Object()
	change = PrivilegeChange{Object: &object, Column: s.ColumnName, Privilege: s.Privilege, Role: s.Role, Option: s.OptionOnly}
	fail := func(p Problem) (PrivilegeChange, *Problem) { return change, &p }
	switch {
	case m.leavesAlone(s.ObjectOID, s.Role):
		return fail(s.problem(Failed, BeingRenamed, renamingReason, ""))
	case s.StillDesired && m.lacksGrant(s):
		return fail(s.problem(Blocked, NewGrantMissing, keptReason, ""))
	}
	owner := m.facts.Rights[s.OwnerOID]
	if p := m.cascadeProblem(s, owner); p != nil {
		return change, p
	}
	if p := m.actAsGrantor(s, &change); p != nil {
		return change, p
	}
	if change.As != "" && s.GrantorNoUsage {
		lender, ok := m.usageLender(s.SchemaName)
		if !ok {
			return fail(s.cannot(GrantorOnly,
				fmt.Sprintf("it was granted by role %s, only that role can revoke it, and it has no USAGE on schema %s, without which it cannot name %s", change.As, s.SchemaName, s.Object()),
				usageFix(s.SchemaName, change.As)))
		}
		change.Lenders.Schema, change.Lenders.Usage = lender, m.facts.Schemas[s.SchemaName].object()
	}
	return change, nil
}

// actAsGrantor fills in as whom, and with whose privileges, a revoke is run, or says why it cannot be.
func (m *maker) actAsGrantor(s *SurplusGrant, change *PrivilegeChange) *Problem {
	server, owner, grantor := m.facts.Server, m.facts.Rights[s.OwnerOID], m.facts.Rights[s.GrantorOID]
	byOwner := s.GrantorOID == s.OwnerOID
	schema, lent := m.schemaLender(s.SchemaName)
	within, inSchema := m.withinSchema(s, owner)
	switch {
	case inSchema && byOwner && !s.Rival:
		change.Lenders = within
	case byOwner && server.Superuser, byOwner && owner.Usage && !s.Rival && !s.NoUsage:
	case s.GrantorOID == server.RoleOID && (server.Superuser || !s.NoUsage):
		// Our own, made with a grant option.
	case s.GrantorOID == server.RoleOID && lent:
		change.Lenders.Schema = schema
	case grantor.Superuser && !byOwner:
		// Made before it was a superuser: now it acts as the owner.
		p := s.cannot(GrantorOnly, fmt.Sprintf("it was granted by role %s, which is a superuser now", grantor.Name), formerGrantorFix(grantor.Name, s, server))
		return &p
	case server.Superuser || grantor.Set:
		change.As = grantor.Name
	case canBorrow(grantor):
		change.As, change.Lenders.Owner = grantor.Name, grantor.Lender
	default:
		p := m.grantorProblem(s)
		return &p
	}
	return nil
}

// grantorProblem says why the daemon cannot act as the grantor of what is to be revoked.
func (m *maker) grantorProblem(s *SurplusGrant) Problem {
	server, owner, grantor := m.facts.Server, m.facts.Rights[s.OwnerOID], m.facts.Rights[s.GrantorOID]
	byOwner := s.GrantorOID == s.OwnerOID
	switch {
	case byOwner && grantor.Superuser:
		return s.cannot(SuperuserOnly, fmt.Sprintf("%s belongs to role %s, a superuser", s.Object(), owner.Name), revokeFix("", s, server))
	case s.NoUsage && (s.GrantorOID == server.RoleOID || byOwner && owner.Usage && !s.Rival):
		return s.cannot(SchemaUsage, fmt.Sprintf("the daemon has no USAGE on schema %s, without which it cannot name %s", s.SchemaName, s.Object()),
			usageFix(s.SchemaName, server.Role))
	case !byOwner:
		return s.cannot(GrantorOnly, fmt.Sprintf("it was granted by role %s, and only that role can revoke it", grantor.Name), revokeFix(grantor.Name, s, server))
	}
	why, fix := fmt.Sprintf("%s belongs to role %s, whose privileges the daemon does not have", s.Object(), owner.Name), memberFix(owner.Lender, s.Rival, server)
	if _, ok := m.usageLender(s.SchemaName); s.NoUsage && s.GrantorNoUsage && !ok {
		who := server.Role
		if s.Rival {
			who = owner.Name
		}
		why += fmt.Sprintf("; role %s has no USAGE on schema %s, without which it cannot name it", who, s.SchemaName)
		fix += "; " + usageFix(s.SchemaName, who)
	}
	return s.cannot(OwnerPrivileges, why, fix)
}

func (s *SurplusGrant) cannot(code Code, why, fix string) Problem {
	return s.problem(Blocked, code, "cannot revoke it: "+why, fix)
}

// revoke puts what remains into the plan.
func (m *maker) revoke(revocations []Revocation) {
	alone := m.withoutAlong(revocations)
	for _, r := range revocations {
		if r.problem == nil {
			m.touch(r.Role)
		}
	}
	for _, r := range alone {
		if r.problem != nil {
			m.report(r.Role, *r.problem)
			continue
		}
		m.regrantDependents(r)
		m.keepColumns(r)
		m.plan.Revocations = append(m.plan.Revocations, r)
	}
}

// losses lists what counts against the limit. Intermediate roles count through their members, who keep their memberships while an object that
// lost its name is lost to all of them; and other databases' have no rows here.
func (m *maker) losses(revocations []Revocation, removals []Removal, ownerships []OwnershipChange) losses {
	all := losses{}
	for _, r := range revocations {
		s := r.Surplus
		if role := m.drift.Roles[s.Role]; r.problem != nil || s.StillDesired || s.Expired || role.Foreign || role.Released || role.Intermediate && !s.NameLost {
			continue
		}
		what := s.String()
		all[s.Role] = append(all[s.Role], loss{what, s.Transactions, s.NameLost})
		if !m.drift.Roles[s.Role].Intermediate {
			all[s.Role] = append(all[s.Role], lossesOf(s.Dependents, what, s.Transactions)...)
		}
	}
	for _, r := range removals {
		s := r.Surplus
		if role := m.drift.Roles[s.Role]; s.StillDesired || s.Expired || r.Replacement != nil && !r.Replacement.counts || role.Foreign || role.Released || role.Intermediate {
			continue
		}
		all[s.Role] = append(append(all[s.Role], loss{s.String(), s.Transactions, false}), lossesOf(s.Dependents, s.String(), s.Transactions)...)
	}
	for _, o := range ownerships {
		s := o.surplus
		if role := m.drift.Roles[s.Role]; s.Expired || s.Moved || role.Foreign || role.Released || role.Intermediate {
			continue
		}
		all[s.Role] = append(all[s.Role], loss{s.String(), s.Transactions, false})
	}
	return all
}

// lossesOf lists what dependents lose.
func lossesOf(dependents []Dependent, what string, transactions []int64) []loss {
	var list []loss
	for _, d := range dependents {
		if !d.Desired {
			list = append(list, loss{what + " of role " + d.Role, transactions, false})
		}
	}
	return list
}

// revokeSteps renders what is revoked.
func (m *maker) revokeSteps(maxObjects int) []Step {
	var memberships []MembershipChange
	var cascades [][]Step
	for _, r := range m.plan.Revocations {
		if r.Surplus.cascades() {
			cascades = append(cascades, m.cascade(r))
		}
	}
	for _, r := range m.plan.RemoveMembers {
		switch {
		case r.Replacement != nil:
		case !r.Surplus.cascades():
			memberships = append(memberships, r.MembershipChange)
		case m.facts.Server.MembershipOptions():
			cascades = append(cascades, membershipCascade(r))
		default:
			memberships = append(memberships, withDependents(r)...)
		}
	}
	return slices.Concat(m.privilegeRevokes(maxObjects), membershipSteps(revoke, memberships), cascadeOrder(cascades))
}
