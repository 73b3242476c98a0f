package daemon

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
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

// Databases of one server share their turns and seats, and those of another have their own.
func TestTurnsOfServers(t *testing.T) {
	t.Parallel()
	monitor, err := newMonitor(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	fleet := newFleet(Config{}, monitor, func() {})
	for i, p := range []place{{Host: "a", Port: 5432, Database: "x"}, {Host: "a", Port: 5432, Database: "y"}, {Host: "a", Port: 5433, Database: "x"}, {Host: "b", Port: 5432, Database: "x"}} {
		fleet.add(strconv.Itoa(i), connect.Source{}, p)
	}
	for i, m := range fleet.members {
		for k, other := range fleet.members {
			same := m.place.server() == other.place.server()
			if (m.turns == other.turns) != same || (m.seats == other.seats) != same {
				t.Errorf("databases %d and %d share turns: %t, seats: %t", i, k, m.turns == other.turns, m.seats == other.seats)
			}
		}
	}
}
