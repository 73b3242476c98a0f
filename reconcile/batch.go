package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// batch is what is known about the roles of a pass after inspecting them: how they differ, the facts about that, and the plan.
type batch struct {
	drift    *plan.Drift
	facts    *plan.Facts
	plan     *plan.Plan
	scope    *inspect.Scope
	problems plan.Problems

	differs       bool                   // the differences were read; otherwise the roles themselves come first
	wasPrepared   bool                   // roles or schemas were made, or owners changed
	reused        bool                   // an intermediate role was there already, and so may have members that no row asks for
	resolved      map[plan.Resolved]bool // all that plans of the pass have recorded
	conflicts     map[string]plan.Problem
	expected      map[plan.Expectation][]catalog.OID // what the ACLs must be at the end; nil: that was verified
	released      []string                           // roles that are being retired, and of which all may be revoked
	retiring      map[string]int                     // how much was left of roles that are being retired, when the pass began
	ended         []plan.Membership                  // memberships that the pass ends
	ending        []string                           // the roles whose sessions are to end after the commit
	breaches      map[string]string                  // of rules, before the pass gave anything; nil: not read
	staleSessions []plan.Session                     // of the batch's roles, as far as they are to end
}

// newBatch returns a batch of which nothing is known. rejected is what PostgreSQL refuses in the pass.
func (e *Engine) newBatch(w work, rejected map[plan.StepKey]plan.Rejection) *batch {
	return &batch{
		facts: &plan.Facts{
			Server: e.server, LockKeeper: e.lockKeeper, Rejected: rejected, Separate: w.mode == apply.SkipRefused,
			Retirements: plan.Retirements{},
			Limit:       plan.LimitFacts{Undeclared: w.undeclared, Estimate: e.total.estimate(e.policy.Limit.Window)},
		},
		resolved: map[plan.Resolved]bool{}, conflicts: map[string]plan.Problem{},
	}
}

// inspect reads roles and plans for them. Roles that do not exist, or are not as desired, come before all else: until
// they are right, the plan has only them.
func (e *Engine) inspect(ctx context.Context, tx pgx.Tx, roles []string, w work, b *batch) error {
	roles = slices.Compact(slices.Sorted(slices.Values(roles))) // a copy: Compact clears what it leaves out
	known, scope, err := inspect.ReadScope(ctx, tx, roles, e.extent(w, b.reused))
	if err != nil {
		return err
	}
	b.scope, b.drift, b.differs = scope, &plan.Drift{Roles: known}, false
	if done, err := e.planRoles(ctx, tx, w, b); err != nil || done {
		return err
	}
	return e.readAndPlan(ctx, tx, scope, w, b)
}

// inspectCreated reads intermediate roles that were just made, and plans anew. All else is as it was read before.
func (e *Engine) inspectCreated(ctx context.Context, tx pgx.Tx, created []string, w work, b *batch) error {
	known, scope, err := inspect.ReadScope(ctx, tx, created, e.extent(w, b.reused)) // an intermediate role's own rows bear its selector's name
	if err != nil {
		return err
	}
	drift := *b.drift
	drift.Roles = maps.Clone(b.drift.Roles)
	maps.Copy(drift.Roles, known)
	b.drift, b.differs = &plan.Drift{Roles: drift.Roles}, false
	if done, err := e.planRoles(ctx, tx, w, b); err != nil || done {
		return err
	}
	b.drift, b.differs = &drift, true
	if err := inspect.Differences(ctx, tx, scope, b.drift); err != nil {
		return err
	}
	b.drift.UseNewIntermediates(known, b.facts)
	return e.makePlan(ctx, tx, w, b)
}

// reinspect reads again where there were differences, and plans anew. Where there were none, nothing was done.
func (e *Engine) reinspect(ctx context.Context, tx pgx.Tx, w work, b *batch) error {
	if !b.differs || b.reused || b.plan.Stage != plan.Access || b.drift.SettingsDiffer() {
		return e.inspect(ctx, tx, slices.Concat(slices.Collect(maps.Keys(b.drift.Roles)), b.plan.Created), w, b)
	}
	scope := b.scope.Narrow(b.drift)
	b.drift = &plan.Drift{Roles: b.drift.Roles}
	return e.readAndPlan(ctx, tx, scope, w, b)
}

// readAndPlan reads the differences in a scope, and plans for them.
func (e *Engine) readAndPlan(ctx context.Context, tx pgx.Tx, scope *inspect.Scope, w work, b *batch) error {
	if err := inspect.Differences(ctx, tx, scope, b.drift); err != nil {
		return err
	}
	b.differs = true
	return e.makePlan(ctx, tx, w, b)
}

// planRoles plans for the roles themselves, and reports whether they come first.
func (e *Engine) planRoles(ctx context.Context, tx pgx.Tx, w work, b *batch) (first bool, err error) {
	if b.drift.RolesDiffer(e.policy) {
		// What the daemon's own role may have become since it connected.
		server, err := catalog.ReadServer(ctx, tx)
		if err != nil {
			return false, err // the engine keeps what it knows: the next pass plans by it
		}
		e.server, b.facts.Server = server, server
	}
	if err := e.makePlan(ctx, tx, w, b); err != nil {
		return false, err
	}
	return b.plan.Stage != plan.Access, nil
}

// maxQuestions is how often a plan may have a further question. An answer can raise the next: a name is taken, and so is its keeper's.
const maxQuestions = 10

// makePlan reads the facts about the drift, and plans.
func (e *Engine) makePlan(ctx context.Context, tx pgx.Tx, w work, b *batch) error {
	b.forgetAnswers()
	if err := inspect.Facts(ctx, tx, b.drift, b.facts, e.policy); err != nil {
		return err
	}
	if w.cause != audit.Manual { // a person asks, and does not wait
		if err := e.readRenaming(ctx, tx, w, b); err != nil {
			return err
		}
	}
	b.facts.RulesExist = b.scope.Rules
	for range maxQuestions {
		b.plan = plan.Make(b.drift, b.facts, e.policy)
		if b.plan.Questions.Empty() {
			b.note()
			return nil
		}
		if err := inspect.Answer(ctx, tx, b.plan.Questions, b.drift, b.facts, e.policy); err != nil {
			return err
		}
	}
	return errors.New("the plan is not finished: its questions have no end")
}

// forgetAnswers forgets what steps of the pass may have changed.
func (b *batch) forgetAnswers() {
	l := &b.facts.Limit
	l.Elsewhere, l.ElsewhereHeld, l.Writers = nil, nil, nil
	b.facts.Rules = nil
	for _, c := range b.facts.Intermediates {
		c.Stale = true
	}
	maps.DeleteFunc(b.facts.Conflicts, func(_ string, h *plan.NameHolder) bool { return h == nil || h.Problem == "" }) // it may be registered now
}

// note keeps what a plan found until the pass ends: the next plan does not find it again.
func (b *batch) note() {
	b.facts.Limit.Verdicts = b.plan.Verdicts
	b.facts.Retirements.Note(b.plan)
	b.noteRetiring()
	maps.Copy(b.conflicts, b.plan.Conflicts)
	for _, r := range b.plan.Resolved {
		b.resolved[r] = true
	}
	b.problems = plan.Problems{}
	for _, u := range b.scope.Unmatched {
		b.problems.Add(u.Role, u.Problem())
	}
	b.problems.Merge(b.plan.Problems)
}

// roles are the roles of the batch, by name.
func (b *batch) roles() map[string]plan.Role { return b.drift.Roles }

// keepsAccess reports whether a role has what it should not have, or what was renamed must be remembered for another reason.
func (b *batch) keepsAccess() bool {
	if len(b.facts.Renaming) > 0 {
		return true
	}
	for _, list := range b.problems {
		if plan.KeepsAccess(list) {
			return true
		}
	}
	return false
}

// addConflicts puts the roles that have a name of ours, and are not ours, among those about which the pass reports.
func (b *batch) addConflicts(ctx context.Context, tx pgx.Tx) error {
	if len(b.conflicts) == 0 {
		return nil
	}
	names, err := inspect.Unregistered(ctx, tx, slices.Sorted(maps.Keys(b.conflicts)))
	if err != nil {
		return err
	}
	roles, err := inspect.Roles(ctx, tx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		b.drift.Roles[name] = roles[name]
		b.problems.Add(name, b.conflicts[name])
	}
	return nil
}

// apply runs the plan, in rounds until nothing must be prepared first, and then all the rest at once.
func (e *Engine) apply(ctx context.Context, a *apply.Applier, tx pgx.Tx, w work, roles []string, b *batch) error {
	if err := e.inspect(ctx, tx, roles, w, b); err != nil {
		return err
	}
	for range maxRounds {
		if b.plan.Stage == plan.Access {
			break
		}
		prepared := b.plan
		if err := b.noteBreaches(ctx, tx, prepared.Preparation()); err != nil {
			return err
		}
		if err := a.Run(ctx, prepared.Preparation()); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		b.prepared(prepared, a.Rejected())
		roles = append(roles, prepared.Prepared()...)
		var err error
		if prepared.OnlyCreates() {
			err = e.inspectCreated(ctx, tx, prepared.Created, w, b)
		} else {
			w.names = nil // a change of owner, or a new role, concerns all that the rows ask for
			err = e.inspect(ctx, tx, roles, w, b)
		}
		if err != nil {
			return err
		}
	}
	grants := b.plan.GrantSteps()
	if err := b.noteBreaches(ctx, tx, grants); err != nil {
		return err
	}
	if err := a.Run(ctx, grants); err != nil {
		return err
	}
	b.ended = b.plan.EndedMemberships()
	return a.Run(ctx, b.plan.RevokeSteps())
}

// maxRounds bounds how often a pass may find something to prepare: roles, then schemas and owners, then intermediate roles.
const maxRounds = 6

// prepared notes what the preparation of a plan leaves.
func (b *batch) prepared(p *plan.Plan, rejected map[plan.StepKey]plan.Rejection) {
	b.wasPrepared = true
	b.facts.Retirements.Moved(p)
	b.reused = b.reused || p.ReusesRoles
	for name, abandonment := range p.Abandoned {
		if _, ok := rejected[abandonment.Step]; !ok {
			b.conflicts[name] = abandonment.Problem
		}
	}
}
