package reconcile

import (
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// alteration is one attribute of a role that is not as desired.
type alteration struct {
	clause string // as in ALTER ROLE
	grants bool   // it gives rather than takes away
}

// alterations lists what must change about a role's attributes. Only differences: PostgreSQL refuses to a non-superuser even
// the mention of some attributes.
func alterations(r Role, policy Policy) []alteration {
	var list []alteration
	flag := func(desired *bool, actual bool, name string) {
		if desired == nil || *desired == actual {
			return
		}
		clause := name
		if !*desired {
			clause = "NO" + name
		}
		list = append(list, alteration{clause: clause, grants: *desired})
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
	flag(r.DesiredCreateDB, r.CreateDB, "CREATEDB")
	flag(r.DesiredInherit, r.Inherit, "INHERIT")
	guarded(r.DesiredCreateRole, r.CreateRole, "CREATEROLE")
	guarded(r.DesiredReplication, r.Replication, "REPLICATION")
	guarded(r.DesiredBypassRLS, r.BypassRLS, "BYPASSRLS")
	if d := r.DesiredConnectionLimit; d != nil && *d != r.ConnectionLimit {
		clause := fmt.Sprintf("CONNECTION LIMIT %d", *d)
		list = append(list, alteration{clause: clause, grants: true})
	}
	if d := r.DesiredValidUntil; d.Valid && !sameInstant(d, r.ValidUntil) {
		clause := "VALID UNTIL '" + instant(d) + "'"
		list = append(list, alteration{clause: clause, grants: true})
	}
	return list
}

func (r Role) changesPassword() bool { return r.PasswordChange != nil && !r.Intermediate }

// passwordStep gives a role the password that its row asks for, or takes it away. The statement names no verifier: see migrations/000010_passwords.up.sql.
func passwordStep(r Role) Step {
	effect := Effect{Unit: r.Name, SQL: "ALTER ROLE " + catalog.Quote(r.Name) + " PASSWORD NULL", Revoked: 1}
	if *r.PasswordChange {
		effect = Effect{Unit: r.Name, SQL: "ALTER ROLE " + catalog.Quote(r.Name) + " PASSWORD '********'", Granted: 1}
	}
	return Step{SQL: "SELECT sync_roles.apply_password(" + literal(r.Name) + ")", Effects: []Effect{effect}, optional: true}
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

// refusedAttributes lists the attributes that only a flag of the daemon can allow.
func refusedAttributes(r Role, policy Policy) []Problem {
	var list []Problem
	for _, a := range []struct {
		name    string
		desired *bool
	}{{"createrole", r.DesiredCreateRole}, {"replication", r.DesiredReplication}, {"bypassrls", r.DesiredBypassRLS}} {
		if a.desired != nil && *a.desired && !policy.allowsAttribute(a.name) {
			list = append(list, Problem{
				Kind: Refused, Privilege: strings.ToUpper(a.name), Object: "role " + r.Name,
				Reason: fmt.Sprintf("%s true is given to no role, unless the daemon runs with --allow-attribute %[1]s", a.name),
			})
		}
	}
	return list
}

// protection says why a role is never managed, or nothing.
func protection(r Role, server catalog.Server, policy Policy) string {
	switch {
	case r.Name == catalog.Public:
		return ""
	case r.Name == server.Role:
		return "it is the role that runs pg-sync-roles, which does not manage itself"
	case r.Name == server.SchemaOwner:
		return "it owns schema sync_roles, and so is above what rows there say"
	case r.Superuser:
		return "superusers are never managed"
	case strings.HasPrefix(r.Name, "pg_") || r.OID != 0 && r.OID < firstNormalOID:
		return "PostgreSQL's own roles are never managed"
	case r.Name == "none" || r.Name == "" || len(r.Name) > maxNameBytes:
		return "there can be no role of this name"
	case strings.HasPrefix(r.Name, "_pgsr_") && !r.Intermediate:
		return "roles named _pgsr_... are never managed through rows"
	case r.Provider:
		return "roles of this name belong to the managed service (RDS, Cloud SQL, Azure, Supabase and others), and are never managed"
	case policy.protects(r.Name):
		return "the daemon runs with --protect for it"
	}
	return ""
}

// firstNormalOID is FirstNormalObjectId of src/include/access/transam.h: below are the objects of initdb.
const firstNormalOID = 16384

// maxNameBytes is NAMEDATALEN - 1. PostgreSQL cuts longer names, with a NOTICE, and so would name another role.
const maxNameBytes = 63

// roleSteps decides about the roles themselves: which to create, and which attributes to change. An intermediate role with an attribute that the
// daemon cannot take away is rebuilt.
func roleSteps(roles map[string]Role, rights map[catalog.OID]catalog.Rights, server catalog.Server, policy Policy, found problems) (steps []Step, rebuilds []rebuild, strangers map[string]Problem) {
	strangers = map[string]Problem{}
	for _, name := range keys(roles) {
		r := roles[name]
		if name == catalog.Public || protection(r, server, policy) != "" && !r.Intermediate {
			continue
		}
		if !r.Intermediate {
			for _, p := range refusedAttributes(r, policy) {
				found.add(name, p)
			}
		}
		if r.misnamed() {
			step, others := registryStep(r, rights, server)
			steps = append(steps, step)
			maps.Copy(strangers, others)
			continue
		}
		changes := alterations(r, policy)
		if possible := allowed(changes, r, server, found); len(possible) < len(changes) {
			if r.Intermediate && !r.Keeper && rights[r.OID].Admin {
				rebuilds = append(rebuilds, rebuild{role: name, unit: name, why: "cannot take an attribute away from " + name})
				continue
			}
			changes = possible
			if r.Superuser {
				continue // only a superuser alters it
			}
		}
		switch {
		case r.OID == 0 && r.Managed:
			create := roleStep("CREATE ROLE", r, changes)
			create.creates = name
			steps = append(steps, create)
			if r.changesPassword() {
				steps = append(steps, passwordStep(r))
			}
		case r.OID == 0 || len(changes) == 0 && !r.changesPassword():
		case r.Replication && !server.Superuser && !server.MembershipOptions():
			found.add(name, Problem{
				Kind: Blocked, Privilege: "ALTER ROLE", Object: "role " + name, Reason: "before PostgreSQL 16, only superusers alter a role with REPLICATION",
				Fix: alterFix(r, changes),
			})
		case !server.Superuser && !rights[r.OID].Admin:
			found.add(name, Problem{
				Kind: Blocked, Privilege: "ALTER ROLE", Object: "role " + name, Reason: "the daemon has no ADMIN option on the role, and so cannot alter it",
				Fix: adminFix(name, server),
			})
		default:
			if len(changes) > 0 {
				steps = append(steps, roleStep("ALTER ROLE", r, changes))
			}
			if r.changesPassword() {
				steps = append(steps, passwordStep(r))
			}
		}
	}
	return steps, rebuilds, strangers
}

// allowed drops the attributes that the daemon cannot change, with a problem for each: what only a superuser can give, or, since PostgreSQL 16,
// who has it.
func allowed(changes []alteration, r Role, server catalog.Server, found problems) []alteration {
	if server.Superuser {
		return changes
	}
	has := map[string]bool{"SUPERUSER": false, "CREATEDB": server.CreateDB || !server.MembershipOptions(), "REPLICATION": server.Replication && server.MembershipOptions(), "BYPASSRLS": server.BypassRLS && server.MembershipOptions()}
	var possible []alteration
	for _, c := range changes {
		attribute := strings.TrimPrefix(c.clause, "NO")
		if can, guarded := has[attribute]; !guarded || can {
			possible = append(possible, c)
			continue
		}
		if r.Intermediate {
			if r.Keeper || r.Superuser {
				found.add(r.Name, Problem{
					Kind: Blocked, Privilege: c.clause, Object: "role " + r.Name, Taking: true,
					Reason: "the daemon cannot take the attribute away", Fix: attributeFix(r.Name, c.clause),
				})
			}
			continue
		}
		p := Problem{
			Kind: Blocked, Privilege: c.clause, Object: "role " + r.Name, Taking: !c.grants,
			Reason: fmt.Sprintf("the daemon cannot change %s: it lacks the attribute itself", attribute), Fix: attributeFix(server.Role, attribute),
		}
		if !server.MembershipOptions() {
			p.Reason, p.Fix = fmt.Sprintf("before PostgreSQL 16, only superusers change %s", attribute), attributeFix(r.Name, c.clause)
		}
		found.add(r.Name, p)
	}
	return possible
}

func roleStep(verb string, r Role, changes []alteration) Step {
	sql := verb + " " + catalog.Quote(r.Name)
	effect := Effect{Unit: r.Name}
	for _, c := range changes {
		sql += " " + c.clause
		if c.grants {
			effect.Granted++
		} else {
			effect.Revoked++
		}
	}
	effect.SQL = sql
	return Step{SQL: sql, Effects: []Effect{effect}, optional: !r.Intermediate}
}

// toAlter lists the roles that exist and have an attribute to change.
func toAlter(roles map[string]Role, policy Policy) []catalog.OID {
	var list []catalog.OID
	for _, r := range roles {
		switch {
		case r.misnamed():
			list = append(list, r.IntermediateOID)
		case r.OID != 0 && (len(alterations(r, policy)) > 0 || r.changesPassword()):
			list = append(list, r.OID)
		}
	}
	return list
}
