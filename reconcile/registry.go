package reconcile

import (
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// The registry knows intermediate roles and keepers by OID. Their names are where they are found, and what statements call them: so a role that lost
// its name gets it back, or another one, before anything is done with it.

// What the registry is told of, by OID.
const (
	renameIntermediateSQL = "update sync_roles.intermediate_roles set role_name = $2 where role_oid = $1"
	renameKeeperSQL       = "update sync_roles.keepers set role_name = $2 where role_oid = $1"
	forgetIntermediateSQL = "delete from sync_roles.intermediate_roles where role_oid = $1"
	forgetKeeperSQL       = "delete from sync_roles.keepers where role_oid = $1"
)

// misnamed reports whether the registered role does not bear its name, or does not exist.
func (r Role) misnamed() bool { return r.Intermediate && r.OID != r.IntermediateOID }

// kind names what the registry has the role for.
func (r Role) kind() string {
	if r.Keeper {
		return "a keeper"
	}
	return "an intermediate role"
}

// registryStep brings name and registry together for a role that is misnamed. strangers are told of, by name: who has the name, and a role that has
// the OID and may not be ours.
func registryStep(r Role, rights map[catalog.OID]catalog.Rights, server catalog.Server) (step Step, strangers map[string]Problem) {
	rename, forget := renameIntermediateSQL, forgetIntermediateSQL
	if r.Keeper {
		rename, forget = renameKeeperSQL, forgetKeeperSQL
	}
	if r.RenamedTo == "" || !r.RenamedOurs {
		// Whoever needs one gets another, and who has the name is looked at then.
		step = Step{Effects: []Effect{{Unit: r.Name}}, then: forget, args: []any{r.IntermediateOID}}
		if r.RenamedTo != "" {
			strangers = map[string]Problem{r.RenamedTo: {
				Kind: Blocked, Taking: true, Object: "role " + r.RenamedTo,
				Reason: fmt.Sprintf("it was %s, %s, and now is a login, or more, without the comment of one: what it holds, and who is a member, is left alone", r.kind(), r.Name),
				Fix:    formerFix(r.RenamedTo, server),
			}}
		}
		return step, strangers
	}
	name := r.Name
	if r.OID != 0 {
		name = freshName(server.DatabaseOID, map[bool]string{true: "keeper_"}[r.Keeper])
		strangers = map[string]Problem{r.Name: strangerProblem(r.Name, r.kind(), "that one was renamed to "+r.RenamedTo)}
	}
	if !server.Superuser && !rights[r.IntermediateOID].Admin {
		return Step{Effects: []Effect{{Unit: r.Name}}, then: rename, args: []any{r.IntermediateOID, r.RenamedTo}, unit: r.RenamedTo}, strangers
	}
	sql := fmt.Sprintf("ALTER ROLE %s RENAME TO %s", catalog.Quote(r.RenamedTo), catalog.Quote(name))
	step = Step{SQL: sql, Effects: []Effect{{Unit: name, SQL: sql}}}
	if name != r.Name {
		step.then, step.args, step.unit = rename, []any{r.IntermediateOID, name}, name
	}
	return step, strangers
}
