package loop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// A fake is a reconciler that notes what it is called for, and when.
type fake struct {
	*script
	number int
	closed bool
}

// A script is what all reconcilers of a test share.
type script struct {
	started time.Time

	mu    sync.Mutex
	calls []string                               // "1:rescan startup", "1:pending", … with the number of the connection
	times []time.Duration                        // when
	opens []time.Duration                        // when a connection was asked for
	live  int                                    // connections that are open
	fail  func(call string) error                // may be nil
	open  func(number int) error                 // may be nil
	due   func() (at time.Time, ok bool)         // may be nil
	on    func(ctx context.Context, call string) // called for each call; may be nil
}

func newScript() *script { return &script{started: time.Now()} }

func (s *script) Open(context.Context) (loop.Reconciler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens = append(s.opens, time.Since(s.started))
	if s.open != nil {
		if err := s.open(len(s.opens)); err != nil {
			return nil, err
		}
	}
	s.live++
	return &fake{script: s, number: len(s.opens)}, nil
}

func (f *fake) note(ctx context.Context, call string) error {
	f.mu.Lock()
	if f.closed {
		call += " after close"
	}
	f.calls = append(f.calls, fmt.Sprintf("%d:%s", f.number, call))
	f.times = append(f.times, time.Since(f.started))
	fail, on := f.fail, f.on
	f.mu.Unlock()
	if on != nil {
		on(ctx, call)
	}
	if fail != nil {
		return fail(call)
	}
	return nil
}

func (f *fake) ServeQueue(ctx context.Context) (loop.Look, error) {
	return loop.Look{}, f.note(ctx, "pending")
}

func (f *fake) ServeRetries(ctx context.Context) error { return f.note(ctx, "retries") }
func (f *fake) ServeExpired(ctx context.Context) error { return f.note(ctx, "expired") }
func (f *fake) Ping(ctx context.Context) error         { return f.note(ctx, "ping") }

func (f *fake) Rescan(ctx context.Context, why loop.Occasion) error {
	return f.note(ctx, map[loop.Occasion]string{loop.Start: "rescan startup", loop.Interval: "rescan", loop.DDL: "rescan ddl"}[why])
}

func (f *fake) NextDue(context.Context) (time.Time, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.due == nil {
		return time.Time{}, false, nil
	}
	at, ok := f.due()
	return at, ok, nil
}

func (f *fake) Close(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		f.calls = append(f.calls, "closed twice")
	}
	if ctx.Err() != nil {
		f.calls = append(f.calls, "closed with a dead context")
	}
	f.closed = true
	f.live--
	return nil
}

// when returns the times of the calls that contain the word.
func (s *script) when(word string) (times []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, call := range s.calls {
		if strings.Contains(call, word) {
			times = append(times, s.times[i])
		}
	}
	return times
}

// run runs the loop for a time and returns what it returned.
func run(tb testing.TB, s *script, interval, duration time.Duration) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), duration)
	defer cancel()
	err := loop.Run(ctx, loop.Config{Open: s.Open, RescanInterval: interval, Log: zerolog.Nop()})
	if s.live != 0 {
		tb.Errorf("%d connections are still open", s.live)
	}
	for _, call := range s.calls {
		if strings.Contains(call, "clos") {
			tb.Errorf("%s", call)
		}
	}
	return err
}

// At the start everything is inspected once, the queue before the rescan.
func TestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		if err := run(t, s, time.Hour, time.Second); err != nil {
			t.Error(err)
		}
		if want := []string{"1:expired", "1:pending", "1:retries", "1:rescan startup"}; !slices.Equal(s.calls, want) {
			t.Errorf("calls are %v, want %v", s.calls, want)
		}
	})
}

// A rescan comes at every interval, a tenth more or less, and takes the queue along: a notification may have been lost.
func TestRescanAtEveryInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		if err := run(t, s, time.Minute, 10*time.Minute); err != nil {
			t.Error(err)
		}
		times := s.when("rescan")
		if len(times) < 9 || len(times) > 12 {
			t.Fatalf("%d rescans in ten minutes: %v", len(times), times)
		}
		distances := map[time.Duration]bool{}
		for i := range times[1:] {
			distance := times[i+1] - times[i]
			distances[distance] = true
			if distance < 54*time.Second || distance > 66*time.Second {
				t.Errorf("rescan %d came %s after the one before", i+1, distance)
			}
		}
		if len(distances) < 2 {
			t.Error("there is no jitter: several daemons would always rescan together")
		}
		if p := s.when("pending"); len(p) != len(times) {
			t.Errorf("%d looks at the queue for %d rescans", len(p), len(times))
		}
		if n := len(s.when("rescan startup")); n != 1 {
			t.Errorf("%d rescans are of the start, want 1", n)
		}
	})
}

// The interval counts from the end of a rescan: a slow one is not followed by another at once.
func TestSlowRescan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.on = func(ctx context.Context, call string) {
			if call == "rescan" {
				wait(ctx, 10*time.Minute)
			}
		}
		if err := run(t, s, time.Minute, time.Hour); err != nil {
			t.Error(err)
		}
		times := s.when(":rescan")
		for i := range times[2:] {
			if d := times[i+2] - times[i+1]; d < 10*time.Minute+54*time.Second {
				t.Errorf("rescan %d began %s after the one before, which took 10m", i+2, d)
			}
		}
	})
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// A retry or an expiry is served when it is due, and not before; one that is overdue does not make the loop spin.
func TestDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		var at time.Time
		pending := true
		at = time.Now().Add(42 * time.Second)
		s.due = func() (time.Time, bool) { return at, pending }
		s.on = func(_ context.Context, call string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if call == "retries" && time.Since(at) >= 0 {
				pending = false
			}
		}
		if err := run(t, s, time.Hour, 10*time.Minute); err != nil {
			t.Error(err)
		}
		for _, call := range []string{"retries", "expired"} {
			if got := s.when(call); !slices.Equal(got, []time.Duration{0, 42 * time.Second}) {
				t.Errorf("%s at %v, want at the start and after 42s", call, got)
			}
		}
	})
}

// A due time that stays in the past, because another daemon is at it, is inspected a few times a second, not a thousand.
func TestOverdueDoesNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.due = func() (time.Time, bool) { return s.started.Add(-time.Hour), true }
		if err := run(t, s, time.Hour, 10*time.Second); err != nil {
			t.Error(err)
		}
		if n := len(s.when("retries")); n < 2 || n > 250 {
			t.Errorf("%d looks in ten seconds", n)
		}
	})
}

// A connection that is silent is asked for a sign of life.
func TestPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		if err := run(t, s, time.Hour, time.Minute+time.Second); err != nil {
			t.Error(err)
		}
		if n := len(s.when("ping")); n != 4 {
			t.Errorf("%d pings in a minute, want 4", n)
		}
	})
}

var errLost = errors.New("connection lost")

// Whatever fails, the connection is closed, and after a moment a new one looks at everything from the start.
func TestReconnect(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"expired", "pending", "retries", "rescan startup", "rescan", "ping"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript()
				failed := false
				s.fail = func(c string) error {
					if c == call && !failed {
						failed = true
						return errLost
					}
					return nil
				}
				if err := run(t, s, time.Minute, 3*time.Minute); err != nil {
					t.Error(err)
				}
				if len(s.opens) != 2 || !slices.Contains(s.calls, "2:rescan startup") {
					t.Errorf("%d connections, calls %v", len(s.opens), s.calls)
				}
				at := s.when("1:" + call)
				if wait := s.opens[1] - at[len(at)-1]; wait < 900*time.Millisecond || wait > 1100*time.Millisecond {
					t.Errorf("it reconnected after %s, want about 1s", wait)
				}
			})
		})
	}
}

// While the server is away the waits grow, up to half a minute; after a good time they begin anew.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.open = func(number int) error {
			if number >= 2 && number <= 9 {
				return errLost
			}
			return nil
		}
		s.fail = func(call string) error {
			if call == "ping" && (len(s.opens) == 1 || time.Since(s.started) > 20*time.Minute && len(s.opens) == 10) {
				return errLost
			}
			return nil
		}
		if err := run(t, s, time.Hour, 30*time.Minute); err != nil {
			t.Error(err)
		}
		if len(s.opens) != 11 {
			t.Fatalf("%d connections at %v", len(s.opens), s.opens)
		}
		// The first wait, of a second, is before the second connection.
		for i, want := range []time.Duration{2, 4, 8, 16, 30, 30, 30, 30} {
			want *= time.Second
			if got := s.opens[i+2] - s.opens[i+1]; got < want-want/10 || got > want+want/10 {
				t.Errorf("wait %d is %s, want about %s", i+2, got, want)
			}
		}
		pings := s.when("10:ping")
		if wait := s.opens[10] - pings[len(pings)-1]; wait > 1100*time.Millisecond {
			t.Errorf("after twenty good minutes the wait is %s, want about 1s", wait)
		}
	})
}

// Until a first connection was opened, an error of which it is said that waiting is in vain is returned. Others are waited for.
func TestFirstOpenFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inVain := errors.New("in vain")
		s := newScript()
		s.open = func(number int) error {
			switch number {
			case 1, 2:
				return errLost
			case 3:
				return inVain
			}
			return nil
		}
		giveUp := func(err error) bool { return errors.Is(err, inVain) }
		err := loop.Run(t.Context(), loop.Config{Open: s.Open, RescanInterval: time.Hour, Log: zerolog.Nop(), GiveUp: giveUp})
		if !errors.Is(err, inVain) || len(s.opens) != 3 {
			t.Errorf("got %v after %d tries, want the error of the third", err, len(s.opens))
		}
		if waited := time.Since(s.started); waited < 2700*time.Millisecond || waited > 3300*time.Millisecond {
			t.Errorf("the first two errors were waited for %s, want about 1s and 2s", waited)
		}
	})
}

// Once a connection was opened, nothing is in vain: the server comes back.
func TestLaterOpenFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.open = func(number int) error {
			if number > 1 && number < 6 {
				return errLost
			}
			return nil
		}
		s.fail = func(call string) error {
			if call == "ping" && len(s.opens) == 1 {
				return errLost
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		giveUp := func(error) bool { return true }
		if err := loop.Run(ctx, loop.Config{Open: s.Open, RescanInterval: time.Minute, Log: zerolog.Nop(), GiveUp: giveUp}); err != nil || len(s.opens) != 6 {
			t.Errorf("got %v after %d connections, want nil after 6", err, len(s.opens))
		}
	})
}

// The end of the context ends the loop with nil, at once, whatever it is doing, and leaves no connection open.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*script){
		"idle": func(*script) {},
		"at work": func(s *script) {
			s.on = func(ctx context.Context, call string) {
				if call == "rescan startup" {
					<-ctx.Done()
				}
			}
			s.fail = func(call string) error {
				if call == "rescan startup" {
					return context.DeadlineExceeded
				}
				return nil
			}
		},
		"between connections": func(s *script) {
			s.fail = func(string) error { return errLost }
		},
		"while the server is away": func(s *script) {
			s.fail = func(string) error { return errLost }
			s.open = func(number int) error {
				if number > 1 {
					return errLost
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript()
				prepare(s)
				if err := run(t, s, time.Hour, 10*time.Second); err != nil {
					t.Errorf("got %v, want nil", err)
				}
				if took := time.Since(s.started); took != 10*time.Second {
					t.Errorf("it stopped after %s, want 10s", took)
				}
			})
		})
	}
}
