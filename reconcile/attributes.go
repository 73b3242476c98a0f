package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// alteration is one attribute of a role that is not as desired.
type alteration struct {
	clause string // as in ALTER ROLE
	shown  string // the same without secrets
	grants bool   // it gives rather than takes away
}

const redacted = "PASSWORD '********'"

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
		list = append(list, alteration{clause: clause, shown: clause, grants: *desired})
	}
	guarded := func(desired *bool, actual bool, name string) {
		if desired == nil || !*desired || policy.allowsAttribute(strings.ToLower(name)) {
			flag(desired, actual, name)
		}
	}
	if r.Intermediate {
		no := false
		flag(&no, r.Login, "LOGIN")
		flag(&no, r.CreateDB, "CREATEDB")
		flag(&no, r.CreateRole, "CREATEROLE")
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
		list = append(list, alteration{clause: clause, shown: clause, grants: true})
	}
	if d := r.DesiredValidUntil; d.Valid && !sameInstant(d, r.ValidUntil) {
		clause := "VALID UNTIL '" + instant(d) + "'"
		list = append(list, alteration{clause: clause, shown: clause, grants: true})
	}
	if d := r.DesiredPasswordVerifier; d != nil {
		if *d == "" {
			list = append(list, alteration{clause: "PASSWORD NULL", shown: "PASSWORD NULL"})
		} else {
			list = append(list, alteration{clause: "PASSWORD '" + strings.ReplaceAll(*d, "'", "''") + "'", shown: redacted, grants: true})
		}
	}
	return list
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
		return "roles named _pgsr_… are never managed through rows"
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
func roleSteps(roles map[string]Role, rights map[catalog.OID]catalog.Rights, server catalog.Server, policy Policy, found problems) (steps []Step, rebuilds []rebuild) {
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
		if r.Intermediate && r.OID != 0 && r.OID != r.IntermediateOID {
			steps = append(steps, replacedStep(r, server.Superuser || rights[r.OID].Admin))
			continue
		}
		changes := alterations(r, policy)
		if possible := allowed(changes, r, server, found); len(possible) < len(changes) {
			if r.Intermediate && rights[r.OID].Admin {
				rebuilds = append(rebuilds, rebuild{role: name, unit: name, why: "cannot take an attribute away from " + name})
				continue
			}
			changes = possible
		}
		switch {
		case r.RenamedTo != "":
			sql := fmt.Sprintf("ALTER ROLE %s RENAME TO %s", catalog.Quote(r.RenamedTo), catalog.Quote(name))
			steps = append(steps, Step{SQL: sql, Effects: []Effect{{Unit: name, SQL: sql}}})
		case r.OID == 0 && (r.Managed || r.Intermediate):
			create := roleStep("CREATE ROLE", r, changes)
			create.creates = name
			steps = append(steps, create)
		case r.OID == 0 || len(changes) == 0:
		// Before 16, CREATEROLE does not cover REPLICATION roles.
		case !server.Superuser && (!rights[r.OID].Admin || r.Replication && !server.MembershipOptions()):
			found.add(name, Problem{
				Kind: Blocked, Privilege: "ALTER ROLE", Object: "role " + name, Reason: "the daemon has no ADMIN option on the role, and so cannot alter it",
				Fix: adminFix(name, server),
			})
		default:
			steps = append(steps, roleStep("ALTER ROLE", r, changes))
		}
	}
	return steps, rebuilds
}

// replacedStep is for an intermediate role that was dropped, and of whose name there is another. It takes its place where we may put it right;
// otherwise it is none of ours.
func replacedStep(r Role, ours bool) Step {
	if ours && !r.Superuser {
		sql := "ALTER ROLE " + catalog.Quote(r.Name) + " NOLOGIN"
		return Step{SQL: sql, Effects: []Effect{{Unit: r.Name, SQL: sql}}, then: rememberIntermediateSQL, args: []any{r.Name}}
	}
	return Step{Effects: []Effect{{Unit: r.Name}}, then: "delete from sync_roles.intermediate_roles where role_name = $1", args: []any{r.Name}}
}

// allowed drops the attributes that the daemon cannot change, with a problem for each: what only a superuser can give, or, since PostgreSQL 16,
// who has it.
func allowed(changes []alteration, r Role, server catalog.Server, found problems) []alteration {
	if server.Superuser {
		return changes
	}
	has := map[string]bool{"CREATEDB": server.CreateDB || !server.MembershipOptions(), "REPLICATION": server.Replication && server.MembershipOptions(), "BYPASSRLS": server.BypassRLS && server.MembershipOptions()}
	var possible []alteration
	for _, c := range changes {
		attribute := strings.TrimPrefix(c.clause, "NO")
		if can, guarded := has[attribute]; !guarded || can {
			possible = append(possible, c)
			continue
		}
		if r.Intermediate {
			continue
		}
		found.add(r.Name, Problem{
			Kind: Blocked, Privilege: c.clause, Object: "role " + r.Name, Taking: !c.grants,
			Reason: fmt.Sprintf("the daemon cannot change %s: it lacks the attribute itself", attribute),
			Fix:    fmt.Sprintf("ALTER ROLE %s %s", catalog.Quote(server.Role), attribute),
		})
	}
	return possible
}

func roleStep(verb string, r Role, changes []alteration) Step {
	sql, shown := verb+" "+catalog.Quote(r.Name), verb+" "+catalog.Quote(r.Name)
	effect := Effect{Unit: r.Name}
	for _, c := range changes {
		sql += " " + c.clause
		shown += " " + c.shown
		if c.grants {
			effect.Granted++
		} else {
			effect.Revoked++
		}
	}
	effect.SQL = shown
	step := Step{SQL: sql, Effects: []Effect{effect}}
	switch {
	case r.Intermediate && r.OID == 0:
		step.then, step.args = rememberIntermediateSQL, []any{r.Name}
	case r.DesiredPasswordVerifier != nil && !r.Intermediate:
		sum := sha256.Sum256([]byte(*r.DesiredPasswordVerifier))
		step.then, step.args = rememberPasswordSQL, []any{r.Name, hex.EncodeToString(sum[:])}
	}
	return step
}

const rememberIntermediateSQL = `
	update sync_roles.intermediate_roles as i set role_oid = r.oid
	from pg_catalog.pg_roles as r
	where i.role_name = $1 and r.rolname = i.role_name`

//nolint:gosec // SQL with a password's fingerprint, not a password
const rememberPasswordSQL = `
	insert into sync_roles.applied_passwords (role_oid, fingerprint)
	select oid, $2 from pg_catalog.pg_roles where rolname = $1
	on conflict (role_oid) do update set fingerprint = excluded.fingerprint`

// toAlter lists the roles that exist and have an attribute to change.
func toAlter(roles map[string]Role, policy Policy) []catalog.OID {
	var list []catalog.OID
	for _, r := range roles {
		if r.OID != 0 && (len(alterations(r, policy)) > 0 || r.Intermediate && r.OID != r.IntermediateOID) {
			list = append(list, r.OID)
		}
	}
	return list
}
