package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Rule is a row of sync_roles.forbidden.
type Rule struct {
	ID        int64
	Reason    string
	AppliesTo string // everyone, logins, public or undeclared
	Pair      bool   // only having both parts breaks it
}

// RuleHit is a part of what a rule is about, which a change gives, or which a role has.
type RuleHit struct {
	Rule    int64 `db:"forbidden_id"`
	Part    int
	Owner   catalog.OID // of the object, which the rule does not bind; 0: of ownership, and of memberships
	Text    string      // what it is, such as "SELECT on table hr.payroll, through view hr.v"
	Literal bool        // of ownership: members of the new owner do not own the object
}

// RuleTarget is a privilege on an object, or on a column of it, or the default privilege on objects to come, that a change gives.
type RuleTarget struct {
	Class, OID catalog.OID // 0: a default privilege
	Privilege  string
	Column     string
	Schema     string             // of default privileges; empty: all schemas
	ObjectType catalog.ObjectType // of default privileges
}

// RuleTarget is what the missing privilege is to rules.
func (t *Target) RuleTarget() RuleTarget {
	return RuleTarget{Class: t.ClassOID, OID: t.ObjectOID, Privilege: t.Privilege, Column: t.ColumnName}
}

// Granted lists the roles that the missing privilege may be given by membership in.
func (t *Target) Granted() []catalog.OID {
	switch {
	case t.isMember():
		return []catalog.OID{t.ObjectOID}
	case t.IntermediateOID != 0:
		return []catalog.OID{t.IntermediateOID}
	default:
		return nil
	}
}

// RuleTargets are what the default privileges are to rules.
func (d DefaultPrivileges) RuleTargets() (list []RuleTarget) {
	for _, p := range d.Privileges {
		list = append(list, RuleTarget{Privilege: p, Schema: d.SchemaName, ObjectType: d.ObjectType})
	}
	return list
}

// Bearer is a role that has what another role, the start, has: that role itself, or a member.
type Bearer struct {
	Start  catalog.OID `db:"start_oid"`
	OID    catalog.OID `db:"role_oid"`
	Name   string      `db:"role_name"`
	Login  bool
	Bound  bool    // by rules that do not except it
	Exempt []int64 // the rules that do
}

// RuleFacts is what rules are judged by.
type RuleFacts struct {
	Rules    map[int64]Rule
	Hits     map[RuleTarget][]RuleHit
	Bearers  map[catalog.OID][]Bearer  // by start
	ToCode   bool                      // one of the bearers owns views or functions, by which others may have what it has
	Holdings map[catalog.OID][]RuleHit // what a role has, by itself or as a member; 0: PUBLIC
}

// MayBreakRules reports whether the plan gives something that the judge does not follow to its end: to an owner of code, whose readers get it too, a new
// owner to code, or LOGIN to a role.
func (p *Plan) MayBreakRules(f *Facts) bool {
	return f.Rules != nil && f.Rules.ToCode || len(p.Ownerships) > 0 ||
		slices.ContainsFunc(p.RoleChanges, func(c RoleChange) bool { return !c.Create && len(c.Attributes) > 0 })
}

// AsksForRules reports whether a plan for the drift depends on the rules.
func (d *Drift) AsksForRules() bool {
	return slices.ContainsFunc(d.Missing, func(m Missing) bool { return m.Exists() }) ||
		slices.ContainsFunc(d.Defaults, func(d DefaultPrivileges) bool { return !d.Surplus })
}

// judge keeps what a plan gives, so that two changes together break no rule either.
type judge struct {
	*RuleFacts
	gained  map[catalog.OID][]RuleHit
	members map[catalog.OID][]catalog.OID  // that the plan adds
	exempt  map[catalog.OID]map[int64]bool // by memberships that the plan adds
}

func newJudge(f *RuleFacts) *judge {
	return &judge{f, map[catalog.OID][]RuleHit{}, map[catalog.OID][]catalog.OID{}, map[catalog.OID]map[int64]bool{}}
}

// breach is a rule that a change would break, and for whom.
type breach struct {
	Rule
	Bearer string
	Text   string
}

func (b breach) reason() string {
	return fmt.Sprintf("forbidden by rule %d (%s): role %s would have %s", b.ID, b.Reason, b.Bearer, b.Text)
}

// grant judges a privilege for a role, and notes it where no rule forbids it.
func (j *judge) grant(role catalog.OID, target RuleTarget) *breach {
	hits := j.Hits[target]
	if len(hits) == 0 {
		return nil
	}
	return j.give(role, hits, nil)
}

// join judges a membership, and notes it where no rule forbids it.
func (j *judge) join(granted, member catalog.OID) *breach {
	hits := slices.Concat(j.Holdings[granted], j.gained[granted])
	exempt := map[int64]bool{}
	for _, b := range j.Bearers[granted] {
		if b.OID == granted {
			for _, rule := range b.Exempt {
				exempt[rule] = true
			}
		}
	}
	for rule := range j.exempt[granted] {
		exempt[rule] = true
	}
	if b := j.give(member, hits, exempt); b != nil {
		return b
	}
	j.members[granted] = append(j.members[granted], member)
	return nil
}

// give judges what a role is given together with exemptions.
func (j *judge) give(role catalog.OID, hits []RuleHit, exempt map[int64]bool) *breach {
	if role == 0 {
		return j.givePublic(hits)
	}
	bearers := j.bearers(role)
	for _, h := range hits {
		for _, b := range bearers {
			if h.Literal && b.OID != role || exempt[h.Rule] || !j.binds(h, b) {
				continue
			}
			if rule := j.Rules[h.Rule]; !rule.Pair || j.hasOther(h, b.OID) {
				return &breach{rule, b.Name, h.Text}
			}
		}
	}
	for _, b := range bearers {
		j.gained[b.OID] = append(j.gained[b.OID], hits...)
		for rule := range exempt {
			if j.exempt[b.OID] == nil {
				j.exempt[b.OID] = map[int64]bool{}
			}
			j.exempt[b.OID][rule] = true
		}
	}
	return nil
}

// givePublic judges what PUBLIC is given: no rule excepts all roles, and of two parts some role may have the other.
func (j *judge) givePublic(hits []RuleHit) *breach {
	for _, h := range hits {
		if rule := j.Rules[h.Rule]; rule.AppliesTo != "undeclared" {
			return &breach{rule, catalog.Public, h.Text}
		}
	}
	return nil
}

// bearers are the role, first, and those below it by name, also by memberships that the plan adds.
func (j *judge) bearers(role catalog.OID) (list []Bearer) {
	seen := map[catalog.OID]bool{}
	var add func(catalog.OID)
	add = func(start catalog.OID) {
		for _, b := range j.Bearers[start] {
			if seen[b.OID] {
				continue
			}
			seen[b.OID] = true
			list = append(list, b)
			for _, member := range j.members[b.OID] {
				add(member)
			}
		}
	}
	add(role)
	slices.SortFunc(list, func(a, b Bearer) int {
		switch role {
		case a.OID:
			return -1
		case b.OID:
			return 1
		default:
			return cmp.Compare(a.Name, b.Name)
		}
	})
	return list
}

// binds reports whether the rule of a hit is about the role.
func (j *judge) binds(h RuleHit, b Bearer) bool {
	rule := j.Rules[h.Rule]
	switch {
	case !b.Bound, h.Owner != 0 && b.OID == h.Owner, j.exempt[b.OID][h.Rule], slices.Contains(b.Exempt, h.Rule):
		return false
	case rule.AppliesTo == "logins":
		return b.Login
	default:
		return rule.AppliesTo == "everyone"
	}
}

// hasOther reports whether a role has the other part of a rule.
func (j *judge) hasOther(h RuleHit, role catalog.OID) bool {
	other := func(o RuleHit) bool { return o.Rule == h.Rule && o.Part != h.Part }
	return slices.ContainsFunc(j.Holdings[role], other) || slices.ContainsFunc(j.gained[role], other) || slices.ContainsFunc(j.Holdings[0], other)
}

// ruleOrder puts memberships before what roles are given by themselves, and that before what intermediate roles hold: so the same rows are refused
// however names sort.
func ruleOrder(m Missing) int {
	switch {
	case m.isMember():
		return 0
	case m.GrantID != 0:
		return 1
	default:
		return 2
	}
}

// grantee is the role that gets a missing privilege; ok is false where it is not there yet, and gets nothing.
func (m *maker) grantee(name string) (oid catalog.OID, ok bool) {
	oid = m.drift.Roles[name].OID
	return oid, oid != 0 || name == catalog.Public
}

// forbids reports that a rule forbids what a role should have, after it has said so.
func (m *maker) forbids(missing Missing, judged func(j *judge, grantee catalog.OID) *breach) bool {
	grantee, ok := m.grantee(missing.Role)
	if m.judge == nil || !ok {
		return false
	}
	b := judged(m.judge, grantee)
	if b == nil {
		return false
	}
	m.report(missing.Role, missing.problem(Refused, Forbidden, b.reason(), ""))
	return true
}

// forbidsGrant is forbids for the privilege itself.
func (m *maker) forbidsGrant(missing Missing) bool {
	return m.forbids(missing, func(j *judge, grantee catalog.OID) *breach { return j.grant(grantee, missing.RuleTarget()) })
}

// forbidsMembership is forbids for a membership, in an intermediate role also.
func (m *maker) forbidsMembership(missing Missing, granted catalog.OID) bool {
	return m.forbids(missing, func(j *judge, grantee catalog.OID) *breach { return j.join(granted, grantee) })
}

// forbidsDefaults is forbids for default privileges.
func (m *maker) forbidsDefaults(d DefaultPrivileges) bool {
	grantee, ok := m.grantee(d.Role)
	if m.judge == nil || d.Surplus || !ok {
		return false
	}
	for _, target := range d.RuleTargets() {
		if b := m.judge.grant(grantee, target); b != nil {
			p := d.problem(Forbidden, b.reason(), "")
			p.Kind = Refused
			m.report(d.Role, p)
			return true
		}
	}
	return false
}
