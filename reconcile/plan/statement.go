package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// maxNames is how many names and objects one statement has at most: on PostgreSQL 18 a GRANT locks every object it names.
const maxNames = 1000

// verb is GRANT or REVOKE.
type verb struct {
	word, preposition, sign string
}

var (
	grant  = verb{"GRANT", "TO", "+ "}
	revoke = verb{"REVOKE", "FROM", "- "}
)

// count is the effect of n changes.
func (v verb) count(e Effect, n int) Effect {
	if v == grant {
		e.Granted = n
	} else {
		e.Revoked = n
	}
	return e
}

// acl is the ACL of an object, or of a column, as far as it is changed in one way.
type acl struct {
	class, oid catalog.OID
	name       string // where it has no OID
	column     string
	option     bool
	as         string
	lenders    Lenders
}

// aclChange is what changes in an ACL.
type aclChange struct {
	object  *catalog.Object
	entries []entry
}

// entry is one privilege for one role.
type entry struct{ role, privilege string }

// grantees are roles that get the same privileges, both in order.
type grantees struct {
	privileges []string
	roles      []string
}

// statement is what the objects of one statement have in common.
type statement struct {
	objectType catalog.ObjectType
	column     string
	grantees
	option  bool
	as      string
	lenders Lenders
	objects []catalog.Object
}

// aclSteps turns changes into the fewest statements that rewrite each object's ACL once: first an object's grantees are put
// together by what they get, then the objects that get the same, so many in one statement at most.
func aclSteps(v verb, changes []PrivilegeChange, maxObjects int) []Step {
	var last acl
	var current *aclChange
	all := map[acl]*aclChange{}
	for _, c := range changes {
		key := acl{c.Object.Class, c.Object.OID, "", c.Column, c.Option, c.As, c.Lenders}
		if key.oid == 0 {
			key.name = c.Object.Name
		}
		if current == nil || key != last { // most changes come in the order of their objects
			if all[key] == nil {
				all[key] = &aclChange{object: c.Object}
			}
			last, current = key, all[key]
		}
		current.entries = append(current.entries, entry{c.Role, c.Privilege})
	}
	var steps []Step
	for _, s := range statements(all) {
		slices.SortFunc(s.objects, func(a, b catalog.Object) int { return cmp.Compare(a.SQL(), b.SQL()) })
		for chunk := range slices.Chunk(s.objects, maxObjects) {
			steps = append(steps, s.step(v, chunk))
		}
	}
	sortSteps(steps)
	return steps
}

func sortSteps(steps []Step) {
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Or(cmp.Compare(a.As, b.As), cmp.Compare(a.SQL, b.SQL)) })
}

// statements puts the objects together that change in the same way.
func statements(changes map[acl]*aclChange) map[string]*statement {
	same := map[string]*statement{}
	for key, change := range changes {
		object := change.object
		for _, g := range granteesOf(change.entries) {
			for chunk := range slices.Chunk(g.roles, maxNames) {
				s := &statement{objectType: object.Type, column: key.column, grantees: grantees{g.privileges, chunk}, option: key.option, as: key.as, lenders: key.lenders}
				k := s.key()
				if same[k] == nil {
					same[k] = s
				}
				same[k].objects = append(same[k].objects, *object)
			}
		}
	}
	return same
}

// key is equal for equal statements. (Names have no NUL.)
func (s *statement) key() string {
	return strings.Join([]string{
		string(s.objectType), s.column, strings.Join(s.privileges, "\x00"), "", strings.Join(s.roles, "\x00"), "", fmt.Sprint(s.option), s.as,
		s.lenders.Owner, s.lenders.Schema, s.lenders.Usage.Name,
	}, "\x00")
}

// granteesOf puts the roles that get the same privileges together.
func granteesOf(list []entry) map[string]*grantees {
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.privilege, b.privilege))
	})
	list = slices.Compact(list)
	same := map[string]*grantees{}
	for len(list) > 0 {
		n := 1
		key := list[0].privilege
		for n < len(list) && list[n].role == list[0].role {
			key += "," + list[n].privilege
			n++
		}
		if same[key] == nil {
			same[key] = &grantees{}
			for _, e := range list[:n] {
				same[key].privileges = append(same[key].privileges, e.privilege)
			}
		}
		same[key].roles = append(same[key].roles, list[0].role)
		list = list[n:]
	}
	return same
}

// step is the statement for some of its objects.
func (s *statement) step(v verb, objects []catalog.Object) Step {
	keywords, _ := s.objectType.Keywords()
	privileges := make([]string, len(s.privileges))
	for i, privilege := range s.privileges {
		privileges[i] = onColumn(privilege, s.column)
	}
	what := strings.Join(privileges, ", ")
	if v == revoke && s.option {
		what = "GRANT OPTION FOR " + what
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.SQL()
	}
	head := fmt.Sprintf("%s %s ON %s %s %s ", v.word, what, keywords.Grant, strings.Join(names, ", "), v.preposition)
	tail := ""
	if v == grant && s.option {
		tail = " WITH GRANT OPTION"
	}
	changes := s.described(v, objects)
	roles := make([]string, len(s.roles))
	effects := make([]Effect, len(s.roles))
	for i, role := range s.roles {
		roles[i] = catalog.Grantee(role)
		effects[i] = v.count(Effect{Role: role, SQL: head + roles[i] + tail, Changes: changes}, len(objects)*len(s.privileges))
	}
	step := Step{SQL: head + strings.Join(roles, ", ") + tail, As: s.as, Borrow: s.lenders.roles(), Usage: s.lenders.Usage, Effects: effects, Objects: objects}
	if step.Usage.Name != "" {
		step.Objects = append(slices.Clone(objects), step.Usage)
	}
	return step
}

// onColumn is a privilege as GRANT has it.
func onColumn(privilege, column string) string {
	if column == "" {
		return privilege
	}
	return privilege + " (" + catalog.Quote(column) + ")"
}

// described says for people what a statement does for each of its roles.
func (s *statement) described(v verb, objects []catalog.Object) []string {
	column, option := "", ""
	if s.column != "" {
		column = " (" + s.column + ")"
	}
	switch {
	case s.option && v == grant:
		option = " with grant option"
	case s.option:
		option = " (the grant option)"
	}
	list := make([]string, 0, len(objects)*len(s.privileges))
	for _, o := range objects {
		for _, privilege := range s.privileges {
			list = append(list, v.sign+privilege+column+" on "+o.String()+option)
		}
	}
	return list
}

// described says for people what a change does to a membership.
func (c MembershipChange) described(v verb) []string {
	what := v.sign + "MEMBER of role " + c.Granted
	switch {
	case c.Role != c.Member:
		what += " for role " + c.Member
	case c.Option != "":
		what += " (the " + c.Option + " option)"
	}
	return []string{what}
}

// membershipSteps turns changes into one statement for each granted role: since PostgreSQL 16 its cost is by granted role, not by member.
func membershipSteps(v verb, changes []MembershipChange) []Step {
	same := map[MembershipChange][]MembershipChange{}
	for _, c := range changes {
		key := c
		key.Member, key.Role = "", ""
		same[key] = append(same[key], c)
	}
	var steps []Step
	for key, list := range same {
		slices.SortFunc(list, func(a, b MembershipChange) int { return cmp.Compare(a.Member, b.Member) })
		list = slices.CompactFunc(list, func(a, b MembershipChange) bool { return a.Member == b.Member })
		for chunk := range slices.Chunk(list, maxNames) {
			steps = append(steps, membershipStep(v, key, chunk))
		}
	}
	sortSteps(steps)
	return steps
}

// membershipStep is the statement for members of which all but the name is the same.
func membershipStep(v verb, common MembershipChange, members []MembershipChange) Step {
	what := catalog.Quote(common.Granted)
	if common.Option != "" {
		what = common.Option + " OPTION FOR " + what
	}
	head := fmt.Sprintf("%s %s %s ", v.word, what, v.preposition)
	step := Step{As: common.As}
	if common.Borrow != "" {
		step.Borrow = []string{common.Borrow}
	}
	names := make([]string, len(members))
	for i, c := range members {
		names[i] = catalog.Quote(c.Member)
		step.Effects = append(step.Effects, v.count(Effect{Role: c.Role, SQL: head + names[i] + common.Options, Changes: c.described(v)}, 1))
	}
	step.SQL = head + strings.Join(names, ", ") + common.Options
	return step
}
