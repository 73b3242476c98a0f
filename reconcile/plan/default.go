package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// DefaultPrivileges are those that a role should have on each new object of a creator and has not, or has and should not.
// (inspect/sql/default_privileges.sql)
type DefaultPrivileges struct {
	Role       string `db:"role_name"` // rows give them to intermediate roles alone
	CreatorOID catalog.OID
	Creator    string `db:"creator_name"`
	SchemaName string // empty: in all schemas
	ObjectType catalog.ObjectType
	Privileges []string
	Surplus    bool
}

// defaultKeywords are the words of ALTER DEFAULT PRIVILEGES for types of objects.
var defaultKeywords = map[catalog.ObjectType]string{
	catalog.Table: "TABLES", catalog.Sequence: "SEQUENCES", catalog.Routine: "ROUTINES", catalog.Type: "TYPES", catalog.Schema: "SCHEMAS",
	catalog.LargeObject: "LARGE OBJECTS",
}

// maxDefaults is how many default ACLs a pass changes for a role: each is a statement, and others wait for the pass.
const maxDefaults = 1000

// changeDefaults decides about default privileges: PostgreSQL lets alone whoever has the creator's privileges change them (the manual: ALTER DEFAULT
// PRIVILEGES).
func (m *maker) changeDefaults() {
	missing := map[string]int{}
	for _, d := range m.drift.Defaults {
		if !d.Surplus {
			missing[d.Role]++
		}
	}
	for _, role := range sortedKeys(missing) {
		if missing[role] > maxDefaults {
			m.report(role, Problem{
				Kind: Blocked, Code: CreatorsMany, Role: role, Object: "role " + role,
				Reason: fmt.Sprintf("at_creation asks for %d default privileges, one for each creator and schema, and %d are given at most: new objects wait for the next look; "+
					"give CREATE to fewer roles, or set at_creation to false", missing[role], maxDefaults),
			})
		}
	}
	for _, d := range m.drift.Defaults {
		if !d.Surplus && missing[d.Role] > maxDefaults {
			continue
		}
		if m.forbidsDefaults(d) {
			continue
		}
		creator := m.facts.Rights[d.CreatorOID]
		change := DefaultChange{DefaultPrivileges: d}
		switch {
		case m.facts.Server.Superuser || creator.Usage:
		case canBorrow(creator):
			change.Borrow = creator.Lender
		case creator.Superuser:
			m.report(d.Role, d.problem(SuperuserOnly, fmt.Sprintf("role %s is a superuser, whose default privileges only superusers change", d.Creator), defaultFix(change)))
			continue
		default:
			m.report(d.Role, d.problem(OwnerPrivileges, fmt.Sprintf("the daemon does not have the privileges of role %s, which creates objects there", d.Creator),
				memberFix(d.Creator, false, m.facts.Server)))
			continue
		}
		m.touch(d.Role)
		m.plan.Defaults = append(m.plan.Defaults, change)
	}
}

func (d DefaultPrivileges) problem(code Code, why, fix string) Problem {
	return Problem{
		Kind: Blocked, Code: code, Revoke: d.Surplus, Role: d.Role, Privilege: strings.Join(d.Privileges, ", "), Object: "default privileges of role " + d.Creator,
		Reason: fmt.Sprintf("cannot change the default privileges of %s: %s", d.place(), why), Fix: fix,
	}
}

// String names them for people.
func (d DefaultPrivileges) String() string {
	return fmt.Sprintf("%s on each new %s of %s", strings.Join(d.Privileges, ", "), d.ObjectType, d.place())
}

func (d DefaultPrivileges) place() string {
	if d.SchemaName == "" {
		return "role " + d.Creator
	}
	return fmt.Sprintf("role %s in schema %s", d.Creator, d.SchemaName)
}

// DefaultChange gives or revokes default privileges.
type DefaultChange struct {
	DefaultPrivileges
	Borrow string // the role of which the connected one must be a member for the moment; empty: none
}

func (c DefaultChange) verb() verb {
	if c.Surplus {
		return revoke
	}
	return grant
}

func (c DefaultChange) sql() string {
	in := ""
	if c.SchemaName != "" {
		in = " IN SCHEMA " + catalog.Quote(c.SchemaName)
	}
	v := c.verb()
	return fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s%s %s %s ON %s %s %s", catalog.Quote(c.Creator), in, v.word, strings.Join(c.Privileges, ", "),
		defaultKeywords[c.ObjectType], v.preposition, catalog.Grantee(c.Role))
}

// described says for people what the change does.
func (c DefaultChange) described() []string {
	list := make([]string, len(c.Privileges))
	for i, privilege := range c.Privileges {
		list[i] = fmt.Sprintf("%s%s on each new %s of %s", c.verb().sign, privilege, c.ObjectType, c.place())
	}
	return list
}

// defaultSteps render the changes of default privileges that give, or that revoke.
func (m *maker) defaultSteps(v verb) []Step {
	var steps []Step
	for _, c := range m.plan.Defaults {
		if c.verb() != v {
			continue
		}
		sql := c.sql()
		step := Step{SQL: sql, Effects: []Effect{v.count(Effect{Role: c.Role, SQL: sql, Changes: c.described()}, len(c.Privileges))}}
		if c.Borrow != "" {
			step.Borrow = []string{c.Borrow}
		}
		steps = append(steps, step)
	}
	return steps
}
