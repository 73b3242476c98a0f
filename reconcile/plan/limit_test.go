package plan

import (
	"fmt"
	"testing"
)

// Where an estimate of what roles hold shows that the limit is far, nothing is counted; where it does not, it is no reason to hold anything.
func TestLimitByEstimate(t *testing.T) {
	t.Parallel()
	few, many := int64(50), int64(100)
	limit := Limit{Revokes: 10, Percent: 25}
	all := losses{"alice": {{what: "SELECT on table app.t", transactions: []int64{7}}}}
	for _, c := range []struct {
		name  string
		facts LimitFacts
		ask   bool
		over  int
	}{
		{"nothing is known", LimitFacts{}, true, 0},
		{"far", LimitFacts{Estimate: &many}, false, 0},
		{"near", LimitFacts{Estimate: &few}, true, 0},
		{"near, and counted since", LimitFacts{Estimate: &few, Total: &many, Writers: map[int64]string{7: "etl"}}, false, 0},
		{"over", LimitFacts{Estimate: &few, Total: new(int64), Writers: map[int64]string{7: "etl"}}, false, 1},
	} {
		c.facts.Recent, c.facts.Elsewhere, c.facts.ElsewhereHeld = 19, map[int64]int64{7: 0}, map[int64]int64{7: 0}
		over, questions := limit.measure(all, all, Verdicts{}, &Drift{}, c.facts)
		if ask := len(questions.Writers) > 0; ask != c.ask || len(over) != c.over {
			t.Errorf("%s: the total is asked for: %t, and %d deletions are over, want %t and %d", c.name, ask, len(over), c.ask, c.over)
		}
	}
}

// The limit holds the deletions that exceed it, and those of the writers who take the most where all together do.
func TestOverLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		deletions []deletion
		recent    int64
		held      int64
		want      map[int64]Measure
	}{
		{"small", []deletion{{1, "etl", 5}, {2, "dba", 5}}, 0, 100, map[int64]Measure{}},
		{"one is too large", []deletion{{1, "etl", 11}, {2, "dba", 5}, {3, "etl", 5}}, 0, 20, map[int64]Measure{1: {11, 20}}},
		{"one writer's together", []deletion{{1, "etl", 6}, {2, "dba", 5}, {3, "etl", 6}}, 0, 20, map[int64]Measure{1: {17, 20}, 3: {17, 20}}},
		{"with what went before", []deletion{{1, "etl", 6}, {2, "dba", 1}}, 5, 20, map[int64]Measure{1: {12, 20}}},
		{"nothing is left of the limit", []deletion{{1, "etl", 1}, {2, "dba", 1}}, 10, 20, map[int64]Measure{1: {11, 20}, 2: {11, 20}}},
		{"a small share", []deletion{{1, "etl", 11}}, 10, 1000, map[int64]Measure{}},
		{"two writers, the first that fits", []deletion{{1, "etl", 6}, {2, "dba", 7}}, 0, 20, map[int64]Measure{2: {13, 20}}},
	} {
		got := Limit{Revokes: 10, Percent: 25}.over(c.deletions, c.recent, c.held)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: over are %v, want %v", c.name, got, c.want)
		}
	}
}
