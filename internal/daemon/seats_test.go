package daemon

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A seat is kept over a rest that no other ends, and is the other's where all are taken: the one's that has rested longest.
func TestSeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := newSeats(2)
		var vacated []string
		take := func(s *seat) (kept bool) {
			t.Helper()
			kept, err := s.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return kept
		}
		named := func(name string) *seat {
			return &seat{seats: all, vacate: func() { vacated = append(vacated, name) }}
		}
		one, two, three := named("one"), named("two"), named("three")
		if take(one) || take(two) {
			t.Error("a seat that nobody had was kept")
		}
		one.rest()
		two.rest()
		if !take(one) {
			t.Error("a seat that no other needed was not kept")
		}
		one.rest()
		if take(three) || len(vacated) != 1 || vacated[0] != "two" {
			t.Errorf("%q left their seats, want the one that had rested longest", vacated)
		}
		if two.keep() || !one.keep() {
			t.Error("the wrong one lost its seat")
		}

		// All work: the next one waits, until another rests.
		waited := make(chan error, 1)
		go func() {
			_, err := two.take(t.Context())
			waited <- err
		}()
		synctest.Wait()
		if len(waited) > 0 {
			t.Fatal("there are more seats than there are")
		}
		three.rest()
		if err := <-waited; err != nil || vacated[len(vacated)-1] != "three" {
			t.Errorf("%v; %q left their seats", err, vacated)
		}

		// Whoever no longer waits takes none.
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := three.take(ctx)
			waited <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-waited; err == nil {
			t.Error("a seat was had after the end")
		}
		one.leave()
		two.leave()
		if all.free != 2 {
			t.Errorf("%d seats are free, want 2", all.free)
		}
	})
}

// Whatever the databases do, no more work at a time than there are seats, each works in the end, and no seat is lost.
func TestSeatsOfMany(t *testing.T) {
	t.Parallel()
	const many, enough = 20, 3
	synctest.Test(t, func(t *testing.T) {
		all := newSeats(enough)
		var open, worked atomic.Int32
		done := make(chan struct{})
		for i := range many {
			random := rand.New(rand.NewPCG(1, uint64(i))) // the same in each run
			go func() {
				defer func() { done <- struct{}{} }()
				s := &seat{seats: all, vacate: func() { open.Add(-1) }}
				for range 50 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(40))*time.Millisecond)
					kept, err := s.take(ctx)
					cancel()
					if err != nil {
						continue
					}
					if !kept && open.Add(1) > enough {
						t.Error("more connections are open than there are seats")
					}
					worked.Add(1)
					<-time.After(time.Duration(random.IntN(5)) * time.Millisecond)
					if random.IntN(5) == 0 {
						open.Add(-1)
						s.leave()
					} else {
						s.rest()
					}
				}
				if s.keep() {
					open.Add(-1)
				}
				s.leave()
			}()
		}
		for range many {
			<-done
		}
		if all.free != enough || open.Load() != 0 {
			t.Errorf("%d seats are free, want %d; %d connections are open", all.free, enough, open.Load())
		}
		if worked.Load() < many {
			t.Errorf("there were only %d turns", worked.Load())
		}
	})
}
