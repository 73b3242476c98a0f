package reconcile

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	unusedSQL    = query("unused")
	attentionSQL = query("attention")
)

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
	if len(intermediates) == 0 {
		return nil
	}
	list, err := collect[unused](ctx, a.tx, unusedSQL, intermediates, e.policy.PruneEmptyAfterSecs)
	if err != nil {
		return fmt.Errorf("look for intermediate roles without use: %w", err)
	}
	for _, u := range list {
		switch {
		case !u.Used || !u.Holds && (u.Overdue || w.prune):
			if err := a.dropRole(ctx, u.Name); err != nil {
				return err
			}
			if _, err := a.tx.Exec(ctx, "delete from sync_roles.intermediate_roles where role_name = $1", u.Name); err != nil {
				return fmt.Errorf("forget intermediate role %q: %w", u.Name, err)
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

// dropRole drops a role with all that it holds in this database. DROP OWNED takes its privileges, not ours.
func (a *applier) dropRole(ctx context.Context, name string) error {
	quoted := catalog.Quote(name)
	err := a.run(ctx, []Step{
		{SQL: "DROP OWNED BY " + quoted, Borrow: []string{name}},
		{SQL: "DROP ROLE " + quoted, Effects: []Effect{{Unit: name, SQL: "DROP ROLE " + quoted, Revoked: 1}}},
	})
	delete(a.borrowed, name)
	if err != nil {
		return fmt.Errorf("drop intermediate role %q: %w", name, err)
	}
	return nil
}

// rebuild puts a new role in an intermediate role's place, with all its members but those that nobody asked for: a membership
// that a superuser granted can be taken away by no one else (PostgreSQL 16 and later), except by dropping the role.
func (a *applier) rebuild(ctx context.Context, r rebuild) error {
	members, err := names(ctx, a.tx, rebuildMembersSQL, r.role)
	if err != nil {
		return fmt.Errorf("read members of intermediate role %q: %w", r.role, err)
	}
	old := r.role + "_old"
	sql := "CREATE ROLE " + catalog.Quote(r.role) + " NOLOGIN"
	steps := []Step{
		{SQL: fmt.Sprintf("ALTER ROLE %s RENAME TO %s", catalog.Quote(r.role), catalog.Quote(old))},
		{SQL: sql, Effects: []Effect{{Unit: r.unit, SQL: sql}}, then: rememberIntermediateSQL, args: []any{r.role}},
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
		return fmt.Errorf("rebuild intermediate role %q: %w", r.role, err)
	}
	drop := "DROP ROLE " + catalog.Quote(old)
	err = a.run(ctx, []Step{
		{SQL: "DROP OWNED BY " + catalog.Quote(old), Borrow: []string{old}},
		{SQL: drop, Effects: []Effect{{Unit: r.unit, SQL: drop, Revoked: 1}}},
	})
	delete(a.borrowed, old)
	if err != nil {
		return fmt.Errorf("drop the former intermediate role %q: %w", old, err)
	}
	return nil
}

var rebuildMembersSQL = query("rebuild_members")
