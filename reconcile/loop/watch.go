package loop

import (
	"context"
	"time"
)

// watch serves the queue, and looks again while writers are under way of whose rows no notification may tell: after a moment, and less and
// less often if nothing comes of it.
type watch struct {
	reconciler Reconciler
	wake       chan<- struct{}
	delay      time.Duration
}

const (
	firstLookAgain = 10 * time.Millisecond
	lastLookAgain  = 250 * time.Millisecond
)

func (w *watch) serve(ctx context.Context) error {
	look, err := w.reconciler.ServeQueue(ctx)
	if look.Served || !look.MoreToCome {
		w.delay = 0
	}
	if look.MoreToCome {
		w.delay = min(max(2*w.delay, firstLookAgain), lastLookAgain)
		time.AfterFunc(w.delay, func() { signal(w.wake) })
	}
	return err
}
