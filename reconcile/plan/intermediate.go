package plan

import (
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// intermediateName is the derived name of the intermediate role for the target's selector.
func (t *Target) intermediateName(database catalog.OID) string {
	if t.intermediate == "" {
		t.intermediate = t.selector().roleName(database)
	}
	return t.intermediate
}

// throughIntermediate makes a role a member of the selector's intermediate role, which is made first where there is none.
func (m *maker) throughIntermediate(missing Missing) {
	if missing.IntermediateOID == 0 {
		m.createIntermediate(missing)
		return
	}
	if m.forbidsMembership(missing, missing.IntermediateOID) {
		return
	}
	name := m.facts.intermediateFor(missing.Target)
	if rights := m.facts.Rights[missing.IntermediateOID]; rights.Name != "" {
		name = rights.Name
		if !m.facts.Server.Superuser && !rights.Admin {
			m.replace(Replacement{
				Name: name, Role: missing.Role, Abandoned: true, Adds: true,
				Why: fmt.Sprintf("cannot make %s a member of role %s: the daemon has no ADMIN option on it", missing.Role, name),
			})
			return
		}
	}
	options := ""
	if m.facts.Server.MembershipOptions() {
		options = intermediateOptions
	}
	m.touch(missing.Role)
	m.plan.AddMembers = append(m.plan.AddMembers, MembershipChange{Granted: name, Member: missing.Role, Role: missing.Role, Options: options, As: m.facts.Keepers[missing.IntermediateOID]})
}

// intermediateOptions are those of memberships in intermediate roles. All three: to a membership that is there already, GRANT only adds what is spelled out.
const intermediateOptions = " WITH INHERIT TRUE, SET FALSE, ADMIN FALSE"

// UseNewIntermediates has what is missing go through intermediate roles that were made since it was read.
func (d *Drift) UseNewIntermediates(created map[string]Role, f *Facts) {
	for _, missing := range d.Missing {
		if missing.IntermediateOID != 0 || missing.Grantable {
			continue
		}
		if r, ok := created[f.intermediateFor(missing.Target)]; ok {
			missing.IntermediateOID = r.IntermediateOID
		}
	}
}

// intermediateFor is the name that the selector's intermediate role has or gets.
func (f *Facts) intermediateFor(t *Target) string {
	name := t.intermediateName(f.Server.DatabaseOID)
	if h := f.Conflicts[name]; h != nil && h.Problem != "" {
		return h.Instead
	}
	return name
}

// createIntermediate makes an intermediate role, or reuses one that is there and was made here. What it holds is decided when it is read together with the
// roles that use it.
func (m *maker) createIntermediate(missing Missing) {
	// A role that would get nothing through it needs none.
	if _, ok := m.grantLenders(missing); !ok {
		return
	}
	m.touch(missing.Role)
	derived, s := missing.intermediateName(m.facts.Server.DatabaseOID), missing.selector()
	if m.selectors[derived] {
		return
	}
	m.selectors[derived] = true
	if _, answered := m.facts.Conflicts[derived]; !answered {
		m.plan.Questions.Names = append(m.plan.Questions.Names, NameQuestion{derived, s})
	}
	name := m.freeName(derived, "an intermediate role ("+s.String()+")")
	comment := Step{Makes: name, SQL: commentOn(name, m.facts.Server, s.String())}
	create, keeper := "CREATE ROLE "+catalog.Quote(name)+" NOLOGIN", ""
	if UsesKeepers(m.facts.Server) {
		keeper = m.keeperFor(derived)
		create += " ADMIN " + catalog.Quote(keeper)
	}
	m.plan.Created = append(m.plan.Created, name)
	if m.reusable(derived) {
		m.plan.ReusesRoles = true
		// The COMMENT waits for whoever is granting the role.
		comment.Effects = []Effect{{Role: name, SQL: comment.SQL}}
		comment.Record = Record{Kind: ReuseIntermediate, Args: s.args(name), Sure: true}
		m.comments = append(m.comments, comment)
		return
	}
	m.roles = append(m.roles, Step{Creates: name, Makes: name, SQL: create, Effects: []Effect{{Role: name, SQL: create}}, Record: Record{Kind: RegisterIntermediate, Args: s.args(name)}})
	m.comments = append(m.comments, byLockKeeper(m.facts.LockKeeper, keeper, name, comment)...)
}

// commentOn is the statement that says of an intermediate role what it holds. The registry counts; by the comment, which takes ADMIN to write, such a
// role is known where there is no registry.
func commentOn(name string, server catalog.Server, holds string) string {
	return commentStatement(name, "intermediate role of sync_roles in database "+server.Database+": "+holds)
}

func commentStatement(role, comment string) string {
	return fmt.Sprintf("COMMENT ON ROLE %s IS %s", catalog.Quote(role), catalog.Literal(comment))
}

// freeName returns the name under which to make a role whose derived name this is, and notes the role that keeps it from having that name (invariant 9 of package
// reconcile).
func (m *maker) freeName(derived, purpose string) string {
	h := m.facts.Conflicts[derived]
	if h == nil || h.Problem == "" {
		return derived
	}
	m.plan.Conflicts[derived] = NameConflictProblem(derived, purpose, h.Problem)
	return h.Instead
}

// reusable reports whether there is an unregistered role of this name that is as it would be made.
func (m *maker) reusable(derived string) bool {
	h := m.facts.Conflicts[derived]
	return h != nil && h.Problem == ""
}

// NameConflictProblem tells of a role that has a name of ours and is not ours. It is granted nothing, and blocks no other role.
func NameConflictProblem(name, purpose, why string) Problem {
	return Problem{
		Kind: Refused, Code: NameConflict, Role: name, Object: "role " + name,
		Reason: fmt.Sprintf("it has the name of %s, and was not made by this daemon: %s; a role of another name is used", purpose, why),
		Fix:    conflictFix(name),
	}
}
