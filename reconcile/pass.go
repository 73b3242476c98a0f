package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/chain"
)

// batchSize is how many roles share a transaction at most. On PostgreSQL 16 and later each new role takes a lock.
const batchSize = 1000

// work says what a pass looks at.
type work struct {
	cause      Cause
	roles      []string // nil: what the queue has
	names      []string // only what desired grants with these names or patterns ask for; nil: everything
	renamed    bool     // look for objects that were renamed
	members    bool     // look at all members of intermediate roles
	prune      bool     // drop intermediate roles that hold nothing, without waiting
	dry        bool     // only to show: say all problems, also those that were said before
	insistent  bool     // somebody asks for these roles: try again what had no effect
	dated      bool     // it was waited until it can be told what was renamed a moment ago
	undeclared int64    // how much of which no row ever spoke is to be taken away in all that this pass is a part of

	patience time.Duration // for a lock on an object; 0: shortWait
	patient  bool          // somebody was in the way before
	tolerant bool          // a grant that PostgreSQL refuses must not keep the rest from being done

	slow slowness // what was done about statements that took too long
}

// Pass is what a pass did.
type Pass struct {
	Rows       []AuditRow
	Statements []string   // all of them in order, secrets redacted
	spans      []span     // where among these each step is
	roles      []string   // which it looked at, also when it failed
	id         string     // as in audit.pass
	head       chain.Head // of the audit's chain, after it
	lockWait   time.Duration
	keeps      bool           // a role has what it should not have
	held       int            // from so many roles nothing is taken away before somebody approves
	taking     int64          // and so much was to be taken away at once
	undeclared int64          // how much of which no row ever spoke; also when it failed
	kept       []desired.Kept // expired rows that could not be deleted yet
}

// Changed counts what was given and taken away.
func (p *Pass) Changed() (granted, revoked int) {
	for _, row := range p.Rows {
		granted += row.Granted
		revoked += row.Revoked
	}
	return granted, revoked
}

// maxRounds bounds how often a pass may find something to found: roles, then schemas and owners, then intermediate roles.
const maxRounds = 6

// pass does one transaction. On an error nothing is done, and the returned Pass says which roles it was about.
func (e *Engine) pass(ctx context.Context, w work) (*Pass, error) {
	started := time.Now()
	p := &Pass{roles: w.roles}
	w.patience = cmp.Or(w.patience, min(shortWait, e.lockTimeout))
	tx, err := e.beginLocked(ctx, w.patience, e.readingTime(w))
	if err != nil {
		return p, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	p.id, p.lockWait = tx.id, tx.waited
	e.lockMissed, e.tablesMissed = false, false
	requests, kept, err := take(ctx, tx, w)
	if err != nil {
		return p, err
	}
	p.kept = kept
	p.roles = slices.Clone(w.roles)
	for _, r := range requests {
		p.roles = append(p.roles, r.Role)
	}
	for _, k := range kept {
		p.roles = append(p.roles, k.Role)
	}
	slices.Sort(p.roles)
	p.roles = slices.Compact(p.roles)
	if w.roles == nil && w.cause != Expiry {
		w.names = objectNames(requests)
	}
	if len(p.roles) == 0 {
		return p, nil
	}
	if err := e.reconcile(ctx, tx, w, p, requests, started); err != nil {
		return p, err
	}
	if err := tx.Commit(ctx); err != nil {
		return p, fmt.Errorf("commit: %w", err)
	}
	if len(p.Rows) > 0 {
		e.written(p.head, len(p.Rows))
	}
	return p, nil
}

// objectNames puts the names of all requests together. It is nil, for everything, if one of them is about everything.
func objectNames(requests []desired.Request) []string {
	set := map[string]bool{}
	for _, r := range requests {
		if r.ObjectNames == nil {
			return nil
		}
		for _, name := range r.ObjectNames {
			set[name] = true
		}
	}
	return few(keys(set))
}

// take takes the requests that a pass serves, and ends what has expired where it is there for that.
func take(ctx context.Context, tx pgx.Tx, w work) (requests []desired.Request, kept []desired.Kept, err error) {
	switch {
	case w.roles == nil && w.cause != Expiry:
		requests, err = desired.Take(ctx, tx, batchSize)
		return requests, nil, err
	case w.roles != nil && w.cause != Expiry && w.cause != Retry && w.cause != Manual:
		requests, err = desired.TakeFor(ctx, tx, w.roles)
		return requests, nil, err
	}
	ended, err := desired.Expire(ctx, tx, batchSize, w.roles)
	if err != nil {
		return nil, nil, err
	}
	roles := w.roles
	if roles == nil {
		if roles = ended.Roles; len(roles) == 0 {
			return nil, nil, nil
		}
	}
	// The triggers of the deleted rows have queued the roles.
	if requests, err = desired.TakeFor(ctx, tx, roles); err != nil {
		return nil, nil, err
	}
	return requests, ended.Kept, nil
}

// reconcile does all of a pass between taking the queue and committing.
func (e *Engine) reconcile(ctx context.Context, tx pgx.Tx, w work, p *Pass, requests []desired.Request, started time.Time) error {
	before, err := readBefore(ctx, tx, p.roles, w.names)
	if err != nil {
		return err
	}
	if before.place != e.place {
		return elsewhereError(e.server.Database) // restored while the engine was connected
	}
	w.renamed = w.renamed || len(before.held) > 0 // what is held may be so because objects lost their names
	a := &applier{tx: tx, server: e.server, patience: w.patience, patient: w.patient, lenient: w.tolerant, refused: map[string]refusal{}, reading: e.readingTime(w), applying: e.statementTimeout}
	result, err := e.converge(ctx, a, w, append(slices.Clone(p.roles), before.involved...))
	p.undeclared = result.undeclared
	if err != nil {
		return err
	}
	if err := a.giveBack(ctx); err != nil {
		return err
	}
	if len(a.done)+len(a.refused) > 0 {
		if result, err = e.verify(ctx, a, w, result); err != nil {
			return err
		}
	}
	for unit, list := range a.obstacles {
		for _, problem := range list {
			result.problems.add(unit, problem)
		}
	}
	a.tolerant = false // pruning has its own way with what is refused
	if err := e.prune(ctx, a, w, result); err != nil {
		return err
	}
	if err := a.giveBack(ctx); err != nil {
		return err
	}
	if err := result.addStrangers(ctx, tx); err != nil {
		return err
	}
	reportKept(p.kept, result)
	p.Statements, p.spans, p.keeps, p.held, p.taking = a.statements, a.spans, result.keeps(), len(result.held), result.taking
	p.Rows = auditRows(w, result, a.done, requests, e.instance, p.id, started)

	records := &pgx.Batch{}
	e.checkRelations(records)
	remember(records, result.remember)
	e.forgetWithdrawn(records, before.withdrawn, result)
	recordHeld(records, before.held, result)
	if err := recordLacks(records, result); err != nil {
		return err
	}
	recordRevokes(records, result.ledger, p.Rows, e.policy.Limit.Window)
	rememberFailures(records, result.roles, result.problems)
	retryKept(records, p.kept, result.roles)
	if p.head, err = e.audit(ctx, tx, records, p.Rows, w.dry); err != nil {
		return fmt.Errorf("write the audit and what to remember: %w", err)
	}
	return nil
}

// state is what is known about a batch after reading and deciding.
type state struct {
	roles     map[string]Role
	drift     *Drift
	plan      *Plan
	problems  problems
	remember  map[Remembered]bool
	strangers map[string]Problem // unregistered roles that have a name of ours
	refused   map[string]refusal // what PostgreSQL refused in this pass, by step
	setAside  []Step             // of the plan, because PostgreSQL refused it: the rest goes on without
	adopted   bool               // an intermediate role was there already, and so may have members that no row asks for

	held   map[string]holding // what is not taken away before somebody approves
	taking int64              // how much that is

	ledger     *ledger           // what was decided about the limit
	undeclared int64             // how much is to be taken away of which no row ever spoke
	approvedBy map[string]string // who let it be taken away
	unmatched  []unmatched       // rows of which the pattern is not compared with names
}

// keeps reports whether a role has what it should not have, or what was renamed must be remembered for another reason.
func (s *state) keeps() bool {
	if s.drift != nil && len(s.drift.unsettled) > 0 {
		return true
	}
	for _, list := range s.problems {
		if slices.ContainsFunc(list, func(p Problem) bool { return p.Taking }) {
			return true
		}
	}
	return false
}

// converge reads, decides and applies, in rounds until nothing must be founded first, and then all the rest at once.
func (e *Engine) converge(ctx context.Context, a *applier, w work, units []string) (*state, error) {
	s := &state{remember: map[Remembered]bool{}, ledger: newLedger(), refused: a.refused}
	if err := e.look(ctx, a.tx, units, w, s); err != nil {
		return s, err
	}
	for range maxRounds {
		if !s.plan.preparing() {
			break
		}
		founded := s.plan.foundIntermed
		if len(s.plan.Found) > 0 {
			founded = nil
		}
		first := s.plan.first()
		rebuilt, err := e.prepare(ctx, a, w, s)
		if err != nil {
			return s, err
		}
		units = append(append(units, founded...), rebuilt...)
		for _, step := range first {
			if step.unit != "" {
				units = append(units, step.unit)
			}
		}
		s.adopted = s.adopted || s.plan.adopting
		if len(founded) > 0 && len(s.plan.Rebuild) == 0 {
			err = e.lookFurther(ctx, a.tx, founded, w, s)
		} else {
			w.names = nil // a change of owner, or a new role, concerns all that the rows ask for
			err = e.look(ctx, a.tx, units, w, s)
		}
		if err != nil {
			return s, err
		}
	}
	a.tolerant = w.tolerant
	if err := a.run(ctx, s.plan.Grants); err != nil {
		return s, err
	}
	return s, a.run(ctx, s.plan.Revokes)
}

// prepare does what the rest of the plan depends on, and returns the names of the roles that it made in place of others.
func (e *Engine) prepare(ctx context.Context, a *applier, w work, s *state) (rebuilt []string, err error) {
	if err := a.run(ctx, s.plan.first()); err != nil {
		return nil, err
	}
	for _, r := range s.plan.Rebuild {
		if r.lost && len(s.plan.Found) > 0 {
			continue // its keeper comes with the intermediate roles
		}
		name, err := e.rebuild(ctx, a, w, r)
		if err != nil {
			return nil, err
		}
		if name != "" {
			rebuilt = append(rebuilt, name)
		}
		if name != "" && r.lost {
			s.noteShell(r.role)
		}
	}
	return rebuilt, nil
}

// look reads a batch and decides about it. Roles that do not exist, or are not what they should be, come before all else: until
// they are right, the plan has only them.
func (e *Engine) look(ctx context.Context, tx pgx.Tx, units []string, w work, s *state) error {
	units = slices.Compact(slices.Sorted(slices.Values(units))) // a copy: Compact clears what it leaves out
	w.members = w.members || s.adopted
	roles, scope, err := readScope(ctx, tx, units, w, e.policy)
	if err != nil {
		return err
	}
	s.roles, s.problems, s.unmatched = roles, problems{}, scope.unmatched
	if s.plan, err = e.lookAtRoles(ctx, tx, s); err != nil || s.plan.preparing() {
		return err
	}
	if s.drift, err = readDifferences(ctx, tx, scope); err != nil {
		return err
	}
	return e.decide(ctx, tx, w, s)
}

// lookFurther reads intermediate roles that were just founded, and decides anew. All else is as it was read before.
func (e *Engine) lookFurther(ctx context.Context, tx pgx.Tx, founded []string, w work, s *state) error {
	w.members = w.members || s.adopted
	for name, n := range s.drift.Namesakes {
		if n != nil && n.Problem == "" {
			delete(s.drift.Namesakes, name) // it is registered now
		}
	}
	roles, scope, err := readScope(ctx, tx, founded, w, e.policy) // an intermediate role's own rows bear its selector's name
	if err != nil {
		return err
	}
	maps.Copy(s.roles, roles)
	s.problems = problems{}
	if s.plan, err = e.lookAtRoles(ctx, tx, s); err != nil || s.plan.preparing() {
		return err
	}
	further, err := readDifferences(ctx, tx, scope)
	if err != nil {
		return err
	}
	s.drift.add(further)
	s.drift.goThrough(roles)
	return e.decide(ctx, tx, w, s)
}

// decide makes the plan for what was read.
func (e *Engine) decide(ctx context.Context, tx pgx.Tx, w work, s *state) error {
	s.drift.Roles, s.drift.Server, s.drift.Locker, s.drift.separate = s.roles, e.server, e.locker, w.tolerant
	if err := s.drift.readCircumstances(ctx, tx, e.policy); err != nil {
		return err
	}
	if w.cause != Manual { // somebody asks, and does not wait
		if err := e.readUnsettled(ctx, tx, s.drift, w); err != nil {
			return err
		}
	}
	// What is asked about the names of a plan can be answered by another: a name is taken, and so is its keeper's.
	for range 3 {
		s.plan = Decide(s.drift, e.policy)
		if again, err := s.drift.readNamesakes(ctx, tx, s.plan); err != nil {
			return err
		} else if !again {
			break
		}
	}
	s.noteStrangers(s.plan)
	if err := e.hold(ctx, tx, w, s); err != nil {
		return err
	}
	for _, u := range s.unmatched {
		s.problems.add(u.Role, u.problem())
	}
	for role, list := range s.plan.Problems {
		for _, problem := range list {
			s.problems.add(role, problem)
		}
	}
	s.plan.Problems = s.problems
	if err := s.plan.prepareOwnerships(ctx, tx, e.server); err != nil {
		return err
	}
	s.plan.Found = s.withoutRefused(s.plan.Found)
	for _, r := range s.plan.Remember {
		s.remember[r] = true
	}
	return nil
}

// lookAtRoles decides about the roles themselves.
func (e *Engine) lookAtRoles(ctx context.Context, tx pgx.Tx, s *state) (*Plan, error) {
	var rights map[catalog.OID]catalog.Rights
	if alter := toAlter(s.roles, e.policy); len(alter) > 0 {
		var err error
		if rights, err = catalog.ReadRights(ctx, tx, alter); err != nil {
			return nil, err
		}
		// What the daemon's own role may have become since it connected.
		if e.server, err = catalog.ReadServer(ctx, tx); err != nil {
			return nil, err
		}
	}
	steps, rebuilds, strangers := roleSteps(s.roles, rights, e.server, e.policy, s.problems)
	s.setAside = nil
	steps = s.withoutRefused(steps)
	p := &Plan{Found: steps, Rebuild: rebuilds, Touched: map[string]bool{}, strangers: strangers}
	s.noteStrangers(p)
	for _, step := range steps {
		p.Touched[step.Effects[0].Unit] = true
	}
	for _, r := range rebuilds {
		p.Touched[r.unit] = true
	}
	for name, r := range s.roles {
		if r.misnamed() {
			p.Touched[name] = true // also where the step is about another name
		}
	}
	return p, nil
}
