package daemon

import (
	"context"
	"testing"
	"testing/synctest"
)

// No more than some databases of a server are opened at a time, in the order in which they came, and nobody waits longer than the context lasts.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		turns := newTurns()
		var done []func()
		for range openAtOnce {
			end, err := turns.take(ctx)
			if err != nil {
				t.Fatal(err)
			}
			done = append(done, end)
		}
		waiting := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := turns.take(ctx)
				waiting <- err
			}()
		}
		synctest.Wait()
		if len(waiting) > 0 {
			t.Fatalf("%d turns are not all that there are", openAtOnce)
		}
		done[0]()
		synctest.Wait()
		if len(waiting) != 1 || <-waiting != nil {
			t.Fatal("one turn that ended let not one other begin")
		}
		cancel()
		if err := <-waiting; err == nil {
			t.Error("a turn was had after the end")
		}
	})
}

// Databases of one server share their turns, and those of another have their own.
func TestTurnsOfServers(t *testing.T) {
	t.Parallel()
	openers := []*opener{
		{place: place{Host: "a", Port: 5432, Database: "x"}},
		{place: place{Host: "a", Port: 5432, Database: "y"}},
		{place: place{Host: "a", Port: 5433, Database: "x"}},
		{place: place{Host: "b", Port: 5432, Database: "x"}},
	}
	newFleet(openers)
	for i, o := range openers {
		for k, p := range openers {
			if same := o.turns == p.turns; same != (o.place.server() == p.place.server()) {
				t.Errorf("databases %d and %d share turns: %t", i, k, same)
			}
		}
	}
}
