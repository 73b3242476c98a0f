package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limit is how much may be taken away at once without a person: an ETL job that empties desired_grants by mistake must harm nobody.
type Limit struct {
	Revokes int           // so many privileges; 0: no limit
	Percent int           // and this share of what all managed roles hold through rows; 0: the number alone decides
	Window  time.Duration // what passes took away in this time counts too; 0: each deletion is measured by itself
}

// exceeded reports whether it takes a person to take so much away, of so much that roles hold through rows.
func (l Limit) exceeded(revokes, held int64) bool {
	return l.Revokes > 0 && revokes > int64(l.Revokes) && 100*revokes > int64(l.Percent)*held
}

// measure is what a deletion was held for. It is kept with what is held, because later it would come out less: what was taken in the moments before
// counts too.
type measure struct {
	revokes int64 // so much it takes away at once
	held    int64 // of so much that roles held through rows
}

// loss is one thing that a plan takes away, and the transactions that deleted the rows which asked for it; none where no row ever did.
type loss struct {
	what         string
	transactions []int64
	unnamed      bool // the object lost the name by which a row gave it
}

// by lists the deletions that take it away.
func (t loss) by() []int64 {
	if len(t.transactions) == 0 {
		return []int64{undeclared}
	}
	return t.transactions
}

// undeclared stands for the transaction of what no row ever spoke of: what exclusive roles hold besides.
const undeclared = 0

// deletion is what one transaction takes away, from whatever role and in whatever pass.
type deletion struct {
	transaction int64
	writer      string
	revokes     int64
}

// over returns the transactions of which the limit holds what they take away, where so much was taken in the last moments already: those that exceed it
// by themselves; and, where the others do so together, those of the writers who take the most. So a deletion in many transactions is one, and other
// writers' go through beside it.
func (l Limit) over(deletions []deletion, recent, held int64) map[int64]measure {
	over := map[int64]measure{}
	writers := map[string][]deletion{}
	var sum int64
	for _, d := range deletions {
		if l.exceeded(d.revokes, held) {
			over[d.transaction] = measure{d.revokes, held}
			continue
		}
		writers[d.writer] = append(writers[d.writer], d)
		sum += d.revokes
	}
	if !l.exceeded(recent+sum, held) {
		return over
	}
	type group struct {
		writer  string
		revokes int64
	}
	var groups []group
	for _, writer := range keys(writers) {
		g := group{writer: writer}
		for _, d := range writers[writer] {
			g.revokes += d.revokes
		}
		groups = append(groups, g)
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(a.revokes, b.revokes) })
	for _, g := range groups {
		if !l.exceeded(recent+g.revokes, held) {
			recent += g.revokes
			continue
		}
		for _, d := range writers[g.writer] {
			over[d.transaction] = measure{recent + g.revokes, held}
		}
	}
	return over
}

// holding is what is not taken away from a role before a person approves.
type holding struct {
	what         []string        // in order
	set          map[string]bool // the same
	digest       string
	transactions map[int64]bool // that would take it away
}

// problem is the same in every pass that holds the same: only what is new is audited.
func (h holding) problem(role string, l Limit) Problem {
	shown := h.what
	more := ""
	if len(shown) > 3 {
		shown, more = shown[:3], fmt.Sprintf(" and %d more", len(h.what)-3)
	}
	limit := fmt.Sprintf("more than --max-revokes %d and --max-revokes-percent %d allow at once", l.Revokes, l.Percent)
	if l.Percent == 0 {
		limit = fmt.Sprintf("more than --max-revokes %d allows at once", l.Revokes)
	}
	return Problem{
		Kind: Held, Object: "role " + role, Taking: true,
		Reason: fmt.Sprintf("taking away %s%s is held: with what goes from others it is %s", strings.Join(shown, ", "), more, limit),
		Fix:    approveFix(),
	}
}

// asked counts what rows ask for and roles have not.
func (d *Drift) asked() (n int64) {
	for _, m := range d.Missing {
		if m.GrantID != 0 {
			n++
		}
	}
	return n
}

// besides counts what exclusive roles among these hold of which no row ever spoke.
func (d *Drift) besides(roles map[string][]loss) (n int64) {
	for _, g := range d.Grants {
		if _, ok := roles[g.Role]; ok && g.Other {
			n++
		}
	}
	return n
}

// keeping is the drift without what is held. What has expired goes all the same: it was never meant to stay.
func (d *Drift) keeping(held map[string]holding) *Drift {
	kept := *d
	keeps := func(role, what string, expired bool) bool {
		h, ok := held[role]
		return ok && !expired && h.set[what]
	}
	kept.Grants = slices.DeleteFunc(slices.Clone(d.Grants), func(g SurplusGrant) bool { return keeps(g.Role, g.what(), g.Expired) })
	kept.Memberships = slices.DeleteFunc(slices.Clone(d.Memberships), func(m SurplusMembership) bool { return keeps(m.Unit, m.what(), m.Expired) })
	kept.Ownerships = slices.DeleteFunc(slices.Clone(d.Ownerships), func(o SurplusOwnership) bool { return keeps(o.Role, o.what(), o.Expired) })
	return &kept
}
