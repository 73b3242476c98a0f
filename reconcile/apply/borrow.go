package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
)

// loan is a membership that the connected role has for the moment.
type loan struct {
	back string      // the statement that gives it back
	role catalog.OID // of which then no membership is left; 0: one was there before
}

var (
	ownMembershipSQL = query("own_membership")
	unreturnedSQL    = query("unreturned_memberships")
)

// errRoleRenamed is for a pass to begin anew.
var errRoleRenamed = failure.New(failure.Again, "a role was renamed while its membership was borrowed")

// borrow makes the connected role a member of another for the rest of the transaction; GiveBack ends it. It needs ADMIN on
// that role, and leaves nothing: the membership is never committed.
func (a *Applier) borrow(ctx context.Context, role string) error {
	if _, ok := a.borrowed[role]; ok || a.server.Superuser {
		return nil
	}
	sql := fmt.Sprintf("GRANT %s TO %s", catalog.Quote(role), catalog.Quote(a.server.Role))
	l := loan{back: fmt.Sprintf("REVOKE %s FROM %s", catalog.Quote(role), catalog.Quote(a.server.Role))}
	// Since 16, a membership that the daemon's role gave itself is the same one, with other options.
	var options *string
	err := a.tx.QueryRow(ctx, ownMembershipSQL, role, a.server.RoleOID).Scan(&l.role, &options)
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
	a.borrowed[role] = l
	return nil
}

// TryBorrow is borrow where the rest goes on without. It reports whether the connected role is a member.
func (a *Applier) TryBorrow(ctx context.Context, role string) (bool, error) {
	undone, err := a.atomically(ctx, mayUndo, func() error { return a.borrow(ctx, role) })
	return undone == nil && err == nil, err
}

// GiveBack ends the borrowed memberships (invariant 10 of package reconcile). Another session may have renamed a role since, and given its name to another: then nothing of the pass is done.
func (a *Applier) GiveBack(ctx context.Context) error {
	if len(a.borrowed) == 0 {
		return nil
	}
	var lent []catalog.OID
	for _, role := range slices.Sorted(maps.Keys(a.borrowed)) {
		l := a.borrowed[role]
		if err := a.exec(ctx, l.back); err != nil {
			return fmt.Errorf("give back the membership of role %q: %w", role, err)
		}
		a.statements = append(a.statements, l.back)
		delete(a.borrowed, role)
		lent = append(lent, l.role)
	}
	var left bool
	if err := a.tx.QueryRow(ctx, unreturnedSQL, lent, a.server.RoleOID).Scan(&left); err != nil {
		return fmt.Errorf("look for memberships that were not given back: %w", err)
	}
	if left {
		return errRoleRenamed
	}
	return nil
}
