package reconcile

import (
	"context"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// noteRetiring notes how much was left of roles that are being retired before the pass has done anything, and of which all may be revoked.
func (b *batch) noteRetiring() {
	for _, name := range b.plan.Released {
		if !slices.Contains(b.released, name) {
			b.released = append(b.released, name)
		}
	}
	for name := range b.drift.Retiring {
		if b.retiring == nil {
			b.retiring = map[string]int{}
		}
		if _, noted := b.retiring[name]; !noted {
			b.retiring[name] = b.leftOf(name)
		}
	}
}

// leftOf counts a retiring role's leftovers.
func (b *batch) leftOf(name string) int {
	r := b.drift.Retiring[name]
	n := r.Left() + len(r.Given)
	for _, m := range b.drift.Memberships {
		if m.Role == name {
			n++
		}
	}
	return n
}

// retiredRoles are the roles of the batch that are retired.
func (b *batch) retiredRoles() []string {
	var list []string
	for name, r := range b.roles() {
		if r.State == plan.Retired {
			list = append(list, name)
		}
	}
	return list
}

// unretired leaves out the steps about roles that are being retired: each of theirs is a pass of its own.
func (b *batch) unretired(steps []plan.Step) []plan.Step {
	retired := b.retiredRoles()
	if len(retired) == 0 {
		return steps
	}
	return slices.DeleteFunc(steps, func(s plan.Step) bool {
		return slices.ContainsFunc(s.Effects, func(e plan.Effect) bool { return slices.Contains(retired, e.Role) })
	})
}

// requeueRetiring queues the roles that are being retired and of which the pass has done a step: the next is another pass's. Where nothing came of it, the next
// rescan tries.
func (b *batch) requeueRetiring(ctx context.Context, a *apply.Applier) error {
	var list []string
	for name := range b.facts.Retirements {
		_, there := b.drift.Retiring[name]
		suspended := b.facts.Retirements.Suspended(name) && !b.roles()[name].Login
		if there && (suspended || b.leftOf(name) < b.retiring[name]) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return a.QueueRetiring(ctx, list)
}
