package reconcile

import (
	"context"
	"fmt"
	"slices"
)

var privilegedMembersSQL = query("privileged_members")

// serveRefusedMembers looks for memberships that rows gave in roles that have become privileged since then, or have come to reach one: such rows are
// refused, and what they gave goes. Nothing about the member itself has changed, so no other reading finds these.
func (e *Engine) serveRefusedMembers(ctx context.Context, w work, report *Report, drifted *int) error {
	roles, err := names(ctx, e.conn, privilegedMembersSQL, e.policy.allowedMemberships())
	if err != nil {
		return fmt.Errorf("look for memberships in roles that have become privileged: %w", err)
	}
	w.members = true // reads the members' memberships, whatever else there is to read
	for chunk := range slices.Chunk(roles, batchSize) {
		seen, err := e.glance(ctx, chunk, w)
		if err != nil {
			return err
		}
		if len(seen.due) == 0 {
			continue
		}
		*drifted += len(seen.due)
		w.roles, w.undeclared = seen.due, seen.undeclared
		if err := e.serve(ctx, w, report); err != nil {
			return err
		}
	}
	return nil
}
