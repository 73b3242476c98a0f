package plan

import (
	"maps"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// A membership that a superuser granted can be revoked by no other role (PostgreSQL 16 and later), except by dropping one of the two. So a new intermediate
// role takes the place of the old one, with all its members but those for which there is no row. Where the old role cannot be dropped, all stays as it was.
//
// An upgrade to PostgreSQL 16 or later, by pg_upgrade or by a dump, leaves the daemon without an ADMIN option on the roles that it made: before, CREATEROLE was
// enough, and no option was recorded. All memberships then have the bootstrap superuser as their grantor. Access stays as it was. The roles stay registered
// (migrations/resettle.go), and the commands tell the one statement that gives the option back. An intermediate role of which the members must change before
// that is abandoned: another one, on which the daemon has ADMIN, takes its place in the registry, with the members that stay; what the old one holds is revoked
// from it, which takes rights over the objects and none over the role. All of that is one transaction, so no access is interrupted, and whoever is to leave is
// a member of a role that holds nothing. Only a superuser can drop that role.

// Replacement puts another role in the place of an intermediate role.
type Replacement struct {
	Name      string   // the role to be replaced
	Role      string   // whose audit row it belongs to
	Why       string   // what cannot be done otherwise
	Abandoned bool     // the daemon has no ADMIN option on it
	Adds      bool     // a role is to become a member
	Leaving   []string // the members of an abandoned role that are to go
	keeper    string   // the new role's, where the old one is abandoned
	roles     []string // for which it is made
	counts    bool     // what its member loses counts against the limit
}

// replace notes that a role is to be replaced: once, whatever for.
func (m *maker) replace(r Replacement) {
	before, ok := m.replaced[r.Name]
	r.roles = []string{r.Role}
	if ok {
		r.roles = append(r.roles, before.roles...)
	}
	switch {
	case !ok:
		if r.Abandoned && UsesKeepers(m.facts.Server) {
			r.keeper = m.keeperFor(r.Name)
		}
		m.replaced[r.Name] = &r
	case before.Abandoned && r.Abandoned:
		before.Adds = before.Adds && r.Adds
		before.Leaving = append(before.Leaving, r.Leaving...)
		before.roles = r.roles
	default:
		*before = r
	}
}

// replaceRoles makes steps of the replacements.
func (m *maker) replaceRoles() {
	for _, name := range sortedKeys(m.replaced) {
		r := *m.replaced[name]
		if m.hasFoundations() {
			// They come first: a new owner is another grantor of what the role holds, and the keeper comes with the intermediate roles.
			m.touchAll(r.roles)
			continue
		}
		m.plan.Replacements = append(m.plan.Replacements, r)
		contents := m.facts.Intermediates[name]
		if contents == nil || contents.Stale {
			m.plan.Questions.Contents = append(m.plan.Questions.Contents, name)
			continue
		}
		if contents.OID == 0 {
			m.touchAll(r.roles) // the role was renamed, which its own pass notes first
			continue
		}
		steps, problems := m.replacementSteps(r, contents)
		steps = m.guarded(steps)
		for _, step := range steps {
			if rejection, ok := m.facts.Rejected[step.Key()]; ok {
				problems = append(problems, Problem{Kind: rejection.Kind, Code: rejection.Code, Reason: rejection.Reason})
				break
			}
		}
		for _, p := range problems {
			m.report(r.Role, Problem{
				Kind: p.Kind, Code: p.Code, Revoke: !r.Adds, Role: r.Name, Privilege: "MEMBER", Object: "role " + r.Name,
				Reason: r.Why + ", and the role cannot be made anew: " + p.Reason, Fix: p.Fix,
			})
		}
		if len(problems) > 0 {
			continue
		}
		m.touchAll(r.roles)
		m.plan.replacements = append(m.plan.replacements, steps...)
		if r.Abandoned {
			m.plan.Abandoned[name] = Abandonment{AbandonedProblem(name), steps[0].Key()}
		}
	}
}

// hasFoundations reports whether the plan has foundations that PostgreSQL has not refused in this pass.
func (m *maker) hasFoundations() bool {
	refused := func(step Step) bool {
		_, ok := m.facts.Rejected[step.Key()]
		return ok
	}
	steps := slices.Concat(m.plan.foundations, slices.Collect(maps.Values(m.groups)))
	return slices.ContainsFunc(steps, func(s Step) bool { return !refused(s) })
}

// replacementSteps are the steps of one replacement, or why it cannot be made.
func (m *maker) replacementSteps(r Replacement, old *Contents) ([]Step, []Problem) {
	if r.Abandoned {
		return m.supersede(r, old)
	}
	create := "CREATE ROLE " + catalog.Quote(r.Name) + " NOLOGIN"
	if old.Keeper != "" {
		create += " ADMIN " + catalog.Quote(old.Keeper)
	}
	rename := renameStatement(r.Name, old.OldName)
	steps := []Step{
		{SQL: rename},
		{SQL: create, Effects: []Effect{{Role: r.Role, SQL: create}}, Record: Record{Kind: ReplaceIntermediate, Args: []any{r.Name}}},
		{SQL: commentStatement(r.Name, old.Comment)},
	}
	steps = append(steps, memberSteps(r.Name, "", old.DesiredMembers)...)
	dropped, problems := m.dropSteps(old, old.OldName, r.Role)
	return append(steps, dropped...), problems
}

// supersede puts another role in the place of an abandoned one, with all its members but those that are to leave; none where no member stays.
func (m *maker) supersede(r Replacement, old *Contents) ([]Step, []Problem) {
	staying := slices.DeleteFunc(slices.Clone(old.Members), func(member string) bool { return slices.Contains(r.Leaving, member) })
	emptied, problems := m.emptySteps(old, r.Name, r.Role)
	if len(staying) == 0 && !r.Adds {
		return append(emptied, Step{Effects: []Effect{{Role: r.Role}}, Record: Record{Kind: ForgetIntermediate, Args: []any{r.Name}}}), problems
	}
	create := "CREATE ROLE " + catalog.Quote(old.NewName) + " NOLOGIN"
	if r.keeper != "" {
		create += " ADMIN " + catalog.Quote(r.keeper)
	}
	steps := []Step{
		{SQL: create, Effects: []Effect{{Role: r.Role, SQL: create}}, Record: Record{Kind: SupersedeIntermediate, Args: []any{r.Name, old.NewName}}, Renames: old.NewName},
		{SQL: commentStatement(old.NewName, old.Comment)},
	}
	return slices.Concat(steps, memberSteps(old.NewName, r.keeper, staying), emptied), problems
}

// memberSteps make the members of a replaced role members of the new one. It counts as nothing: they had what it holds.
func memberSteps(role, keeper string, members []string) []Step {
	var changes []MembershipChange
	for _, member := range members {
		changes = append(changes, MembershipChange{Granted: role, Member: member, Role: member, Options: intermediateOptions, As: keeper})
	}
	steps := membershipSteps(grant, changes)
	for i := range steps {
		steps[i].Effects = nil
	}
	return steps
}

// emptySteps revoke from an intermediate role all that it holds. (DROP OWNED BY would be shorter, and would drop what members have created as the role.)
func (m *maker) emptySteps(c *Contents, name, role string) ([]Step, []Problem) {
	grants := slices.Clone(c.Grants)
	for i := range grants {
		grants[i].Role = name
	}
	facts := *m.facts
	facts.Renaming = nil
	sub := newMaker(&Drift{Grants: grants}, &facts, m.policy)
	sub.revoke(sub.revocations())
	if problems := sub.plan.Problems[name]; len(problems) > 0 {
		return nil, problems
	}
	steps := sub.revokeSteps(maxNames)
	for i := range steps {
		for j := range steps[i].Effects {
			steps[i].Effects[j].Role = role
		}
	}
	return steps, nil
}

// dropSteps empty a role, and drop it.
func (m *maker) dropSteps(c *Contents, name, role string) ([]Step, []Problem) {
	steps, problems := m.emptySteps(c, name, role)
	if len(problems) > 0 {
		return nil, problems
	}
	drop := "DROP ROLE " + catalog.Quote(name)
	dropping := byLockKeeper(m.facts.LockKeeper, c.Keeper, name, Step{SQL: drop, Effects: []Effect{{Role: role, SQL: drop}}, Record: Record{Kind: ForgetIntermediate, Args: []any{name}}})
	return append(steps, dropping[:min(len(dropping), 2)]...), nil // its memberships go with it
}

// Drop plans to drop an intermediate role of which there is no use; or, where the daemon has no ADMIN option on it, to leave it empty. Facts.Intermediates has
// the role's contents.
func Drop(name string, f *Facts, policy Policy) (steps []Step, abandoned bool, problems []Problem) {
	m := newMaker(&Drift{}, f, policy)
	c := f.Intermediates[name]
	if f.Server.Superuser || f.Rights[c.OID].Admin {
		steps, problems = m.dropSteps(c, name, name)
		return m.guarded(steps), false, problems
	}
	steps, problems = m.emptySteps(c, name, name)
	steps = append(steps, Step{Effects: []Effect{{Role: name}}, Record: Record{Kind: ForgetIntermediate, Args: []any{name}}})
	return m.guarded(steps), true, problems
}

// guarded bundles steps that are known to fail at times.
func (m *maker) guarded(steps []Step) []Step {
	for i := range steps {
		steps[i].Guarded = true
	}
	return m.bundle(steps)
}

// AbandonedProblem tells of a role that another took the place of, or none.
func AbandonedProblem(name string) Problem {
	return Problem{
		Kind: Blocked, Code: RoleAbandoned, Role: name, Object: "role " + name,
		Reason: "it was an intermediate role, on which the daemon has no ADMIN option; it holds nothing any more, and only a superuser can drop it",
		Fix:    conflictFix(name),
	}
}
