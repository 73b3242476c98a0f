package boundary

import (
	"time"
)

// patience is for daemons that must get over one failure: a connection that was lost is opened anew after a second.
const patience = 30 * time.Second

// calm is for how long a daemon that has nothing to do has said nothing.
const calm = 30 * time.Millisecond

// daemons let "pg-sync-roles run" do the passes: one daemon that fails, or two of which one fails and the other takes over.
type daemons struct {
	first  *daemon
	faulty *proxy // of the first
	second *proxy // of the other; nil: there is none
}

func newDaemon(l *lane) driver { return startDaemons(l, false) }

func newDaemons(l *lane) driver { return startDaemons(l, true) }

func startDaemons(l *lane, two bool) *daemons {
	l.t.Helper()
	l.run("migrate", "--event-triggers", "-d", l.superURL())
	d := &daemons{}
	start := func() (*daemon, *proxy) {
		p := newProxy(l.t, l.env.URL(l.env.Daemon))
		args := append([]string{"run", "--no-migrate", "--rescan-interval", "1h", "--log-format", "json", "-d", p.url(l.env.URL(l.env.Daemon))}, l.options()...)
		return startDaemon(l.t, l.program, args...), p
	}
	d.first, d.faulty = start()
	if two {
		_, d.second = start()
	}
	d.rest(l)
	return d
}

// rest waits until the daemons are connected and have nothing to do.
func (d *daemons) rest(l *lane) {
	l.t.Helper()
	l.await("the daemons to have nothing to do", func() bool {
		return d.faulty.quiet(calm) && (d.second == nil || d.second.quiet(calm))
	})
}

// await polls, as daemons tell nobody what they are about to do.
func (l *lane) await(what string, done func() bool) {
	l.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			l.t.Errorf("waited %s in vain for %s", patience, what)
			return
		}
	}
}

func (d *daemons) play(l *lane, s step, k *strike, change func()) []string {
	l.t.Helper()
	d.rest(l) // also after what the test did between the steps
	if d.second != nil {
		d.second.gate(true) // the other comes when the first has failed
	}
	if k != nil {
		k.kill = d.first.kill
	}
	d.faulty.arm(s.name, k)
	change()
	// It takes time to judge, and so waits until a daemon has come to rest, and then until it has done something more.
	judged := map[*proxy]time.Time{}
	right := func(p *proxy) bool {
		last := p.lastMessage()
		if !p.quiet(calm) || judged[p].Equal(last) {
			return false
		}
		wrong, err := l.judge(s)
		if err == nil && len(wrong) > 0 {
			judged[p] = last
		}
		return err == nil && len(wrong) == 0
	}
	if d.second != nil {
		l.await("the first daemon's pass or its failure", func() bool { return k.over() || right(d.faulty) })
		d.second.gate(false)
	}
	l.await("access to be what the rows say", func() bool {
		return right(d.faulty) || d.second != nil && right(d.second)
	})
	d.rest(l)
	return d.faulty.disarm()
}

// over reports whether the strike has happened.
func (s *strike) over() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.happened:
		return true
	default:
		return false
	}
}
