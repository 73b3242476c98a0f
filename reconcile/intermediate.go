package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

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

func (m Missing) selector() selector {
	return selector{m.AskedPrivilege, m.ObjectType, m.SchemaName, m.AskedName, m.NameMatch, m.ColumnName}
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
	s := m.selector()
	name := s.roleName(c.drift.Server.DatabaseOID)
	if m.IntermediateOID == 0 {
		c.found(name, s, m)
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

// found creates an intermediate role. What it holds is decided when it is read together with the roles that use it.
func (c *decision) found(name string, s selector, m Missing) {
	// A role that would get nothing through it needs none.
	if _, ok := c.mayGrant(m); !ok {
		return
	}
	c.touched[m.Role] = true
	if _, ok := c.founding["2 "+name]; ok {
		return
	}
	sql := "CREATE ROLE " + catalog.Quote(name) + " NOLOGIN"
	if c.usesKeepers() {
		sql += " ADMIN " + catalog.Quote(c.foundKeeper(name))
	}
	c.founding["2 "+name] = Step{
		SQL: sql, Effects: []Effect{{Unit: name, SQL: sql}},
		then: registerIntermediateSQL,
		args: []any{name, s.Privilege, string(s.ObjectType), s.SchemaName, s.ObjectName, s.NameMatch, s.ColumnName},
	}
	c.foundingIntermed = append(c.foundingIntermed, name)
	comment := fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(name), literal("intermediate role of sync_roles in database "+c.drift.Server.Database+": "+s.String()))
	c.founding["3 "+name] = Step{SQL: comment}
}

// rebuild is an intermediate role with a member that only its superuser grantor could remove: a new role takes its place.
type rebuild struct {
	role     string
	unwanted string
	unit     string
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
