package plan

import (
	"fmt"
	"testing"
)

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
