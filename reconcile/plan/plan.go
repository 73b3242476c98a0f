package plan

import "slices"

// Stage is how far a plan goes: what comes after it is decided when its steps have run, and the roles were read again.
type Stage int

// The stages.
const (
	Foundations   Stage = iota // roles, schemas and owners, on which all else depends
	Intermediates              // intermediate roles and keepers; after the changes of owner, which may make them needless
	Access                     // privileges, memberships and settings: the last
)

// Plan is the changes that a drift calls for.
type Plan struct {
	Questions Questions // if any: the plan is not finished
	Stage     Stage

	RoleChanges   []RoleChange
	Ownerships    []OwnershipChange
	Replacements  []Replacement
	Created       []string // names of the intermediate roles to be made, or reused
	Grants        []PrivilegeChange
	Revocations   []Revocation
	AddMembers    []MembershipChange
	RemoveMembers []Removal
	Settings      []SettingChange
	Defaults      []DefaultChange
	Resolved      []Resolved

	Problems    Problems
	Conflicts   map[string]Problem     // unregistered roles that have a name of ours, by name
	Abandoned   map[string]Abandonment // intermediate roles that are left empty once their replacement was made, by name
	Touched     map[string]bool        // the roles for which there is something to do
	Held        map[string]HeldRevokes
	Verdicts    Verdicts
	Retirements Retirements // how far roles are that are being retired
	Released    []string    // roles that are being retired, and of which all may be revoked
	Undeclared  int64       // how many of the revokes no row ever asked for
	ReusesRoles bool        // an intermediate role in Created is there already, and so may have members that no row asks for

	foundations   []Step
	intermediates []Step
	replacements  []Step
	grants        []Step
	revokes       []Step
	setAside      []Step // what PostgreSQL refused in this pass: the rest goes on without
}

// Abandonment is what to tell of an intermediate role that is left empty, and the first step of that.
type Abandonment struct {
	Problem Problem
	Step    StepKey
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.All()) == 0 }

// Preparation are the steps of a stage before the last, in order.
func (p *Plan) Preparation() []Step {
	switch p.Stage {
	case Foundations:
		return slices.Concat(p.foundations, p.replacements)
	case Intermediates:
		return slices.Concat(p.intermediates, p.replacements)
	default:
		return nil
	}
}

// GrantSteps give privileges, memberships and settings. They come before RevokeSteps (invariant 4 of package reconcile).
func (p *Plan) GrantSteps() []Step { return p.grants }

// RevokeSteps revoke privileges and memberships.
func (p *Plan) RevokeSteps() []Step { return p.revokes }

// Prepared lists the roles that the preparation makes, renames or replaces, to be inspected with the others from then on.
func (p *Plan) Prepared() []string {
	var roles []string
	if p.Stage == Intermediates {
		roles = append(roles, p.Created...)
	}
	for _, step := range p.Preparation() {
		if step.Renames != "" {
			roles = append(roles, step.Renames)
		}
	}
	for _, r := range p.Replacements {
		roles = append(roles, r.Name)
	}
	return roles
}

// OnlyCreates reports whether the preparation makes intermediate roles, and nothing else: then all else is as it was read.
func (p *Plan) OnlyCreates() bool { return p.Stage == Intermediates && len(p.replacements) == 0 }

// All are the steps of all stages, as far as they are known.
func (p *Plan) All() []Step {
	return slices.Concat(p.foundations, p.intermediates, p.replacements, p.grants, p.revokes)
}

// SetAside are the steps that PostgreSQL refused in this pass.
func (p *Plan) SetAside() []Step { return p.setAside }

// HeldSum is how much is held.
func (p *Plan) HeldSum() (n int64) {
	for _, h := range p.Held {
		n += int64(len(h.What))
	}
	return n
}

// Outside lists the roles that the plan is about and that are not among these: members of intermediate roles that should not be.
func (p *Plan) Outside(roles map[string]Role) []string {
	outside := set[string]{}
	for role := range p.Touched {
		outside.add(role)
	}
	for role := range p.Problems {
		outside.add(role)
	}
	for role := range roles {
		delete(outside, role)
	}
	return outside.sorted()
}

// KnownIneffective reports whether all steps for a role were sent before, and PostgreSQL refused them or they had no effect. They are sent again when
// a row asks for the role, or the daemon has other rights, not at every rescan.
func (p *Plan) KnownIneffective(r Role) bool {
	known := map[string]bool{}
	for _, problem := range r.LastProblems {
		if problem.Kind == Blocked && (problem.Code == NoEffect || problem.Code == Rejected) && problem.Statement != "" {
			known[problem.Statement] = true
		}
	}
	if len(known) == 0 {
		return false
	}
	for _, step := range p.All() {
		for _, effect := range step.Effects {
			if effect.Role == r.Name && !known[effect.SQL] {
				return false
			}
		}
	}
	return true
}

// Leftover makes problems of the steps that are still planned when all was tried. changed lists roles with newer requests, which another pass serves;
// but what should be revoked and is still there must not be forgotten with the row that gave it.
func (p *Plan) Leftover(roles map[string]Role, tried map[StepKey]bool, rejected map[StepKey]Rejection, changed []string) Problems {
	found := Problems{}
	for _, step := range slices.Concat(p.All(), p.setAside) {
		if step.Guarded {
			continue // Make says what becomes of it
		}
		rejection, ok := rejected[step.Key()]
		if !ok {
			rejection = Rejection{Kind: Blocked, Code: NoEffect, Reason: "PostgreSQL reported success, and nothing changed: another role's grant, or a missing grant option, is in the way"}
		}
		for _, effect := range step.Effects {
			if slices.Contains(changed, effect.Role) && (effect.Revoked == 0 || !tried[step.Key()]) {
				continue
			}
			found.Add(effect.Role, rejection.problem(step, effect, roles[effect.Role].FailedAttempts))
		}
	}
	return found
}

// problem is the rejection of a step for one of its roles.
func (r Rejection) problem(step Step, effect Effect, failedAttempts int) Problem {
	p := Problem{Kind: r.Outcome(failedAttempts), Code: r.Code, Role: effect.Role, Statement: effect.SQL, Reason: r.Reason, Revoke: effect.Revoked > 0}
	if len(step.Objects) == 1 {
		p.Object = step.Objects[0].String()
	}
	if r.Rights {
		p.Fix = step.Fix
	}
	return p
}
