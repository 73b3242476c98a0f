package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// exceeded reports whether it takes a person to revoke so much, of so much that roles hold through rows (invariant 7 of package reconcile): more than the number
// and more than the percentage.
func (l Limit) exceeded(revokes, total int64) bool {
	return l.Revokes > 0 && revokes > int64(l.Revokes) && 100*revokes > int64(l.Percent)*total
}

// Measure is by how much a deletion exceeded the limit. It is kept with what is held, because later it would come out less: what was revoked in the
// moments before counts too.
type Measure struct {
	Revokes int64 // so much the deletion revokes at once
	Total   int64 // of so much that roles held through rows
}

// Undeclared takes the place of a transaction ID for privileges that no row ever asked for, and that exclusive roles lose.
const Undeclared = 0

// deletion is what one transaction revokes, from whatever role and in whatever pass.
type deletion struct {
	transaction int64
	writer      string
	revokes     int64
}

// over returns the deletions that the limit holds, where so much was revoked in the last moments already: those that exceed it by themselves; and, where the
// others do so together, those of the writers who revoke the most. So a deletion in many transactions is one, and other writers' go through beside it.
func (l Limit) over(deletions []deletion, recent, total int64) map[int64]Measure {
	over := map[int64]Measure{}
	writers := map[string][]deletion{}
	var sum int64
	for _, d := range deletions {
		if l.exceeded(d.revokes, total) {
			over[d.transaction] = Measure{d.revokes, total}
			continue
		}
		writers[d.writer] = append(writers[d.writer], d)
		sum += d.revokes
	}
	if !l.exceeded(recent+sum, total) {
		return over
	}
	for _, g := range byRevokes(writers) {
		if !l.exceeded(recent+g.revokes, total) {
			recent += g.revokes
			continue
		}
		for _, d := range writers[g.writer] {
			over[d.transaction] = Measure{recent + g.revokes, total}
		}
	}
	return over
}

// byRevokes puts the writers in order, who revokes the least first.
func byRevokes(writers map[string][]deletion) []deletion {
	var sums []deletion
	for _, writer := range sortedKeys(writers) {
		sum := deletion{writer: writer}
		for _, d := range writers[writer] {
			sum.revokes += d.revokes
		}
		sums = append(sums, sum)
	}
	slices.SortStableFunc(sums, func(a, b deletion) int { return cmp.Compare(a.revokes, b.revokes) })
	return sums
}

// HeldRevokes is a role's revokes that wait for a person's approval.
type HeldRevokes struct {
	What         []string       // in order
	Digest       string         // see DigestOf
	Transactions map[int64]bool // that would revoke it
	Measure      Measure        // by how much, at most
}

// problem is the same in every pass that holds the same: only what is new is audited.
func (h HeldRevokes) problem(role string, l Limit) Problem {
	shown, more := h.What, ""
	if len(shown) > 3 {
		shown, more = shown[:3], fmt.Sprintf(" and %d more", len(h.What)-3)
	}
	limit := fmt.Sprintf("more than --max-revokes %d and --max-revokes-percent %d allow at once", l.Revokes, l.Percent)
	if l.Percent == 0 {
		limit = fmt.Sprintf("more than --max-revokes %d allows at once", l.Revokes)
	}
	return Problem{
		Kind: Held, Code: LimitExceeded, Role: role, Object: "role " + role, Revoke: true,
		Reason: fmt.Sprintf("revoking %s%s is held: with the revokes of other roles it is %s", strings.Join(shown, ", "), more, limit),
		Fix:    approveFix(),
	}
}
