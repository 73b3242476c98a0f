package reconcile

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// ownershipChange gives an object to another role.
type ownershipChange struct {
	object  catalog.Object
	from    catalog.Rights
	to      string
	toOID   catalog.OID
	unit    string
	given   bool // by an OWNER row; otherwise taken away
	grantID int64
	create  bool // CREATE SCHEMA instead
}

func (o ownershipChange) problem(reason, fix string) Problem {
	return Problem{Kind: Blocked, GrantID: o.grantID, Privilege: "OWNER", Object: o.object.String(), Reason: reason, Fix: fix, Taking: !o.given}
}

func (o ownershipChange) sql() string {
	if o.create {
		return fmt.Sprintf("CREATE SCHEMA %s AUTHORIZATION %s", catalog.Quote(o.object.Name), catalog.Quote(o.to))
	}
	keywords, _ := o.object.Type.Keywords()
	return fmt.Sprintf("ALTER %s %s OWNER TO %s", keywords.Alter, o.object.SQL(), catalog.Quote(o.to))
}

// ownership decides about an OWNER row.
func (c *decision) ownership(m Missing) {
	if m.Winner != 0 && m.Winner != m.GrantID {
		c.problems.add(m.Role, m.problem(Refused, fmt.Sprintf("%s is to belong to another role, by desired grant %d: an object has one owner", m.object(), m.Winner), ""))
		return
	}
	if strings.HasPrefix(m.ObjectName, "pg_") && m.ObjectType == catalog.Schema {
		return
	}
	if m.ObjectType == "foreign_data_wrapper" {
		c.problems.add(m.Role, m.problem(Blocked, "PostgreSQL gives foreign data wrappers to superusers only, and these are never managed", ""))
		return
	}
	member := c.drift.Roles[m.Role]
	c.touched[m.Role] = true
	c.ownerships = append(c.ownerships, ownershipChange{object: m.object(), from: c.drift.Rights[m.Owner], to: m.Role, toOID: member.OID, unit: m.Role, given: true, grantID: m.GrantID})
}

// createSchema founds the schema of an OWNER row with create_if_not_exists.
func (c *decision) createSchema(m Missing) {
	c.touched[m.Role] = true
	c.ownerships = append(c.ownerships, ownershipChange{object: m.object(), to: m.Role, toOID: c.drift.Roles[m.Role].OID, unit: m.Role, given: true, grantID: m.GrantID, create: true})
}

// surplusOwnership gives away what a role should not own.
func (c *decision) surplusOwnership(s SurplusOwnership) {
	if c.protected[s.Role] {
		return
	}
	to := c.policy.FallbackOwner
	if to == "" {
		to = c.drift.Server.Role
	}
	if to == s.Role {
		return
	}
	if c.drift.leavesAlone(s.OID, s.Role) {
		c.problems.add(s.Role, Problem{Kind: Failed, Taking: true, Privilege: "OWNER", Object: s.object().String(), Reason: unsettledReason})
		return
	}
	c.touched[s.Role] = true
	c.ownerships = append(c.ownerships, ownershipChange{object: s.object(), from: c.drift.Rights[s.Owner], to: to, unit: s.Role})
	if !s.Expired && !s.Moved {
		c.taking[s.Role] = append(c.taking[s.Role], loss{s.what(), s.Transactions, false})
	}
}

// needs is what the server says about a change of owner.
type needs struct {
	CreateDB         bool
	CreateInDatabase bool // we may create schemas
	CreateInSchema   bool // the new owner may create objects in the object's schema
	SchemaOwner      catalog.OID
	FollowsTable     bool // a sequence of a column
	NoUsage          bool // neither we nor the present owner, as whom we act, can name what is in the schema
	To               catalog.OID
}

const needsSQL = `
	select
		(select rolcreatedb from pg_catalog.pg_roles where rolname = current_user),
		has_database_privilege(current_database(), 'CREATE'),
		coalesce(has_schema_privilege(r.oid, n.oid, 'CREATE'), n.oid is null),
		coalesce(n.nspowner, 0),
		sync_roles.follows_table($3, $4),
		coalesce(not has_schema_privilege(n.oid, 'USAGE') and not has_schema_privilege($5::oid, n.oid, 'USAGE'), false),
		coalesce(r.oid, 0)
	from (values (1)) as one
	left join pg_catalog.pg_roles as r on r.rolname = $1
	left join pg_catalog.pg_namespace as n on n.nspname = nullif($2, '')`

const queueSQL = `
	insert into sync_roles.pending (role_name)
	select $1
	where exists (select from sync_roles.desired_grants where role_name = $1) or exists (select from sync_roles.withdrawn where role_name = $1)`

// prepareOwnerships turns the plan's changes of owner into steps, or into problems where the daemon lacks a right. What a
// change needs for the moment is part of its steps, and taken back right after it.
func (p *Plan) prepareOwnerships(ctx context.Context, tx pgx.Tx, server catalog.Server) error {
	for i, o := range p.Ownerships {
		steps, problem, err := o.prepare(ctx, tx, server)
		if err != nil {
			return fmt.Errorf("prepare to give %s to role %q: %w", o.object, o.to, err)
		}
		if problem != nil {
			problems(p.Problems).add(o.unit, *problem)
			continue
		}
		for _, s := range steps {
			if s.optional = o.create; !o.create {
				s.bundle = i + 1
			}
			p.Found = append(p.Found, s)
		}
	}
	p.Ownerships = nil
	return nil
}

func (o ownershipChange) prepare(ctx context.Context, tx pgx.Tx, server catalog.Server) ([]Step, *Problem, error) {
	effect := Effect{Unit: o.unit, SQL: o.sql(), Granted: 1, Changes: []string{grant.sign + "OWNER of " + o.object.String()}}
	if !o.given {
		effect.Granted, effect.Revoked = 0, 1
		effect.Changes = []string{fmt.Sprintf("%sOWNER of %s, which role %s owns now", revoke.sign, o.object, o.to)}
	}
	change := Step{SQL: o.sql(), Effects: []Effect{effect}}
	if o.from.Name != "" && o.from.Name != o.unit {
		// What the former owner's rows ask for, owning implied.
		change.then, change.args = queueSQL, []any{o.from.Name}
	}
	var n needs
	if err := tx.QueryRow(ctx, needsSQL, o.to, o.object.Schema, o.object.Class, o.object.OID, o.from.OID).
		Scan(&n.CreateDB, &n.CreateInDatabase, &n.CreateInSchema, &n.SchemaOwner, &n.FollowsTable, &n.NoUsage, &n.To); err != nil {
		return nil, nil, err
	}
	if n.FollowsTable {
		p := o.problem("the sequence belongs to a column, and has the owner of its table", "")
		p.Kind = Refused
		return nil, &p, nil
	}
	if server.Superuser {
		return []Step{change}, nil, nil
	}
	rights, err := catalog.ReadRights(ctx, tx, []catalog.OID{o.from.OID, n.To, n.SchemaOwner})
	if err != nil {
		return nil, nil, err
	}
	var reasons, fixes []string
	lacks := func(reason, fix string) {
		reasons, fixes = append(reasons, reason), append(fixes, fix)
	}

	if o.from.OID != 0 && !rights[o.from.OID].Usage {
		switch {
		case o.from.Superuser: // membership in it would make the daemon one
			p := o.problem(fmt.Sprintf("it belongs to role %s, a superuser", o.from.Name), ownFix(o))
			return nil, &p, nil
		case canBorrow(rights[o.from.OID]):
			change.Borrow = append(change.Borrow, rights[o.from.OID].Lender)
		default:
			lacks(fmt.Sprintf("it belongs to role %s, whose privileges the daemon does not have", o.from.Name), memberFix(rights[o.from.OID].Lender, false, server))
		}
	}
	switch {
	case n.To == 0:
		lacks(fmt.Sprintf("role %s does not exist", o.to), createOwnerFix(o.to, server))
	case n.To == server.RoleOID || rights[n.To].Set:
	case canBorrow(rights[n.To]):
		change.Borrow = append(change.Borrow, o.to)
	case rights[n.To].Superuser:
		p := o.problem(fmt.Sprintf("role %s is a superuser, and only superusers give it something to own", o.to), ownFix(o))
		return nil, &p, nil
	default:
		lacks(fmt.Sprintf("the daemon cannot SET ROLE to %s, which giving it something to own takes", o.to), memberFix(o.to, true, server))
	}
	if o.object.Type == catalog.Database && !n.CreateDB {
		lacks("the daemon has no CREATEDB, which changing the owner of a database takes", attributeFix(server.Role, "CREATEDB"))
	}
	if o.object.Type == catalog.Schema && !n.CreateInDatabase {
		lacks("the daemon has no CREATE on the database, which changing the owner of a schema takes", databaseFix(server))
	}
	owner := rights[n.SchemaOwner]
	switch {
	case !n.NoUsage:
	case canBorrow(owner):
		change.Borrow = append(change.Borrow, owner.Lender)
	default:
		lacks(fmt.Sprintf("the daemon has no USAGE on schema %s, without which it cannot name %s", o.object.Schema, o.object), usageFix(o.object.Schema, server.Role))
	}
	steps := []Step{change}
	if o.object.Schema != "" && !n.CreateInSchema {
		lend := Step{SQL: createFix(o.object.Schema, o.to)}
		switch {
		case owner.Usage:
		case canBorrow(owner):
			lend.Borrow = []string{owner.Lender}
		default:
			lacks(fmt.Sprintf("role %s has no CREATE on schema %s, which owning something in it takes", o.to, o.object.Schema), createFix(o.object.Schema, o.to))
		}
		back := Step{SQL: fmt.Sprintf("REVOKE CREATE ON SCHEMA %s FROM %s", catalog.Quote(o.object.Schema), catalog.Quote(o.to))}
		steps = []Step{lend, change, back}
	}
	if len(reasons) > 0 {
		p := o.problem(strings.Join(reasons, "; "), strings.Join(fixes, "; "))
		return nil, &p, nil
	}
	return steps, nil, nil
}

func canBorrow(r catalog.Rights) bool { return r.Admin && !r.Superuser }
