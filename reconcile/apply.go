package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// applier runs steps in a pass's transaction. It is the only place that changes anything outside sync_roles.
type applier struct {
	tx         pgx.Tx
	server     catalog.Server
	borrowed   map[string]loan    // by role
	shared     map[aclKey]bool    // objects that are locked against being renamed and dropped, or need not be
	relations  int                // how many relations are
	others     int                // and how many objects of other kinds
	done       []Step             // what ran, for the audit
	statements []string           // all that was sent, in order, secrets redacted
	spans      []span             // where among these each step is
	patient    bool               // another try: run each statement in a savepoint, and again while somebody else writes the same catalog row
	tolerant   bool               // and go on with the next when PostgreSQL refuses one
	lenient    bool               // the same, for steps on which only their own row depends
	refused    map[string]refusal // statements that PostgreSQL refused
	patience   time.Duration      // for a lock that another session holds
	timeouts   int                // how often a lock was not to be had in time
	reading    time.Duration      // how long a statement may take that reads
	applying   time.Duration      // and one that applies something
	obstacles  problems           // what keeps intermediate roles from being rebuilt
}

// refusal is why a statement has not run.
type refusal struct {
	reason string
	kind   Outcome // Blocked, or Failed where it is tried again by itself
	rights bool    // it was for want of a privilege
	stale  bool    // what it names was not there, or there already: either it changed after it was read, or never will
}

// staleAttempts is how often what is stale is tried again by itself: after half a minute it is not another session that keeps it so.
const staleAttempts = 5

// outcome is how it is reported for a role that has failed so often before.
func (r refusal) outcome(failedAttempts int) Outcome {
	if r.stale && failedAttempts >= staleAttempts {
		return Blocked
	}
	return r.kind
}

// refusedByServer is how the reason begins where PostgreSQL gave it.
const refusedByServer = "PostgreSQL refused it: "

// refusalOf says how an error is reported that a savepoint has undone: a lock is free again in a moment.
func refusalOf(err error) refusal {
	var why *pgconn.PgError
	switch {
	case errors.Is(err, errObjectRenamed):
		return refusal{reason: errObjectRenamed.Error(), kind: Failed}
	case !errors.As(err, &why):
		return refusal{reason: err.Error(), kind: Blocked}
	case isConcurrentUpdate(err) || endsTransaction(err):
		return refusal{reason: fmt.Sprintf("another session was in the way: %s (SQLSTATE %s)", why.Message, why.Code), kind: Failed}
	case classOf(err) == locked:
		return refusal{reason: fmt.Sprintf("another session holds a lock: %s (SQLSTATE %s)", why.Message, why.Code), kind: Failed}
	case classOf(err) == again:
		return refusal{reason: err.Error(), kind: Failed, stale: true}
	}
	return refusal{reason: err.Error(), kind: Blocked, rights: why.Code == "42501"}
}

// Statements are sent together: a round trip costs more than a GRANT.
const (
	maxStatementsPerMessage = 100
	maxBytesPerMessage      = 1 << 18
)

// run executes the steps in order.
func (a *applier) run(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		if a.mayFail(s) {
			continue // it borrows for itself, so that it leaves nothing when it is refused
		}
		for _, role := range s.Borrow {
			if err := a.borrow(ctx, role); err != nil {
				return err
			}
		}
	}
	if err := a.share(ctx, steps); err != nil {
		return err
	}
	var message []string
	size := 0
	flush := func() error {
		if len(message) == 0 {
			return nil
		}
		err := a.send(ctx, message)
		message, size = message[:0], 0
		return err
	}
	for i, s := range steps {
		if a.mayFail(s) {
			if s.bundle != 0 && i > 0 && steps[i-1].bundle == s.bundle {
				continue // tried with the first of its bundle
			}
			if err := a.try(ctx, bundle(steps[i:])); err != nil {
				return err
			}
			continue
		}
		from := len(a.statements)
		if s.SQL != "" { // otherwise it is bookkeeping alone
			list := s.message()
			message = append(message, list...)
			a.statements = append(a.statements, list...)
		}
		size += len(s.SQL)
		a.done = append(a.done, s)
		if a.patient || s.then != "" || len(message) >= maxStatementsPerMessage || size >= maxBytesPerMessage {
			if err := flush(); err != nil {
				return err
			}
		}
		if s.then != "" {
			a.statements = append(a.statements, s.bookkeeping())
			tag, err := a.tx.Exec(ctx, s.then, s.args...)
			if err != nil {
				return fmt.Errorf("record %s: %w", s.SQL, err)
			}
			if s.sure && tag.RowsAffected() == 0 {
				return errChangedMeanwhile
			}
		}
		a.spans = append(a.spans, span{from, len(a.statements), s})
	}
	return flush()
}

// mayFail reports whether the rest goes on when PostgreSQL refuses a step.
func (a *applier) mayFail(s Step) bool {
	return a.tolerant || a.lenient && (s.bundle != 0 || s.optional)
}

// bundle is the first step, with those after it that stand or fall with it.
func bundle(steps []Step) []Step {
	n := 1
	for n < len(steps) && steps[0].bundle != 0 && steps[n].bundle == steps[0].bundle {
		n++
	}
	return steps[:n]
}

// The locks that others hold cost so much time at most in a pass: so many waits, and then hardly any.
const (
	maxTimeouts   = 4
	hardlyAnyWait = 10 * time.Millisecond
)

// try runs steps that nothing else depends on. When PostgreSQL refuses one, none of them has run, and that is remembered. A statement
// for many roles is then tried for each alone: only one of them may be the reason.
func (a *applier) try(ctx context.Context, steps []Step) error {
	if _, ok := a.refused[steps[0].key()]; ok {
		return nil
	}
	if err := a.exec(ctx, "SAVEPOINT try"); err != nil {
		return err
	}
	before := a.snapshot()
	a.tolerant, a.lenient = false, false
	err := a.run(ctx, steps)
	a.tolerant, a.lenient = before.tolerant, before.lenient
	if err == nil {
		return a.exec(ctx, "RELEASE SAVEPOINT try")
	}
	var why *pgconn.PgError
	if endsTransaction(err) || !errors.As(err, &why) && !errors.Is(err, errObjectRenamed) || classOf(err) == disconnected {
		return err
	}
	if err := a.undo(ctx, "try", before, err); err != nil {
		return err
	}
	r := refusalOf(err)
	if r.kind == Blocked || r.stale {
		r.reason = fmt.Sprintf(refusedByServer+"%s (SQLSTATE %s)", why.Message, why.Code)
	}
	for _, s := range steps {
		a.refuse(s.key(), r)
	}
	if r.kind == Blocked && len(steps) == 1 {
		for _, alone := range steps[0].alone() {
			if err := a.try(ctx, []Step{alone}); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshot is what undo goes back to.
func (a *applier) snapshot() applier {
	before := *a
	before.borrowed, before.shared = maps.Clone(a.borrowed), maps.Clone(a.shared)
	return before
}

// undo goes back to a savepoint, and to what the applier knew at it. What it has learned since about what PostgreSQL refuses, and about locks, stays.
func (a *applier) undo(ctx context.Context, savepoint string, before applier, cause error) error {
	a.done, a.statements, a.spans = before.done, before.statements, before.spans
	a.borrowed, a.shared, a.relations, a.others, a.patience = before.borrowed, before.shared, before.relations, before.others, before.patience
	if err := a.exec(ctx, "ROLLBACK TO SAVEPOINT "+savepoint+"; RELEASE SAVEPOINT "+savepoint); err != nil {
		return err
	}
	return a.noteTimeout(ctx, cause)
}

// noteTimeout counts the locks that could not be had in time.
func (a *applier) noteTimeout(ctx context.Context, err error) error {
	if classOf(err) == locked {
		a.timeouts++
	}
	if a.timeouts < maxTimeouts || a.patience == hardlyAnyWait {
		return nil
	}
	a.patience = hardlyAnyWait
	return a.exec(ctx, "SET LOCAL lock_timeout = "+milliseconds(a.patience))
}

// refuse remembers that something has not been done, and is not tried again in this pass.
func (a *applier) refuse(key string, r refusal) {
	a.refused[key] = r
}

// untried returns the steps that have not run in this pass.
func (a *applier) untried(steps []Step) []Step {
	tried := make(map[string]bool, len(a.done))
	for _, s := range a.done {
		tried[s.key()] = true
	}
	for key := range a.refused {
		tried[key] = true
	}
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return tried[s.key()] })
}

// bookkeeping is the step's record in sync_roles with its arguments in place, for a plan that can be run by hand.
func (s Step) bookkeeping() string {
	// In one go: an argument may hold what looks like another parameter.
	values := make([]string, 0, 2*len(s.args))
	for i := len(s.args); i > 0; i-- {
		values = append(values, "$"+strconv.Itoa(i), literal(fmt.Sprint(s.args[i-1])))
	}
	return strings.NewReplacer(values...).Replace(strings.Join(strings.Fields(s.then), " "))
}

// send runs statements in one message of the simple protocol. Where patient, it is one step, in a savepoint.
func (a *applier) send(ctx context.Context, statements []string) error {
	if !a.patient {
		return a.exec(ctx, a.unhurried(statements))
	}
	const tries = 20
	for try := 1; ; try++ {
		if err := a.exec(ctx, "SAVEPOINT step"); err != nil {
			return err
		}
		err := a.exec(ctx, a.unhurried(statements))
		if err == nil {
			return a.exec(ctx, "RELEASE SAVEPOINT step")
		}
		if !isConcurrentUpdate(err) || try == tries {
			return err
		}
		if err := a.exec(ctx, "ROLLBACK TO SAVEPOINT step"); err != nil {
			return err
		}
	}
}

// unhurried is a message of statements that change something: they have the time that the daemon gives a statement. What is read in a pass has less.
func (a *applier) unhurried(statements []string) string {
	sql := strings.Join(statements, ";\n")
	if a.reading == a.applying {
		return sql
	}
	return "SET LOCAL statement_timeout = " + milliseconds(a.applying) + ";\n" + sql + ";\nSET LOCAL statement_timeout = " + milliseconds(a.reading)
}

func (a *applier) exec(ctx context.Context, sql string) error {
	// The error says what PostgreSQL said, and not the statement: that may hold a verifier.
	if _, err := a.tx.Conn().PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// loan is a membership that the connected role has for the moment.
type loan struct {
	back string      // the statement that gives it back
	role catalog.OID // of which then no membership is left; 0: one was there before
}

// borrow makes the connected role a member of another for the rest of the transaction; giveBack ends it. It needs ADMIN on
// that role, and leaves nothing: the membership is never committed.
func (a *applier) borrow(ctx context.Context, role string) error {
	if _, ok := a.borrowed[role]; ok || a.server.Superuser {
		return nil
	}
	sql := fmt.Sprintf("GRANT %s TO %s", catalog.Quote(role), catalog.Quote(a.server.Role))
	l := loan{back: fmt.Sprintf("REVOKE %s FROM %s", catalog.Quote(role), catalog.Quote(a.server.Role))}
	// Since 16, a membership that the daemon's role gave itself is the same one, with other options.
	var options *string
	err := a.tx.QueryRow(ctx, `
		select r.oid, case when m.role_oid is not null then format(' WITH INHERIT %s, SET %s', upper(m.inherit_option::text), upper(m.set_option::text)) end
		from pg_catalog.pg_roles as r
		left join sync_roles.memberships as m on m.role_oid = r.oid and m.member_oid = $2 and m.grantor_oid = $2
		where r.rolname = $1`, role, a.server.RoleOID).Scan(&l.role, &options)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the membership in role %q: %w", role, err)
	}
	if a.server.MembershipOptions() {
		if options != nil {
			l = loan{back: sql + *options}
		}
		sql += " WITH INHERIT TRUE, SET TRUE"
	}
	if err := a.exec(ctx, sql); err != nil {
		return fmt.Errorf("become a member of role %q for the moment: %w", role, err)
	}
	a.statements = append(a.statements, sql)
	if a.borrowed == nil {
		a.borrowed = map[string]loan{}
	}
	a.borrowed[role] = l
	return nil
}

// errChangedMeanwhile is for a pass to begin anew.
var errChangedMeanwhile = errors.New("an unregistered role was changed while it was taken for an intermediate role or keeper")

// errRenamedMeanwhile is for a pass to begin anew.
var errRenamedMeanwhile = errors.New("a role was renamed while its membership was borrowed")

// giveBack ends what borrow began. Somebody may have renamed a role since, and given its name to another: then nothing of the pass is done.
func (a *applier) giveBack(ctx context.Context) error {
	if len(a.borrowed) == 0 {
		return nil
	}
	var lent []catalog.OID
	for _, role := range keys(a.borrowed) {
		l := a.borrowed[role]
		if err := a.exec(ctx, l.back); err != nil {
			return fmt.Errorf("give back the membership of role %q: %w", role, err)
		}
		a.statements = append(a.statements, l.back)
		delete(a.borrowed, role)
		lent = append(lent, l.role)
	}
	var left bool
	err := a.tx.QueryRow(ctx, `
		select exists (
			select from sync_roles.memberships as m
			where m.role_oid = any ($1) and m.member_oid = $2 and m.grantor_oid = $2 and (m.inherit_option or m.set_option)
		)`, lent, a.server.RoleOID).Scan(&left)
	if err != nil {
		return fmt.Errorf("look for memberships that were not given back: %w", err)
	}
	if left {
		return errRenamedMeanwhile
	}
	return nil
}
