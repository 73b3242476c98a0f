package adopt

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// profile is what a role holds that a group could hold for it, as numbers of rows in order.
type profile struct {
	role   string
	rows   []int
	from   map[int][]int // the rows that one of these stands for, where it is another
	bundle bool          // it holds nothing else, and gives its members nothing else: it can be the group
}

// originals are the rows for which these stand, in order.
func (p profile) originals(rows []int) []int {
	var list []int
	for _, n := range rows {
		if from, ok := p.from[n]; ok {
			list = append(list, from...)
		} else {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// bundle is what several roles hold alike.
type bundle struct {
	rows   []int
	roles  []int // positions of profiles, in order; the group is not among them
	group  int   // the position of the role that is one already; -1: there is none
	grants int   // how many rows these stand for, at most
}

// minCommon is from how many rows on a part of what roles hold is worth a group. What roles hold as a whole is from two on.
const minCommon = 5

// findBundles finds what roles hold alike: first those that hold the same, with those that hold more besides; then, in the rest, the rows that the same
// roles hold; and again, as long as the rest of some is the same. No row of a role is in two bundles. What it takes grows with the number of rows, not with
// the pairs of roles.
func findBundles(profiles []profile) []bundle {
	bundles, rest := findOnce(profiles)
	for more := bundles; len(more) > 0; bundles = append(bundles, more...) {
		left := make([]profile, len(profiles)) // a role of which something is left out is no group
		for i := range profiles {
			left[i] = profile{rows: rest[i]}
		}
		more, rest = findOnce(left)
	}
	return bundles
}

// findOnce finds bundles, and what no bundle has yet.
func findOnce(profiles []profile) (bundles []bundle, rest [][]int) {
	rest = make([][]int, len(profiles))
	for i, p := range profiles {
		rest[i] = p.rows
	}
	bundles = alike(profiles)
	for _, b := range bundles {
		for _, i := range b.roles {
			rest[i] = nil
		}
		if b.group >= 0 {
			rest[b.group] = nil
		}
	}
	extend(bundles, rest)
	bundles = slices.DeleteFunc(bundles, func(b bundle) bool { return !b.worthwhile() })
	for i, p := range profiles {
		rest[i] = p.originals(rest[i])
	}
	common := inCommon(rest)
	for _, b := range common {
		for _, i := range b.roles {
			rest[i], _ = without(rest[i], b.rows)
		}
	}
	return append(bundles, common...), rest
}

// worthwhile reports whether rows for a group are no more than those that they replace.
func (b bundle) worthwhile() bool {
	if b.group >= 0 {
		return len(b.roles) > 0
	}
	return len(b.roles) > 1 && len(b.rows)*len(b.roles) >= len(b.rows)+len(b.roles)
}

// alike lists the roles that hold the same, the most first; and the groups whose members may have the same besides other rows.
func alike(profiles []profile) []bundle {
	var bundles []bundle
	known := map[[sha256.Size]byte]int{}
	for i, p := range profiles {
		if len(p.rows) == 0 {
			continue
		}
		key := digest(p.rows)
		at, ok := known[key]
		if !ok {
			at = len(bundles)
			known[key] = at
			bundles = append(bundles, bundle{rows: p.rows, group: -1})
		}
		b := &bundles[at]
		b.grants = max(b.grants, len(p.originals(p.rows)))
		if p.bundle && b.group < 0 {
			b.group = i
		} else {
			b.roles = append(b.roles, i)
		}
	}
	bundles = slices.DeleteFunc(bundles, func(b bundle) bool { return b.group < 0 && !b.worthwhile() })
	slices.SortStableFunc(bundles, func(a, b bundle) int { return cmp.Compare(len(b.rows), len(a.rows)) })
	return bundles
}

// extend adds to the bundles the roles that hold all of one, and more besides. A bundle is compared with those alone that hold its rarest row.
func extend(bundles []bundle, rest [][]int) {
	holders := holdersOf(rest)
	for n := range bundles {
		b := &bundles[n]
		if b.grants < minCommon && b.group < 0 {
			continue
		}
		rarest := slices.MinFunc(b.rows, func(x, y int) int { return cmp.Compare(len(holders[x]), len(holders[y])) })
		for _, i := range holders[rarest] {
			if left, ok := without(rest[i], b.rows); ok {
				rest[i] = left
				b.roles = append(b.roles, i)
			}
		}
		slices.Sort(b.roles)
	}
}

// inCommon lists the rows that the very same roles hold.
func inCommon(rest [][]int) []bundle {
	holders := holdersOf(rest)
	var bundles []bundle
	known := map[[sha256.Size]byte]int{}
	for _, row := range slices.Sorted(maps.Keys(holders)) {
		if len(holders[row]) < 2 {
			continue
		}
		key := digest(holders[row])
		at, ok := known[key]
		if !ok {
			at = len(bundles)
			known[key] = at
			bundles = append(bundles, bundle{roles: holders[row], group: -1})
		}
		bundles[at].rows = append(bundles[at].rows, row)
	}
	bundles = slices.DeleteFunc(bundles, func(b bundle) bool { return len(b.rows) < minCommon })
	slices.SortStableFunc(bundles, func(a, b bundle) int { return cmp.Compare(len(b.rows), len(a.rows)) })
	return bundles
}

// holdersOf lists the roles that hold each row.
func holdersOf(held [][]int) map[int][]int {
	holders := map[int][]int{}
	for role, rows := range held {
		for _, row := range rows {
			holders[row] = append(holders[row], role)
		}
	}
	return holders
}

// without is a list without all of another, if it has all of that. Both are in order.
func without(list, part []int) (left []int, ok bool) {
	for _, n := range list {
		if len(part) > 0 && n == part[0] {
			part = part[1:]
		} else {
			left = append(left, n)
		}
	}
	return left, len(part) == 0
}

func digest(numbers []int) [sha256.Size]byte {
	text := make([]byte, 0, 8*len(numbers))
	for _, n := range numbers {
		text = binary.BigEndian.AppendUint64(text, uint64(n)) //nolint:gosec // a position
	}
	return sha256.Sum256(text)
}
