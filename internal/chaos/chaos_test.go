//go:build unix

package chaos

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

var (
	duration = flag.Duration("chaos.duration", 15*time.Second, "how long the chaos lasts; what follows takes some seconds more")
	seed     = flag.Uint64("chaos.seed", 0, "what the actors decide; 0: something else each time, but in CI")
	logs     = flag.String("chaos.logs", "", "a folder that keeps the logs of the daemons and of the server")
)

// convergence is how long the daemons may take until all is done, once nobody is in their way any more.
const convergence = 60 * time.Second

func TestChaos(t *testing.T) {
	switch {
	case *seed != 0:
	case os.Getenv("CI") != "":
		*seed = 1 // whether a change is good should not depend on chance
	default:
		*seed = rand.Uint64()
	}
	t.Logf("-chaos.seed %d", *seed)
	defer func() {
		if t.Failed() {
			t.Errorf("to see the same decisions again: -chaos.seed %d -chaos.duration %s", *seed, *duration)
		}
	}()

	if *logs != "" {
		if err := os.MkdirAll(*logs, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := newCluster(t)
	daemons := startDaemons(t, c)
	m := newModel(t, c)
	rage(t, c, daemons, m)

	c.settle(t)
	w := c.look(t)
	for _, database := range w {
		database.report(t)
		database.judge(t, m, nil)
	}
	c.judgeRoles(t, w)
	c.judgeAudit(t, m)
	c.judgePlans(t, w, daemons.program)

	// Whatever rows spoke of goes with them, whoever had granted it.
	c.withdrawAll(t)
	c.settle(t)
	after := c.look(t)
	for i, database := range after {
		database.judge(t, m, w[i].rows)
		database.judgeBare(t)
	}
	c.judgeRoles(t, after)
	daemons.stop(t)
	c.judgeLog(t)
}

// rage lets all actors go at once, until the time is up or one of them meets something that must not be.
func rage(t *testing.T, c *cluster, daemons *daemons, m *model) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), *duration)
	defer stop()
	actors := []*actor{
		newWriter(c, m, "first writer", daemonRole),
		newWriter(c, m, "second writer", daemonRole),
		newWriter(c, m, "scoped writer", scopedRole),
		newPatient(c),
		newDBA(c, m),
		newKiller(c, daemons),
		newOperator(c, daemons),
		newRebuilder(c),
	}
	var wg sync.WaitGroup
	for i, a := range actors {
		a.random = rand.New(rand.NewPCG(*seed, uint64(i)))
		wg.Go(func() {
			if err := a.act(ctx); err != nil {
				t.Errorf("the %s: %v", a.name, err)
				stop()
			}
		})
	}
	wg.Wait()
	for _, a := range actors {
		t.Logf("the %s: %s", a.name, a.tally())
	}
}
