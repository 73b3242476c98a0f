package daemon

import "context"

// openAtOnce is how many databases of one server are opened at a time. Each installer has two connections besides those of the databases that are open
// already, and all of them together are not to be more than the server has.
const openAtOnce = 4

// turns are what the databases of one server wait for to be opened.
type turns chan struct{}

func newTurns() turns { return make(turns, openAtOnce) }

// take waits for a turn; done ends it.
func (t turns) take(ctx context.Context) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
