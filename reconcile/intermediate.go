package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// selector is what a desired grant points at, and what an intermediate role is for.
type selector struct {
	Privilege  string
	ObjectType catalog.ObjectType
	SchemaName string
	ObjectName string
	NameMatch  string
	ColumnName string
}

func (t *Target) selector() selector {
	return selector{t.AskedPrivilege, t.ObjectType, t.SchemaName, t.AskedName, t.NameMatch, t.ColumnName}
}

// roleName derives the intermediate role's name from database and selector, so that a plan names the role that sync makes.
func (s selector) roleName(database catalog.OID) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(text)
	return fmt.Sprintf("_pgsr_%d_%s", database, hex.EncodeToString(sum[:12]))
}

// intermediateName is the name of the intermediate role for the target's selector.
func (t *Target) intermediateName(database catalog.OID) string {
	if t.intermediate == "" {
		t.intermediate = t.selector().roleName(database)
	}
	return t.intermediate
}

// String says what a role for this selector holds.
func (s selector) String() string {
	text := fmt.Sprintf("%s on %s ", s.Privilege, s.ObjectType)
	if s.SchemaName != "" {
		text += s.SchemaName + "."
	}
	text += s.ObjectName
	if s.ColumnName != "" {
		text += " (" + s.ColumnName + ")"
	}
	if s.NameMatch != "exact" {
		text += " [" + s.NameMatch + "]"
	}
	return text
}

const registerIntermediateSQL = `
	insert into sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match, column_name)
	select r.rolname, r.oid, $2, $3, nullif($4, ''), $5, $6, nullif($7, '')
	from pg_catalog.pg_roles as r
	where r.rolname = $1
	on conflict (role_name) do update set role_oid = excluded.role_oid`

// throughIntermediate makes a role a member of the selector's intermediate role, which is founded first where there is none.
func (c *decision) throughIntermediate(m Missing) {
	name := m.intermediateName(c.drift.Server.DatabaseOID)
	if m.IntermediateOID == 0 {
		c.found(name, m)
		return
	}
	if right := c.drift.Rights[m.IntermediateOID]; right.Name != "" {
		name = right.Name
		if !c.drift.Server.Superuser && !right.Admin {
			c.problems.add(m.Role, m.problem(Blocked, fmt.Sprintf("the daemon has no ADMIN option on the intermediate role %s", name), adminFix(name, c.drift.Server)))
			return
		}
	}
	tail := ""
	if c.drift.Server.MembershipOptions() {
		// All three: to a membership that is there already, GRANT only adds what is spelled out.
		tail = " WITH INHERIT TRUE, SET FALSE, ADMIN FALSE"
	}
	c.touched[m.Role] = true
	c.join = append(c.join, link{role: name, member: m.Role, unit: m.Role, tail: tail, as: c.drift.Keepers[m.IntermediateOID]})
}

// goThrough lets what is missing go through intermediate roles that were founded since it was read.
func (d *Drift) goThrough(founded map[string]Role) {
	for _, m := range d.Missing {
		if m.IntermediateOID != 0 || m.Grantable {
			continue
		}
		if r, ok := founded[m.intermediateName(d.Server.DatabaseOID)]; ok {
			m.IntermediateOID = r.IntermediateOID
		}
	}
}

// found creates an intermediate role. What it holds is decided when it is read together with the roles that use it.
func (c *decision) found(name string, m Missing) {
	// A role that would get nothing through it needs none.
	if _, ok := c.mayGrant(m); !ok {
		return
	}
	c.touched[m.Role] = true
	c.wantedBy[name] = append(c.wantedBy[name], m)
	if _, ok := c.foundingRoles["2 "+name]; ok {
		return
	}
	s := m.selector()
	sql := "CREATE ROLE " + catalog.Quote(name) + " NOLOGIN"
	if usesKeepers(c.drift.Server) {
		sql += " ADMIN " + catalog.Quote(c.foundKeeper(name))
	}
	c.foundingRoles["2 "+name] = Step{
		creates: name, about: name, SQL: sql, Effects: []Effect{{Unit: name, SQL: sql}},
		then: registerIntermediateSQL,
		args: []any{name, s.Privilege, string(s.ObjectType), s.SchemaName, s.ObjectName, s.NameMatch, s.ColumnName},
	}
	c.foundingIntermed = append(c.foundingIntermed, name)
	comment := fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(name), literal("intermediate role of sync_roles in database "+c.drift.Server.Database+": "+s.String()))
	c.foundingRoles["3 "+name] = Step{about: name, SQL: comment}
}

// rebuild is an intermediate role with a member that only its superuser grantor could remove: a new role takes its place.
type rebuild struct {
	role string
	unit string
	why  string // what cannot be done otherwise
}

// literal quotes a string constant; a backslash in it needs the E form.
func literal(s string) string {
	quoted := "E'"
	for _, r := range s {
		if r == '\'' || r == '\\' {
			quoted += string(r)
		}
		quoted += string(r)
	}
	return quoted + "'"
}

// stranger is a role that has the name of an intermediate role or keeper to be created.
type stranger struct {
	Name string
	Ours bool // we may put it right
}

const strangersSQL = `
	select r.rolname, not r.rolsuper and (me.rolsuper
		or case when current_setting('server_version_num')::integer >= 160000 then pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') else me.rolcreaterole end)
	from pg_catalog.pg_roles as r, pg_catalog.pg_roles as me
	where r.rolname = any ($1) and me.rolname = current_user`

// takeUp spares the creation of intermediate roles and keepers that are there already, unregistered: after the schema was removed and installed
// again, or after a plan was run by hand. What they hold, and who is a member, is put right like that of any other. A role that merely has the name
// is left alone, and in the way.
func (p *Plan) takeUp(ctx context.Context, tx pgx.Tx) error {
	var wanted []string
	for _, s := range p.Intermediates {
		if s.creates != "" {
			wanted = append(wanted, s.creates)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	there, err := collect[stranger](ctx, tx, strangersSQL, wanted)
	if err != nil {
		return fmt.Errorf("look for intermediate roles without registration: %w", err)
	}
	for _, role := range there {
		if role.Ours {
			p.alterInstead(role.Name)
		} else {
			p.giveUp(role.Name)
		}
	}
	return nil
}

func (p *Plan) alterInstead(name string) {
	sql := "ALTER ROLE " + catalog.Quote(name) + " NOLOGIN"
	for i, s := range p.Intermediates {
		if s.creates != name {
			continue
		}
		p.Intermediates[i].SQL = sql
		for j := range s.Effects {
			s.Effects[j].SQL = sql
		}
	}
}

// giveUp takes an intermediate role out of the plan, and says so to the roles that would have used it.
func (p *Plan) giveUp(name string) {
	p.Intermediates = slices.DeleteFunc(p.Intermediates, func(s Step) bool { return s.about == name })
	p.foundIntermed = slices.DeleteFunc(p.foundIntermed, func(s string) bool { return s == name })
	for _, m := range p.wantedBy[name] {
		problems(p.Problems).add(m.Role, m.problem(Blocked, fmt.Sprintf("there is a role %s that is not the daemon's, and an intermediate role of that name is needed", name),
			"DROP ROLE "+catalog.Quote(name)))
		delete(p.Touched, m.Role)
	}
}

// recordLacks writes down what intermediate roles should hold and cannot, where that has changed: their members lack it.
func recordLacks(records *pgx.Batch, s *state) error {
	for _, name := range keys(s.roles) {
		r := s.roles[name]
		lacks := slices.DeleteFunc(slices.Clone(s.problems[name]), func(p Problem) bool { return p.Taking })
		if !r.Intermediate || len(lacks)+len(r.LastProblems) == 0 {
			continue
		}
		sortProblems(lacks)
		var problems *string
		if len(lacks) > 0 {
			text, err := json.Marshal(lacks)
			if err != nil {
				return fmt.Errorf("write problems of role %q: %w", name, err)
			}
			all := string(text)
			problems = &all
		}
		records.Queue("update sync_roles.intermediate_roles set problems = $2 where role_name = $1 and problems is distinct from $2", name, problems)
	}
	return nil
}
