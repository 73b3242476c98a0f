package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// grant decides how a role gets a privilege: on the object itself, or through an intermediate role.
func (m *maker) grant(missing Missing) {
	if m.forbidsGrant(missing) {
		return
	}
	if why := onlyIndirect(missing); why != "" && missing.GrantID != 0 && m.cannotInherit(missing.Role) {
		m.report(missing.Role, missing.problem(Blocked, NoInherit,
			fmt.Sprintf("role %s is NOINHERIT, so before PostgreSQL 16 it gains nothing from an intermediate role, which %s", missing.Role, why),
			AttributeFix(missing.Role, "INHERIT")))
		return
	}
	if !m.goesDirect(missing) {
		m.throughIntermediate(missing)
		return
	}
	if m.fillsACL(missing) {
		m.report(missing.Role, fullACL(missing))
		return
	}
	lenders, ok := m.grantLenders(missing)
	if !ok {
		return
	}
	m.countEntry(missing)
	m.touch(missing.Role)
	m.plan.Grants = append(m.plan.Grants, PrivilegeChange{
		Object: missing.Object(), Column: missing.ColumnName, Privilege: missing.Privilege, Role: missing.Role, Option: missing.Grantable, Lenders: lenders,
		GrantID: missing.GrantID,
	})
}

// onlyIndirect says what makes a row go through an intermediate role, whatever its member is; empty: nothing does. Of partitions only an intermediate
// role, which keeps nothing else, is certain to lose those that are detached.
func onlyIndirect(missing Missing) string {
	switch {
	case missing.Direct != nil && !*missing.Direct:
		return "direct false asks for"
	case missing.More != "" && missing.selector().HasPartitions():
		return "partitions true takes"
	default:
		return ""
	}
}

// goesDirect applies the rule of encodings: patterns through an intermediate role, exact names on the object until its ACL
// is long, and through an intermediate role that is there already.
func (m *maker) goesDirect(missing Missing) bool {
	switch {
	case missing.GrantID == 0, missing.Grantable, missing.Role == catalog.Public:
		return true
	case missing.Direct != nil:
		return *missing.Direct
	case m.cannotInherit(missing.Role):
		return true
	case !missing.Exact() || missing.IntermediateOID != 0:
		return false
	default:
		added := m.entries[aclOf(missing)]
		return added[missing.Role] || missing.ACLLength+len(added) < m.policy.MaxDirectGrantees
	}
}

// maxACLEntries is how long direct grants may make an ACL that must fit into a page with the rest of its catalog's row: PostgreSQL refuses
// some 1,490 entries in the worst case met. What is left is for intermediate roles, without which the object could be granted to no more roles.
// Policy.MaxDirectGrantees is another thing: from there on grants go through intermediate roles by choice.
const maxACLEntries = 1000

// fillsACL reports whether a direct grant to a role of rows would make an ACL longer than that.
func (m *maker) fillsACL(missing Missing) bool {
	switch missing.ObjectType {
	case catalog.Table, catalog.Sequence, catalog.LargeObject:
	default:
		return false // their catalogs have TOAST
	}
	if missing.GrantID == 0 || missing.Role == catalog.Public {
		return false
	}
	added := m.entries[aclOf(missing)]
	return !added[missing.Role] && missing.ACLLength+len(added) >= maxACLEntries
}

// fullACL says how a role can have the privilege although there is no room for it in the object's ACL.
func fullACL(missing Missing) Problem {
	reason := fmt.Sprintf("the ACL of %s has %d entries, and no more direct grants are added", missing.Object(), maxACLEntries)
	switch {
	case missing.Grantable:
		return missing.problem(Blocked, ACLFull, reason+"; without the grant option it would go through an intermediate role", encodingFix(missing))
	case missing.Direct != nil:
		return missing.problem(Blocked, ACLFull, reason+"; with direct NULL it would go through an intermediate role", encodingFix(missing))
	default:
		return missing.problem(Blocked, ACLFull, reason+fmt.Sprintf("; role %s is NOINHERIT, so before PostgreSQL 16 it gains nothing from an intermediate role", missing.Role),
			AttributeFix(missing.Role, "INHERIT"))
	}
}

// aclKey names an ACL: an object's, or that of a column.
type aclKey struct {
	class, oid catalog.OID
	column     string
}

func aclOf(missing Missing) aclKey {
	return aclKey{missing.ClassOID, missing.ObjectOID, missing.ColumnName}
}

func (m *maker) cannotInherit(role string) bool {
	r := m.drift.Roles[role]
	return !m.facts.Server.MembershipOptions() && r.OID != 0 && !r.Inherit
}

func (m *maker) countEntry(missing Missing) {
	key := aclOf(missing)
	if m.entries[key] == nil {
		m.entries[key] = map[string]bool{}
	}
	m.entries[key][missing.Role] = true
}

// grantLenders says whose privileges a grant takes besides the daemon's own, or adds the problem that it cannot have them.
func (m *maker) grantLenders(missing Missing) (lenders Lenders, ok bool) {
	if m.facts.Server.Superuser || missing.MayGrant && !missing.NoUsage {
		return Lenders{}, true
	}
	owner := m.facts.Rights[missing.OwnerOID]
	asOwner := missing.MayGrant || owner.Usage
	if !asOwner && canBorrow(owner) {
		lenders.Owner, asOwner = owner.Lender, true
	}
	// Membership in the owner, borrowed or not, brings the owner's USAGE; a grant option on the object does not.
	usage := !missing.NoUsage && (lenders.Owner != "" || missing.SchemaName == "" || !owner.Superuser || m.facts.Schemas[missing.SchemaName].Usage)
	if !usage {
		lenders.Schema, usage = m.schemaLender(missing.SchemaName)
	}
	if asOwner && usage {
		return lenders, true
	}
	var reasons, fixes []string
	var code Code
	if !usage {
		code = SchemaUsage
		reasons = append(reasons, fmt.Sprintf("the daemon has no USAGE on schema %s, without which it cannot name %s", missing.SchemaName, missing.Object()))
		fixes = append(fixes, usageFix(missing.SchemaName, m.facts.Server.Role))
	}
	if !asOwner {
		code = OwnerPrivileges
		reasons = append(reasons, fmt.Sprintf("%s belongs to role %s, whose privileges the daemon does not have", missing.Object(), owner.Name))
		fixes = append(fixes, ownerFix(missing, owner, m.facts.Server))
	}
	m.report(missing.Role, missing.problem(Blocked, code, strings.Join(reasons, "; "), strings.Join(fixes, "; ")))
	return Lenders{}, false
}

// schemaLender is the role that can lend the daemon USAGE on a schema; ok is false if there is none.
func (m *maker) schemaLender(schema string) (name string, ok bool) {
	s := m.facts.Schemas[schema]
	owner := m.facts.Rights[s.OwnerOID]
	return owner.Lender, s.OwnerUsage && canBorrow(owner)
}

// usageLender is the role with whose privileges the daemon can give another one USAGE on a schema, if its own are not enough; ok is false if there is none.
func (m *maker) usageLender(schema string) (name string, ok bool) {
	s := m.facts.Schemas[schema]
	owner := m.facts.Rights[s.OwnerOID]
	if m.facts.Server.Superuser || owner.Usage || s.UsageOption {
		return "", s.OID != 0
	}
	return owner.Lender, canBorrow(owner)
}

// lendUsage is what comes before and after the statements of a role that cannot name the objects in the schema. No other session sees it.
func lendUsage(schema, role string) (lend, back string) {
	return usageFix(schema, role), fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", catalog.Quote(schema), catalog.Quote(role))
}
