package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Pass is the result of a pass.
type Pass struct {
	Rows       []audit.Row
	Statements []string     // all of them in order, secrets redacted
	spans      []apply.Span // where among these each step is
	roles      []string     // which it inspected, also when it failed
	id         string       // as in audit.pass
	head       chain.Head   // of the audit's chain, after it
	lockWaited time.Duration
	keeps      bool           // a role has what it should not have
	held       int            // so many roles have revokes that wait for an approval
	heldSum    int64          // so many revokes
	undeclared int64          // how many revokes no row ever asked for; also when it failed
	kept       []desired.Kept // expired rows that could not be deleted yet
	asDesired  []string       // the roles that it leaves as their rows ask, and has inspected whole
	prepared   bool           // it has made roles or schemas, or changed owners
	ending     []string       // roles whose sessions are to end, which still have what was taken
	sessions   int            // how many it ended
}

// Changed counts what was granted and revoked.
func (p *Pass) Changed() (granted, revoked int) {
	for _, row := range p.Rows {
		granted += row.Granted
		revoked += row.Revoked
	}
	return granted, revoked
}

// pass does one transaction (invariant 1). On an error nothing is done, and the returned Pass says which roles it was about.
func (e *Engine) pass(ctx context.Context, w work) (*Pass, error) {
	started := time.Now()
	p := &Pass{roles: w.roles}
	w.lockWait = cmp.Or(w.lockWait, min(apply.ShortLockWait, e.lockTimeout))
	tx, err := e.beginLocked(ctx, w.lockWait, e.readingTime(w))
	if err != nil {
		return p, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	p.id, p.lockWaited = tx.id, tx.waited
	e.lockMissed, e.tablesMissed = false, false
	limits := e.portion.limits()
	requests, err := p.take(ctx, tx, w, limits.rows)
	if err != nil {
		return p, err
	}
	if w.roles == nil && w.cause != audit.Expiry {
		w.names = objectNames(requests)
	}
	if len(p.roles) == 0 {
		return p, nil
	}
	if err := e.reconcile(ctx, tx, w, p, requests, started); err != nil {
		return p, err
	}
	held := time.Since(started) - tx.waited
	if err := tx.Commit(ctx); err != nil {
		return p, fmt.Errorf("commit: %w", err)
	}
	e.portion.learn(limits, len(p.roles), held)
	if len(p.Rows) > 0 {
		e.wrote(p.head, len(p.Rows))
	}
	return p, nil
}

// take takes the requests that the pass serves, of roles with few enough rows, and notes its roles.
func (p *Pass) take(ctx context.Context, tx pgx.Tx, w work, limit int64) (requests []desired.Request, err error) {
	if requests, p.kept, err = take(ctx, tx, w, limit); err != nil {
		return nil, err
	}
	p.roles = slices.Clone(w.roles)
	for _, r := range requests {
		p.roles = append(p.roles, r.Role)
	}
	for _, k := range p.kept {
		p.roles = append(p.roles, k.Role)
	}
	slices.Sort(p.roles)
	p.roles = slices.Compact(p.roles)
	return requests, nil
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
	return inspect.Few(slices.Sorted(maps.Keys(set)))
}

// take takes the requests that a pass serves, and ends what has expired where it is there for that.
func take(ctx context.Context, tx pgx.Tx, w work, limit int64) (requests []desired.Request, kept []desired.Kept, err error) {
	switch {
	case w.roles == nil && w.cause != audit.Expiry:
		requests, err = desired.Take(ctx, tx, batchSize, limit)
		return requests, nil, err
	case w.roles != nil && w.cause != audit.Expiry && w.cause != audit.Retry && w.cause != audit.Manual:
		requests, err = desired.TakeFor(ctx, tx, w.roles)
		return requests, nil, err
	}
	ended, err := desired.Expire(ctx, tx, batchSize, limit, w.roles)
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

// reconcile does all of a pass between taking the queue and committing: inspect, plan, apply, verify, audit.
func (e *Engine) reconcile(ctx context.Context, tx pgx.Tx, w work, p *Pass, requests []desired.Request, started time.Time) error {
	history, err := inspect.ReadHistory(ctx, tx, p.roles, w.names)
	if err != nil {
		return err
	}
	if history.Place != e.place {
		return elsewhereError(e.server.Database) // restored while the engine was connected
	}
	w.renamed = w.renamed || len(history.Held) > 0 // what is held may be so because objects lost their names
	a := apply.New(tx, e.server, apply.Options{
		Mode: w.mode, LockWait: w.lockWait, ReadingTime: e.readingTime(w), WritingTime: e.statementTimeout, SkipSlow: w.slow != slowness{},
	})
	b := e.newBatch(w, a.Rejected())
	err = e.apply(ctx, a, tx, w, append(slices.Clone(p.roles), history.Intermediates...), b)
	if b.plan != nil {
		p.undeclared = b.plan.Undeclared
	}
	if err != nil {
		return err
	}
	if err := a.GiveBack(ctx); err != nil {
		return err
	}
	if err := e.verify(ctx, a, tx, w, b); err != nil {
		return err
	}
	if err := e.prune(ctx, a, tx, w, b); err != nil {
		return err
	}
	if err := a.GiveBack(ctx); err != nil {
		return err
	}
	if err := b.checkBreaches(ctx, tx); err != nil {
		return err
	}
	if err := b.addConflicts(ctx, tx); err != nil {
		return err
	}
	if err := b.requeueRetiring(ctx, a); err != nil {
		return err
	}
	b.reportKept(p.kept)
	if err := e.checkSessions(ctx, tx, b); err != nil {
		return err
	}
	return e.audit(ctx, a, tx, w, p, b, history, requests, started)
}

// asDesired lists the roles without a problem.
func (b *batch) asDesired() []string {
	var roles []string
	for name := range b.roles() {
		if len(b.problems[name]) == 0 {
			roles = append(roles, name)
		}
	}
	return roles
}

// audit writes what the pass did, and what to remember.
func (e *Engine) audit(ctx context.Context, a *apply.Applier, tx pgx.Tx, w work, p *Pass, b *batch, history inspect.History, requests []desired.Request, started time.Time) error {
	verdicts, held := b.plan.Verdicts, b.plan.Held
	p.Statements, p.spans = a.Statements()
	if w.rehearsal {
		p.Statements = append(p.Statements, plan.Endings(b.staleSessions, e.server)...)
	}
	p.prepared, p.ending = b.wasPrepared, b.ending
	p.keeps, p.held, p.heldSum, p.undeclared = b.keepsAccess(), len(held), b.plan.HeldSum(), b.plan.Undeclared
	if w.names == nil {
		p.asDesired = b.asDesired()
	}
	requestedBy := map[string][]string{}
	for _, r := range requests {
		requestedBy[r.Role] = r.By
	}
	p.Rows = audit.Result{
		Cause: w.cause, Instance: e.instance, Pass: p.id, Started: started, Roles: b.roles(), Problems: b.problems, Done: a.Done(),
		RequestedBy: requestedBy, ApprovedBy: verdicts.ApprovedBy, Rehearsal: w.rehearsal,
	}.Rows()
	if w.cause == audit.Rescan || w.cause == audit.DDL || w.cause == audit.Startup || w.cause == audit.Manual {
		if err := e.nameHands(ctx, tx, p.Rows); err != nil {
			return err
		}
	}

	_, revoked := p.Changed()
	e.total.learn(b.facts.Limit, verdicts.Sum, int64(revoked), started)

	records := &pgx.Batch{}
	inspect.CheckRelations(records, e.relations)
	inspect.CheckACLs(records, b.expected)
	if !w.rehearsal {
		audit.RecordAccess(records, w.cause, a.Done(), b.ended)
	}
	audit.RecordResolved(records, b.resolved)
	grants, ownerships := b.forgettable(history.Withdrawn)
	audit.ForgetWithdrawn(records, grants, ownerships, e.policy.FallbackOwner)
	audit.RecordHeld(records, history.Held, held, verdicts.ApprovedBy, b.problems)
	if err := audit.RecordLacks(records, b.roles(), b.problems); err != nil {
		return err
	}
	audit.RecordReleased(records, b.released)
	audit.RecordLostMemberships(records, b.ended, e.server)
	audit.RecordRevokes(records, verdicts.Counts, p.Rows, e.policy.Limit.Window)
	audit.RecordRetries(records, b.roles(), b.problems)
	b.retryKept(records, p.kept)
	var err error
	if p.head, err = e.writer().Write(ctx, tx, records, p.Rows, w.rehearsal); err != nil {
		return fmt.Errorf("write the audit and what to remember: %w", err)
	}
	return nil
}

// forgettable lists the withdrawn rows of roles from which all was revoked that they gave (invariant 11), those that gave ownership apart. Held revokes keep the
// rows of their deletions only.
func (b *batch) forgettable(withdrawn map[string][]inspect.WithdrawnRow) (grants, ownerships []int64) {
	for _, role := range slices.Sorted(maps.Keys(withdrawn)) {
		if slices.ContainsFunc(b.problems[role], func(p plan.Problem) bool { return p.Revoke && p.Kind != plan.Held }) {
			continue
		}
		for _, row := range withdrawn[role] {
			switch {
			case b.plan.Held[role].Transactions[row.Transaction]:
			case row.Ownership:
				ownerships = append(ownerships, row.ID)
			default:
				grants = append(grants, row.ID)
			}
		}
	}
	return grants, ownerships
}

// wrote notes where the chain ended when this engine wrote last. It only ever grows: where it does not, rows were removed from its end.
func (e *Engine) wrote(head chain.Head, places int) {
	if head.Seq-int64(places) < e.head.Seq {
		e.log.Error().Stringer("audit_head", head).Stringer("earlier_audit_head", e.head).
			Msg("the audit's chain is shorter than this daemon left it: rows were removed from its end; see pg-sync-roles audit verify")
	}
	e.head = head
}

// LogHead writes the head to the log: whoever keeps the log elsewhere can prove with it what the audit held by then.
func (e *Engine) LogHead(ctx context.Context) error {
	head, err := chain.ReadHead(ctx, e.conn)
	if err != nil {
		return err
	}
	e.log.Info().Stringer("audit_head", head).Msg("head of the audit's chain")
	return nil
}
