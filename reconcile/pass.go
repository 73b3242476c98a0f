package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
)

// batchSize is how many roles share a transaction at most. On PostgreSQL 16 and later each new role takes a lock.
const batchSize = 1000

// work says what a pass looks at.
type work struct {
	cause   Cause
	roles   []string // nil: what the queue has
	renamed bool     // look for objects that were renamed
	members bool     // look at all members of intermediate roles
	prune   bool     // drop intermediate roles that hold nothing, without waiting
	dry     bool     // only to show: say all problems, also those that were said before
	patient bool     // somebody was in the way before
}

// Pass is what a pass did.
type Pass struct {
	Rows       []AuditRow
	Statements []string // all of them in order, secrets redacted
	roles      []string // which it looked at, also when it failed
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
	tx, err := e.conn.Begin(ctx)
	if err != nil {
		return p, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := e.lock(ctx, tx); err != nil {
		return p, &lockError{err}
	}
	e.lockMissed = false
	requests, err := take(ctx, tx, w)
	if err != nil {
		return p, err
	}
	p.roles = slices.Clone(w.roles)
	for _, r := range requests {
		p.roles = append(p.roles, r.Role)
	}
	slices.Sort(p.roles)
	p.roles = slices.Compact(p.roles)
	if len(p.roles) == 0 {
		return p, nil
	}
	if err := e.reconcile(ctx, tx, w, p, requests, started); err != nil {
		return p, err
	}
	if err := tx.Commit(ctx); err != nil {
		return p, fmt.Errorf("commit: %w", err)
	}
	return p, nil
}

func take(ctx context.Context, tx pgx.Tx, w work) ([]desired.Request, error) {
	switch {
	case w.roles != nil:
		return desired.TakeFor(ctx, tx, w.roles)
	case w.cause == Expiry:
		roles, err := desired.Expire(ctx, tx, batchSize)
		if err != nil || len(roles) == 0 {
			return nil, err
		}
		// The rows are gone, and their triggers have queued the roles.
		return desired.TakeFor(ctx, tx, roles)
	default:
		return desired.Take(ctx, tx, batchSize)
	}
}

// reconcile does all of a pass between taking the queue and committing.
func (e *Engine) reconcile(ctx context.Context, tx pgx.Tx, w work, p *Pass, requests []desired.Request, started time.Time) error {
	withdrawn, err := readWithdrawn(ctx, tx, p.roles)
	if err != nil {
		return err
	}
	a := &applier{tx: tx, server: e.server, patient: w.patient}
	result, err := e.converge(ctx, a, w, p.roles)
	if err != nil {
		return err
	}
	if err := a.giveBack(ctx); err != nil {
		return err
	}
	if len(a.done) > 0 {
		if result, err = e.verify(ctx, a, w, result); err != nil {
			return err
		}
	}
	if err := e.prune(ctx, a, w, result); err != nil {
		return err
	}
	if err := a.giveBack(ctx); err != nil {
		return err
	}
	if err := remember(ctx, tx, result.remember); err != nil {
		return err
	}
	if err := forgetWithdrawn(ctx, tx, withdrawn, result.problems); err != nil {
		return err
	}
	p.Statements = a.statements
	p.Rows = auditRows(w, result, a.done, requests, e.instance, started)
	return writeAudit(ctx, tx, p.Rows, result.roles)
}

// state is what is known about a batch after reading and deciding.
type state struct {
	roles    map[string]Role
	plan     *Plan
	problems problems
	remember map[Remembered]bool
}

// converge reads, decides and applies, in rounds until nothing must be founded first, and then all the rest at once.
func (e *Engine) converge(ctx context.Context, a *applier, w work, units []string) (*state, error) {
	involved, err := names(ctx, a.tx, involvedSQL, units)
	if err != nil {
		return nil, fmt.Errorf("read the intermediate roles involved: %w", err)
	}
	units = append(slices.Clone(units), involved...)
	s := &state{remember: map[Remembered]bool{}}
	for range maxRounds {
		if err := e.look(ctx, a.tx, units, w, s); err != nil {
			return nil, err
		}
		first := s.plan.Found
		if len(first) == 0 {
			first = s.plan.Intermediates
			units = append(units, s.plan.foundIntermed...)
		}
		if len(first) == 0 && len(s.plan.Rebuild) == 0 {
			break
		}
		if err := a.run(ctx, first); err != nil {
			return nil, err
		}
		for _, r := range s.plan.Rebuild {
			if err := e.rebuild(ctx, a, r, s); err != nil {
				return nil, err
			}
		}
	}
	if err := a.run(ctx, s.plan.Grants); err != nil {
		return nil, err
	}
	return s, a.run(ctx, s.plan.Revokes)
}

// look reads a batch and decides about it. Roles that do not exist, or are not what they should be, come before all else: until
// they are right, the plan has only them.
func (e *Engine) look(ctx context.Context, tx pgx.Tx, units []string, w work, s *state) error {
	slices.Sort(units)
	units = slices.Compact(units)
	if _, err := tx.Exec(ctx, planFor(units)); err != nil {
		return fmt.Errorf("choose how to plan: %w", err)
	}
	var err error
	if s.roles, err = readRoles(ctx, tx, units); err != nil {
		return err
	}
	s.problems = problems{}
	if s.plan, err = e.lookAtRoles(ctx, tx, s); err != nil || s.plan.preparing() {
		return err
	}
	drift, err := readDrift(ctx, tx, e.server, s.roles, e.policy, w.renamed, w.members)
	if err != nil {
		return err
	}
	s.plan = Decide(drift, e.policy)
	for role, list := range s.plan.Problems {
		for _, problem := range list {
			s.problems.add(role, problem)
		}
	}
	s.plan.Problems = s.problems
	if err := s.plan.prepareOwnerships(ctx, tx, e.server); err != nil {
		return err
	}
	if err := s.plan.takeUp(ctx, tx); err != nil {
		return err
	}
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
	steps, rebuilds := roleSteps(s.roles, rights, e.server, e.policy, s.problems)
	p := &Plan{Found: steps, Rebuild: rebuilds, Touched: map[string]bool{}}
	for _, step := range steps {
		p.Touched[step.Effects[0].Unit] = true
	}
	for _, r := range rebuilds {
		p.Touched[r.unit] = true
	}
	return p, nil
}

// planFor lets PostgreSQL plan for the batch at hand where that is large. For a few roles the generic plan is right, and
// planning anew would take longer than all the rest.
func planFor(units []string) string {
	if len(units) > 20 {
		return "set local plan_cache_mode = force_custom_plan"
	}
	return "set local plan_cache_mode = force_generic_plan"
}

// verify reads again. A statement can have undone another (REVOKE on a table takes the privileges on its columns along), so what differs and was
// not yet tried is done; what was reported as done and still differs is a problem.
func (e *Engine) verify(ctx context.Context, a *applier, w work, before *state) (*state, error) {
	after := &state{remember: maps.Clone(before.remember)}
	for range maxRounds {
		if err := e.look(ctx, a.tx, keys(before.roles), w, after); err != nil {
			return nil, fmt.Errorf("read again: %w", err)
		}
		fresh := a.untried(after.plan.steps())
		if len(fresh) == 0 {
			break
		}
		if err := a.run(ctx, fresh); err != nil {
			return nil, err
		}
		if err := a.giveBack(ctx); err != nil {
			return nil, err
		}
	}
	// Rows that were committed since the first reading have requests of their own, which the next pass takes.
	changed, err := names(ctx, a.tx, "select distinct role_name from sync_roles.pending where role_name = any ($1)", keys(before.roles))
	if err != nil {
		return nil, fmt.Errorf("look for newer requests: %w", err)
	}
	for _, step := range after.plan.steps() {
		for _, effect := range step.Effects {
			if slices.Contains(changed, effect.Unit) {
				continue
			}
			after.problems.add(effect.Unit, Problem{Kind: Blocked, Object: effect.SQL, Reason: noEffect, Taking: effect.Revoked > 0})
		}
	}
	return after, nil
}

const noEffect = "PostgreSQL reported success, and nothing changed: another role's grant, or a missing grant option, is in the way"

func readWithdrawn(ctx context.Context, tx pgx.Tx, roles []string) (map[string][]int64, error) {
	type row struct {
		Role string
		IDs  []int64
	}
	list, err := collect[row](ctx, tx, "select role_name, array_agg(id) from sync_roles.withdrawn where role_name = any ($1) group by role_name", roles)
	if err != nil {
		return nil, fmt.Errorf("read withdrawn rows: %w", err)
	}
	withdrawn := map[string][]int64{}
	for _, r := range list {
		withdrawn[r.Role] = r.IDs
	}
	return withdrawn, nil
}

// forgetWithdrawn deletes the withdrawn rows of roles from which all was taken that they gave.
func forgetWithdrawn(ctx context.Context, tx pgx.Tx, withdrawn map[string][]int64, found problems) error {
	var ids []int64
	for _, role := range keys(withdrawn) {
		if !slices.ContainsFunc(found[role], func(p Problem) bool { return p.Taking }) {
			ids = append(ids, withdrawn[role]...)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "delete from sync_roles.withdrawn where id = any ($1)", ids); err != nil {
		return fmt.Errorf("forget withdrawn rows: %w", err)
	}
	return nil
}

// remember records which objects the names in use stand for.
func remember(ctx context.Context, tx pgx.Tx, objects map[Remembered]bool) error {
	if len(objects) == 0 {
		return nil
	}
	var classes, oids []uint32
	var types, schemas, objectNames []string
	for r := range objects {
		o := r.Object
		classes, oids = append(classes, o.Class), append(oids, o.OID)
		types, schemas, objectNames = append(types, string(o.Type)), append(schemas, o.Schema), append(objectNames, o.Name)
	}
	_, err := tx.Exec(ctx, `
		insert into sync_roles.resolved_objects (class_oid, object_oid, object_type, schema_name, object_name)
		select * from unnest($1::oid[], $2::oid[], $3::text[], $4::text[], $5::text[])
		on conflict do nothing`, classes, oids, types, schemas, objectNames)
	if err != nil {
		return fmt.Errorf("remember what names stand for: %w", err)
	}
	return nil
}
