package plan

import "testing"

// What the audit has from before problems had codes is the same problem. Two codes are two problems.
func TestSameProblems(t *testing.T) {
	t.Parallel()
	now := Problem{Kind: Blocked, Code: Rejected, Role: "alice", Statement: "GRANT …", Object: "table s.t", Reason: "permission denied"}
	before, other, others := now, now, now
	before.Code, before.Role, before.Object = "", "", ""
	other.Reason = "no such table"
	others.Code = NoEffect
	for _, c := range []struct {
		name string
		with Problem
		want bool
	}{{"itself", now, true}, {"from before codes", before, true}, {"another reason", other, false}, {"another code", others, false}} {
		if got := SameProblems([]Problem{now}, []Problem{c.with}); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
		if got := SameProblems([]Problem{c.with}, []Problem{now}); got != c.want {
			t.Errorf("%s, the other way round: got %v", c.name, got)
		}
	}
}

// A step for several roles is tried for each alone: only one of them may be the reason why PostgreSQL refuses it.
func TestAlone(t *testing.T) {
	t.Parallel()
	two := Step{SQL: "GRANT x TO a, b", As: "owner", Effects: []Effect{{Role: "a", SQL: "GRANT x TO a"}, {Role: "b", SQL: "GRANT x TO b"}}}
	one, same, recorded, bundled := two, two, two, two
	one.Effects = two.Effects[:1]
	same.Effects = []Effect{{Role: "a", SQL: "DROP x"}, {Role: "b", SQL: "DROP x"}}
	recorded.Record.Kind = ForgetIntermediate
	bundled.Bundle = 1
	for _, c := range []struct {
		name string
		step Step
		want int
	}{{"two roles", two, 2}, {"one", one, 0}, {"the same statement", same, 0}, {"with a record", recorded, 0}, {"of a bundle", bundled, 0}} {
		alone := c.step.Alone()
		if len(alone) != c.want {
			t.Errorf("%s: %d steps, want %d", c.name, len(alone), c.want)
		}
		for i, step := range alone {
			if step.SQL != c.step.Effects[i].SQL || step.As != c.step.As || len(step.Effects) != 1 {
				t.Errorf("%s: step %+v", c.name, step)
			}
		}
	}
}

// What was held before stays held: also what was held before the audit had each change of it, as long as all of it is the same.
func TestHeldBefore(t *testing.T) {
	t.Parallel()
	a, b := loss{what: "- SELECT on table s.a"}, loss{what: "- SELECT on table s.b"}
	var none *HeldBefore
	for _, c := range []struct {
		name string
		held *HeldBefore
		list []loss
		want int
	}{
		{"nothing", none, []loss{a}, 0},
		{"one of two", &HeldBefore{Changes: map[string]bool{a.what: true}}, []loss{a, b}, 1},
		{"all, by their digest", &HeldBefore{Digest: DigestOf([]string{a.what, b.what})}, []loss{a, b}, 2},
		{"others, by their digest", &HeldBefore{Digest: DigestOf([]string{a.what})}, []loss{a, b}, 0},
		{"known changes, whatever the digest", &HeldBefore{Changes: map[string]bool{}, Digest: DigestOf([]string{a.what})}, []loss{a}, 0},
	} {
		if got := c.held.still(c.list); len(got) != c.want {
			t.Errorf("%s: still held are %v, want %d", c.name, got, c.want)
		}
	}
}
