package reconcile

import (
	"testing"
	"time"
)

// A pass that held the lock for too long makes the next ones smaller, and short ones make them larger again; while another database waits, they are small.
func TestPortionLearns(t *testing.T) {
	t.Parallel()
	var p portion
	const shortPass = longPass / 4
	for i, c := range []struct {
		roles int
		took  time.Duration
		want  int64
	}{
		{1000, longPass, mostRows},
		{1, 10 * longPass, mostRows}, // one role cannot be divided
		{1000, 10 * longPass, mostRows / 10},
		{1000, longPass / 2, mostRows / 10},
		{1000, shortPass / 2, mostRows / 5},
		{1000, 1000 * longPass, fewestRows},
		{1000, 1000 * longPass, fewestRows},
	} {
		p.learn(c.roles, c.took)
		if got := p.limit(); got != c.want {
			t.Errorf("after pass %d, over %d roles in %s, the limit is %d rows, want %d", i, c.roles, c.took, got, c.want)
		}
	}
	for range 20 {
		p.learn(1000, 0)
	}
	if got := p.limit(); got != mostRows {
		t.Errorf("after many short passes the limit is %d rows, want %d", got, mostRows)
	}
	p.awaited = time.Now()
	if got := p.limit(); got != rowsOfOthers {
		t.Errorf("while another database waits the limit is %d rows, want %d", got, rowsOfOthers)
	}
	p.awaited = time.Now().Add(-2 * fairFor)
	if got := p.limit(); got != mostRows {
		t.Errorf("after another database has waited the limit is %d rows, want %d", got, mostRows)
	}
	p.alone = true
	if p.learn(1000, 2*longPass); p.limit() != rowsAlone {
		t.Errorf("without another database's engine the limit is %d rows after a pass of %s, want %d", p.limit(), 2*longPass, rowsAlone)
	}
	if p.learn(1000, 2*longAlone); p.limit() != rowsAlone/2 {
		t.Errorf("without another database's engine the limit is %d rows after a pass of %s, want %d", p.limit(), 2*longAlone, rowsAlone/2)
	}
}
