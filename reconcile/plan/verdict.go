package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// loss is one thing that a plan revokes, and the transactions that deleted the rows which asked for it; none where no row ever did.
type loss struct {
	what         string
	transactions []int64
	nameLost     bool // the object lost the name by which a row gave it
}

// deletions lists the deletions that revoke it.
func (l loss) deletions() []int64 {
	if len(l.transactions) == 0 {
		return []int64{Undeclared}
	}
	return l.transactions
}

// losses is what a plan revokes from each role.
type losses map[string][]loss

// byDeletion counts what each deletion revokes.
func (l losses) byDeletion() map[int64]int64 {
	counts := map[int64]int64{}
	for _, list := range l {
		for _, loss := range list {
			for _, transaction := range loss.deletions() {
				counts[transaction]++
			}
		}
	}
	return counts
}

// LimitFacts is what the limit is judged by.
type LimitFacts struct {
	Before     map[string]*HeldBefore // by role; nil: nothing was held; absent: not read
	Approvals  map[string]Approval
	Recent     int64 // how much was revoked in the last moments
	Undeclared int64 // how much no row ever asked for, in all that this pass is a part of

	Elsewhere     map[int64]int64  // by deletion: what it revokes from roles of other passes, as the deleted rows say
	ElsewhereHeld map[int64]int64  // and of that, what these roles have
	Writers       map[int64]string // by deletion
	Estimate      *int64           // what all roles held through rows when that was counted last, a moment ago; nil: not known
	Total         *int64           // what all roles hold through rows, but for what the pass grants; nil: not read

	Verdicts Verdicts // of the plans before, in the same pass
}

// HeldBefore is a row of sync_roles.held.
type HeldBefore struct {
	Digest  string
	Changes map[string]bool // nil: all there was
	Measure Measure         // zero: not known, because it was held before version 13 of the schema
}

// exceeds reports whether what is held would be held under this limit, too. Where its measure is not known, it is: by itself, it may be little.
func (b *HeldBefore) exceeds(limit Limit) bool {
	return b.Measure == Measure{} || limit.exceeded(b.Measure.Revokes, b.Measure.Total)
}

// still lists what is to be revoked from a role and was held before.
func (b *HeldBefore) still(list []loss) []string {
	if b == nil {
		return nil
	}
	all, known := make([]string, 0, len(list)), make([]string, 0, len(list))
	for _, l := range list {
		all = append(all, l.what)
		if b.Changes[l.what] {
			known = append(known, l.what)
		}
	}
	if b.Changes == nil && DigestOf(all) == b.Digest {
		return all
	}
	return known
}

// Approval lets what has this digest be revoked, once.
type Approval struct{ Digest, By string }

// DigestOf identifies what is to be revoked. It does not depend on the order.
func DigestOf(what []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(what)), "\x00")))
	return hex.EncodeToString(sum[:])
}

// Verdicts is what a pass has decided about the limit: about each change once, however often it plans.
type Verdicts struct {
	Released   map[string]map[string]bool // what is revoked from each role
	Held       map[string]map[string]bool // and what is not
	Over       map[string]Measure         // by how much, at most
	Counts     map[string]int64           // how many of the released revokes count against the next deletion
	Sum        int64                      // of these
	ApprovedBy map[string]string          // who approved the revokes of a role
}

func (v Verdicts) clone() Verdicts {
	deep := func(m map[string]map[string]bool) map[string]map[string]bool {
		c := make(map[string]map[string]bool, len(m))
		for role, what := range m {
			c[role] = maps.Clone(what)
		}
		return c
	}
	counts, over, by := maps.Clone(v.Counts), maps.Clone(v.Over), maps.Clone(v.ApprovedBy)
	if counts == nil {
		counts, over, by = map[string]int64{}, map[string]Measure{}, map[string]string{}
	}
	return Verdicts{Released: deep(v.Released), Held: deep(v.Held), Over: over, Counts: counts, Sum: v.Sum, ApprovedBy: by}
}

func mark(set map[string]map[string]bool, role, what string) {
	if set[role] == nil {
		set[role] = map[string]bool{}
	}
	set[role][what] = true
}

func (v *Verdicts) hold(role, what string, m Measure) {
	mark(v.Held, role, what)
	if m.Revokes > v.Over[role].Revokes {
		v.Over[role] = m
	}
}

func (v *Verdicts) release(role, what string) {
	mark(v.Released, role, what)
	v.Counts[role]++
	v.Sum++
}

// judge decides about losses, or asks for what that takes.
func (l Limit) judge(all losses, d *Drift, f LimitFacts) (v Verdicts, q Questions) {
	if len(all) == 0 || l.Revokes == 0 {
		return f.Verdicts, q
	}
	for _, role := range sortedKeys(all) {
		if _, read := f.Before[role]; !read {
			q.Held = append(q.Held, role)
		}
	}
	if !q.Empty() {
		return f.Verdicts, q
	}
	v = f.Verdicts.clone()
	fresh := v.recall(all, l, f)
	if len(fresh) == 0 {
		return v, q
	}
	over, q := l.measure(all, fresh, v, d, f)
	if !q.Empty() {
		return f.Verdicts, q
	}
	v.enter(fresh, over)
	return v, q
}

// recall decides about what was held before, and returns what is new. What is held stays so until it is approved, its rows are back, or the limit in
// force is one that it does not exceed.
func (v *Verdicts) recall(all losses, limit Limit, f LimitFacts) (fresh losses) {
	fresh = losses{}
	for role, list := range all {
		before := f.Before[role]
		still := before.still(list)
		known := setOf(still)
		if a, ok := f.Approvals[role]; ok && v.ApprovedBy[role] == "" && len(still) > 0 && a.Digest == DigestOf(still) {
			v.ApprovedBy[role] = a.By
			for _, what := range still {
				mark(v.Released, role, what)
			}
		}
		for _, loss := range list {
			switch {
			case v.Released[role][loss.what] || v.Held[role][loss.what]:
			case known[loss.what] && before.exceeds(limit):
				v.hold(role, loss.what, before.Measure)
			case known[loss.what]:
				v.release(role, loss.what)
			default:
				fresh[role] = append(fresh[role], loss)
			}
		}
	}
	return fresh
}

// measure returns the deletions that exceed the limit. Each is measured whole, with what it revokes from other roles and what of it is held already.
func (l Limit) measure(all, fresh losses, v Verdicts, d *Drift, f LimitFacts) (over map[int64]Measure, q Questions) {
	unapproved := losses{}
	for role, list := range all {
		for _, loss := range list {
			if !v.Released[role][loss.what] {
				unapproved[role] = append(unapproved[role], loss)
			}
		}
	}
	counts := unapproved.byDeletion()
	counts[Undeclared] = max(counts[Undeclared], f.Undeclared)
	transactions := sortedKeys(fresh.byDeletion())
	recent := f.Recent + v.Sum
	sum := func(elsewhere map[int64]int64) (deletions []deletion, sum int64) {
		for _, transaction := range transactions {
			d := deletion{transaction, f.Writers[transaction], counts[transaction] + elsewhere[transaction]}
			deletions, sum = append(deletions, d), sum+d.revokes
		}
		return deletions, sum
	}
	if unread(f.Elsewhere, transactions) {
		return nil, Questions{Elsewhere: transactions}
	}
	elsewhere := f.Elsewhere
	if _, sum := sum(elsewhere); !l.exceeded(recent+sum, 0) {
		return nil, q
	}
	if slices.ContainsFunc(transactions, func(t int64) bool { return elsewhere[t] > 0 }) { // the rows may have asked for more than the roles have
		if unread(f.ElsewhereHeld, transactions) {
			return nil, Questions{ElsewhereHeld: transactions}
		}
		elsewhere = f.ElsewhereHeld
	}
	deletions, revokes := sum(elsewhere)
	if !l.exceeded(recent+revokes, 0) {
		return nil, q
	}
	if f.Estimate != nil && !l.exceeded(recent+revokes, *f.Estimate) {
		return nil, q
	}
	if f.Total == nil || unread(f.Writers, transactions) {
		return nil, Questions{Writers: transactions}
	}
	return l.over(deletions, recent, *f.Total-d.undeclared(fresh)+revokes+recent), q
}

// unread reports whether an answer lacks one of the deletions that it was asked for. Those of which nothing is known are in it with their zero value.
func unread[V any](answer map[int64]V, transactions []int64) bool {
	return slices.ContainsFunc(transactions, func(t int64) bool { _, ok := answer[t]; return !ok })
}

// enter notes the verdicts on new losses: what a deletion revokes that is over the limit is held.
func (v *Verdicts) enter(fresh losses, over map[int64]Measure) {
	for role, list := range fresh {
		for _, loss := range list {
			held := false
			for _, transaction := range loss.deletions() {
				if m, ok := over[transaction]; ok {
					v.hold(role, loss.what, m)
					held = true
				}
			}
			if !held {
				v.release(role, loss.what)
			}
		}
	}
}

// held is what the verdicts hold of these losses.
func (v Verdicts) held(all losses) map[string]HeldRevokes {
	held := map[string]HeldRevokes{}
	for role, list := range all {
		h := HeldRevokes{Transactions: map[int64]bool{}, Measure: v.Over[role]}
		for _, loss := range list {
			if !v.Held[role][loss.what] {
				continue
			}
			h.What = append(h.What, loss.what)
			for _, transaction := range loss.transactions {
				h.Transactions[transaction] = true
			}
		}
		if len(h.What) > 0 {
			slices.Sort(h.What)
			h.Digest = DigestOf(h.What)
			held[role] = h
		}
	}
	return held
}

// MissingCount counts what rows ask for and roles have not.
func (d *Drift) MissingCount() (n int64) {
	for _, m := range d.Missing {
		if m.GrantID != 0 {
			n++
		}
	}
	return n
}

// undeclared counts what exclusive roles among these hold that no row ever asked for.
func (d *Drift) undeclared(roles losses) (n int64) {
	for _, g := range d.Grants {
		if _, ok := roles[g.Role]; ok && g.Undeclared {
			n++
		}
	}
	return n
}
