package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Options say how steps are run.
type Options struct {
	Mode        Mode
	LockWait    time.Duration // for a lock that another session holds
	ReadingTime time.Duration // for a statement that reads
	WritingTime time.Duration // for a statement of a step
	SkipSlow    bool          // what takes too long is refused; otherwise the pass fails, because it may be quicker another time
}

// Applier runs steps in a pass's transaction.
type Applier struct {
	tx      pgx.Tx
	server  catalog.Server
	options Options
	mode    Mode
	ran     // what a rollback to a savepoint undoes

	rejected     map[plan.StepKey]plan.Rejection
	lockTimeouts int // how often a lock was not to be had in time
}

// ran is what an applier has done in the transaction, and what it holds.
type ran struct {
	borrowed   map[string]loan    // by role
	shared     map[objectKey]bool // objects that are locked against being renamed and dropped, or need not be
	relations  int                // how many relations are
	others     int                // and how many objects of other kinds
	done       []plan.Step
	lockWait   time.Duration // for a lock that another session holds: the transaction's lock_timeout
	statements []string      // all that was sent, in order, secrets redacted
	spans      []Span
}

// Span is where the statements of a step stand among all that ran.
type Span struct {
	From, To int
	Step     plan.Step
}

// New returns an applier for a transaction.
func New(tx pgx.Tx, server catalog.Server, options Options) *Applier {
	return &Applier{
		tx: tx, server: server, options: options, mode: options.Mode, rejected: map[plan.StepKey]plan.Rejection{},
		ran: ran{borrowed: map[string]loan{}, shared: map[objectKey]bool{}, lockWait: options.LockWait},
	}
}

// Done lists the steps that ran.
func (a *Applier) Done() []plan.Step { return a.done }

// Statements lists all that was sent, in order, with secrets redacted, and where each step stands in it.
func (a *Applier) Statements() ([]string, []Span) { return a.statements, a.spans }

// Rejected is why steps have not run.
func (a *Applier) Rejected() map[plan.StepKey]plan.Rejection { return a.rejected }

// Tried is the set of steps that ran or were refused.
func (a *Applier) Tried() map[plan.StepKey]bool {
	tried := make(map[plan.StepKey]bool, len(a.done)+len(a.rejected))
	for _, s := range a.done {
		tried[s.Key()] = true
	}
	for key := range a.rejected {
		tried[key] = true
	}
	return tried
}

// Statements are sent together: a round trip costs more than a GRANT.
const (
	maxStatementsPerMessage = 100
	maxBytesPerMessage      = 1 << 18
)

// Run runs the steps in order.
func (a *Applier) Run(ctx context.Context, steps []plan.Step) error {
	if err := a.prepare(ctx, steps); err != nil {
		return err
	}
	m := message{applier: a}
	for len(steps) > 0 {
		if !a.mayFail(steps[0]) {
			if err := m.add(ctx, steps[0]); err != nil {
				return err
			}
			steps = steps[1:]
			continue
		}
		n := bundled(steps)
		if err := m.flush(ctx); err != nil {
			return err
		}
		if err := a.try(ctx, steps[:n]); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return m.flush(ctx)
}

// prepare borrows memberships and shares objects for the steps that cannot fail by themselves. Others do so for themselves, so that they leave nothing when
// they are refused.
func (a *Applier) prepare(ctx context.Context, steps []plan.Step) error {
	var objects []catalog.Object
	revokes := false
	for _, s := range steps {
		if a.mayFail(s) {
			continue
		}
		for _, role := range s.Borrow {
			if err := a.borrow(ctx, role); err != nil {
				return err
			}
		}
		objects = append(objects, s.Objects...)
		revokes = revokes || s.Revokes()
	}
	return a.share(ctx, objects, revokes)
}

// mayFail reports whether the rest goes on when PostgreSQL refuses a step.
func (a *Applier) mayFail(s plan.Step) bool {
	return s.Guarded || a.mode == SkipRefused && (s.Optional || s.Bundle != 0)
}

// bundled counts the first steps that stand or fall together.
func bundled(steps []plan.Step) int {
	n := 1
	for n < len(steps) && steps[0].Bundle != 0 && steps[n].Bundle == steps[0].Bundle {
		n++
	}
	return n
}

// message is what is sent to the server at once.
type message struct {
	applier    *Applier
	statements []string
	bytes      int
}

// add adds the step to the message, which is sent where it is long, or where the step has a record.
func (m *message) add(ctx context.Context, s plan.Step) error {
	a := m.applier
	from := len(a.statements)
	if s.SQL != "" { // otherwise it is a record alone
		list := s.Message()
		m.statements = append(m.statements, list...)
		a.statements = append(a.statements, list...)
	}
	m.bytes += len(s.SQL)
	a.done = append(a.done, s)
	if a.mode != Fail || s.Record.Kind != plan.NoRecord || len(m.statements) >= maxStatementsPerMessage || m.bytes >= maxBytesPerMessage {
		if err := m.flush(ctx); err != nil {
			return err
		}
	}
	if s.Record.Kind != plan.NoRecord {
		if err := a.record(ctx, s); err != nil {
			return err
		}
	}
	a.spans = append(a.spans, Span{from, len(a.statements), s})
	return nil
}

func (m *message) flush(ctx context.Context) error {
	if len(m.statements) == 0 {
		return nil
	}
	err := m.applier.send(ctx, m.statements)
	m.statements, m.bytes = m.statements[:0], 0
	return err
}

// sendAttempts is how often a statement is sent again while another session writes the same catalog row.
const sendAttempts = 20

// send sends statements in one message of the simple protocol; where each has a savepoint, one step.
func (a *Applier) send(ctx context.Context, statements []string) error {
	messages := a.messages(statements)
	if a.mode == Fail {
		return a.execAll(ctx, messages)
	}
	for attempt := 1; ; attempt++ {
		if err := a.exec(ctx, "SAVEPOINT step"); err != nil {
			return err
		}
		err := a.execAll(ctx, messages)
		if err == nil {
			return a.exec(ctx, "RELEASE SAVEPOINT step")
		}
		if !failure.IsConcurrentUpdate(err) || attempt == sendAttempts {
			return err
		}
		if err := a.exec(ctx, "ROLLBACK TO SAVEPOINT step"); err != nil {
			return err
		}
	}
}

// messages are the messages in which statements are sent that change something: one, but for Citus, which repeats on other nodes the whole message that an ALTER
// is in. The statements have the time that the daemon gives a statement. What a pass reads has less.
func (a *Applier) messages(statements []string) []string {
	if a.options.ReadingTime != a.options.WritingTime {
		timeout := func(d time.Duration) []string {
			return []string{fmt.Sprintf("SET LOCAL statement_timeout = %d", d.Milliseconds())}
		}
		statements = slices.Concat(timeout(a.options.WritingTime), statements, timeout(a.options.ReadingTime))
	}
	if a.server.Citus {
		return statements
	}
	return []string{strings.Join(statements, ";\n")}
}

func (a *Applier) execAll(ctx context.Context, messages []string) error {
	for _, sql := range messages {
		if err := a.exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) exec(ctx context.Context, sql string) error {
	// The error says what PostgreSQL said, and not the statement: that may hold a verifier.
	if _, err := a.tx.Conn().PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// snapshot is a copy of what a savepoint can be rolled back to.
func (r ran) snapshot() ran {
	r.borrowed, r.shared = maps.Clone(r.borrowed), maps.Clone(r.shared)
	return r
}
