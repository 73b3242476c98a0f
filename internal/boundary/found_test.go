package boundary

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// finds are failures that were not got over once. Each is played by itself, with the steps that it takes.
var finds = []struct {
	name  string
	start func(*lane) driver
	steps []string // the last is struck
	kind  string
	at    string // what the statement contains
}{
	// That a statement takes too long once, or is cancelled by an administrator, is no reason to leave out the patterns of the role, which are quick.
	{"a timeout blames no pattern", newSyncer, []string{"first grants", "a pattern", "attributes"}, "57014", ": commit"},
	// An intermediate role that cannot be dropped in this moment is dropped in the next.
	{
		"a lock delays the end of an intermediate role", newDaemon,
		[]string{"first grants", "an intermediate role in place of a direct grant", "a direct grant in place of an intermediate role"},
		"55P03", "DROP ROLE",
	},
	{
		"a timeout delays the end of an intermediate role", newDaemon,
		[]string{"first grants", "an intermediate role in place of a direct grant", "a direct grant in place of an intermediate role"},
		"57014", "DROP ROLE",
	},
}

func TestFinds(t *testing.T) {
	t.Parallel()
	program := build(t)
	for _, find := range finds {
		t.Run(find.name, func(t *testing.T) {
			t.Parallel()
			l := newLane(t, program, find.start)
			l.want = maps.Clone(l.first)
			last := strikeAt(kindNamed(find.kind), func(key string) bool { return strings.Contains(key, find.at) })
			for i, name := range find.steps {
				k := last
				if i < len(find.steps)-1 {
					k = nil
				}
				l.play(script[slices.IndexFunc(script, func(s step) bool { return s.name == name })], k)
			}
			if !last.hit {
				t.Errorf("%s never happened at %q", find.kind, find.at)
			}
		})
	}
}
