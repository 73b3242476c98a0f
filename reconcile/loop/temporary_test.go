package loop_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

// passing is an error of the moment.
type passing struct{ error }

func (passing) Temporary() bool { return true }

var errLocked error = passing{errors.New("somebody holds a lock")}

// What one call meets, and passes, keeps no other call from being made, nor ends the connection; and it is tried again soon.
func TestBusyCallsDelayNoOther(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"expired", "pending", "retries", "rescan"} {
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript()
				s.fail = func(call string) error {
					if strings.HasPrefix(call, bad) && time.Since(s.started) < 5*time.Second {
						return errLocked
					}
					return nil
				}
				if err := run(t, s, time.Hour, 30*time.Second); err != nil {
					t.Error(err)
				}
				for _, call := range []string{"expired", "pending", "retries", "rescan"} {
					times := s.when(call)
					if len(times) == 0 || times[0] != 0 {
						t.Errorf("%s is not called at the start: %v", call, times)
					}
				}
				if len(s.opens) != 1 {
					t.Errorf("%d connections were opened, want one", len(s.opens))
				}
				if times := s.when(bad); times[len(times)-1] < 5*time.Second {
					t.Errorf("%s was not called again: %v", bad, times)
				}
			})
		})
	}
}

// While what is due cannot be done, or not even be known, it is tried again, and not without a pause.
func TestBusyDueIsPaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.due = func() (time.Time, bool) { return s.started, true }
		s.fail = func(call string) error {
			if call == "expired" {
				return errLocked
			}
			return nil
		}
		if err := run(t, s, time.Hour, time.Minute); err != nil {
			t.Error(err)
		}
		// 1 s, 2 s, then every 4 s; and with each full look.
		if n := len(s.when("expired")); n < 10 || n > 40 {
			t.Errorf("it was tried %d times in a minute", n)
		}
		if n := len(s.when("retries")); n < 10 {
			t.Errorf("retries were made %d times", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		open := func(ctx context.Context) (loop.Reconciler, error) {
			r, err := s.Open(ctx)
			return &blind{r}, err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := loop.Run(ctx, loop.Config{Open: open, RescanInterval: 10 * time.Second, Log: zerolog.Nop()}); err != nil {
			t.Error(err)
		}
		if len(s.opens) != 1 || len(s.when("rescan")) < 3 {
			t.Errorf("%d connections, calls are %v", len(s.opens), s.calls)
		}
	})
}

// blind cannot say what is due.
type blind struct{ loop.Reconciler }

func (blind) NextDue(context.Context) (time.Time, bool, error) { return time.Time{}, false, errLocked }

// An error that does not pass ends the connection, also beside one that does.
func TestLostConnectionBesideABusyCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.fail = func(call string) error {
			switch call {
			case "expired":
				return errLocked
			case "pending":
				return errors.New("connection lost")
			}
			return nil
		}
		if err := run(t, s, time.Hour, 10*time.Second); err != nil {
			t.Error(err)
		}
		if len(s.opens) < 2 {
			t.Errorf("%d connections were opened", len(s.opens))
		}
	})
}
