package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// A revoke ends no session: one of a role without LOGIN goes on, and one that has SET ROLE keeps the membership that it used. Where rows ask for it, such
// sessions are ended, after the commit that took what they have. Which they are follows from the catalogs and from lost_memberships, and from nothing that a
// daemon remembers: what one leaves undone, the next rescan does.

// checkSessions looks for sessions of the batch's roles that still have what was taken, and are to end: b.ending are the roles whose sessions the daemon can
// end, and the others have a problem.
func (e *Engine) checkSessions(ctx context.Context, tx pgx.Tx, b *batch) error {
	var roles []string
	for name, r := range b.roles() {
		if e.endsSessions(r) {
			roles = append(roles, name)
		}
	}
	if len(roles) == 0 {
		return nil
	}
	if len(b.ended) > 0 {
		records := &pgx.Batch{}
		audit.RecordLostMemberships(records, b.ended, e.server)
		if err := tx.SendBatch(ctx, records).Close(); err != nil {
			return fmt.Errorf("record which memberships sessions may have kept: %w", err)
		}
		b.ended = nil
	}
	sessions, can, cannot, err := e.staleSessions(ctx, tx, roles)
	if err != nil {
		return err
	}
	b.ending = can
	b.staleSessions = slices.DeleteFunc(sessions, func(s plan.Session) bool { return !slices.Contains(can, s.RoleName) })
	for _, name := range cannot {
		b.problems.Add(name, plan.SessionsProblem(name, e.server))
	}
	return nil
}

// endsSessions reports whether sessions of the role are to end that still have what was taken.
func (e *Engine) endsSessions(r plan.Role) bool {
	return r.EndSessions && r.OID != 0 && plan.Protection(r, e.server, e.policy) == ""
}

// staleSessions reads the sessions of these roles that still have what was taken, and divides their roles by whether the daemon can end them.
func (e *Engine) staleSessions(ctx context.Context, tx pgx.Tx, roles []string) (sessions []plan.Session, can, cannot []string, err error) {
	if sessions, err = inspect.StaleSessions(ctx, tx, roles); err != nil || len(sessions) == 0 {
		return nil, nil, nil, err
	}
	var oids []catalog.OID
	for _, s := range sessions {
		if !s.MayEnd {
			oids = append(oids, s.RoleOID)
		}
	}
	slices.Sort(oids)
	rights, err := catalog.ReadRights(ctx, tx, e.server, slices.Compact(oids))
	if err != nil {
		return nil, nil, nil, err
	}
	can, cannot = plan.EndableRoles(sessions, rights)
	return sessions, can, cannot, nil
}

// endSessions ends the sessions of these roles that still have what was taken. It takes the lock: where the daemon may end no session of others, it becomes a
// member of the role for the moment.
func (e *Engine) endSessions(ctx context.Context, roles []string, w work, report *Report) error {
	if len(roles) == 0 {
		return nil
	}
	started := time.Now()
	p, ended, err := e.endSessionsIn(ctx, roles, w)
	if err != nil || len(ended) == 0 {
		return err
	}
	p.sessions = len(ended)
	e.observed(w, p, started, nil)
	e.logPass(w, p)
	report.add(p)
	for attempt := 1; attempt <= endingAttempts; attempt++ {
		there, err := inspect.Present(ctx, e.conn, ended)
		if err != nil || !there {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// endingAttempts is how often it is asked whether ended sessions are gone: what waits for that, such as DROP ROLE, comes next. It takes a second at most.
const endingAttempts = 6

// endSessionsBeside is endSessions where the rest must not fail by it: another rescan does it again.
func (e *Engine) endSessionsBeside(ctx context.Context, roles []string, w work, report *Report) error {
	err := e.endSessions(ctx, roles, w, report)
	if err == nil || e.lost(ctx, err) {
		return err
	}
	e.log.Warn().Err(err).Strs("roles", roles).Msg("cannot end sessions that still have what was taken; trying again at the next rescan")
	return nil
}

// endSessionsIn is the transaction of endSessions.
func (e *Engine) endSessionsIn(ctx context.Context, roles []string, w work) (p *Pass, ended []plan.Session, err error) {
	p = &Pass{}
	tx, err := e.beginLocked(ctx, min(apply.ShortLockWait, e.lockTimeout), e.readingTime(w))
	if err != nil {
		return p, nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	started := time.Now()
	p.id, p.lockWaited = tx.id, tx.waited
	known, err := inspect.Roles(ctx, tx, roles)
	if err != nil {
		return p, nil, err
	}
	maps.DeleteFunc(known, func(_ string, r plan.Role) bool { return !e.endsSessions(r) })
	a := apply.New(tx, e.server, apply.Options{LockWait: apply.ShortLockWait, ReadingTime: e.readingTime(w), WritingTime: e.statementTimeout})
	if ended, err = e.borrowToEnd(ctx, tx, a, slices.Sorted(maps.Keys(known))); err != nil {
		return p, nil, err
	}
	if err := audit.ForgetLostMemberships(ctx, tx); err != nil {
		return p, nil, err
	}
	if len(ended) > 0 {
		p.Rows = endingRows(ended, known, audit.Result{Cause: w.cause, Instance: e.instance, Pass: p.id, Started: started})
		if p.head, err = e.writer().Write(ctx, tx, &pgx.Batch{}, p.Rows, w.rehearsal); err != nil {
			return p, nil, fmt.Errorf("write the audit: %w", err)
		}
		if err := a.EndSessions(ctx, ended); err != nil {
			return p, nil, err
		}
	}
	if err := a.GiveBack(ctx); err != nil {
		return p, nil, err
	}
	p.Statements, _ = a.Statements()
	if err := tx.Commit(ctx); err != nil {
		return p, nil, fmt.Errorf("commit: %w", err)
	}
	if len(ended) > 0 {
		e.wrote(p.head, len(p.Rows))
	}
	return p, ended, nil
}

// borrowToEnd becomes a member of the roles whose sessions the daemon may not see or end otherwise, and returns the sessions that it can end.
func (e *Engine) borrowToEnd(ctx context.Context, tx pgx.Tx, a *apply.Applier, roles []string) ([]plan.Session, error) {
	sessions, can, _, err := e.staleSessions(ctx, tx, roles)
	if err != nil {
		return nil, err
	}
	borrowed := map[string]bool{}
	for _, s := range sessions {
		if s.MayEnd || borrowed[s.RoleName] || !slices.Contains(can, s.RoleName) {
			continue
		}
		borrowed[s.RoleName] = true
		if _, err := a.TryBorrow(ctx, s.RoleName); err != nil {
			return nil, err
		}
	}
	if len(borrowed) > 0 {
		if _, err := tx.Exec(ctx, "select pg_catalog.pg_stat_clear_snapshot()"); err != nil {
			return nil, fmt.Errorf("look at the sessions anew: %w", err)
		}
		if sessions, err = inspect.StaleSessions(ctx, tx, roles); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(sessions, func(s plan.Session) bool { return !s.MayEnd }), nil
}

// endingRows say which sessions of which roles were ended. All else is as the roles' last rows say.
func endingRows(sessions []plan.Session, roles map[string]plan.Role, r audit.Result) []audit.Row {
	var rows []audit.Row
	for _, s := range sessions {
		if len(rows) == 0 || rows[len(rows)-1].Role != s.RoleName {
			row := audit.NewRow(s.RoleName, r.Cause, plan.WorstOf(true, roles[s.RoleName].LastProblems), r.Instance)
			row.Problems, row.Pass, row.Duration = append([]plan.Problem{}, roles[s.RoleName].LastProblems...), r.Pass, time.Since(r.Started)
			rows = append(rows, row)
		}
		row := &rows[len(rows)-1]
		row.Statements = append(row.Statements, s.Statement())
		if r.Cause == audit.Manual {
			row.Changes = append(row.Changes, "- "+s.String())
		}
	}
	return rows
}
