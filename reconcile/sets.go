package reconcile

import (
	"cmp"
	"maps"
	"slices"
)

// keys returns a map's keys in order, so that the same input always gives the same statements.
func keys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

func asSet(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
