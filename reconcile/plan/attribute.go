package plan

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Attribute is a change of one attribute of a role.
type Attribute struct {
	Clause string // as in ALTER ROLE
	Grants bool   // it sets the attribute rather than clears it
}

// attributes lists what must change about a role's attributes. Only differences: PostgreSQL refuses to a non-superuser even
// the mention of some attributes.
func (r Role) attributes(policy Policy) []Attribute {
	var list []Attribute
	flag := func(desired *bool, actual bool, name string) {
		if desired == nil || *desired == actual {
			return
		}
		clause := name
		if !*desired {
			clause = "NO" + name
		}
		list = append(list, Attribute{Clause: clause, Grants: *desired})
	}
	guarded := func(desired *bool, actual bool, name string) {
		if desired == nil || !*desired || policy.allowsAttribute(strings.ToLower(name)) {
			flag(desired, actual, name)
		}
	}
	if r.Intermediate {
		no := false
		flag(&no, r.Login, "LOGIN")
		flag(&no, r.Superuser, "SUPERUSER")
		flag(&no, r.CreateDB, "CREATEDB")
		flag(&r.Locks, r.CreateRole, "CREATEROLE")
		flag(&no, r.Replication, "REPLICATION")
		flag(&no, r.BypassRLS, "BYPASSRLS")
		return list
	}

	flag(r.DesiredLogin, r.Login, "LOGIN")
	if r.State == Retired {
		return list
	}
	flag(r.DesiredCreateDB, r.CreateDB, "CREATEDB")
	flag(r.DesiredInherit, r.Inherit, "INHERIT")
	guarded(r.DesiredCreateRole, r.CreateRole, "CREATEROLE")
	guarded(r.DesiredReplication, r.Replication, "REPLICATION")
	guarded(r.DesiredBypassRLS, r.BypassRLS, "BYPASSRLS")
	if d := r.DesiredConnectionLimit; d != nil && *d != r.ConnectionLimit {
		list = append(list, Attribute{Clause: fmt.Sprintf("CONNECTION LIMIT %d", *d), Grants: true})
	}
	if d := r.DesiredValidUntil; d.Valid && !sameInstant(d, r.ValidUntil) {
		list = append(list, Attribute{Clause: "VALID UNTIL '" + instant(d) + "'", Grants: true})
	}
	return list
}

// changesPassword reports whether the role's password is not as its row asks.
func (r Role) changesPassword() bool {
	return r.PasswordChange != nil && !r.Intermediate && r.State != Retired
}

// altered reports whether the role exists and must be altered.
func (r Role) altered(policy Policy) bool {
	return r.OID != 0 && (len(r.attributes(policy)) > 0 || r.changesPassword())
}

// instant is a time as VALID UNTIL takes it.
func instant(t pgtype.Timestamptz) string {
	switch t.InfinityModifier {
	case pgtype.Infinity:
		return "infinity"
	case pgtype.NegativeInfinity:
		return "-infinity"
	default:
		return t.Time.UTC().Format("2006-01-02 15:04:05.999999-07")
	}
}

// alterRoles decides about the roles themselves: which to create, which attributes to change, and which to give their name back. An intermediate role with an
// attribute that the daemon cannot clear is replaced.
func (m *maker) alterRoles() {
	for _, name := range sortedKeys(m.drift.Roles) {
		r := m.drift.Roles[name]
		if name == catalog.Public || Protection(r, m.facts.Server, m.policy) != "" && !r.Intermediate {
			continue
		}
		if r.State == Retired && r.OID == 0 {
			continue // it has gone, and stays so
		}
		if !r.Intermediate && r.State != Retired {
			m.refuseAttributes(r)
		}
		if r.misnamed() {
			m.touch(name) // also where the step is about another name
			m.found(m.registryStep(r))
			continue
		}
		m.alterRole(r)
	}
}

// found adds steps on which all else depends.
func (m *maker) found(steps ...Step) {
	for _, step := range m.withoutRejected(steps) {
		m.touch(step.Effects[0].Role)
		m.plan.foundations = append(m.plan.foundations, step)
	}
}

// refuseAttributes adds a problem for each attribute that only a flag of the daemon can allow.
func (m *maker) refuseAttributes(r Role) {
	for _, a := range []struct {
		name    string
		desired *bool
	}{{"createrole", r.DesiredCreateRole}, {"replication", r.DesiredReplication}, {"bypassrls", r.DesiredBypassRLS}} {
		if a.desired != nil && *a.desired && !m.policy.allowsAttribute(a.name) {
			m.report(r.Name, Problem{
				Kind: Refused, Code: AttributeNotAllowed, Role: r.Name, Privilege: strings.ToUpper(a.name), Object: "role " + r.Name,
				Reason: fmt.Sprintf("%s true is given to no role, unless the daemon runs with --allow-attribute %[1]s", a.name),
			})
		}
	}
}

// alterRole decides about one role that bears its name.
func (m *maker) alterRole(r Role) {
	server, rights := m.facts.Server, m.facts.Rights[r.OID]
	changes := r.attributes(m.policy)
	if possible := m.possibleAttributes(changes, r); len(possible) < len(changes) {
		if r.Intermediate && !r.Keeper && rights.Admin {
			m.replace(Replacement{Name: r.Name, Role: r.Name, Why: "cannot take an attribute away from " + r.Name})
			return
		}
		changes = possible
		if r.Superuser {
			return // only a superuser alters it
		}
	}
	change := RoleChange{Role: r.Name, Create: r.OID == 0, Attributes: changes}
	if r.changesPassword() {
		change.Password = r.PasswordChange
	}
	problem := func(code Code, reason, fix string) {
		m.report(r.Name, Problem{Kind: Blocked, Code: code, Role: r.Name, Privilege: "ALTER ROLE", Object: "role " + r.Name, Reason: reason, Fix: fix})
	}
	switch {
	case r.OID != 0 && len(changes) == 0 && !r.changesPassword() && r.Suspended && r.State == Active:
		m.found(Step{Effects: []Effect{{Role: r.Name}}, Record: Record{Kind: ForgetSuspended, Args: []any{r.OID}}})
	case r.OID == 0 && !r.Managed, r.OID != 0 && len(changes) == 0 && !r.changesPassword():
	case r.OID == 0:
		m.changeRole(change, r)
	case r.Replication && !server.Superuser && !server.MembershipOptions():
		problem(SuperuserOnly, "before PostgreSQL 16, only superusers alter a role with REPLICATION", alterFix(change))
	case !server.Superuser && !rights.Admin:
		problem(AdminOption, "the daemon has no ADMIN option on the role, and so cannot alter it", AdminFix(r.Name, server))
	default:
		m.changeRole(change, r)
	}
}

func (m *maker) changeRole(change RoleChange, r Role) {
	m.plan.RoleChanges = append(m.plan.RoleChanges, change)
	steps := change.steps()
	for i := range steps {
		steps[i].Optional = !r.Intermediate
	}
	if r.State != Active && r.State != "" && r.Login { // the attributes say NOLOGIN, in the first step
		steps[0].Record = Record{Kind: SuspendRole, Args: []any{r.Name}}
		if r.State == Retired {
			m.plan.retiring(r.Name, stageSuspend)
		}
	}
	m.found(steps...)
}

// steps render the change.
func (c RoleChange) steps() []Step {
	var steps []Step
	if c.Create || len(c.Attributes) > 0 {
		steps = append(steps, c.attributeStep())
	}
	if c.Password != nil {
		steps = append(steps, passwordStep(c.Role, *c.Password))
	}
	return steps
}

func (c RoleChange) attributeStep() Step {
	sql, step := "ALTER ROLE ", Step{}
	if c.Create {
		sql, step.Creates = "CREATE ROLE ", c.Role
	}
	sql += catalog.Quote(c.Role)
	effect := Effect{Role: c.Role}
	for _, a := range c.Attributes {
		sql += " " + a.Clause
		if a.Grants {
			effect.Granted++
		} else {
			effect.Revoked++
		}
	}
	effect.SQL = sql
	step.SQL, step.Effects = sql, []Effect{effect}
	return step
}

// passwordStep gives a role the password of its row, or none. The statement names no verifier: see migrations/000010_passwords.up.sql.
func passwordStep(role string, toVerifier bool) Step {
	effect := Effect{Role: role, SQL: "ALTER ROLE " + catalog.Quote(role) + " PASSWORD NULL", Revoked: 1}
	if toVerifier {
		effect = Effect{Role: role, SQL: "ALTER ROLE " + catalog.Quote(role) + " PASSWORD '********'", Granted: 1}
	}
	return Step{SQL: "SELECT sync_roles.apply_password(" + catalog.Literal(role) + ")", Effects: []Effect{effect}, Optional: true}
}

// possibleAttributes drops the attributes that the daemon cannot change, with a problem for each: what only a superuser can give, or, since PostgreSQL 16,
// who has it.
func (m *maker) possibleAttributes(changes []Attribute, r Role) []Attribute {
	server := m.facts.Server
	if server.Superuser {
		return changes
	}
	has := map[string]bool{"SUPERUSER": false, "CREATEDB": server.CreateDB || !server.MembershipOptions(), "REPLICATION": server.Replication && server.MembershipOptions(), "BYPASSRLS": server.BypassRLS && server.MembershipOptions()}
	var possible []Attribute
	for _, c := range changes {
		attribute := strings.TrimPrefix(c.Clause, "NO")
		if can, guarded := has[attribute]; !guarded || can {
			possible = append(possible, c)
			continue
		}
		p := Problem{Kind: Blocked, Code: AttributeRight, Role: r.Name, Privilege: c.Clause, Object: "role " + r.Name, Revoke: !c.Grants}
		switch {
		case r.Intermediate && !r.Keeper && !r.Superuser:
			continue // it is replaced
		case r.Intermediate:
			p.Reason, p.Fix, p.Revoke = "the daemon cannot take the attribute away", AttributeFix(r.Name, c.Clause), true
		case !server.MembershipOptions():
			p.Reason, p.Fix = fmt.Sprintf("before PostgreSQL 16, only superusers change %s", attribute), AttributeFix(r.Name, c.Clause)
		default:
			p.Reason, p.Fix = fmt.Sprintf("the daemon cannot change %s: it lacks the attribute itself", attribute), AttributeFix(server.Role, attribute)
		}
		m.report(r.Name, p)
	}
	return possible
}
