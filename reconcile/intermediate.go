package reconcile

import (
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

// adoptIntermediateSQL registers a role that is there, if it still is as it would be made: the COMMENT before it has waited for whoever was granting it.
const adoptIntermediateSQL = `
	insert into sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match, column_name)
	select r.rolname, r.oid, $2, $3, nullif($4, ''), $5, $6, nullif($7, '')
	from pg_catalog.pg_roles as r
	where r.rolname = $1 and sync_roles.intermediate_problem(r.oid, '{}', $2, $3, $4, $5, $6, $7) is null
	on conflict (role_name) do update set role_oid = excluded.role_oid`

// throughIntermediate makes a role a member of the selector's intermediate role, which is founded first where there is none.
func (c *decision) throughIntermediate(m Missing) {
	if m.IntermediateOID == 0 {
		c.found(m)
		return
	}
	name := c.drift.intermediateFor(m.Target)
	if right := c.drift.Rights[m.IntermediateOID]; right.Name != "" {
		name = right.Name
		if !c.drift.Server.Superuser && !right.Admin {
			c.abandon(rebuild{role: name, unit: m.Role, giving: true, why: fmt.Sprintf("cannot make %s a member of role %s: the daemon has no ADMIN option on it", m.Role, name)})
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
		if r, ok := founded[d.intermediateFor(m.Target)]; ok {
			m.IntermediateOID = r.IntermediateOID
		}
	}
}

// found creates an intermediate role, or takes one that is there and was made here. What it holds is decided when it is read together with the roles
// that use it.
func (c *decision) found(m Missing) {
	// A role that would get nothing through it needs none.
	if _, ok := c.mayGrant(m); !ok {
		return
	}
	c.touched[m.Role] = true
	derived, s := m.intermediateName(c.drift.Server.DatabaseOID), m.selector()
	if _, ok := c.selectors[derived]; ok {
		return
	}
	c.selectors[derived] = s
	name := c.free(derived, "an intermediate role ("+s.String()+")")
	args := []any{name, s.Privilege, string(s.ObjectType), s.SchemaName, s.ObjectName, s.NameMatch, s.ColumnName}
	comment := Step{about: name, SQL: commentOn(name, c.drift.Server, s.String())}
	create, keeper := "CREATE ROLE "+catalog.Quote(name)+" NOLOGIN", ""
	if usesKeepers(c.drift.Server) {
		keeper = c.foundKeeper(derived)
		create += " ADMIN " + catalog.Quote(keeper)
	}
	c.foundingIntermed = append(c.foundingIntermed, name)
	if c.adoptable(derived) {
		c.adopting = true
		comment.Effects = []Effect{{Unit: name, SQL: comment.SQL}}
		comment.then, comment.args, comment.sure = adoptIntermediateSQL, args, true
		c.foundingRoles["3 "+name] = comment
	} else {
		c.foundingRoles["2 "+name] = Step{creates: name, about: name, SQL: create, Effects: []Effect{{Unit: name, SQL: create}}, then: registerIntermediateSQL, args: args}
		for i, step := range byLocker(c.drift.Locker, keeper, name, comment) {
			c.foundingRoles[fmt.Sprintf("3 %s %d", name, i)] = step
		}
	}
}

// commentOn is the statement that says of an intermediate role what it holds. The registry counts; by the comment, which takes ADMIN to write, such a
// role is known where there is no registry.
func commentOn(name string, server catalog.Server, holds string) string {
	return fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(name), literal("intermediate role of sync_roles in database "+server.Database+": "+holds))
}

// rebuild is an intermediate role of which the members are not ours to change: a new role takes its place.
type rebuild struct {
	role string
	unit string
	why  string // what cannot be done otherwise

	// The daemon has no ADMIN option on it: see abandon.
	lost    bool
	giving  bool     // a role is to become a member
	keeper  string   // the new role's, if any
	leaving []string // the members that are to go
}

func literal(s string) string { return catalog.Literal(s) }

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
