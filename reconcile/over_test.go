package reconcile

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// The limit holds the deletions that exceed it, and those of the writers who take the most where all together do.
func TestOverLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		deletions []deletion
		recent    int64
		held      int64
		want      map[int64]measure
	}{
		{"small", []deletion{{1, "etl", 5}, {2, "dba", 5}}, 0, 100, map[int64]measure{}},
		{"one is too large", []deletion{{1, "etl", 11}, {2, "dba", 5}, {3, "etl", 5}}, 0, 20, map[int64]measure{1: {11, 20}}},
		{"one writer's together", []deletion{{1, "etl", 6}, {2, "dba", 5}, {3, "etl", 6}}, 0, 20, map[int64]measure{1: {17, 20}, 3: {17, 20}}},
		{"with what went before", []deletion{{1, "etl", 6}, {2, "dba", 1}}, 5, 20, map[int64]measure{1: {12, 20}}},
		{"nothing is left of the limit", []deletion{{1, "etl", 1}, {2, "dba", 1}}, 10, 20, map[int64]measure{1: {11, 20}, 2: {11, 20}}},
		{"a small share", []deletion{{1, "etl", 11}}, 10, 1000, map[int64]measure{}},
		{"two writers, the first that fits", []deletion{{1, "etl", 6}, {2, "dba", 7}}, 0, 20, map[int64]measure{2: {13, 20}}},
	} {
		got := Limit{Revokes: 10, Percent: 25}.over(c.deletions, c.recent, c.held)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: over are %v, want %v", c.name, got, c.want)
		}
	}
}

// What batches of a dry run share is printed once, and a role that one of them has created is altered by the next.
func TestShownOnce(t *testing.T) {
	t.Parallel()
	s := newShown()
	batch := func(want string, steps ...Step) {
		t.Helper()
		var statements []string
		var spans []span
		for _, step := range steps {
			spans = append(spans, span{len(statements), len(statements) + 1, step})
			statements = append(statements, step.SQL)
		}
		if got := fmt.Sprint(s.filter(statements, spans)); got != want {
			t.Errorf("printed %s, want %s", got, want)
		}
	}
	create := func(options string) Step {
		return Step{creates: "x", SQL: "CREATE ROLE " + catalog.Quote("x") + options, Effects: []Effect{{Unit: "x"}}}
	}
	comment := Step{about: "_pgsr_1", SQL: "COMMENT"}
	lend := Step{SQL: "LEND"}
	batch(`[CREATE ROLE "x" COMMENT LEND]`, create(""), comment, lend)
	batch(`[ALTER ROLE "x" LOGIN LEND]`, create(" LOGIN"), comment, lend)
	batch(`[LEND]`, create(""), comment, lend)
}
