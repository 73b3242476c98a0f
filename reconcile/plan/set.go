package plan

import (
	"cmp"
	"maps"
	"slices"
)

// set is a set that lists its elements in order, so that the same input always gives the same plan.
type set[K cmp.Ordered] map[K]bool

func setOf[K cmp.Ordered](list []K) set[K] {
	s := make(set[K], len(list))
	for _, k := range list {
		s[k] = true
	}
	return s
}

func (s set[K]) add(k K) { s[k] = true }

func (s set[K]) sorted() []K { return sortedKeys(s) }

// sortedKeys returns a map's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
