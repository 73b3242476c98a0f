package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// State is desired_roles.state.
type State string

// The states.
const (
	Active    State = "active"
	Suspended State = "suspended" // no LOGIN, and all else stays
	Retired   State = "retired"   // it loses all that it has, and is dropped
)

// A role is retired in steps, each in a pass of its own, and each found by what the catalogs say:
//
//   - it loses LOGIN, and its sessions are ended;
//   - it loses what it has in this database and in what the cluster shares, so much in each pass that the server's table of locks has room;
//   - where nothing of it is left in any database, no session and no prepared transaction, it is dropped.
//
// DROP OWNED is not among the statements: it would drop what another session creates as the role at that moment.

// Retirement is a role that is being retired, and all that is left of it. (inspect/sql/retiring.sql)
type Retirement struct {
	RoleName string
	RoleOID  catalog.OID
	ToName   string      // who gets what it owns
	ToOID    catalog.OID // 0: there is no such role
	Remains  []Remains
	Sessions int
	Prepared []string // transactions that it prepared

	Leftovers []Leftover          `db:"-"` // that no row could name
	Given     []SurplusMembership `db:"-"` // memberships that it gave to others, and that are kept by another grantor
	Rejoins   []MembershipChange  `db:"-"` // those that keep them
}

// Remains is how much depends on a role in a database, or in what the cluster shares.
type Remains struct {
	Database string `json:"database"` // empty: shared
	Owns     int    `json:"owns"`
	Holds    int    `json:"holds"`
	Other    int    `json:"other"`
}

// Left counts what depends on the role in the whole cluster.
func (r Retirement) Left() (n int) {
	for _, x := range r.Remains {
		n += x.Owns + x.Holds + x.Other
	}
	return n
}

// String lists the leftovers for people, with their places.
func (r Retirement) String() string {
	var list []string
	for _, x := range r.Remains {
		var parts []string
		if x.Owns > 0 {
			parts = append(parts, "owns "+count(x.Owns, "object"))
		}
		if x.Holds > 0 {
			parts = append(parts, "has privileges on "+count(x.Holds, "object"))
		}
		if x.Other > 0 {
			parts = append(parts, "is named by "+count(x.Other, "policy, default privilege, user mapping or membership", "policies, default privileges, user mappings or memberships"))
		}
		where := "in what the databases share"
		if x.Database != "" {
			where = "in database " + x.Database
		}
		list = append(list, strings.Join(parts, ", ")+" "+where)
	}
	if r.Sessions > 0 {
		list = append(list, "has "+count(r.Sessions, "session"))
	}
	for _, x := range r.Prepared {
		list = append(list, "has prepared transaction "+x)
	}
	return strings.Join(list, "; ")
}

func count(n int, one string, many ...string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", strings.Join(append(many, one+"s")[:1], ""))
}

// retiringStage is how far a role is. It stays what it was when a pass began, so that each step is a pass of its own.
type retiringStage int

const (
	stageUnknown retiringStage = iota
	stageSuspend
	stageEmpty
	stageDrop
)

// RetirementFacts is what the plans of a pass before have done about a role that is being retired.
type RetirementFacts struct {
	stage retiringStage
	moved bool // a portion of what it owns has gone to another role
}

// maxMoved is how many objects of retired roles get another owner in one pass: each takes a lock, and so do its indexes.
const maxMoved = 500

// maxEmptied is how many privileges of retired roles are revoked in one pass.
const maxEmptied = 2000

// newOwner is the role that gets what another may no longer own.
func (d *Drift) newOwner(role, fallback string) string {
	if r, ok := d.Retiring[role]; ok {
		return r.ToName
	}
	return fallback
}

// retires reports whether a role loses all that it has, and by now.
func (m *maker) retires(name string) bool {
	_, ok := m.drift.Retiring[name]
	return ok
}

// suspends reports whether the pass has just taken LOGIN from a role that is being retired: all else is for the next.
func (m *maker) suspends(name string) bool {
	f := m.facts.Retirements[name]
	return f.stage == stageSuspend
}

// later reports whether an object of a role that is being retired gets its new owner in another pass: this one has moved so many already. What PostgreSQL
// refused to move in this pass is told.
func (m *maker) later(name string, steps []Step) bool {
	if m.facts.Retirements[name].moved {
		return !slices.ContainsFunc(steps, func(s Step) bool { _, refused := m.facts.Rejected[s.Key()]; return refused })
	}
	m.moved[name]++
	return m.moved[name] > maxMoved
}

// emptiedPart leaves out what is revoked from roles that are being retired in another pass.
func (m *maker) emptiedPart(revocations []Revocation) []Revocation {
	emptied := map[string]int{}
	return slices.DeleteFunc(revocations, func(r Revocation) bool {
		if r.problem != nil || !m.retires(r.Role) {
			return false
		}
		emptied[r.Role]++
		return emptied[r.Role] > maxEmptied
	})
}

// retirementLosses adds what no row can name to what roles lose.
func (m *maker) retirementLosses(all losses) {
	for _, name := range sortedKeys(m.drift.Retiring) {
		if m.drift.Roles[name].Released || m.protected[name] || m.suspends(name) {
			continue
		}
		for _, l := range m.drift.Retiring[name].Leftovers {
			if _, problem := m.leftoverSteps(l); problem == nil {
				all[name] = append(all[name], loss{l.String(), nil, false})
			}
		}
	}
}

// release notes of which retired roles all may be revoked: what later passes find of it was judged.
func (m *maker) release(all losses) {
	for _, name := range sortedKeys(m.drift.Retiring) {
		_, held := m.plan.Held[name]
		if len(all[name]) > 0 && !held && !m.drift.Roles[name].Released && m.plan.Questions.Empty() {
			m.plan.Released = append(m.plan.Released, name)
		}
	}
}

// retire decides about the roles that are being retired what comes after the revokes of what rows can name.
func (m *maker) retire() {
	for _, name := range sortedKeys(m.drift.Roles) {
		r := m.drift.Roles[name]
		if r.State != Retired || m.protected[name] {
			continue
		}
		if r.IgnoredRows > 0 {
			m.report(name, Problem{
				Kind: Refused, Code: RoleRetired, Role: name, Object: "role " + name,
				Reason: fmt.Sprintf("the role is retired: %s of desired_grants for it give nothing", count(int(r.IgnoredRows), "row")),
				Fix:    retiredRowsFix(name),
			})
		}
		if ret, ok := m.drift.Retiring[name]; ok {
			m.retireRole(r, ret)
		}
	}
}

func (m *maker) retireRole(r Role, ret Retirement) {
	name := r.Name
	stage := m.facts.Retirements[name].stage
	// taking says that something is left here: until then nothing is forgotten that rows gave.
	waits := func(taking bool) {
		reason := "retiring: nothing is left of it, and the next pass drops it"
		if left := ret.String(); left != "" {
			reason = "retiring: " + left
		}
		m.report(name, Problem{Kind: Waiting, Code: Retiring, Role: name, Object: "role " + name, Reason: reason, Revoke: taking})
	}
	if stage == stageSuspend {
		waits(true)
		return
	}
	emptying := m.emptyLeftovers(ret) || m.plan.Touched[name]
	switch {
	case emptying && stage != stageDrop:
		m.plan.retiring(name, stageEmpty)
		waits(true)
	case ret.Left() > 0 || ret.Sessions > 0 || len(ret.Prepared) > 0 || stage == stageEmpty:
		waits(false)
	default:
		m.dropRetired(ret)
	}
}

// dropRetired drops a role that has no leftovers.
func (m *maker) dropRetired(ret Retirement) {
	name := ret.RoleName
	sql := "DROP ROLE " + catalog.Quote(name)
	if server := m.facts.Server; !server.Superuser && !m.facts.Rights[ret.RoleOID].Admin {
		m.report(name, Problem{
			Kind: Blocked, Code: AdminOption, Role: name, Privilege: "DROP ROLE", Object: "role " + name,
			Reason: "the daemon has no ADMIN option on the role, and so cannot drop it", Fix: AdminFix(name, server),
		})
		return
	}
	m.touch(name)
	m.plan.retiring(name, stageDrop)
	m.leftovers = append(m.leftovers, Step{
		SQL: sql, Effects: []Effect{{Role: name, SQL: sql, Revoked: 1, Changes: []string{"- role " + name}}}, Fix: sql,
		Record: Record{Kind: ForgetSuspended, Args: []any{ret.RoleOID}},
	})
}

// owns reports whether a role owns anything that rows can name.
func (d *Drift) owns(role string) bool {
	return slices.ContainsFunc(d.Ownerships, func(s SurplusOwnership) bool { return s.Role == role })
}

// rejoinGiven lets members whose membership a retired role gave keep it, by the daemon's own grant, and lists those that cannot be kept so: their memberships
// stay, and so does the role.
func (m *maker) rejoinGiven() {
	for _, name := range sortedKeys(m.drift.Retiring) {
		if m.protected[name] || m.suspends(name) {
			continue
		}
		for i, s := range m.drift.Retiring[name].Given {
			if rights := m.facts.Rights[s.GrantedOID]; !m.facts.Server.Superuser && !rights.Admin {
				m.report(name, Problem{
					Kind: Blocked, Code: AdminOption, Role: s.GrantedName, Privilege: "MEMBER", Object: "role " + s.GrantedName, Revoke: true,
					Reason: fmt.Sprintf("the role has made %s a member of %s, which cannot be kept without it: the daemon has no ADMIN option on role %[2]s", s.MemberName, s.GrantedName),
					Fix:    AdminFix(s.GrantedName, m.facts.Server),
				})
				continue
			}
			given := s
			r, problem := m.removal(&given)
			if problem != nil {
				m.report(name, *problem)
				continue
			}
			m.touch(name)
			// Where PostgreSQL refuses the one, the other must not be.
			m.leftovers = append(m.leftovers, m.bundle(slices.Concat(
				membershipSteps(grant, []MembershipChange{m.drift.Retiring[name].Rejoins[i]}), membershipSteps(revoke, []MembershipChange{r.MembershipChange}),
			))...)
		}
	}
}

// retiring notes how far a role was when the pass began.
func (p *Plan) retiring(name string, stage retiringStage) {
	if p.Retirements == nil {
		p.Retirements = Retirements{}
	}
	f := p.Retirements[name]
	f.stage = stage
	p.Retirements[name] = f
}

// Retirements note what plans have decided about roles that are being retired, for those that follow in the same pass.
type Retirements map[string]RetirementFacts

// Note adds what a plan has decided. The first stage stays.
func (r Retirements) Note(p *Plan) {
	for name, f := range p.Retirements {
		was := r[name]
		if was.stage == stageUnknown {
			was.stage = f.stage
		}
		r[name] = was
	}
}

// Moved notes that a plan's changes of owner have run.
func (r Retirements) Moved(p *Plan) {
	for _, o := range p.Ownerships {
		if f, ok := r[o.Role]; ok && o.surplus != nil {
			f.moved = true
			r[o.Role] = f
		}
	}
}

// Suspended reports whether the pass has taken LOGIN from a role that is being retired.
func (r Retirements) Suspended(name string) bool { return r[name].stage == stageSuspend }
