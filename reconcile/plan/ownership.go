package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

func (o OwnershipChange) problem(kind Outcome, code Code, reason, fix string) Problem {
	return Problem{Kind: kind, Code: code, GrantID: o.GrantID, Privilege: "OWNER", Object: o.Object.String(), Reason: reason, Fix: fix, Revoke: !o.Given}
}

func (o OwnershipChange) sql() string {
	if o.Create {
		return fmt.Sprintf("CREATE SCHEMA %s AUTHORIZATION %s", catalog.Quote(o.Object.Name), catalog.Quote(o.To))
	}
	keywords, _ := o.Object.Type.Keywords()
	return fmt.Sprintf("ALTER %s %s OWNER TO %s", keywords.Alter, o.Object.SQL(), catalog.Quote(o.To))
}

// giveOwnership decides about an OWNER row.
func (m *maker) giveOwnership(missing Missing) {
	object := missing.Object()
	switch {
	case missing.WinnerID != 0 && missing.WinnerID != missing.GrantID:
		m.report(missing.Role, missing.problem(Refused, OwnerConflict, fmt.Sprintf("%s is to belong to another role, by desired grant %d: an object has one owner", object, missing.WinnerID), ""))
	case strings.HasPrefix(missing.ObjectName, "pg_") && missing.ObjectType == catalog.Schema:
	case missing.ObjectType == catalog.ForeignDataWrapper:
		m.report(missing.Role, missing.problem(Blocked, SuperuserOnly, "only superusers can own foreign data wrappers, and superusers are never managed", ""))
	case m.forbidsGrant(missing):
	default:
		m.plan.Ownerships = append(m.plan.Ownerships, OwnershipChange{
			OwnerChange: OwnerChange{*object, missing.Role}, From: m.facts.Rights[missing.OwnerOID], Role: missing.Role, Given: true, GrantID: missing.GrantID,
		})
	}
}

// createSchema makes the schema of an OWNER row with create_if_not_exists.
func (m *maker) createSchema(missing Missing) {
	m.plan.Ownerships = append(m.plan.Ownerships, OwnershipChange{
		OwnerChange: OwnerChange{*missing.Object(), missing.Role}, Role: missing.Role, Given: true, GrantID: missing.GrantID, Create: true,
	})
}

// surplusOwnerships gives to the fallback owner what roles should not own, and to the one that its row names what a retired role owns.
func (m *maker) surplusOwnerships() []OwnershipChange {
	var list []OwnershipChange
	for i := range m.drift.Ownerships {
		s := &m.drift.Ownerships[i]
		to := m.drift.newOwner(s.Role, m.policy.fallbackOwner(m.facts.Server.Role))
		if m.protected[s.Role] || to == s.Role || m.suspends(s.Role) {
			continue
		}
		o := OwnershipChange{OwnerChange: OwnerChange{s.Object(), to}, From: m.facts.Rights[s.OwnerOID], Role: s.Role, surplus: s}
		if m.leavesAlone(s.ObjectOID, s.Role) {
			m.report(s.Role, o.problem(Failed, BeingRenamed, renamingReason, ""))
			continue
		}
		list = append(list, o)
	}
	return list
}

// changeOwners makes steps of the changes of owner, or problems where the daemon lacks a right. What a change needs for the moment is
// part of its steps, and revoked right after it.
func (m *maker) changeOwners() {
	for _, o := range m.plan.Ownerships {
		steps, problem := m.ownershipSteps(o)
		if problem != nil {
			m.report(o.Role, *problem)
			continue
		}
		if o.surplus != nil && m.retires(o.Role) && m.later(o.Role, steps) {
			continue
		}
		m.touch(o.Role)
		switch {
		case o.Create:
			for i := range steps {
				steps[i].Optional = true
			}
			m.plan.foundations = append(m.plan.foundations, steps...)
		default:
			m.plan.foundations = append(m.plan.foundations, m.bundle(steps)...)
		}
	}
}

// ownershipRights collects what the daemon lacks for a change of owner.
type ownershipRights struct {
	borrow         []string
	reasons, fixes []string
}

func (r *ownershipRights) lack(reason, fix string) {
	r.reasons, r.fixes = append(r.reasons, reason), append(r.fixes, fix)
}

// ownershipSteps are the steps of one change of owner, or why it cannot be made.
func (m *maker) ownershipSteps(o OwnershipChange) ([]Step, *Problem) {
	change := o.step()
	f := m.facts.Owners[o.OwnerChange]
	if f.FollowsTable {
		p := o.problem(Refused, OwnerFollowsTable, "the sequence belongs to a column, and has the owner of its table", "")
		return nil, &p
	}
	if m.facts.Server.Superuser {
		return []Step{change}, nil
	}
	if p := m.superuserOwner(o, f); p != nil {
		return nil, p
	}
	var r ownershipRights
	m.ownerRights(o, f, &r)
	m.placeRights(o, f, &r)
	change.Borrow = r.borrow
	steps := []Step{change}
	if o.Object.Schema != "" && !f.CreateInSchema {
		lend := Step{SQL: createFix(o.Object.Schema, o.To)}
		owner := m.facts.Rights[f.SchemaOwnerOID]
		switch {
		case owner.Usage:
		case canBorrow(owner):
			lend.Borrow = []string{owner.Lender}
		default:
			r.lack(fmt.Sprintf("role %s has no CREATE on schema %s, which it needs to own an object there", o.To, o.Object.Schema), createFix(o.Object.Schema, o.To))
		}
		back := Step{SQL: fmt.Sprintf("REVOKE CREATE ON SCHEMA %s FROM %s", catalog.Quote(o.Object.Schema), catalog.Quote(o.To))}
		steps = []Step{lend, change, back}
	}
	if len(r.reasons) > 0 {
		p := o.problem(Blocked, OwnershipRight, strings.Join(r.reasons, "; "), strings.Join(r.fixes, "; "))
		return nil, &p
	}
	return steps, nil
}

// step is the change of owner by itself.
func (o OwnershipChange) step() Step {
	effect := Effect{Role: o.Role, SQL: o.sql(), Granted: 1, Changes: []string{grant.sign + "OWNER of " + o.Object.String()}}
	if !o.Given {
		effect.Granted, effect.Revoked = 0, 1
		effect.Changes = []string{fmt.Sprintf("%sOWNER of %s, which role %s owns now", revoke.sign, o.Object, o.To)}
	}
	step := Step{SQL: o.sql(), Effects: []Effect{effect}, Owned: []catalog.Object{o.Object}}
	if o.From.Name != "" && o.From.Name != o.Role {
		// What the former owner's rows ask for, owning implied.
		step.Record = Record{Kind: QueueRole, Args: []any{o.From.Name}}
	}
	return step
}

// superuserOwner says that a change of owner from or to a superuser takes a superuser: membership in one would make the daemon one.
func (m *maker) superuserOwner(o OwnershipChange, f OwnerFacts) *Problem {
	from, to := m.facts.Rights[o.From.OID], m.facts.Rights[f.ToOID]
	switch {
	case o.From.OID != 0 && !from.Usage && o.From.Superuser:
		p := o.problem(Blocked, SuperuserOnly, fmt.Sprintf("it belongs to role %s, a superuser", o.From.Name), ownFix(o))
		return &p
	case f.ToOID != 0 && f.ToOID != m.facts.Server.RoleOID && !to.Set && to.Superuser:
		p := o.problem(Blocked, SuperuserOnly, fmt.Sprintf("role %s is a superuser, and only superusers give it something to own", o.To), ownFix(o))
		return &p
	}
	return nil
}

// ownerRights collects the rights over the former and the new owner.
func (m *maker) ownerRights(o OwnershipChange, f OwnerFacts, r *ownershipRights) {
	server, from, to := m.facts.Server, m.facts.Rights[o.From.OID], m.facts.Rights[f.ToOID]
	switch {
	case o.From.OID == 0 || from.Usage:
	case canBorrow(from):
		r.borrow = append(r.borrow, from.Lender)
	default:
		r.lack(fmt.Sprintf("it belongs to role %s, whose privileges the daemon does not have", o.From.Name), memberFix(from.Lender, false, server))
	}
	switch {
	case f.ToOID == 0:
		r.lack(fmt.Sprintf("role %s does not exist", o.To), createOwnerFix(o.To, server))
	case f.ToOID == server.RoleOID || to.Set:
	case canBorrow(to):
		r.borrow = append(r.borrow, o.To)
	default:
		r.lack(fmt.Sprintf("the daemon cannot SET ROLE to %s, which it needs to make that role an owner", o.To), memberFix(o.To, true, server))
	}
}

// placeRights collects the rights over the database and the schema of the object.
func (m *maker) placeRights(o OwnershipChange, f OwnerFacts, r *ownershipRights) {
	server, schemaOwner := m.facts.Server, m.facts.Rights[f.SchemaOwnerOID]
	if o.Object.Type == catalog.Database && !f.CreateDB {
		r.lack("the daemon has no CREATEDB, which it needs to change the owner of a database", AttributeFix(server.Role, "CREATEDB"))
	}
	if o.Object.Type == catalog.Schema && !f.CreateInDatabase {
		r.lack("the daemon has no CREATE on the database, which it needs to change the owner of a schema", databaseFix(server))
	}
	switch {
	case !f.NoUsage:
	case canBorrow(schemaOwner):
		r.borrow = append(r.borrow, schemaOwner.Lender)
	default:
		r.lack(fmt.Sprintf("the daemon has no USAGE on schema %s, without which it cannot name %s", o.Object.Schema, o.Object), usageFix(o.Object.Schema, server.Role))
	}
}
