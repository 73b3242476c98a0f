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
		p.learn(p.limits(), c.roles, c.took)
		if got := p.limits().rows; got != c.want {
			t.Errorf("after pass %d, over %d roles in %s, the limit is %d rows, want %d", i, c.roles, c.took, got, c.want)
		}
	}
	for range 20 {
		p.learn(p.limits(), 1000, 0)
	}
	if got := p.limits().rows; got != mostRows {
		t.Errorf("after many short passes the limit is %d rows, want %d", got, mostRows)
	}
	p.awaited = time.Now()
	if got := p.limits().rows; got != rowsOfOthers {
		t.Errorf("while another database waits the limit is %d rows, want %d", got, rowsOfOthers)
	}
	p.awaited = time.Now().Add(-2 * fairFor)
	if got := p.limits().rows; got != mostRows {
		t.Errorf("after another database has waited the limit is %d rows, want %d", got, mostRows)
	}
	p.looked, p.alone = time.Now(), true
	if p.learn(p.limits(), 1000, 2*longPass); p.limits().rows != rowsAlone {
		t.Errorf("without another database's engine the limit is %d rows after a pass of %s, want %d", p.limits().rows, 2*longPass, rowsAlone)
	}
	if p.learn(p.limits(), 1000, 2*longAlone); p.limits().rows != rowsAlone/2 {
		t.Errorf("without another database's engine the limit is %d rows after a pass of %s, want %d", p.limits().rows, 2*longAlone, rowsAlone/2)
	}
	before := limits{rowsAlone, longAlone}
	p = portion{awaited: time.Now()}
	if p.learn(before, 1000, 2*longPass); p.rows != 0 {
		t.Errorf("a pass as long as it might be made the next ones smaller: %d rows", p.rows)
	}
	p = portion{looked: time.Now().Add(-2 * fairFor), alone: true}
	if got := p.limits().rows; got != mostRows {
		t.Errorf("long after there was no other database's engine the limit is %d rows, want %d", got, mostRows)
	}
}
