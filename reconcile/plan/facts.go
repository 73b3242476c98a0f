package plan

import (
	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Facts is the data that a plan needs besides the drift. Needs lists what to read first; Questions, what a plan then asks for.
type Facts struct {
	Server     catalog.Server
	LockKeeper string // the keeper of role _pgsr_lock; empty: there is none

	Rights    map[catalog.OID]catalog.Rights // the connected role's, over the roles that a change needs
	Reachable map[catalog.OID][]Reachable    // by members of a role, through any chain of memberships
	Keepers   map[catalog.OID]string         // the keeper that has ADMIN on an intermediate role
	Slots     map[int]string                 // the keepers, by the share of intermediate roles that each has
	Shared    int                            // how many intermediate roles there are; more than need all keepers are not counted
	Overloads map[Routine][]string           // signatures, where a row names a routine that does not exist
	Schemas   map[string]Schema              // those on which the daemon may lack USAGE
	Owners    map[OwnerChange]OwnerFacts     // what changing an owner takes
	Renaming  map[catalog.OID]bool           // schemas and types to be left alone for the moment

	Conflicts     map[string]*NameHolder // by derived name; nil: the name is free
	FreshNames    map[string]string      // free names for registered roles of which another role has the name, by that
	Intermediates map[string]*Contents   // by name: those to be replaced or dropped
	Limit         LimitFacts

	Retirements Retirements // what the plans before, in the same pass, have done about roles that are being retired

	RulesExist bool       // there are rows in sync_roles.forbidden
	Rules      *RuleFacts // nil: not read

	Rejected map[StepKey]Rejection // what PostgreSQL refused in this pass
	Separate bool                  // one object in each statement, so that one that PostgreSQL refuses is about nothing else
}

// Reachable is a role that members of Start come to reach, and why rows may not give that. (inspect/sql/reachable_roles.sql)
type Reachable struct {
	Start      catalog.OID
	OID        catalog.OID
	Name       string
	Privileged string // empty: rows may give it
}

// Schema is what decides whether the daemon can name the objects in a schema. (inspect/sql/schemas.sql)
type Schema struct {
	Name        string
	ClassOID    catalog.OID
	OID         catalog.OID
	OwnerOID    catalog.OID
	Usage       bool // the daemon has USAGE
	UsageOption bool // with the grant option
	OwnerUsage  bool // the schema's owner has, who may have revoked it from itself
}

func (s Schema) object() catalog.Object {
	return catalog.Object{Type: catalog.Schema, Class: s.ClassOID, OID: s.OID, Name: s.Name, Owner: s.OwnerOID}
}

// OwnerChange gives an object to another role.
type OwnerChange struct {
	Object catalog.Object
	To     string
}

// OwnerFacts is what the server says about a change of owner. (inspect/sql/owner_changes.sql)
type OwnerFacts struct {
	CreateDB         bool // the daemon has CREATEDB
	CreateInDatabase bool // the daemon may create schemas
	CreateInSchema   bool // the new owner may create objects in the object's schema
	SchemaOwnerOID   catalog.OID
	FollowsTable     bool // a sequence of a column
	NoUsage          bool // neither the daemon nor the present owner, as whom it acts, can name what is in the schema
	ToOID            catalog.OID
}

// NameHolder is an unregistered role that has the name of an intermediate role or keeper to be made: one of ours from before the schema was removed and
// installed again, or of a plan that was run by hand; or another role's work, made to be given what ours gets. (inspect/sql/name_holders.sql)
type NameHolder struct {
	Name    string
	OID     catalog.OID
	Problem string // why it cannot be ours; empty: it is as we would have made it
	Keeper  bool   // the name is a keeper's
	Instead string // the name for the role that is made in its place
}

// Contents is what an intermediate role has, as far as replacing or dropping it takes that.
type Contents struct {
	Stale          bool        // steps have run since it was read
	OID            catalog.OID // 0: no intermediate role is registered under the name
	Name           string
	Comment        string
	Keeper         string         // that has ADMIN on it; empty: none
	DesiredMembers []string       // the members that rows give it
	Members        []string       // all members that inherit from it
	Grants         []SurplusGrant // all that it holds
	OldName        string         // a free name to rename it to
	NewName        string         // a free name for another in its place
}

// Rejection is why PostgreSQL has not done a step.
type Rejection struct {
	Kind   Outcome // Blocked, or Failed where it is tried again by itself
	Code   Code
	Reason string
	Rights bool // for want of a privilege
	Stale  bool // a name was not there, or there already: either it changed after it was read, or it never will
}

// staleAttempts is how often a stale statement is tried again by itself: after half a minute it is not another session that keeps it so.
const staleAttempts = 5

// Outcome is how the rejection is reported for a role that has failed so often before.
func (r Rejection) Outcome(failedAttempts int) Outcome {
	if r.Stale && failedAttempts >= staleAttempts {
		return Blocked
	}
	return r.Kind
}

// canBorrow reports whether the daemon can become a member of a role for the length of a statement. Never of a superuser.
func canBorrow(r catalog.Rights) bool { return r.Admin && !r.Superuser }

// settlingAttempts is how many passes of a role leave an object alone that is being renamed, one after the other: about half a minute's. Else the owner of
// schemas that renames them again and again would keep what rows no longer ask for.
const settlingAttempts = 5

// leavesAlone reports whether an object is left alone in this pass, as far as it concerns the role.
func (m *maker) leavesAlone(oid catalog.OID, role string) bool {
	return m.facts.Renaming[oid] && m.drift.Roles[role].FailedAttempts < settlingAttempts
}

const renamingReason = "it was renamed, or took over its name, a moment ago, and is left alone until the renaming has settled"
