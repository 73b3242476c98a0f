package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Leftover is something of a role that no row can name. (inspect/sql/retiring_leftovers.sql)
type Leftover struct {
	RoleName      string
	Kind          string
	Type          string
	Object        string
	SchemaName    string
	Grantees      []string
	OwnerOID      catalog.OID // whose privileges it takes to take it away
	PlaceOwnerOID catalog.OID // of the schema, or of the database, where an owner must have CREATE
	MayCreate     bool        // the new owner has
}

// String names a leftover for people, and for what is held.
func (l Leftover) String() string {
	switch l.Kind {
	case "owner":
		return "ownership of " + l.Type + " " + l.Object
	case "acl":
		return "privileges on " + l.Type + " " + l.Object
	case "own_defaults":
		return "its own default privileges" + l.onDefaults()
	case "defaults":
		return "default privileges of role " + l.Object + l.onDefaults()
	case "policy":
		return "policy " + l.Type + " on table " + l.SchemaName + "." + l.Object
	case "user_mapping":
		return "user mapping for server " + l.Object
	default:
		return "initial privileges on objects of extensions"
	}
}

func (l Leftover) onDefaults() string {
	text := " on " + strings.ToLower(l.defaultsKeyword())
	if l.SchemaName != "" {
		text += " in schema " + l.SchemaName
	}
	return text
}

// defaultsKeyword is what ALTER DEFAULT PRIVILEGES calls the objects.
func (l Leftover) defaultsKeyword() string {
	return map[string]string{"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}[l.Type]
}

// statements take the leftover away, one after the other.
func (l Leftover) statements(to string) []string {
	role := catalog.Quote(l.RoleName)
	switch l.Kind {
	case "owner":
		return []string{l.ownerStatement(to)}
	case "acl":
		return []string{fmt.Sprintf("REVOKE ALL ON %s %s FROM %s CASCADE", l.grantKeyword(), l.Object, role)}
	case "own_defaults":
		return l.resetDefaults()
	case "defaults":
		return []string{l.alterDefaults(l.Object) + fmt.Sprintf("REVOKE ALL ON %s FROM %s", l.defaultsKeyword(), role)}
	case "policy":
		table := catalog.Object{Schema: l.SchemaName, Name: l.Object}.SQL()
		if len(l.Grantees) == 0 { // it was for nobody else
			return []string{fmt.Sprintf("DROP POLICY %s ON %s", catalog.Quote(l.Type), table)}
		}
		return []string{fmt.Sprintf("ALTER POLICY %s ON %s TO %s", catalog.Quote(l.Type), table, quoteAll(l.Grantees))}
	case "user_mapping":
		return []string{fmt.Sprintf("DROP USER MAPPING FOR %s SERVER %s", role, catalog.Quote(l.Object))}
	default:
		return nil
	}
}

func quoteAll(roles []string) string {
	list := make([]string, len(roles))
	for i, r := range roles {
		list[i] = catalog.Grantee(r)
	}
	return strings.Join(list, ", ")
}

// ownerStatement gives an object to another role. Its type and identity are as pg_identify_object has them.
func (l Leftover) ownerStatement(to string) string {
	keyword := strings.ToUpper(l.Type)
	switch l.Type {
	case "extension": // which has no ALTER of its own for that
		return fmt.Sprintf("REASSIGN OWNED BY %s TO %s", catalog.Quote(l.RoleName), catalog.Quote(to))
	case "statistics object":
		keyword = "STATISTICS"
	case "foreign-data wrapper":
		keyword = "FOREIGN DATA WRAPPER"
	}
	return fmt.Sprintf("ALTER %s %s OWNER TO %s", keyword, l.Object, catalog.Quote(to))
}

func (l Leftover) grantKeyword() string {
	switch l.Type {
	case "function", "procedure", "aggregate":
		return "ROUTINE"
	case "schema", "sequence", "type":
		return strings.ToUpper(l.Type)
	default:
		return "TABLE"
	}
}

func (l Leftover) alterDefaults(role string) string {
	sql := "ALTER DEFAULT PRIVILEGES FOR ROLE " + catalog.Quote(role) + " "
	if l.SchemaName != "" {
		sql += "IN SCHEMA " + catalog.Quote(l.SchemaName) + " "
	}
	return sql
}

// resetDefaults makes the role's own default privileges PostgreSQL's again: then it forgets them.
func (l Leftover) resetDefaults() []string {
	alter, keyword := l.alterDefaults(l.RoleName), l.defaultsKeyword()
	var list []string
	if len(l.Grantees) > 0 {
		list = append(list, alter+fmt.Sprintf("REVOKE ALL ON %s FROM %s", keyword, quoteAll(l.Grantees)))
	}
	if l.SchemaName != "" {
		return list
	}
	list = append(list, alter+fmt.Sprintf("GRANT ALL ON %s TO %s", keyword, catalog.Quote(l.RoleName)))
	switch l.Type {
	case "f":
		list = append(list, alter+"GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
	case "T":
		list = append(list, alter+"GRANT USAGE ON TYPES TO PUBLIC")
	}
	return list
}

// emptyLeftovers takes away what no row can name, and reports whether there is anything that it can.
func (m *maker) emptyLeftovers(ret Retirement) (some bool) {
	owns := m.drift.owns(ret.RoleName)
	for _, l := range ret.Leftovers {
		if l.Kind == "owner" && l.Type == "extension" && owns {
			continue // REASSIGN OWNED would take all of it at once
		}
		if m.holds(ret.RoleName, l.String(), false) {
			continue
		}
		steps, problem := m.leftoverSteps(l)
		if problem != nil {
			m.report(ret.RoleName, *problem)
			continue
		}
		some = true
		m.touch(ret.RoleName)
		m.leftovers = append(m.leftovers, steps...)
	}
	return some
}

// leftoverSteps are the steps that take a leftover away, or why it cannot be.
func (m *maker) leftoverSteps(l Leftover) ([]Step, *Problem) {
	ret, server := m.drift.Retiring[l.RoleName], m.facts.Server
	statements := l.statements(ret.ToName)
	fix := strings.Join(statements, "; ")
	problem := func(code Code, reason, fix string) ([]Step, *Problem) {
		return nil, &Problem{Kind: Blocked, Code: code, Role: l.RoleName, Privilege: "RETIRE", Object: l.String(), Revoke: true, Reason: reason, Fix: fix}
	}
	if l.Kind == "initial" {
		return problem(InitialPrivileges, "an extension has made it a part of its initial privileges, which only DROP OWNED takes back",
			initialPrivilegesFix(l.RoleName, ret.ToName))
	}
	var borrow []string
	lend := func(oid catalog.OID, set bool) bool {
		r := m.facts.Rights[oid]
		switch {
		case server.Superuser, oid == server.RoleOID, !set && r.Usage, set && r.Set:
		case canBorrow(r):
			borrow = append(borrow, r.Lender)
		default:
			return false
		}
		return true
	}
	owner := m.facts.Rights[l.OwnerOID]
	switch {
	case l.Kind == "owner" && ret.ToOID == 0:
		return problem(OwnershipRight, fmt.Sprintf("role %s, which is to get it, does not exist", ret.ToName), createOwnerFix(ret.ToName, server))
	case !lend(l.OwnerOID, false) && owner.Superuser:
		return problem(SuperuserOnly, fmt.Sprintf("it takes the privileges of role %s, a superuser", owner.Name), fix)
	case len(borrow) == 0 && !server.Superuser && l.OwnerOID != server.RoleOID && !owner.Usage:
		return problem(OwnerPrivileges, fmt.Sprintf("it takes the privileges of role %s, which the daemon does not have", owner.Name), memberFix(owner.Lender, false, server))
	case l.Kind == "owner" && !lend(ret.ToOID, true):
		return problem(OwnershipRight, fmt.Sprintf("the daemon cannot SET ROLE to %s, which is to get it", ret.ToName), memberFix(ret.ToName, true, server))
	}
	steps := make([]Step, len(statements))
	for i, sql := range statements {
		effect := Effect{Role: l.RoleName, SQL: sql}
		if i == 0 {
			effect.Revoked, effect.Changes = 1, []string{"- " + l.String()}
		} else {
			effect.Changes = []string{}
		}
		steps[i] = Step{SQL: sql, Borrow: borrow, Effects: []Effect{effect}, Fix: sql}
	}
	if l.Kind == "owner" && !l.MayCreate && !server.Superuser {
		placeOwner, place := m.facts.Rights[l.PlaceOwnerOID], "SCHEMA "+catalog.Quote(l.SchemaName)
		if l.SchemaName == "" {
			place = "DATABASE " + catalog.Quote(server.Database)
		}
		to := catalog.Quote(ret.ToName)
		first := Step{SQL: fmt.Sprintf("GRANT CREATE ON %s TO %s", place, to)}
		switch {
		case placeOwner.Usage, l.PlaceOwnerOID == server.RoleOID:
		case canBorrow(placeOwner):
			first.Borrow = []string{placeOwner.Lender}
		default:
			return problem(OwnershipRight, fmt.Sprintf("role %s, which is to get it, has no CREATE on its %s", ret.ToName, strings.ToLower(strings.Fields(place)[0])), first.SQL)
		}
		last := Step{SQL: fmt.Sprintf("REVOKE CREATE ON %s FROM %s", place, to)}
		steps = append(append([]Step{first}, steps...), last)
	}
	if len(steps) > 1 {
		steps = m.bundle(steps)
	}
	return steps, nil
}
