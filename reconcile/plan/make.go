package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Make decides what to do about a drift. Its result does not depend on the order of the drift's lists.
func Make(d *Drift, f *Facts, policy Policy) *Plan {
	m := newMaker(d, f, policy)
	m.alterRoles()
	if len(m.plan.foundations) > 0 {
		m.replaceRoles()
		return m.finish()
	}
	if f.RulesExist && f.Rules == nil && d.AsksForRules() {
		m.plan.Questions.Rules = true
		return m.finish()
	}
	m.refuseProtected()
	m.recordResolved()
	missing := slices.Clone(d.Missing)
	slices.SortFunc(missing, compareMissing)
	if f.Rules != nil {
		m.judge = newJudge(f.Rules)
		slices.SortStableFunc(missing, func(a, b Missing) int { return cmp.Compare(ruleOrder(a), ruleOrder(b)) })
	}
	m.plan.Grants = slices.Grow(m.plan.Grants, len(missing))
	for _, missing := range missing {
		m.missing(missing)
	}
	m.revokeSurplus()
	m.rejoinGiven()
	m.changeSettings()
	m.changeDefaults()
	m.changeOwners()
	m.retire()
	m.replaceRoles()
	return m.finish()
}

// maker is a plan in the making.
type maker struct {
	drift  *Drift
	facts  *Facts
	policy Policy
	plan   *Plan
	bundler

	protected map[string]bool                   // roles that are never managed, or could not be made
	entries   map[aclKey]map[string]bool        // grantees that this plan adds to an ACL
	selectors map[string]bool                   // the intermediate roles to be made, by derived name
	slots     map[string]bool                   // the keepers to be made, by derived name
	groups    map[string]Step                   // roles of MEMBER rows to be made, by name
	keepers   []Step                            // to be made
	roles     []Step                            // intermediate roles to be made
	comments  []Step                            // on these
	replaced  map[string]*Replacement           // by the name of the role to be replaced
	regrants  []PrivilegeChange                 // what dependents lose and rows ask for
	rejoins   []MembershipChange                // the same of memberships
	lacksOne  *lacking                          // see lacking
	kept      map[columnEntry][]PrivilegeChange // what revoking a table's privilege revokes on its columns, and the role keeps
	ending    map[columnEntry]bool
	onColumns map[columnEntry][]PrivilegeChange // see newOnColumns
	leftovers []Step                            // of roles that are being retired
	moved     map[string]int                    // objects of theirs that get another owner
	judge     *judge                            // nil: there are no rules
}

func newMaker(d *Drift, f *Facts, policy Policy) *maker {
	return &maker{
		drift: d, facts: f, policy: policy,
		plan: &Plan{
			Stage: Access, Problems: Problems{}, Conflicts: map[string]Problem{}, Abandoned: map[string]Abandonment{}, Touched: map[string]bool{},
			Held: map[string]HeldRevokes{}, Verdicts: f.Limit.Verdicts,
		},
		protected: map[string]bool{}, entries: map[aclKey]map[string]bool{}, selectors: map[string]bool{}, slots: map[string]bool{}, groups: map[string]Step{},
		replaced: map[string]*Replacement{}, kept: map[columnEntry][]PrivilegeChange{}, ending: map[columnEntry]bool{}, moved: map[string]int{},
	}
}

func (m *maker) touch(role string) { m.plan.Touched[role] = true }

func (m *maker) touchAll(roles []string) {
	for _, role := range roles {
		m.touch(role)
	}
}

func (m *maker) report(role string, p Problem) { m.plan.Problems.Add(role, p) }

// compareMissing orders by object, then by role.
func compareMissing(a, b Missing) int {
	if a.Target != b.Target {
		if c := cmp.Or(
			cmp.Compare(a.ObjectOID, b.ObjectOID), cmp.Compare(a.ClassOID, b.ClassOID), cmp.Compare(a.ObjectName, b.ObjectName),
			cmp.Compare(a.DesiredName, b.DesiredName), cmp.Compare(a.ColumnName, b.ColumnName), cmp.Compare(a.Privilege, b.Privilege),
		); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.GrantID, b.GrantID))
}

// refuseProtected says once for each role that is never managed that it is not.
func (m *maker) refuseProtected() {
	for _, name := range sortedKeys(m.drift.Roles) {
		r := m.drift.Roles[name]
		if m.protected[name] || r.Foreign && !r.Managed {
			continue // PostgreSQL refused to create it; or it is given nothing, and loses what it holds here
		}
		why := Protection(r, m.facts.Server, m.policy)
		if why == "" {
			continue
		}
		m.protected[name] = true
		if IsOurs(name) && !r.Managed {
			continue // an intermediate role that another daemon has dropped meanwhile
		}
		m.report(name, Problem{Kind: Refused, Code: RoleProtected, Role: name, Object: "role " + name, Reason: why})
	}
}

func (m *maker) recordResolved() {
	m.plan.Resolved = m.drift.Resolved
	for _, r := range m.drift.Resolved {
		m.touch(r.Role)
	}
}

// missing decides about one target that a role should have and has not.
func (m *maker) missing(missing Missing) {
	switch {
	case m.protected[missing.Role]:
	case missing.GrantID != 0 && missing.Refused != "":
		code := RowInvalid
		if missing.isMember() {
			code = RoleRetired
		}
		m.report(missing.Role, missing.problem(Refused, code, missing.Refused, ""))
	case !missing.Exists():
		m.absent(missing)
	case m.leavesAlone(missing.ObjectOID, missing.Role):
		m.report(missing.Role, missing.problem(Failed, BeingRenamed, renamingReason, ""))
	case missing.ColumnMissing && missing.selector().LeavesColumnsOut():
		m.report(missing.Role, missing.problem(Waiting, ColumnMissing, fmt.Sprintf("%s has no column yet but those that the row leaves out", missing.Object()), ""))
	case missing.ColumnMissing:
		m.report(missing.Role, missing.problem(Waiting, ColumnMissing, fmt.Sprintf("%s has no column %q yet", missing.Object(), missing.ColumnName), ""))
	case missing.isMember():
		m.addMember(missing)
	case missing.isOwner():
		m.giveOwnership(missing)
	default:
		m.grant(missing)
	}
}

// absent decides about a row for which there is no object.
func (m *maker) absent(missing Missing) {
	switch {
	case missing.GrantID == 0:
		// An intermediate role whose selector finds nothing holds nothing.
	case missing.isMember() && missing.Exact():
		m.createGroup(missing)
	case missing.CreateSchema:
		m.createSchema(missing)
	case missing.Exact():
		reason := fmt.Sprintf("%s does not exist yet", missing.Object())
		if others := m.facts.Overloads[missing.routine()]; missing.ObjectType == catalog.Routine && len(others) > 0 {
			reason += "; there is " + strings.Join(others, ", ")
		}
		m.report(missing.Role, missing.problem(Waiting, ObjectMissing, reason, ""))
	case missing.More != "":
		m.report(missing.Role, missing.problem(Waiting, PatternUnmatched, "nothing matches yet: "+missing.selector().String(), ""))
	default:
		where := ""
		if missing.SchemaName != "" {
			where = " in schema " + missing.SchemaName
		}
		m.report(missing.Role, missing.problem(Waiting, PatternUnmatched,
			fmt.Sprintf("no %s%s matches the %s pattern %q yet", missing.ObjectType, where, missing.NameMatch, missing.DesiredName), ""))
	}
}

// finish puts the steps of the stage together.
func (m *maker) finish() *Plan {
	p := m.plan
	for _, name := range sortedKeys(m.groups) {
		p.foundations = append(p.foundations, m.groups[name])
	}
	p.foundations = m.withoutRejected(p.foundations)
	p.intermediates = m.withoutRejected(slices.Concat(m.keepers, m.roles, m.comments))
	objects := maxNames
	if m.facts.Separate {
		objects = 1
	}
	p.grants = slices.Concat(aclSteps(grant, append(slices.Clip(p.Grants), m.regrants...), objects), membershipSteps(grant, append(slices.Clip(p.AddMembers), m.rejoins...)), m.settingSteps(), m.defaultSteps(grant))
	p.revokes = slices.Concat(m.revokeSteps(objects), m.leftovers, m.defaultSteps(revoke))
	for _, steps := range [][]Step{p.grants, p.revokes} {
		for i := range steps {
			steps[i].Optional = true
		}
	}
	for _, list := range p.Problems {
		SortProblems(list)
	}
	switch {
	case len(p.foundations) > 0:
		p.Stage = Foundations
	case len(p.intermediates)+len(p.replacements) > 0:
		p.Stage = Intermediates
	}
	return p
}

// withoutRejected sets aside the steps that PostgreSQL has refused in this pass, so that what does not depend on them is done.
func (m *maker) withoutRejected(steps []Step) []Step {
	var left []Step
	for _, step := range steps {
		if _, ok := m.facts.Rejected[step.Key()]; !ok {
			left = append(left, step)
			continue
		}
		m.plan.setAside = append(m.plan.setAside, step)
		if r, ok := m.drift.Roles[step.Creates]; ok && r.OID == 0 {
			m.protected[step.Creates] = true
		}
	}
	return left
}

// lacking indexes what is missing: a change of direct makes as much surplus as missing.
type lacking struct {
	privileges  map[privilegeKey]bool
	memberships map[membershipKey]bool
}

// privilegeKey is a privilege that a role has not; of an intermediate role without its name.
type privilegeKey struct {
	class, oid        catalog.OID
	privilege, column string
	role              string
}

// membershipKey is a membership in an intermediate role.
type membershipKey struct {
	intermediate catalog.OID
	member       string
}

func (m *maker) lacking() *lacking {
	if m.lacksOne == nil {
		m.lacksOne = &lacking{map[privilegeKey]bool{}, map[membershipKey]bool{}}
		for _, missing := range m.drift.Missing {
			role := missing.Role
			if missing.GrantID == 0 {
				role = ""
			}
			m.lacksOne.privileges[privilegeKey{missing.ClassOID, missing.ObjectOID, missing.Privilege, missing.ColumnName, role}] = true
			m.lacksOne.memberships[membershipKey{missing.IntermediateOID, missing.Role}] = true
		}
	}
	return m.lacksOne
}

// lacksGrant reports whether a role has not yet in another way what is to be revoked from it: then this comes later, or not at all.
func (m *maker) lacksGrant(s *SurplusGrant) bool {
	key := privilegeKey{s.ClassOID, s.ObjectOID, s.Privilege, s.ColumnName, s.Role}
	if m.lacking().privileges[key] {
		return true
	}
	key.role = ""
	return m.lacking().privileges[key]
}

// lacksMembership is lacksGrant for what an intermediate role gives.
func (m *maker) lacksMembership(s *SurplusMembership) bool {
	return m.lacking().memberships[membershipKey{s.GrantedOID, s.MemberName}]
}

const keptReason = "kept until the new grant is in place"
