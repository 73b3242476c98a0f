package reconcile

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var unusedSQL = query("unused")

// unused is an intermediate role of a batch that no desired grant, or no object, has a use for.
type unused struct {
	Name    string
	Used    bool // it has members
	Holds   bool // its selector finds something
	Marked  bool // it is known to hold nothing
	Overdue bool // for longer than it is kept
}

// prune drops the intermediate roles of the batch that nobody needs, and notes since when the others hold nothing.
func (e *Engine) prune(ctx context.Context, a *applier, w work, s *state) error {
	var intermediates []string
	for name, r := range s.roles {
		if r.Intermediate {
			intermediates = append(intermediates, name)
		}
	}
	if len(intermediates) == 0 || !w.prune && w.roles == nil && !s.mayBeUnused(a.done) {
		return nil
	}
	list, err := collect[unused](ctx, a.tx, unusedSQL, intermediates, e.policy.PruneEmptyAfterSecs)
	if err != nil {
		return fmt.Errorf("look for intermediate roles without use: %w", err)
	}
	for _, u := range list {
		switch {
		case !u.Used || !u.Holds && (u.Overdue || w.prune):
			if err := e.dropUnused(ctx, a, w, u.Name, s); err != nil {
				return err
			}
		case u.Holds == u.Marked:
			_, err := a.tx.Exec(ctx, "update sync_roles.intermediate_roles set empty_since = case when $2 then null else now() end where role_name = $1", u.Name, u.Holds)
			if err != nil {
				return fmt.Errorf("note that intermediate role %q holds nothing: %w", u.Name, err)
			}
		}
	}
	return nil
}

// mayBeUnused reports whether a pass over the queue can have changed of what use an intermediate role is.
func (s *state) mayBeUnused(done []Step) bool {
	for _, r := range s.roles {
		if r.Withdrawn {
			return true
		}
	}
	for _, step := range done {
		for _, effect := range step.Effects {
			if effect.Revoked > 0 || s.roles[effect.Unit].Intermediate {
				return true
			}
		}
	}
	return false
}

// dropUnused drops an intermediate role. Where that fails, because somebody hung something on it, the rest of the pass must not.
func (e *Engine) dropUnused(ctx context.Context, a *applier, w work, name string, s *state) error {
	if err := a.exec(ctx, "SAVEPOINT prune"); err != nil {
		return err
	}
	before := a.snapshot()
	found, left, err := e.dropOrLeave(ctx, a, name, s.roles[name].IntermediateOID)
	if left {
		s.noteShell(name)
	}
	if len(found) > 0 || w.goesOnAfter(err) {
		for _, problem := range found {
			s.problems.add(name, problem)
		}
		if err != nil {
			r := refusalOf(err)
			s.problems.add(name, Problem{Kind: r.outcome(s.roles[name].FailedAttempts), Object: "role " + name, Reason: r.reason})
		}
		return a.undo(ctx, "prune", before, err)
	}
	if err != nil {
		return err
	}
	return a.exec(ctx, "RELEASE SAVEPOINT prune")
}

// dropOrLeave drops an intermediate role, or takes all from it that it holds where no more can be done (see abandon). Then it is left.
func (e *Engine) dropOrLeave(ctx context.Context, a *applier, name string, oid catalog.OID) (found []Problem, left bool, err error) {
	rights, err := catalog.ReadRights(ctx, a.tx, []catalog.OID{oid})
	if err != nil {
		return nil, false, err
	}
	if e.server.Superuser || rights[oid].Admin {
		found, err = e.dropRole(ctx, a, name, name)
		return found, false, err
	}
	found, err = e.emptyRole(ctx, a, name, name, Step{Effects: []Effect{{Unit: name}}, then: forgetNamedSQL, args: []any{name}})
	return found, len(found) == 0 && err == nil, err
}

// goesOnAfter reports whether the rest of the pass is done without what PostgreSQL refused. What took too long the first time may not do so again, and
// the whole pass is tried once more.
func (w work) goesOnAfter(err error) bool {
	return isRefusal(err) && (classOf(err) != slow || w.slow != slowness{})
}

var heldSQL = query("held")

// dropRole takes from a role all that it holds, and drops it. What stands in the way is returned, and then nothing is done.
func (e *Engine) dropRole(ctx context.Context, a *applier, name, unit string) ([]Problem, error) {
	var oid catalog.OID
	if err := a.tx.QueryRow(ctx, "select coalesce(to_regrole(quote_ident($1)), 0)::oid", name).Scan(&oid); err != nil {
		return nil, fmt.Errorf("look for role %q: %w", name, err)
	}
	keeper, err := readKeepers(ctx, a.tx, []catalog.OID{oid})
	if err != nil {
		return nil, err
	}
	drop := "DROP ROLE " + catalog.Quote(name)
	dropping := byLocker(e.locker, keeper[oid], name, Step{SQL: drop, Effects: []Effect{{Unit: unit, SQL: drop}}, then: forgetNamedSQL, args: []any{name}})
	return e.emptyRole(ctx, a, name, unit, dropping[:min(len(dropping), 2)]...) // its memberships go with it
}

const forgetNamedSQL = "delete from sync_roles.intermediate_roles where role_name = $1"

// emptyRole takes from a role all that it holds, and then does what comes last. What stands in the way is returned, and then nothing is done.
// (DROP OWNED BY would be shorter, and would drop what members have created as the role.)
func (e *Engine) emptyRole(ctx context.Context, a *applier, name, unit string, last ...Step) ([]Problem, error) {
	held, err := collect[SurplusGrant](ctx, a.tx, heldSQL, name)
	if err != nil {
		return nil, fmt.Errorf("read what role %q holds: %w", name, err)
	}
	drift := &Drift{Server: e.server, Grants: held}
	if err := drift.readSchemas(ctx, a.tx); err != nil {
		return nil, err
	}
	if drift.Rights, err = catalog.ReadRights(ctx, a.tx, drift.concerned(e.policy)); err != nil {
		return nil, err
	}
	plan := Decide(drift, e.policy)
	if found := plan.Problems[name]; len(found) > 0 {
		return found, nil
	}
	steps := plan.Revokes
	for i := range steps {
		for j := range steps[i].Effects {
			steps[i].Effects[j].Unit = unit
		}
	}
	if err := a.run(ctx, append(steps, last...)); err != nil {
		return nil, fmt.Errorf("take from intermediate role %q all that it holds: %w", name, err)
	}
	return nil, nil
}

// rebuild puts a new role in an intermediate role's place, with all its members but those that nobody asked for: a membership
// that a superuser granted can be taken away by no one else (PostgreSQL 16 and later), except by dropping the role. Where the old role cannot be
// dropped, all stays as it was.
// The name that the new one has is returned.
func (e *Engine) rebuild(ctx context.Context, a *applier, w work, r rebuild) (string, error) {
	key := "rebuild " + r.role
	if _, ok := a.refused[key]; ok {
		return "", nil
	}
	if err := a.exec(ctx, "SAVEPOINT rebuild"); err != nil {
		return "", err
	}
	before := a.snapshot()
	name, replace := r.role, e.replace
	if r.lost {
		name, replace = freshName(e.server.DatabaseOID, ""), func(ctx context.Context, a *applier, r rebuild) ([]Problem, error) {
			return e.supersede(ctx, a, r, name)
		}
	}
	found, err := replace(ctx, a, r)
	switch {
	case w.goesOnAfter(err):
		why := refusalOf(err)
		found = []Problem{{Kind: why.kind, Object: "role " + r.role, Reason: why.reason}}
	case err != nil:
		return "", err
	}
	if len(found) == 0 {
		return name, a.exec(ctx, "RELEASE SAVEPOINT rebuild")
	}
	if a.obstacles == nil {
		a.obstacles = problems{}
	}
	for _, problem := range found {
		a.obstacles.add(r.unit, Problem{
			Kind: problem.Kind, Taking: !r.giving, Privilege: "MEMBER", Object: "role " + r.role,
			Reason: r.why + ", and the role cannot be made anew: " + problem.Reason, Fix: problem.Fix,
		})
	}
	a.refuse(key, refusal{reason: r.why, kind: Blocked})
	return "", a.undo(ctx, "rebuild", before, err)
}

// replace does what rebuild is for, and returns what keeps the old role from being dropped.
func (e *Engine) replace(ctx context.Context, a *applier, r rebuild) ([]Problem, error) {
	members, err := names(ctx, a.tx, rebuildMembersSQL, r.role)
	if err != nil {
		return nil, fmt.Errorf("read members of intermediate role %q: %w", r.role, err)
	}
	var oid catalog.OID
	var comment string
	err = a.tx.QueryRow(ctx, "select role_oid, coalesce(shobj_description(role_oid, 'pg_authid'), '') from sync_roles.intermediate_roles where role_name = $1", r.role).Scan(&oid, &comment)
	if err != nil {
		return nil, fmt.Errorf("read what intermediate role %q is for: %w", r.role, err)
	}
	keeper, err := readKeepers(ctx, a.tx, []catalog.OID{oid})
	if err != nil {
		return nil, err
	}
	old := freshName(e.server.DatabaseOID, "old_")
	sql := "CREATE ROLE " + catalog.Quote(r.role) + " NOLOGIN"
	if keeper[oid] != "" {
		sql += " ADMIN " + catalog.Quote(keeper[oid])
	}
	steps := []Step{
		{SQL: fmt.Sprintf("ALTER ROLE %s RENAME TO %s", catalog.Quote(r.role), catalog.Quote(old))},
		{SQL: sql, Effects: []Effect{{Unit: r.unit, SQL: sql}}, then: replaceIntermediateSQL, args: []any{r.role}},
		{SQL: fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(r.role), literal(comment))},
	}
	var links []link
	for _, m := range members {
		links = append(links, link{role: r.role, member: m, unit: m, tail: " WITH INHERIT TRUE, SET FALSE, ADMIN FALSE"})
	}
	for _, step := range membershipSteps(grant, links) {
		step.Effects = nil // nothing new for them
		steps = append(steps, step)
	}
	if err := a.run(ctx, steps); err != nil {
		return nil, fmt.Errorf("rebuild intermediate role %q: %w", r.role, err)
	}
	return e.dropRole(ctx, a, old, r.unit)
}

var rebuildMembersSQL = query("rebuild_members")

const replaceIntermediateSQL = `
	update sync_roles.intermediate_roles as i set role_oid = r.oid
	from pg_catalog.pg_roles as r
	where i.role_name = $1 and r.rolname = i.role_name`
