package reconcile

import (
	"testing"
	"time"
)

// A pass that held the lock for too long makes the next ones smaller, and short ones make them larger again.
func TestPortionLearns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		portion portion
		limits  limits
	}{
		"shared": {portion{}, besideOthers},
		"alone":  {portion{looked: time.Now(), alone: true}, byItself},
	} {
		p, rows, long := c.portion, c.limits.rows, c.limits.long
		for i, pass := range []struct {
			roles int
			took  time.Duration
			want  int64
		}{
			{1000, long, rows},
			{1, 10 * long, rows}, // one role cannot be divided
			{1000, 4 * long, rows / 4},
			{1000, long / 2, rows / 4},
			{1000, long / 8, rows / 4 * 2},
			{1000, 1000 * long, rows / fewestPart},
			{1000, 1000 * long, rows / fewestPart},
		} {
			p.learn(p.limits(), pass.roles, pass.took)
			if got := p.limits().rows; got != pass.want {
				t.Errorf("%s, after pass %d, over %d roles in %s: the limit is %d rows, want %d", name, i, pass.roles, pass.took, got, pass.want)
			}
		}
		for range 20 {
			p.learn(p.limits(), 1000, 0)
		}
		if got := p.limits(); got != c.limits {
			t.Errorf("%s, after many short passes: the limits are %v, want %v", name, got, c.limits)
		}
	}
}

// What is known of other databases' engines is soon forgotten: then there may be one.
func TestPortionBesideOthers(t *testing.T) {
	t.Parallel()
	p := portion{looked: time.Now(), alone: true}
	given := p.limits()
	if given != byItself {
		t.Errorf("without another database's engine the limits are %v, want %v", given, byItself)
	}
	p = portion{}
	if p.learn(given, 1000, 2*besideOthers.long); p.rows != 0 {
		t.Errorf("a pass as long as it might be made the next ones smaller: %d rows", p.rows)
	}
	p = portion{looked: time.Now().Add(-2 * aloneFor), alone: true}
	if got := p.limits(); got != besideOthers {
		t.Errorf("long after there was no other database's engine the limits are %v, want %v", got, besideOthers)
	}
}
