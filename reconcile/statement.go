package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Names and objects in one statement at most: on PostgreSQL 18 a GRANT locks every object it names.
const maxNames = 1000

// cell is one privilege on one object for one role: what GRANT and REVOKE are made of.
type cell struct {
	object     *catalog.Object
	column     string
	privilege  string
	role       string
	withOption bool   // the grant option too; in a REVOKE, it alone
	as         string // act as this role
	borrow     lenders
}

// verb is GRANT or REVOKE.
type verb struct {
	word, preposition, sign string
}

var (
	grant  = verb{"GRANT", "TO", "+ "}
	revoke = verb{"REVOKE", "FROM", "- "}
)

// target is what the grants of one statement must have in common.
type target struct {
	objectType catalog.ObjectType
	column     string
	privileges string
	roles      string
	withOption bool
	as         string
	borrow     lenders
}

// acl is the ACL of an object, or of a column, as far as it is changed in one way.
type acl struct {
	class, oid catalog.OID
	name       string // where it has no OID
	column     string
	withOption bool
	as         string
	borrow     lenders
}

// entry is one privilege for one role.
type entry struct{ role, privilege string }

// aclSteps turns cells into the fewest statements that rewrite each object's ACL once: first an object's grantees are put
// together by what they get, then the objects that get the same, so many in one statement at most.
func aclSteps(v verb, cells []cell, maxObjects int) []Step {
	named := map[acl]*catalog.Object{}
	entries := map[acl][]entry{}
	for _, c := range cells {
		key := acl{c.object.Class, c.object.OID, "", c.column, c.withOption, c.as, c.borrow}
		if key.oid == 0 {
			key.name = c.object.Name
		}
		if _, ok := named[key]; !ok {
			named[key] = c.object
		}
		entries[key] = append(entries[key], entry{c.role, c.privilege})
	}
	objects := map[target][]catalog.Object{}
	for key, list := range entries {
		for privileges, roles := range grantees(list) {
			for chunk := range slices.Chunk(roles, maxNames) {
				t := target{named[key].Type, key.column, privileges, strings.Join(chunk, "\x00"), key.withOption, key.as, key.borrow}
				objects[t] = append(objects[t], *named[key])
			}
		}
	}

	var steps []Step
	for t, list := range objects {
		slices.SortFunc(list, func(a, b catalog.Object) int { return cmp.Compare(a.SQL(), b.SQL()) })
		for chunk := range slices.Chunk(list, maxObjects) {
			steps = append(steps, aclStep(v, t, chunk))
		}
	}
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Or(cmp.Compare(a.As, b.As), cmp.Compare(a.SQL, b.SQL)) })
	return steps
}

// grantees puts the roles that get the same privileges together, each list in order.
func grantees(list []entry) map[string][]string {
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.privilege, b.privilege))
	})
	list = slices.Compact(list)
	roles := map[string][]string{}
	for len(list) > 0 {
		n := 1
		privileges := list[0].privilege
		for n < len(list) && list[n].role == list[0].role {
			privileges += ", " + list[n].privilege
			n++
		}
		roles[privileges] = append(roles[privileges], list[0].role)
		list = list[n:]
	}
	return roles
}

func aclStep(v verb, t target, objects []catalog.Object) Step {
	keywords, _ := t.objectType.Keywords()
	what := t.privileges
	if t.column != "" {
		what = strings.ReplaceAll(what, ", ", " ("+catalog.Quote(t.column)+"), ") + " (" + catalog.Quote(t.column) + ")"
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.SQL()
	}
	if v == revoke && t.withOption {
		what = "GRANT OPTION FOR " + what
	}
	head := fmt.Sprintf("%s %s ON %s %s %s ", v.word, what, keywords.Grant, strings.Join(names, ", "), v.preposition)
	tail := ""
	if v == grant && t.withOption {
		tail = " WITH GRANT OPTION"
	}

	count := len(objects) * (strings.Count(t.privileges, ", ") + 1)
	changes := aclChanges(v, t, objects)
	roles := strings.Split(t.roles, "\x00")
	quoted := make([]string, len(roles))
	effects := make([]Effect, len(roles))
	for i, role := range roles {
		quoted[i] = catalog.Grantee(role)
		effects[i] = Effect{Unit: role, SQL: head + quoted[i] + tail, Changes: changes}
		if v == grant {
			effects[i].Granted = count
		} else {
			effects[i].Revoked = count
		}
	}
	step := Step{SQL: head + strings.Join(quoted, ", ") + tail, As: t.as, Borrow: t.borrow.list(), usage: t.borrow.usage, Effects: effects, objects: objects}
	if step.usage.Name != "" {
		step.objects = append(slices.Clone(objects), step.usage)
	}
	return step
}

// aclChanges is what a statement does for each of its roles, in words.
func aclChanges(v verb, t target, objects []catalog.Object) []string {
	column, option := "", ""
	if t.column != "" {
		column = " (" + t.column + ")"
	}
	switch {
	case t.withOption && v == grant:
		option = " with grant option"
	case t.withOption:
		option = " (the grant option)"
	}
	var list []string
	for _, o := range objects {
		for privilege := range strings.SplitSeq(t.privileges, ", ") {
			list = append(list, v.sign+privilege+column+" on "+o.String()+option)
		}
	}
	return list
}

// link is one membership to be given or taken.
type link struct {
	role   string // the role whose member somebody is
	option bool   // in a REVOKE: only the ADMIN option
	member string
	unit   string // whose audit row it belongs to
	tail   string // WITH …, GRANTED BY …
	as     string
	borrow string
}

// membershipChange is what it does to a membership, in words.
func membershipChange(v verb, l link) []string {
	what := v.sign + "MEMBER of role " + l.role
	switch {
	case l.unit != l.member:
		what += " for role " + l.member
	case l.option:
		what += " (the ADMIN option)"
	}
	return []string{what}
}

// membershipSteps turns links into one statement for each granted role: since PostgreSQL 16 its cost is by granted role,
// not by member.
func membershipSteps(v verb, links []link) []Step {
	type target struct {
		role, tail, as, borrow string
		option                 bool
	}
	members := map[target][]link{}
	for _, l := range links {
		t := target{l.role, l.tail, l.as, l.borrow, l.option}
		members[t] = append(members[t], l)
	}
	var steps []Step
	for t, list := range members {
		slices.SortFunc(list, func(a, b link) int { return cmp.Compare(a.member, b.member) })
		list = slices.CompactFunc(list, func(a, b link) bool { return a.member == b.member })
		for chunk := range slices.Chunk(list, maxNames) {
			what := catalog.Quote(t.role)
			if t.option {
				what = "ADMIN OPTION FOR " + what
			}
			head := fmt.Sprintf("%s %s %s ", v.word, what, v.preposition)
			step := Step{As: t.as}
			if t.borrow != "" {
				step.Borrow = []string{t.borrow}
			}
			quoted := make([]string, len(chunk))
			for i, l := range chunk {
				quoted[i] = catalog.Quote(l.member)
				effect := Effect{Unit: l.unit, SQL: head + quoted[i] + t.tail, Granted: 1, Changes: membershipChange(v, l)}
				if v == revoke {
					effect.Granted, effect.Revoked = 0, 1
				}
				step.Effects = append(step.Effects, effect)
			}
			step.SQL = head + strings.Join(quoted, ", ") + t.tail
			steps = append(steps, step)
		}
	}
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Or(cmp.Compare(a.As, b.As), cmp.Compare(a.SQL, b.SQL)) })
	return steps
}
