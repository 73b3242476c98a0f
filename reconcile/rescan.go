package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Rescan inspects every managed role and every intermediate role, without taking the lock, and does a pass over those that are not as
// desired.
func (e *Engine) Rescan(ctx context.Context, cause audit.Cause) (*Report, error) {
	started := time.Now()
	report := &Report{}
	e.rejections.begin()
	err := e.markNow(ctx)
	var state string
	if err == nil {
		var unchanged bool
		if state, unchanged, err = e.unchanged(ctx, cause); unchanged {
			report.Roles = e.settled.roles
			return report, e.noteRescan(ctx, cause, report, 0, started)
		}
	}
	reading := time.Since(started)
	var managed []string
	if err == nil {
		managed, err = desired.Managed(ctx, e.conn)
	}
	if err == nil {
		err = e.remeasurePatterns(ctx)
	}
	if err != nil {
		return report, e.outside(ctx, cause, err, report)
	}
	if cause == audit.DDL {
		if err := e.reconcileRenamed(ctx, cause, report); err != nil {
			e.log.Debug().Err(err).Msg("cannot inspect first what was renamed") // then it has its turn
			if ctx.Err() != nil || e.conn.IsClosed() {
				return report, err
			}
		}
	}
	e.settled.state = ""
	observed, err := e.observeAccess(ctx, cause)
	if err != nil {
		return report, err
	}
	scanned, err := e.scan(ctx, managed, work{cause: cause}, report)
	if err != nil {
		return report, e.outside(ctx, cause, err, report)
	}
	report.Roles = len(managed)
	if scanned.done() && observed {
		if err := e.settle(ctx, state, len(managed), reading, time.Since(started)); err != nil {
			return report, e.passing(ctx, err)
		}
	}
	return report, e.noteRescan(ctx, cause, report, scanned.drifted, started)
}

// noteRescan records a rescan; not one for DDL that concerned no managed role, as most does.
func (e *Engine) noteRescan(ctx context.Context, cause audit.Cause, report *Report, drifted int, started time.Time) error {
	if cause == audit.DDL && drifted == 0 {
		return nil
	}
	if err := audit.WriteRescan(ctx, e.conn, report.Roles, drifted, time.Since(started), e.instance); err != nil {
		return e.passing(ctx, err)
	}
	return nil
}

// scan inspects these roles and all intermediate roles (invariant 3), and does a pass where there is something to do. An error leaves nothing
// to go by.
func (e *Engine) scan(ctx context.Context, roles []string, w work, report *Report) (*scan, error) {
	renamed, err := inspect.Renamed(ctx, e.conn)
	if err != nil {
		return nil, err
	}
	w.renamed = len(renamed) > 0
	s := &scan{engine: e, report: report, unsettled: w.renamed}
	if err := s.recordViolations(ctx, audit.RecordEnforced); err != nil {
		return nil, err
	}
	intermediates := w
	intermediates.members = true
	enforced := w
	enforced.enforced = true
	for _, part := range []struct {
		w    work
		list func() ([]string, error)
	}{
		// First, because what is found about one can concern the roles that use it.
		{intermediates, func() ([]string, error) { return inspect.Intermediates(ctx, e.conn) }},
		{w, func() ([]string, error) {
			if w.renamed {
				return roles, nil
			}
			// What a pass has just left as desired needs no second look.
			return slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return report.asDesired[role] }), nil
		}},
		// Last, because by then the roles have by other ways what their rows ask for.
		{w, func() ([]string, error) { return inspect.ForeignRoles(ctx, e.conn) }},
		// Memberships that rows gave in roles that have become privileged since then, or have come to reach one: such rows are refused, and what they
		// gave goes. Nothing about the member itself has changed, so no other reading finds these.
		{intermediates, func() ([]string, error) {
			return inspect.PrivilegedMembers(ctx, e.conn, e.policy.AllowedMemberships())
		}},
		// Whoever has what a rule with enforce is about, managed or not.
		{enforced, func() ([]string, error) { return inspect.EnforcedRoles(ctx, e.conn) }},
	} {
		list, err := part.list()
		if err != nil {
			return nil, err
		}
		if err := s.inspect(ctx, list, part.w); err != nil {
			return nil, err
		}
	}
	if err := e.finishScan(ctx, intermediates, report); err != nil {
		return nil, err
	}
	if !s.stuck && !report.keeps {
		if err := e.forgetRenamed(ctx, renamed, w.cause); err != nil {
			return nil, err
		}
	}
	if err := s.beside(ctx, w); err != nil {
		return nil, err
	}
	e.rejections.end()
	return s, nil
}

// scan is one in the making.
type scan struct {
	engine  *Engine
	report  *Report
	drifted int  // for how many roles a pass had something to do
	stuck   bool // something should be revoked and cannot be
	dated   bool // see work.dated

	unsettled bool // something is left for another rescan
}

// done reports whether there was nothing to do, and nothing is left for another rescan.
func (s *scan) done() bool {
	return s.drifted == 0 && !s.stuck && !s.unsettled && !s.report.keeps && len(s.report.Rows) == 0
}

// inspect inspects roles, and does a pass over those that are due.
func (s *scan) inspect(ctx context.Context, roles []string, w work) error {
	all, inspected := len(roles), 0
	return s.engine.inspectInParts(roles, func(part []string) (precheck, error) {
		if s.engine.OnPass != nil && all > batchSize {
			s.engine.OnPass(inspected, all)
		}
		w.dated = w.dated || s.dated
		return s.engine.patientPrecheck(ctx, part, &w)
	}, func(part []string, found precheck) error {
		inspected += len(part)
		s.dated = w.dated
		s.stuck = s.stuck || found.stuck
		s.drifted += len(found.due)
		if err := s.engine.reconcileDue(ctx, found, w, s.report); err != nil {
			return err
		}
		return s.engine.endSessionsBeside(ctx, found.ending, w, s.report)
	})
}

// reconcileDue does a pass over the roles that a precheck found.
func (e *Engine) reconcileDue(ctx context.Context, found precheck, w work, report *Report) error {
	if len(found.due) == 0 {
		return nil
	}
	w.roles, w.undeclared = found.due, found.undeclared
	return e.reconcileBatch(ctx, w, report)
}

// finishScan does what no role's rows show.
func (e *Engine) finishScan(ctx context.Context, w work, report *Report) error {
	if err := e.reportLockNamesake(ctx, w, report); err != nil {
		return err
	}
	useless, err := e.useless(ctx, e.conn, nil, false)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(useless, batchSize) {
		w.roles = chunk // with all members, as before: otherwise it would find other problems, and tell them each time
		if err := e.reconcileBatch(ctx, w, report); err != nil {
			return err
		}
	}
	return nil
}

// beside does the work for which no role's access waits. What fails of it must not keep a rescan from being one: another rescan does it again.
func (s *scan) beside(ctx context.Context, w work) error {
	e := s.engine
	if err := e.dropDead(ctx, w, s.report); err != nil {
		if w.prune || e.lost(ctx, err) {
			return err
		}
		s.unsettled = true
		e.log.Warn().Err(err).Msg("cannot drop roles of dropped databases; trying again at the next rescan")
	}
	if err := e.reportContested(ctx, len(s.report.Rows) > 0); err != nil {
		if e.lost(ctx, err) {
			return err
		}
		s.unsettled = true
		e.log.Warn().Err(err).Msg("cannot tell which roles are contested; trying again at the next rescan")
	}
	if err := s.recordViolations(ctx, audit.RecordViolations); err != nil {
		return err
	}
	if differ, err := e.compareNodes(ctx, w, s.report); err != nil {
		if e.lost(ctx, err) {
			return err
		}
		s.unsettled = true
		e.log.Error().Err(err).Msg("cannot compare the nodes of Citus; trying again at the next rescan")
	} else if differ {
		s.unsettled = true
	}
	s.unsettled = s.unsettled || len(e.deadSince) > 0
	return nil
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

// forgetRenamed forgets what was renamed before all roles were inspected. A daemon does so a moment later, by which it knows schemas and types that are
// being swapped: see renaming.go.
func (e *Engine) forgetRenamed(ctx context.Context, list []inspect.RenamedObject, cause audit.Cause) error {
	since := map[inspect.RenamedObject]time.Time{}
	batch := &pgx.Batch{}
	for _, r := range list {
		first, known := e.renamedSince[r]
		if !known {
			first = time.Now()
		}
		if cause != audit.Manual && time.Since(first) < 2*renameQuietPeriod {
			since[r] = first
			continue
		}
		audit.ForgetResolved(batch, r.ClassOID, r.ObjectOID, r.ColumnNumber, r.SchemaName, r.ObjectName, r.Signature, r.ColumnName)
	}
	e.renamedSince = since
	if batch.Len() == 0 {
		return nil
	}
	if err := e.conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("forget renamed objects: %w", err)
	}
	return nil
}

// reconcileRenamed inspects the roles with rows for names that objects have lost, and nothing else of them: what a tool has swapped in is granted before
// all others are inspected.
func (e *Engine) reconcileRenamed(ctx context.Context, cause audit.Cause, report *Report) error {
	list, err := inspect.Renamed(ctx, e.conn)
	if err != nil || len(list) == 0 {
		return err
	}
	roles, names, err := inspect.RenamedDesired(ctx, e.conn, list)
	if err != nil || names == nil {
		return err
	}
	w := work{cause: cause, renamed: true, names: names}
	for chunk := range slices.Chunk(roles, batchSize) {
		found, err := e.precheck(ctx, chunk, w)
		if err != nil {
			return err
		}
		if err := e.reconcileDue(ctx, found, w, report); err != nil {
			return err
		}
	}
	return nil
}

const lockNamesakeSQL = `
	select r.rolname, coalesce(sync_roles.keeper_problem(r.oid, true), 'another role has been in its place')
	from sync_roles.keepers as k
	join pg_catalog.pg_roles as r on r.rolname = format('_pgsr_%s_keeper_lock', $1::oid)
	where k.locks and r.oid <> k.role_oid`

// reportLockNamesake tells, once, of a role that has the name of the keeper of the lock and is not ours: migrate has made one of another name.
func (e *Engine) reportLockNamesake(ctx context.Context, w work, report *Report) error {
	var name, why string
	err := e.conn.QueryRow(ctx, lockNamesakeSQL, e.server.DatabaseOID).Scan(&name, &why)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a role with the name of the keeper of role _pgsr_lock: %w", err)
	}
	row := audit.NewRow(name, w.cause, plan.Refused, e.instance)
	row.Problems = []plan.Problem{plan.NameConflictProblem(name, "the keeper of role _pgsr_lock", why)}
	told := false
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		roles, err := inspect.Roles(ctx, tx, []string{name})
		if err != nil {
			return err
		}
		if told = roles[name].LastOutcome == plan.Refused && plan.SameProblems(roles[name].LastProblems, row.Problems); told {
			return nil
		}
		return e.writer().WriteOne(ctx, tx, &row)
	})
	if err != nil {
		return fmt.Errorf("record that role %q is not the keeper of role _pgsr_lock: %w", name, err)
	}
	if !told {
		report.Rows = append(report.Rows, row)
		e.recorded(row, nil)
		e.log.Warn().Str("pass", row.Pass).Str("role", name).Str("problems", reasons(row.Problems)).Msg("not as desired")
	}
	return nil
}
