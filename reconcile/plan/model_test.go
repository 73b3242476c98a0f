package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// model is a database in so far as plans change it: the daemon is a superuser in it, so that nothing is blocked.
type model struct {
	facts    *Facts
	roles    map[string]*modelRole
	tables   map[string]*modelTable
	grants   map[modelGrant]bool  // with grant option, or not
	members  map[modelMember]bool // with ADMIN option, or not
	registry map[string]Selector  // of intermediate roles, by name
	rows     []modelRow           // desired_grants
	nextOID  catalog.OID
}

type modelRole struct {
	oid                    catalog.OID
	login, desiredLogin    bool
	exclusive              bool
	settings, wantsSetting string // of work_mem
}

type modelTable struct {
	oid   catalog.OID
	owner string
}

type modelGrant struct{ role, privilege, table string }

type modelMember struct{ granted, member string }

type modelRow struct {
	role, privilege, name string // of a table, a pattern, or a role
	direct                *bool
	grantable             bool
}

func (r modelRow) isPattern() bool { return r.name == "%" }

// randomModel is a database of which roles have other things than their rows ask for, at random.
func randomModel(r *rand.Rand) *model {
	m := &model{
		facts: testFacts(14 + r.IntN(5)), roles: map[string]*modelRole{}, tables: map[string]*modelTable{}, grants: map[modelGrant]bool{}, members: map[modelMember]bool{},
		registry: map[string]Selector{}, nextOID: 50000,
	}
	m.facts.Server.Superuser = true
	for i := range 4 {
		m.tables[fmt.Sprint("t", i)] = &modelTable{m.oid(), "owner"}
	}
	for i := range 6 {
		name := fmt.Sprint("r", i)
		m.roles[name] = &modelRole{oid: m.oid(), desiredLogin: r.IntN(2) == 0, exclusive: r.IntN(2) == 0, wantsSetting: []string{"", "1MB"}[r.IntN(2)], settings: []string{"", "2MB"}[r.IntN(2)]}
		if r.IntN(5) == 0 {
			m.roles[name].oid = 0 // it is to be made
			m.roles[name].settings = ""
			continue
		}
		for range r.IntN(6) {
			m.grants[modelGrant{name, []string{"SELECT", "INSERT"}[r.IntN(2)], fmt.Sprint("t", r.IntN(4))}] = r.IntN(3) == 0
		}
		if r.IntN(4) == 0 {
			m.tables[fmt.Sprint("t", r.IntN(4))].owner = name
		}
	}
	yes, no := true, false
	for range r.IntN(25) {
		row := modelRow{fmt.Sprint("r", r.IntN(6)), []string{"SELECT", "INSERT", "MEMBER"}[r.IntN(3)], fmt.Sprint("t", r.IntN(4)), nil, false}
		switch {
		case row.privilege == "MEMBER":
			row.name = fmt.Sprint("g", r.IntN(2)) // no role has a row for one that has a row for it
		case r.IntN(3) == 0:
			row.name = "%"
		default:
			row.direct = []*bool{nil, &yes, &no}[r.IntN(3)]
			row.grantable = row.direct == nil && r.IntN(4) == 0
		}
		m.rows = append(m.rows, row)
	}
	for i := range 4 {
		if r.IntN(3) == 0 {
			m.rows = append(m.rows, modelRow{fmt.Sprint("r", r.IntN(6)), "OWNER", fmt.Sprint("t", i), nil, false})
		}
	}
	return m
}

func (m *model) oid() catalog.OID {
	m.nextOID++
	return m.nextOID
}

// target is what a row comes to on a table.
func (m *model) target(row modelRow, table string) *Target {
	t := &Target{
		Privilege: row.privilege, DesiredPrivilege: row.privilege, ObjectType: catalog.Table, SchemaName: "s", DesiredName: row.name, NameMatch: "exact", Direct: row.direct,
		Grantable: row.grantable, ClassOID: 1259, ObjectOID: m.tables[table].oid, ObjectName: table, OwnerOID: testOwner, MayGrant: true,
	}
	if row.isPattern() {
		t.NameMatch = "like"
	}
	if _, ok := m.registry[m.facts.intermediateFor(t)]; ok {
		t.IntermediateOID = m.roles[m.facts.intermediateFor(t)].oid
	}
	return t
}

func (m *model) finds(row modelRow) []string {
	if row.isPattern() {
		return sortedKeys(m.tables)
	}
	return []string{row.name}
}

// has reports whether a role has what a row comes to on a table.
func (m *model) has(row modelRow, table string) bool {
	option, direct := m.grants[modelGrant{row.role, row.privilege, table}]
	if direct && (option || !row.grantable) && (row.direct == nil || *row.direct) {
		return true
	}
	_, member := m.members[modelMember{m.facts.intermediateFor(m.target(row, table)), row.role}]
	return member && !row.grantable && (row.direct == nil || !*row.direct)
}

// drift compares as PostgreSQL does for the engine.
func (m *model) drift() *Drift {
	d := &Drift{Roles: map[string]Role{}}
	for name, r := range m.roles {
		role := Role{Name: name, OID: r.oid, Inherit: true, Login: r.login, Managed: true, Exclusive: r.exclusive}
		if _, ok := m.registry[name]; ok {
			role.Intermediate, role.IntermediateOID, role.Managed = true, r.oid, false
		} else {
			role.DesiredLogin = &r.desiredLogin
			role.DesiredSettings = Settings{}
			if r.wantsSetting != "" {
				role.DesiredSettings["work_mem"] = r.wantsSetting
			}
			if r.settings != "" {
				role.Settings = []string{"work_mem=" + r.settings}
			}
		}
		d.Roles[name] = role
	}
	for i, row := range m.rows {
		id := int64(i + 1)
		switch row.privilege {
		case "MEMBER":
			m.missingMember(d, id, row)
		case "OWNER":
			if m.tables[row.name].owner != row.role {
				d.Missing = append(d.Missing, Missing{m.target(row, row.name), id, row.role})
			}
		default:
			for _, table := range m.finds(row) {
				if !m.has(row, table) {
					d.Missing = append(d.Missing, Missing{m.target(row, table), id, row.role})
				}
			}
		}
	}
	for name, s := range m.registry {
		row := modelRow{name, s.Privilege, s.ObjectName, nil, false}
		for _, table := range m.finds(row) {
			if _, ok := m.grants[modelGrant{name, s.Privilege, table}]; !ok {
				d.Missing = append(d.Missing, Missing{m.target(row, table), 0, name})
			}
		}
	}
	m.surplus(d)
	return d
}

func (m *model) missingMember(d *Drift, id int64, row modelRow) {
	if _, ok := m.members[modelMember{row.name, row.role}]; ok {
		return
	}
	t := &Target{Privilege: "MEMBER", DesiredPrivilege: "MEMBER", ObjectType: catalog.Role, DesiredName: row.name, NameMatch: "exact", ClassOID: 1260, MayGrant: true}
	if g := m.roles[row.name]; g != nil && g.oid != 0 {
		t.ObjectOID, t.ObjectName = g.oid, row.name
		m.facts.Rights[g.oid] = catalog.Rights{OID: g.oid, Name: row.name, Lender: row.name, Admin: true}
	}
	d.Missing = append(d.Missing, Missing{t, id, row.role})
}

// surplus is what exclusive roles and intermediate roles have besides.
func (m *model) surplus(d *Drift) {
	desired := func(g modelGrant) (wanted, option bool) {
		for _, row := range m.rows {
			if row.role == g.role && row.privilege == g.privilege && (row.isPattern() || row.name == g.table) && (row.direct == nil || *row.direct) {
				wanted, option = true, option || row.grantable
			}
		}
		s, ok := m.registry[g.role]
		return wanted || ok && s.Privilege == g.privilege && (s.ObjectName == "%" || s.ObjectName == g.table), option
	}
	for g, option := range m.grants {
		wanted, wantsOption := desired(g)
		if _, ours := m.registry[g.role]; !m.roles[g.role].exclusive && !ours || wanted && (wantsOption || !option) || m.tables[g.table].owner == g.role {
			continue
		}
		s := SurplusGrant{
			Role: g.role, Privilege: g.privilege, GrantorOID: testOwner, OwnerOID: testOwner, ObjectType: catalog.Table, ClassOID: 1259, ObjectOID: m.tables[g.table].oid,
			SchemaName: "s", ObjectName: g.table, Undeclared: true, OptionOnly: wanted,
		}
		for _, row := range m.rows {
			s.StillDesired = s.StillDesired || row.role == g.role && row.privilege == g.privilege && (row.isPattern() || row.name == g.table) && row.direct != nil && !*row.direct
		}
		d.Grants = append(d.Grants, s)
	}
	for member := range m.members {
		s, ours := m.registry[member.granted]
		wanted := slices.ContainsFunc(m.rows, func(row modelRow) bool {
			return row.role == member.member && row.privilege == s.Privilege && row.name == s.ObjectName && !row.grantable && (row.direct == nil || !*row.direct)
		})
		if ours && !wanted {
			d.Memberships = append(d.Memberships, SurplusMembership{
				Role: member.member, GrantedOID: m.roles[member.granted].oid, GrantedName: member.granted, MemberOID: m.roles[member.member].oid, MemberName: member.member, GrantorOID: daemonOID,
			})
		}
	}
	for name, table := range m.tables {
		if r := m.roles[table.owner]; r != nil && r.exclusive && !slices.ContainsFunc(m.rows, func(row modelRow) bool { return row.privilege == "OWNER" && row.name == name }) {
			d.Ownerships = append(d.Ownerships, SurplusOwnership{Role: table.owner, ObjectType: catalog.Table, ClassOID: 1259, ObjectOID: table.oid, SchemaName: "s", ObjectName: name, OwnerOID: testOwner})
		}
	}
}

// apply does what a stage of the plan says.
func (m *model) apply(p *Plan) {
	switch p.Stage {
	case Foundations:
		for _, c := range p.RoleChanges {
			if m.roles[c.Role] == nil {
				m.roles[c.Role] = &modelRole{}
			}
			if c.Create {
				m.roles[c.Role].oid = m.oid()
			}
			for _, a := range c.Attributes {
				m.roles[c.Role].login = a.Clause == "LOGIN"
			}
		}
		for _, o := range p.Ownerships {
			m.tables[o.Object.Name].owner = o.To
		}
	case Intermediates:
		for _, name := range p.Created {
			m.roles[name] = &modelRole{oid: m.oid()}
			for _, row := range m.rows {
				for _, table := range m.finds(row) {
					if row.privilege != "MEMBER" && row.privilege != "OWNER" && m.facts.intermediateFor(m.target(row, table)) == name {
						m.registry[name] = m.target(row, table).selector()
					}
				}
			}
		}
	case Access:
		m.applyAccess(p)
	}
}

func (m *model) applyAccess(p *Plan) {
	for _, c := range p.Grants {
		g := modelGrant{c.Role, c.Privilege, c.Object.Name}
		m.grants[g] = m.grants[g] || c.Option
	}
	for _, c := range p.Revocations {
		g := modelGrant{c.Role, c.Privilege, c.Object.Name}
		if c.Option {
			m.grants[g] = false
		} else {
			delete(m.grants, g)
		}
	}
	for _, c := range p.AddMembers {
		m.members[modelMember{c.Granted, c.Member}] = true
	}
	for _, c := range p.RemoveMembers {
		delete(m.members, modelMember{c.Granted, c.Member})
	}
	for _, c := range p.Settings {
		m.roles[c.Role].settings = ""
		if c.Setting.Values != nil {
			m.roles[c.Role].settings = c.Setting.Values[0]
		}
	}
}

// What a plan does makes the next one empty, however the database and its rows were: Make(apply(model, Make(drift))) has nothing to do.
func TestPlansConverge(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for seed := range uint64(400) {
		m := randomModel(rand.New(rand.NewPCG(seed, 4)))
		policy := Policy{MaxDirectGrantees: 500, FallbackOwner: "owner"}
		m.facts.Rights[daemonOID] = catalog.Rights{OID: daemonOID, Name: "daemon", Lender: "daemon", Usage: true, Set: true}
		for round := 0; ; round++ {
			p := finished(t, m.drift(), m.facts, policy)
			if p.Empty() {
				if len(p.Problems) > 0 {
					t.Fatalf("seed %d: %v", seed, p.Problems)
				}
				break
			}
			if round == 10 {
				t.Fatalf("seed %d: after %d rounds there is still to do: %v", seed, round, told(p))
			}
			kinds["grants"] += len(p.Grants)
			kinds["revokes"] += len(p.Revocations)
			kinds["memberships"] += len(p.AddMembers) + len(p.RemoveMembers)
			kinds["ownerships"] += len(p.Ownerships)
			kinds["roles"] += len(p.RoleChanges)
			kinds["intermediates"] += len(p.Created)
			kinds["settings"] += len(p.Settings)
			m.apply(p)
		}
	}
	for _, kind := range []string{"grants", "revokes", "memberships", "ownerships", "roles", "intermediates", "settings"} {
		if kinds[kind] < 50 {
			t.Errorf("only %d %s were planned", kinds[kind], kind)
		}
	}
}
