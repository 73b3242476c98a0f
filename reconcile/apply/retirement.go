package apply

import (
	"context"
	"fmt"
)

var queueRetiringSQL = query("queue_retiring")

// QueueRetiring queues roles that are being retired for their next step.
func (a *Applier) QueueRetiring(ctx context.Context, roles []string) error {
	if _, err := a.tx.Exec(ctx, queueRetiringSQL, roles); err != nil {
		return fmt.Errorf("queue the next step of roles that are being retired: %w", err)
	}
	return nil
}
