package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// Report is what one call did, over as many passes as it took.
type Report struct {
	Rows       []AuditRow // what was written to the audit
	Statements []string   // everything that ran, in order, secrets redacted
	Roles      int        // how many were looked at
	keeps      bool       // a role has what it should not have
}

func (r *Report) add(p *Pass) {
	r.Rows = append(r.Rows, p.Rows...)
	r.Statements = append(r.Statements, p.Statements...)
	r.Roles += len(p.roles)
	r.keeps = r.keeps || p.keeps
}

// Pending serves the queue until it is empty.
func (e *Engine) Pending(ctx context.Context, cause Cause) (*Report, error) {
	report := &Report{}
	for {
		queue, err := e.queued(ctx)
		if err != nil {
			return report, e.outside(ctx, cause, err, report)
		}
		if queue.roles {
			before := report.Roles
			if err := e.serve(ctx, work{cause: cause}, report); err != nil {
				return report, e.passing(ctx, err)
			}
			if report.Roles > before {
				continue
			}
		}
		if !queue.everybody {
			return report, nil
		}
		if more, err := e.expand(ctx); err != nil || !more {
			return report, e.outside(ctx, cause, err, report)
		}
	}
}

// expand turns requests for every role into requests for each.
func (e *Engine) expand(ctx context.Context) (expanded bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) (err error) {
		expanded, err = desired.Expand(ctx, tx)
		return err
	})
	return expanded, err
}

// maxAttempts is how often a pass is begun anew at once when somebody was in the way.
const maxAttempts = 8

// shortWait is for how long a pass over several roles waits for a lock on an object: others wait for the pass.
const shortWait = 250 * time.Millisecond

// serve does one pass's work. When somebody was in the way it is tried again; then without what PostgreSQL refuses, which becomes a problem of
// its roles; then split until the role that cannot be served stands alone, and its failure is recorded. An error means that nothing more can be
// done now: the connection, or the context, or the lock.
func (e *Engine) serve(ctx context.Context, w work, report *Report) error {
	var p *Pass
	var err error
	if w.cause == Manual {
		w.patience = e.lockTimeout // somebody asked for it, and looks on
	}
	for attempt := 1; ; attempt++ {
		started := time.Now()
		p, err = e.datedPass(ctx, w)
		if err != nil || len(p.roles) > 0 {
			e.observed(w, p, started, err)
		}
		if err == nil {
			report.add(p)
			e.logPass(w, p)
			return nil
		}
		if ctx.Err() != nil || e.conn.IsClosed() || classOf(err) == disconnected {
			return err
		}
		if errors.As(err, new(*lockError)) {
			return e.recordLockFailure(ctx, w, err, report)
		}
		if len(p.roles) == 0 {
			return err
		}
		if classOf(err) == slow {
			retry, problem := e.afterTimeout(ctx, &w, p.roles)
			if problem != nil {
				return problem
			}
			if retry {
				continue
			}
			if len(p.roles) > 1 {
				break
			}
		}
		patient := maxAttempts
		if len(p.roles) > 1 {
			patient = 2
		}
		if classOf(err) == again && attempt < patient {
			w.patient = true
			if err := pause(ctx, attempt); err != nil {
				return err
			}
			continue
		}
		if w.tolerant || SQLState(err) == "" {
			break
		}
		w.patient, w.tolerant = true, true
		if classOf(err) == locked {
			w.patience = min(shortWait, e.lockTimeout) // it has been waited for
		}
	}
	if len(p.roles) == 1 {
		return e.recordFailure(ctx, w, p.roles[0], err, report)
	}
	half := len(p.roles) / 2
	for _, part := range [][]string{p.roles[:half], p.roles[half:]} {
		w.roles, w.undeclared = slices.Clone(part), max(w.undeclared, p.undeclared)
		if err := e.serve(ctx, w, report); err != nil {
			return err
		}
	}
	return nil
}

// pause waits for a moment that grows with the attempt: about 10 ms, 20 ms, 40 ms, …
func pause(ctx context.Context, attempt int) error {
	d := time.Duration(1<<min(attempt, 6)) * 5 * time.Millisecond
	d += rand.N(d) //nolint:gosec // jitter is no secret
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Rescan looks at every managed role and every intermediate role, without taking the lock, and does a pass for those that are not as
// desired.
func (e *Engine) Rescan(ctx context.Context, cause Cause) (*Report, error) {
	started := time.Now()
	report := &Report{}
	e.refusals.again = nil
	managed, err := desired.Managed(ctx, e.conn)
	if err == nil {
		err = e.mark(ctx)
	}
	if err == nil {
		err = e.measureAgain(ctx)
	}
	if err != nil {
		return report, e.outside(ctx, cause, err, report)
	}
	if cause == DDL {
		if err := e.lookAtRenamed(ctx, cause, report); err != nil {
			e.log.Debug().Err(err).Msg("cannot look first at what was renamed") // then it has its turn
			if ctx.Err() != nil || e.conn.IsClosed() {
				return report, err
			}
		}
	}
	drifted, err := e.lookAtAll(ctx, managed, work{cause: cause}, report)
	if err != nil {
		return report, e.outside(ctx, cause, err, report)
	}
	report.Roles = len(managed)
	if cause == DDL && drifted == 0 {
		return report, nil // most DDL is nobody's business
	}
	_, err = e.conn.Exec(ctx, "insert into sync_roles.rescans (roles, drifted, duration, instance) values ($1, $2, $3, $4)",
		len(managed), drifted, time.Since(started), e.instance)
	if err != nil {
		return report, e.passing(ctx, fmt.Errorf("record the rescan: %w", err))
	}
	return report, nil
}

// lookAtAll looks at these roles and at all intermediate roles, and does a pass where there is something to do.
func (e *Engine) lookAtAll(ctx context.Context, roles []string, w work, report *Report) (drifted int, err error) {
	renamed, err := e.renamed(ctx)
	if err != nil {
		return 0, err
	}
	w.renamed = len(renamed) > 0
	stuck := false
	for i, list := range []func(context.Context) ([]string, error){
		// First, because what is found about one can concern the roles that use it.
		e.intermediates,
		func(context.Context) ([]string, error) { return roles, nil },
		// Last, because by then the roles have by other ways what their rows ask for.
		e.foreign,
	} {
		units, err := list(ctx)
		if err != nil {
			return drifted, err
		}
		w.members = i == 0
		looked := 0
		for chunk := range slices.Chunk(units, batchSize) {
			if e.OnPass != nil && len(units) > batchSize {
				e.OnPass(looked, len(units))
			}
			looked += len(chunk)
			seen, err := e.glance(ctx, chunk, w)
			if errors.Is(err, errUndated) {
				if err := e.untilDated(ctx); err != nil {
					return drifted, err
				}
				w.dated = true // for the rest as well
				seen, err = e.glance(ctx, chunk, w)
			}
			for attempt := 1; err != nil && classOf(err) == again && attempt < maxAttempts; attempt++ {
				seen, err = e.glance(ctx, chunk, w) // something was dropped while it was looked at
			}
			if class := classOf(err); class == slow || class == locked {
				seen, err = glance{due: chunk, stuck: true}, nil // a pass finds out whose fault it is
			}
			if err != nil {
				return drifted, err
			}
			stuck = stuck || seen.stuck
			drifted += len(seen.due)
			if len(seen.due) == 0 {
				continue
			}
			part := w
			part.roles, part.undeclared = seen.due, seen.undeclared
			if err := e.serve(ctx, part, report); err != nil {
				return drifted, err
			}
		}
	}
	if err := e.reportLockNamesake(ctx, w, report); err != nil {
		return drifted, err
	}
	if err := e.serveRefusedMembers(ctx, w, report, &drifted); err != nil {
		return drifted, err
	}
	unattended, err := e.useless(ctx, e.conn, nil, false)
	if err != nil {
		return drifted, err
	}
	for chunk := range slices.Chunk(unattended, batchSize) {
		w.roles, w.members = chunk, true // as above: otherwise it would find other problems, and say so each time
		if err := e.serve(ctx, w, report); err != nil {
			return drifted, err
		}
	}
	if !stuck && !report.keeps {
		if err := e.forgetRenamed(ctx, renamed, w.cause); err != nil {
			return drifted, err
		}
	}
	if err := e.lookBeside(ctx, w, report); err != nil {
		return drifted, err
	}
	e.refusals.served()
	return drifted, nil
}

// lookBeside does the work that no role's access waits for. What fails of it must not keep a rescan from being one: another rescan does it again.
func (e *Engine) lookBeside(ctx context.Context, w work, report *Report) error {
	if err := e.dropDead(ctx, w, report); err != nil {
		if w.prune || e.lost(ctx, err) {
			return err
		}
		e.log.Warn().Err(err).Msg("cannot drop roles of databases that are no more; trying again at the next rescan")
	}
	if err := e.reportContested(ctx, len(report.Rows) > 0); err != nil {
		if e.lost(ctx, err) {
			return err
		}
		e.log.Warn().Err(err).Msg("cannot tell which roles are contested; trying again at the next rescan")
	}
	return nil
}

// lost reports whether nothing more can be done over this connection.
func (e *Engine) lost(ctx context.Context, err error) bool {
	return ctx.Err() != nil || e.conn.IsClosed() || classOf(err) == disconnected
}

// briefly reads what only informs, in a transaction with a short statement timeout.
func (e *Engine) briefly(ctx context.Context, read func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local statement_timeout = "+milliseconds(min(readingTimeout, e.statementTimeout))); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		return read(tx)
	})
}

func (e *Engine) intermediates(ctx context.Context) ([]string, error) {
	list, err := names(ctx, e.conn, intermediatesSQL)
	if err != nil {
		return nil, fmt.Errorf("read intermediate roles and their keepers: %w", err)
	}
	return list, nil
}

const intermediatesSQL = "select role_name from sync_roles.intermediate_roles union all select role_name from sync_roles.keepers order by role_name"

var foreignSQL = query("foreign")

// foreign lists the roles named like other databases' intermediate roles that hold something in this one.
func (e *Engine) foreign(ctx context.Context) ([]string, error) {
	list, err := names(ctx, e.conn, foreignSQL)
	if err != nil {
		return nil, fmt.Errorf("look for intermediate roles of other databases: %w", err)
	}
	return list, nil
}

// glance is what a look without the lock saw.
type glance struct {
	due        []string // the roles that a pass has something to do for, or to say about
	stuck      bool     // something should be taken away and cannot
	undeclared int64    // how much of which no row ever spoke is to be taken away
	problems   problems // of all
}

// glance looks at roles. It takes no lock and changes nothing.
func (e *Engine) glance(ctx context.Context, roles []string, w work) (seen glance, err error) {
	tx, err := e.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return seen, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return e.glanceIn(ctx, tx, roles, w)
}

// glanceIn is glance in a transaction that is there. For a dry run everything counts, also what is tried another time.
func (e *Engine) glanceIn(ctx context.Context, tx pgx.Tx, roles []string, w work) (seen glance, err error) {
	if _, err := tx.Exec(ctx, "set local statement_timeout = "+milliseconds(e.readingTime(w))); err != nil {
		return seen, fmt.Errorf("begin: %w", err)
	}
	var later []string
	if !w.dry && w.cause != Manual {
		if later, err = names(ctx, tx, "select role_name from sync_roles.retries where next_retry_at > now()"); err != nil {
			return seen, fmt.Errorf("read retries: %w", err)
		}
	}
	waits := asSet(later)
	seen.problems = problems{}
	for {
		s, err := e.glanceAt(ctx, tx, roles, w)
		if err != nil {
			return seen, err
		}
		rest := slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return s.plan.Touched[role] })
		last := s.drift != nil || len(rest) == 0 || len(rest) == len(roles)
		if err := e.noteDue(ctx, tx, s, w, waits, last, &seen); err != nil {
			return seen, err
		}
		if last {
			slices.Sort(seen.due)
			seen.due = slices.Compact(seen.due)
			return seen, nil
		}
		roles = rest // until a role is as it should be, the plan has nothing of what the others lack
	}
}

// glanceAt reads and decides about roles, and about those outside of the batch that the plan is about.
func (e *Engine) glanceAt(ctx context.Context, tx pgx.Tx, roles []string, w work) (*state, error) {
	w.tolerant = !w.dry // statements for one object each, as those are by which the audit knows what PostgreSQL refused
	s := &state{remember: map[Remembered]bool{}, ledger: newLedger()}
	if err := e.look(ctx, tx, slices.Clone(roles), w, s); err != nil {
		return nil, err
	}
	if others := s.outside(); len(others) > 0 {
		if err := e.look(ctx, tx, slices.Concat(roles, others), w, s); err != nil {
			return nil, err
		}
	}
	whole := &pgx.Batch{}
	e.checkRelations(whole)
	if err := tx.SendBatch(ctx, whole).Close(); err != nil {
		return nil, fmt.Errorf("look at the roles: %w", err)
	}
	return s, nil
}

// noteDue adds to what was seen; where that is not all, only of the roles that the plan is about. Roles in waits are tried another time.
func (e *Engine) noteDue(ctx context.Context, tx pgx.Tx, s *state, w work, waits map[string]bool, all bool, seen *glance) error {
	seen.undeclared += s.undeclared
	seen.stuck = seen.stuck || s.drift != nil && len(s.drift.unsettled) > 0
	for role, list := range s.problems {
		sortProblems(list)
		for _, p := range list {
			seen.problems.add(role, p)
		}
	}
	for _, name := range keys(s.roles) {
		if !all && !s.plan.Touched[name] {
			continue
		}
		list := s.problems[name]
		seen.stuck = seen.stuck || slices.ContainsFunc(list, func(p Problem) bool { return p.Taking })
		later := waits[name]
		if !later && !w.dry && !w.insistent && s.knownInVain(name) {
			again, err := e.askAgain(ctx, tx)
			if err != nil {
				return err
			}
			later = !again
		}
		switch {
		case later && s.plan.Touched[name]:
			seen.stuck = true
		case later:
		case w.dry:
			if s.plan.Touched[name] {
				seen.due = append(seen.due, name)
			}
		case s.roles[name].Withdrawn && !slices.ContainsFunc(list, func(p Problem) bool { return p.Taking }):
			seen.due = append(seen.due, name) // to be forgotten, if no more
		case s.plan.Touched[name] || endsOtherwise(s.roles[name], outcomeOf(false, list), list):
			seen.due = append(seen.due, name)
		}
	}
	return nil
}

// outside lists the roles outside of the batch that the plan is about: members of intermediate roles that should not be.
func (s *state) outside() []string {
	set := map[string]bool{}
	for name := range s.plan.Touched {
		set[name] = true
	}
	for name := range s.problems {
		set[name] = true
	}
	for name := range s.roles {
		delete(set, name)
	}
	return keys(set)
}

// knownInVain reports whether all there is to do for a role was sent before, and PostgreSQL refused it or it had no effect. It is sent again when
// a row asks for the role, or the daemon has other rights, not at every rescan.
func (s *state) knownInVain(role string) bool {
	known := map[string]bool{}
	for _, p := range s.roles[role].LastProblems {
		if p.Kind == Blocked && (p.Reason == noEffect || strings.HasPrefix(p.Reason, refusedByServer)) {
			known[p.Object] = true
		}
	}
	if len(known) == 0 {
		return false
	}
	for _, step := range s.plan.steps() {
		for _, effect := range step.Effects {
			if effect.Unit == role && !known[effect.SQL] {
				return false
			}
		}
	}
	return true
}

// Sync looks at these roles, or at all that are managed or pending, and does what there is to do. With prune, intermediate roles that
// hold nothing go at once.
func (e *Engine) Sync(ctx context.Context, roles []string, prune bool) (*Report, error) {
	if len(roles) > 0 {
		report := &Report{}
		for chunk := range slices.Chunk(roles, batchSize) {
			if err := e.serveAsked(ctx, work{cause: Manual, roles: chunk, renamed: true, members: true, prune: prune}, report); err != nil {
				return report, err
			}
		}
		return report, nil
	}
	report, err := e.Expired(ctx)
	if err != nil {
		return report, err
	}
	pending, err := e.Pending(ctx, Manual)
	report.merge(pending)
	if err != nil {
		return report, err
	}
	managed, err := desired.Managed(ctx, e.conn)
	if err != nil {
		return report, err
	}
	e.refusals.again = nil
	if _, err = e.lookAtAll(ctx, managed, work{cause: Manual, prune: prune}, report); err != nil {
		return report, err
	}
	pending, err = e.Pending(ctx, Manual) // former owners
	report.merge(pending)
	if err != nil || !prune {
		return report, err
	}
	useless, err := e.useless(ctx, e.conn, nil, true)
	if err != nil {
		return report, err
	}
	for chunk := range slices.Chunk(useless, batchSize) {
		if err := e.serve(ctx, work{cause: Manual, roles: chunk, prune: true}, report); err != nil {
			return report, err
		}
	}
	return report, nil
}

func (r *Report) merge(other *Report) {
	r.Rows = append(r.Rows, other.Rows...)
	r.Statements = append(r.Statements, other.Statements...)
	r.Roles += other.Roles
	r.keeps = r.keeps || other.keeps
}

// Retries serves the roles whose next try is due. The more often they failed, the longer a lock is waited for.
func (e *Engine) Retries(ctx context.Context) (*Report, error) {
	report := &Report{}
	type retry struct {
		Role    string
		Attempt int
	}
	due, err := collect[retry](ctx, e.conn, "select role_name, attempt from sync_roles.retries where next_retry_at <= now() order by attempt, role_name")
	if err != nil {
		return report, e.passing(ctx, fmt.Errorf("read retries: %w", err))
	}
	for chunk := range slices.Chunk(due, batchSize) {
		roles := make([]string, len(chunk))
		for i, r := range chunk {
			roles[i] = r.Role
		}
		patience := min(shortWait<<min(chunk[0].Attempt, 10), e.lockTimeout)
		if err := e.serve(ctx, work{cause: Retry, roles: roles, patience: patience}, report); err != nil {
			return report, e.passing(ctx, err)
		}
	}
	return report, nil
}

// NextDue returns when something is to be done without anybody asking: a retry, or a grant that expires. ok is false if nothing is.
func (e *Engine) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	var next *time.Time
	err = e.conn.QueryRow(ctx, `
		select least(
			(select min(next_retry_at) from sync_roles.retries),
			(
				select min(g.expires_at) from sync_roles.desired_grants as g
				where g.expires_at is not null and isfinite(g.expires_at)
					and not exists (select from sync_roles.retries as t where t.role_name = g.role_name)
			)
		)`).Scan(&next)
	if err != nil {
		return at, false, e.outside(ctx, Expiry, fmt.Errorf("read what is due next: %w", err), &Report{})
	}
	if next == nil {
		return at, false, nil
	}
	return *next, true, nil
}
