package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Plan is what to do about a drift, in order. While there is anything to found, or an ownership to change, only that is
// certain: what follows is decided after it was done and read again.
type Plan struct {
	Found         []Step // roles, schemas and intermediate roles that do not exist yet, and changes of owner
	Intermediates []Step // intermediate roles that do not exist yet; after the changes of owner, which may make them needless
	Ownerships    []ownershipChange
	Touched       map[string]bool   // the roles for which there is something to do
	Taking        map[string][]loss // what is taken away from each role, and counts against the limit
	Grants        []Step            // and settings
	Revokes       []Step
	Rebuild       []rebuild // intermediate roles with members that only a new role gets rid of
	Remember      []Remembered
	Problems      map[string][]Problem
	foundIntermed []string            // the names of the intermediate roles in Intermediates
	selectors     map[string]selector // what these are for, by derived name
	keeperSlots   map[string]int      // and the keepers that are missing
	strangers     map[string]Problem  // unregistered roles that have a name of ours
	adopting      bool                // an intermediate role in Intermediates is there already
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool {
	return !p.preparing() && len(p.Grants) == 0 && len(p.Revokes) == 0
}

// steps are all that the plan does, but for rebuilding.
func (p *Plan) steps() []Step {
	return slices.Concat(p.Found, p.Intermediates, p.Grants, p.Revokes)
}

// first are the steps that come before all else is decided again.
func (p *Plan) first() []Step {
	if len(p.Found) > 0 {
		return p.Found
	}
	return p.Intermediates
}

// preparing reports whether the rest must be decided again after the first steps.
func (p *Plan) preparing() bool {
	return len(p.Found) > 0 || len(p.Intermediates) > 0 || len(p.Ownerships) > 0 || len(p.Rebuild) > 0
}

// Decide says what to do about a drift. It is a pure function, and its result does not depend on the order of its input.
func Decide(d *Drift, policy Policy) *Plan {
	c := &decision{drift: d, policy: policy, problems: problems{}, protected: map[string]bool{}, entries: map[aclKey]map[string]bool{}, founding: map[string]Step{}, foundingRoles: map[string]Step{}, rebuilding: map[string]rebuild{}, touched: map[string]bool{}, taking: map[string][]loss{}, selectors: map[string]selector{}, keeperSlots: map[string]int{}, strangers: map[string]Problem{}, along: map[passedOn]bool{}, columns: map[columnEntry][]cell{}, ending: map[columnEntry]bool{}}
	c.refuseProtected()
	for _, r := range d.Remember {
		c.touched[r.Role] = true
	}
	slices.SortFunc(d.Missing, compareMissing)
	for _, m := range d.Missing {
		c.missing(m)
	}
	c.surplusGrants(slices.Clone(d.Grants))
	for _, s := range d.Memberships {
		c.surplusMembership(s)
	}
	for _, s := range d.Ownerships {
		c.surplusOwnership(s)
	}
	c.settings = c.settingSteps()
	return c.plan()
}

// compareMissing orders by object, then by role.
func compareMissing(a, b Missing) int {
	if a.Target != b.Target {
		if c := cmp.Or(cmp.Compare(a.OID, b.OID), cmp.Compare(a.Class, b.Class), cmp.Compare(a.ObjectName, b.ObjectName), cmp.Compare(a.AskedName, b.AskedName), cmp.Compare(a.Privilege, b.Privilege)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.GrantID, b.GrantID))
}

// decision is a plan in the making.
type decision struct {
	drift    *Drift
	policy   Policy
	problems problems

	protected        map[string]bool // roles that are never managed
	give, take       []cell
	columns          map[columnEntry][]cell // what revoking a table's privilege takes along
	ending           map[columnEntry]bool
	bundles          int // so many were made
	join, leave      []link
	cascades         []cascade
	along            map[passedOn]bool // privileges that go with those of the role that passed them on
	ownerships       []ownershipChange
	settings         []Step
	founding         map[string]Step // by what is founded
	foundingRoles    map[string]Step // intermediate roles, and what they take
	foundingIntermed []string
	rebuilding       map[string]rebuild
	touched          map[string]bool
	taking           map[string][]loss
	lacks            map[lack]bool // see lacking
	lacksMember      map[link]bool
	selectors        map[string]selector // of intermediate roles to be made, by derived name
	keeperSlots      map[string]int      // of keepers to be made, by derived name
	strangers        map[string]Problem
	adopting         bool
	entries          map[aclKey]map[string]bool // grantees that this plan adds to an ACL
}

func (c *decision) plan() *Plan {
	p := &Plan{Ownerships: c.ownerships, Touched: c.touched, Taking: c.taking, Problems: c.problems, Remember: c.drift.Remember, foundIntermed: c.foundingIntermed, selectors: c.selectors, keeperSlots: c.keeperSlots, strangers: c.strangers, adopting: c.adopting}
	for _, key := range keys(c.founding) {
		p.Found = append(p.Found, c.founding[key])
	}
	for _, key := range keys(c.foundingRoles) {
		p.Intermediates = append(p.Intermediates, c.foundingRoles[key])
	}
	for _, key := range keys(c.rebuilding) {
		p.Rebuild = append(p.Rebuild, c.rebuilding[key])
	}
	for _, list := range p.Problems {
		sortProblems(list)
	}
	objects := maxNames
	if c.drift.separate {
		objects = 1
	}
	p.Grants = append(aclSteps(grant, c.give, objects), membershipSteps(grant, c.join)...)
	p.Grants = append(p.Grants, c.settings...)
	p.Revokes = slices.Concat(c.revokeSteps(objects), membershipSteps(revoke, c.leave), c.cascadeSteps())
	return p
}

// refuseProtected says once for each role that is never managed that it is not.
func (c *decision) refuseProtected() {
	for _, name := range keys(c.drift.Roles) {
		r := c.drift.Roles[name]
		if r.Foreign && !r.Managed {
			continue // it is given nothing, and what it holds here goes
		}
		if r.unmade {
			c.protected[name] = true
			continue
		}
		if why := protection(c.drift.Roles[name], c.drift.Server, c.policy); why != "" {
			c.protected[name] = true
			if strings.HasPrefix(name, "_pgsr_") && !c.drift.Roles[name].Managed {
				continue // an intermediate role that another daemon has dropped meanwhile
			}
			c.problems.add(name, Problem{Kind: Refused, Object: "role " + name, Reason: why})
		}
	}
}

// missing decides about one thing that a role should have and has not.
func (c *decision) missing(m Missing) {
	switch {
	case c.protected[m.Role]:
	case m.GrantID != 0 && m.Refused != "":
		c.problems.add(m.Role, m.problem(Refused, m.Refused, ""))
	case !m.exists():
		c.absent(m)
	case c.drift.leavesAlone(m.OID, m.Role):
		c.problems.add(m.Role, m.problem(Failed, unsettledReason, ""))
	case m.ColumnMissing:
		c.problems.add(m.Role, m.problem(Waiting, fmt.Sprintf("%s has no column %q yet", m.object(), m.ColumnName), ""))
	case m.AskedPrivilege == "MEMBER":
		c.membership(m)
	case m.AskedPrivilege == "OWNER":
		c.ownership(m)
	default:
		c.privilege(m)
	}
}

// absent decides about a desired grant that no object answers to.
func (c *decision) absent(m Missing) {
	switch {
	case m.GrantID == 0:
		// An intermediate role whose selector finds nothing holds nothing.
	case m.AskedPrivilege == "MEMBER" && m.NameMatch == "exact":
		if why := forbiddenName(m.AskedName); why != "" {
			c.problems.add(m.Role, m.problem(Refused, why, ""))
			return
		}
		sql := "CREATE ROLE " + catalog.Quote(m.AskedName)
		c.touched[m.Role] = true
		c.founding[m.AskedName] = Step{creates: m.AskedName, SQL: sql, Effects: []Effect{{Unit: m.Role, SQL: sql}}, optional: true}
	case m.CreateSchema:
		c.createSchema(m)
	case m.NameMatch == "exact":
		reason := fmt.Sprintf("%s does not exist yet", m.object())
		if others := c.drift.Overloads[m.overloads()]; m.ObjectType == catalog.Routine && len(others) > 0 {
			reason += "; there is " + strings.Join(others, ", ")
		}
		c.problems.add(m.Role, m.problem(Waiting, reason, ""))
	default:
		where := ""
		if m.SchemaName != "" {
			where = " in schema " + m.SchemaName
		}
		c.problems.add(m.Role, m.problem(Waiting, fmt.Sprintf("no %s%s matches the %s pattern %q yet", m.ObjectType, where, m.NameMatch, m.AskedName), ""))
	}
}

// privilege decides how a role gets a privilege: on the object itself, or through an intermediate role.
func (c *decision) privilege(m Missing) {
	if m.Direct != nil && !*m.Direct && c.cannotInherit(m.Role) {
		c.problems.add(m.Role, m.problem(Blocked, fmt.Sprintf("role %s is NOINHERIT, so before PostgreSQL 16 it gains nothing from an intermediate role, which direct false asks for", m.Role),
			attributeFix(m.Role, "INHERIT")))
		return
	}
	if !c.goesDirect(m) {
		c.throughIntermediate(m)
		return
	}
	if c.fillsACL(m) {
		c.problems.add(m.Role, c.fullACL(m))
		return
	}
	borrow, ok := c.mayGrant(m)
	if !ok {
		return
	}
	c.countEntry(m)
	c.touched[m.Role] = true
	c.give = append(c.give, cell{object: m.shared(), column: m.ColumnName, privilege: m.Privilege, role: m.Role, withOption: m.Grantable, borrow: borrow})
}

// goesDirect applies the rule of encodings: patterns through an intermediate role, exact names on the object until its ACL
// is long, and through an intermediate role that is there already.
func (c *decision) goesDirect(m Missing) bool {
	switch {
	case m.GrantID == 0, m.Grantable, m.Role == catalog.Public:
		return true
	case m.Direct != nil:
		return *m.Direct
	case c.cannotInherit(m.Role):
		return true
	case m.NameMatch != "exact" || m.IntermediateOID != 0:
		return false
	default:
		added := c.entries[aclOf(m)]
		return added[m.Role] || m.ACLLength+len(added) < c.policy.MaxDirectGrantees
	}
}

// maxACLEntries is how long direct grants may make an ACL that must fit into a page with the rest of its catalog's row: PostgreSQL refuses
// some 1,490 entries in the worst case met. What is left is for intermediate roles, without which the object could be granted to no more roles.
const maxACLEntries = 1000

// fillsACL reports whether a grant to a role of rows would make an ACL longer than that.
func (c *decision) fillsACL(m Missing) bool {
	switch m.ObjectType {
	case catalog.Table, "sequence", "large_object":
	default:
		return false // their catalogs have TOAST
	}
	if m.GrantID == 0 || m.Role == catalog.Public {
		return false
	}
	added := c.entries[aclOf(m)]
	return !added[m.Role] && m.ACLLength+len(added) >= maxACLEntries
}

// fullACL says how a role can have the privilege although there is no room for it in the object's ACL.
func (c *decision) fullACL(m Missing) Problem {
	reason := fmt.Sprintf("the ACL of %s has %d entries, and on the object itself no more are granted", m.object(), maxACLEntries)
	switch {
	case m.Grantable:
		return m.problem(Blocked, reason+"; without the grant option it would go through an intermediate role", encodingFix(m))
	case m.Direct != nil:
		return m.problem(Blocked, reason+"; with direct NULL it would go through an intermediate role", encodingFix(m))
	default:
		return m.problem(Blocked, reason+fmt.Sprintf("; role %s is NOINHERIT, so before PostgreSQL 16 it gains nothing from an intermediate role", m.Role),
			attributeFix(m.Role, "INHERIT"))
	}
}

// aclKey names an ACL: an object's, or that of a column.
type aclKey struct {
	class, oid catalog.OID
	column     string
}

func aclOf(m Missing) aclKey {
	return aclKey{m.Class, m.OID, m.ColumnName}
}

func (c *decision) cannotInherit(role string) bool {
	r := c.drift.Roles[role]
	return !c.drift.Server.MembershipOptions() && r.OID != 0 && !r.Inherit
}

func (c *decision) countEntry(m Missing) {
	key := aclOf(m)
	if c.entries[key] == nil {
		c.entries[key] = map[string]bool{}
	}
	c.entries[key][m.Role] = true
}

// mayGrant says whose privileges a grant takes besides the daemon's own, or reports what is missing for it.
func (c *decision) mayGrant(m Missing) (borrow lenders, ok bool) {
	if c.drift.Server.Superuser || m.MayGrant && !m.NoUsage {
		return lenders{}, true
	}
	owner := c.drift.Rights[m.Owner]
	asOwner := m.MayGrant || owner.Usage
	if !asOwner && canBorrow(owner) {
		borrow.owner, asOwner = owner.Lender, true
	}
	// Membership in the owner, borrowed or not, brings the owner's USAGE; a grant option on the object does not.
	usage := !m.NoUsage && (borrow.owner != "" || m.SchemaName == "" || !owner.Superuser || c.drift.Schemas[m.SchemaName].Usage)
	if !usage {
		borrow.schema, usage = c.schemaLender(m.SchemaName)
	}
	if asOwner && usage {
		return borrow, true
	}
	var reasons, fixes []string
	if !usage {
		reasons = append(reasons, fmt.Sprintf("the daemon has no USAGE on schema %s, without which it cannot name %s", m.SchemaName, m.object()))
		fixes = append(fixes, usageFix(m.SchemaName, c.drift.Server.Role))
	}
	if !asOwner {
		reasons = append(reasons, fmt.Sprintf("%s belongs to role %s, whose privileges the daemon does not have", m.object(), owner.Name))
		fixes = append(fixes, ownerFix(m, owner, c.drift.Server))
	}
	c.problems.add(m.Role, m.problem(Blocked, strings.Join(reasons, "; "), strings.Join(fixes, "; ")))
	return lenders{}, false
}

const keptMeanwhile = "it is kept until the role has it in the way that its row asks for now"

// lack is a privilege that a role has not; of an intermediate role without its name.
type lack struct {
	class, oid        catalog.OID
	privilege, column string
	role              string
}

// lacking indexes what is missing: a change of direct makes as much surplus as missing.
func (c *decision) lacking() (grants map[lack]bool, memberships map[link]bool) {
	if c.lacks == nil {
		c.lacks, c.lacksMember = map[lack]bool{}, map[link]bool{}
		for _, m := range c.drift.Missing {
			role := m.Role
			if m.GrantID == 0 {
				role = ""
			}
			c.lacks[lack{m.Class, m.OID, m.Privilege, m.ColumnName, role}] = true
			c.lacksMember[link{role: fmt.Sprint(m.IntermediateOID), member: m.Role}] = true
		}
	}
	return c.lacks, c.lacksMember
}

// lacksGrant reports whether a role has not yet in another way what is to be taken away from it: then this comes later, or not at all.
func (c *decision) lacksGrant(s SurplusGrant) bool {
	grants, _ := c.lacking()
	key := lack{s.Class, s.OID, s.Privilege, s.ColumnName, s.Role}
	if grants[key] {
		return true
	}
	key.role = ""
	return grants[key]
}

// surplusGrant decides who can take a privilege away: only its grantor can.
func (c *decision) surplusGrant(s SurplusGrant) {
	if c.protected[s.Role] {
		return
	}
	if c.drift.leavesAlone(s.OID, s.Role) {
		c.problems.add(s.Role, Problem{Kind: Failed, Taking: true, Privilege: s.Privilege, Object: s.object().String(), Reason: unsettledReason})
		return
	}
	if s.StillAsked && c.lacksGrant(s) {
		c.problems.add(s.Role, Problem{Kind: Blocked, Taking: true, Privilege: s.Privilege, Object: s.object().String(), Reason: keptMeanwhile})
		return
	}
	object := s.object()
	taken := cell{object: &object, column: s.ColumnName, privilege: s.Privilege, role: s.Role, withOption: s.OptionOnly}
	owner, grantor := c.drift.Rights[s.Owner], c.drift.Rights[s.Grantor]
	server := c.drift.Server
	own := s.Grantor == s.Owner
	schema, lent := c.schemaLender(s.SchemaName)
	within, inSchema := c.withinSchema(s, owner)
	switch {
	case !c.mayTakeAlong(s, owner):
		return
	case inSchema && own && !s.Rival:
		taken.borrow = within
	case own && server.Superuser, own && owner.Usage && !s.Rival && !s.NoUsage:
	case s.Grantor == server.RoleOID && (server.Superuser || !s.NoUsage):
		// Our own, made with a grant option.
	case s.Grantor == server.RoleOID && lent:
		taken.borrow.schema = schema
	case grantor.Superuser && !own:
		// Made before it was a superuser: now it acts as the owner.
		c.cannotTake(s, fmt.Sprintf("it was granted by role %s, which is a superuser now", grantor.Name), formerGrantorFix(grantor.Name, s))
		return
	case server.Superuser || grantor.Set:
		taken.as = grantor.Name
	case canBorrow(grantor):
		taken.as, taken.borrow.owner = grantor.Name, grantor.Lender
	case own && grantor.Superuser:
		c.cannotTake(s, fmt.Sprintf("%s belongs to role %s, a superuser", s.object(), owner.Name), revokeFix("", s))
		return
	case s.NoUsage && (s.Grantor == server.RoleOID || own && owner.Usage && !s.Rival):
		c.cannotTake(s, fmt.Sprintf("the daemon has no USAGE on schema %s, without which it cannot name %s", s.SchemaName, s.object()),
			usageFix(s.SchemaName, server.Role))
		return
	case own:
		why, fix := fmt.Sprintf("%s belongs to role %s, whose privileges the daemon does not have", s.object(), owner.Name), memberFix(owner.Lender, s.Rival, server)
		if _, ok := c.usageLender(s.SchemaName); s.NoUsage && s.GrantorNoUsage && !ok {
			who := server.Role
			if s.Rival {
				who = owner.Name
			}
			why += fmt.Sprintf("; role %s has no USAGE on schema %s, without which it cannot name it", who, s.SchemaName)
			fix += "; " + usageFix(s.SchemaName, who)
		}
		c.cannotTake(s, why, fix)
		return
	default:
		c.cannotTake(s, fmt.Sprintf("it was granted by role %s, and only that role can revoke it", grantor.Name), revokeFix(grantor.Name, s))
		return
	}
	if taken.as != "" && s.GrantorNoUsage {
		lender, ok := c.usageLender(s.SchemaName)
		if !ok {
			c.cannotTake(s, fmt.Sprintf("it was granted by role %s, only that role can revoke it, and it has no USAGE on schema %s, without which it cannot name %s", grantor.Name, s.SchemaName, s.object()),
				usageFix(s.SchemaName, grantor.Name))
			return
		}
		taken.borrow.schema, taken.borrow.usage = lender, c.drift.Schemas[s.SchemaName].object()
	}
	c.touched[s.Role] = true
	if s.PassedOn || len(s.Dependents) > 0 {
		c.takeAlong(s, taken, owner)
	} else {
		c.take = append(c.take, taken)
	}
	c.keepColumns(s, taken)
	if !s.StillAsked && !s.Expired {
		c.taking[s.Role] = append(append(c.taking[s.Role], loss{s.what(), s.Transactions, s.Lost}), lost(s.Dependents, s.what(), s.Transactions)...)
	}
}

func (c *decision) cannotTake(s SurplusGrant, why, fix string) {
	c.problems.add(s.Role, Problem{Kind: Blocked, Taking: true, Privilege: s.Privilege, Object: s.object().String(), Reason: "cannot take it away: " + why, Fix: fix})
}
