package loop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A counter counts looks at the queue, each of which takes a second.
type counter struct{ pending int }

func (c *counter) ServeQueue(ctx context.Context) (Look, error) {
	c.pending++
	return Look{}, sleep(ctx, time.Second)
}

func (c *counter) ServeRetries(context.Context) error               { return nil }
func (c *counter) ServeExpired(context.Context) error               { return nil }
func (c *counter) Rescan(context.Context, Occasion) error           { return nil }
func (c *counter) NextDue(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }
func (c *counter) Ping(context.Context) error                       { return nil }
func (c *counter) Close(context.Context) error                      { return nil }

// However many notifications come while the loop is at work, they are one more look at the queue; none that comes later is lost.
// In this package because a test without a server has no other way to notify.
func TestNotificationsAreFolded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake := newHints()
		w := &waker{wake: wake}
		c := &counter{}
		done := make(chan error, 1)
		go func() {
			_, err := Config{RescanInterval: time.Hour}.serve(ctx, c, wake)
			done <- err
		}()
		expect := func(when string, n int) {
			t.Helper()
			if c.pending != n {
				t.Errorf("%s: %d looks at the queue, want %d", when, c.pending, n)
			}
		}
		notify := func(n int) {
			t.Helper()
			for range n {
				if err := w.HandleNotification(ctx, &pgconn.Notification{}, nil); err != nil { // never blocks
					t.Error(err)
				}
			}
		}
		pass := func(d time.Duration) {
			_ = sleep(ctx, d)
			synctest.Wait()
		}

		synctest.Wait()
		expect("at the start", 1)
		notify(100) // the first look is under way
		pass(10 * time.Second)
		expect("after a hundred while it worked", 2)
		pass(time.Minute)
		expect("after a silence", 2)
		notify(1)
		pass(500 * time.Millisecond)
		expect("after one while it was idle", 3)
		notify(50) // in the middle of that one
		pass(10 * time.Second)
		expect("after fifty in the middle of a look", 4)
		if err := w.HandleBacklog(ctx, Channel, nil); err != nil {
			t.Error(err)
		}
		pass(10 * time.Second)
		expect("once LISTEN is in effect", 5)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

// A recorder keeps the order of what it is called for.
type recorder struct {
	counter
	calls []string
}

func (r *recorder) ServeQueue(context.Context) (Look, error) {
	r.calls = append(r.calls, "queue")
	return Look{}, nil
}

func (r *recorder) Rescan(context.Context, Occasion) error {
	r.calls = append(r.calls, "rescan")
	return nil
}

// A row that was written with DDL does not wait for the look at everything that the DDL calls for.
func TestQueueComesBeforeTheLookForDDL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake := newHints()
		r := &recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = Config{RescanInterval: time.Hour}.serve(ctx, r, wake)
		}()
		synctest.Wait()
		r.calls = nil
		if err := (&waker{wake: wake}).HandleNotification(ctx, &pgconn.Notification{Payload: ddlPayload}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if want := []string{"queue", "rescan"}; !slices.Equal(r.calls, want) {
			t.Errorf("called for %v, want %v", r.calls, want)
		}
		cancel()
		<-done
	})
}

// A writer is one whose transaction is under way for some time.
type writer struct {
	counter
	looks []time.Duration
	start time.Time
	done  time.Duration
}

func (w *writer) ServeQueue(context.Context) (Look, error) {
	now := time.Since(w.start)
	w.looks = append(w.looks, now)
	return Look{MoreToCome: now < w.done}, nil
}

// While writers are under way of whose rows no notification may tell, the loop looks again, soon and then less and less often; and then no more.
func TestLoopLooksAgainWhileWritersAreUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &writer{start: time.Now(), done: 2 * time.Second}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = Config{RescanInterval: time.Hour}.serve(ctx, w, newHints())
		}()
		_ = sleep(ctx, time.Minute)
		synctest.Wait()
		if len(w.looks) < 10 || len(w.looks) > 15 || w.looks[1] > 20*time.Millisecond {
			t.Errorf("looked at %v, want some dozen times, the second at once", w.looks)
		}
		if last := w.looks[len(w.looks)-1]; last < w.done || last > w.done+lastLookAgain {
			t.Errorf("looked last after %s, want it soon after %s", last, w.done)
		}
		cancel()
		<-done
	})
}

// Whoever waits for LISTEN to be in effect is told so, each time.
func TestListening(t *testing.T) {
	t.Parallel()
	n := 0
	w := &waker{wake: newHints(), listening: func() { n++ }}
	for range 2 {
		if err := w.HandleBacklog(t.Context(), Channel, nil); err != nil {
			t.Error(err)
		}
	}
	if n != 2 {
		t.Errorf("told %d times, want 2", n)
	}
}
