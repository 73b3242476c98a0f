package plan

import (
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// The registry knows intermediate roles and keepers by OID. Statements call them by their names: so a role that lost its name gets it back, or another one,
// before anything is done with it.

// registryStep brings name and registry together for a role that is misnamed, and tells of whoever has the name, and of a role that has the OID and may not
// be ours.
func (m *maker) registryStep(r Role) Step {
	rename, forget := RenameIntermediate, ForgetIntermediateOID
	if r.Keeper {
		rename, forget = RenameKeeper, ForgetKeeperOID
	}
	if r.RenamedTo == "" || !r.RenamedOurs {
		// Whoever needs one gets another, and the role that has the name is inspected then.
		if r.RenamedTo != "" {
			m.plan.Conflicts[r.RenamedTo] = Problem{
				Kind: Blocked, Code: RegisteredRoleChanged, Revoke: true, Role: r.RenamedTo, Object: "role " + r.RenamedTo,
				Reason: fmt.Sprintf("it was %s, %s, and now has LOGIN or another attribute, and lacks the comment of one: its privileges and members are left alone", r.kind(), r.Name),
				Fix:    formerFix(r.RenamedTo, m.facts.Server),
			}
		}
		return Step{Effects: []Effect{{Role: r.Name}}, Record: Record{Kind: forget, Args: []any{r.IntermediateOID}}}
	}
	name := r.Name
	if r.OID != 0 {
		name = m.facts.FreshNames[r.Name]
		if name == "" {
			m.plan.Questions.FreshNames = append(m.plan.Questions.FreshNames, r)
		}
		m.plan.Conflicts[r.Name] = NameConflictProblem(r.Name, r.kind(), "that one was renamed to "+r.RenamedTo)
	}
	if !m.facts.Server.Superuser && !m.facts.Rights[r.IntermediateOID].Admin {
		return Step{Effects: []Effect{{Role: r.Name}}, Record: Record{Kind: rename, Args: []any{r.IntermediateOID, r.RenamedTo}}, Renames: r.RenamedTo}
	}
	sql := renameStatement(r.RenamedTo, name)
	step := Step{SQL: sql, Effects: []Effect{{Role: name, SQL: sql}}}
	if name != r.Name {
		step.Record, step.Renames = Record{Kind: rename, Args: []any{r.IntermediateOID, name}}, name
	}
	return step
}

func renameStatement(from, to string) string {
	return fmt.Sprintf("ALTER ROLE %s RENAME TO %s", catalog.Quote(from), catalog.Quote(to))
}
