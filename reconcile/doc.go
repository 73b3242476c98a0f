// Package reconcile gives roles the privileges that the desired rows ask for, and revokes those that they no longer ask for.
//
// # A pass
//
// One pass is about a batch of roles, in one READ COMMITTED transaction:
//
//	lock            lock.go                 one pass at a time, in the whole cluster
//	take requests   desired, pass.go        the queue's rows about these roles
//	inspect         inspect, batch.go       how the roles differ from their rows, and the facts that a plan takes
//	plan            plan                    pure: drift + facts + policy → typed changes, problems, statements
//	apply           apply                   the statements, in rounds: a plan for what a role holds comes after the plan that makes the role
//	verify          verify.go               inspect and plan again: what differs and was not tried is done; what was tried is a problem
//	audit           audit                   what was done, what could not be, and what to remember
//	commit
//
// A pass that fails climbs a ladder (ladder.go): as it is; again after a conflict; without what PostgreSQL refuses; in halves; and then the failure of the
// one role is recorded. A rescan (rescan.go) and a sync (sync.go) inspect without the lock first (precheck.go), and do a pass over the roles that are due.
// A dry run (dryrun.go) does passes, and rolls them back.
//
// # Where it is decided
//
// PostgreSQL compares sets: the privileges that are desired and missing, and those that are held and no longer desired (surplus). It applies no policy.
// Package plan decides whether, how, in which order, and what to tell people if not. A rule that several queries need is a function or view of the schema
// (migrations): sync_roles.selector, find_objects, means, managed_roles, covers, follows_table, privileged_roles.
//
// # What is hard, and where it is
//
// Names change while a pass runs. A REVOKE names its object, so a table that is swapped at that moment would lose its successor's privileges: apply/share.go
// locks what is revoked from, and datedPass (renaming.go) leaves alone for 0.75 s what was renamed a moment ago. What has lost its name, and is another
// object's by now, is in resolved_objects (inspect/renamed.go).
//
// A pattern can cost a second for each name. pattern.go measures the patterns of a pass that took too long, and leaves the costly ones to a pass of their own.
//
// Roles are of the cluster, rows of a database. A database that is dropped leaves its intermediate roles behind: dead.go.
//
// # Invariants
//
//  1. One transaction does all of a pass. Where the connection dies, PostgreSQL rolls back grants, audit rows and the taking of the queue alike, and the
//     next pass finds all of it again.
//  2. One pass runs at a time in the cluster: it holds a lock on role _pgsr_lock, which ends with the transaction, and can be taken only by roles with
//     ADMIN on that role. Nothing to do takes no lock, needs no transaction ID and writes nothing.
//  3. The queue is in a table, and a rescan inspects every role, unless nothing that it reads has changed since it found nothing to do (settled.go): a lost
//     notification only delays a pass.
//  4. Grant before revoke: access does not blink when its encoding changes.
//  5. What a statement did is read back. One that reports success and does nothing makes the outcome blocked, never applied.
//  6. A role that cannot be served keeps no other role of its batch from being served.
//  7. More revokes at once than the limits allow are held until a person approves, whatever was split into passes or transactions.
//  8. Rows never make a superuser, never reach a privileged role, and never act on a role that is protected: the daemon's flags decide, not rows.
//  9. Nothing that another role can make is taken for ours: intermediate roles and keepers are known by OID, relations by OID and owner.
//  10. A borrowed membership is given back before the commit, and that is verified.
//  11. What rows gave is remembered (withdrawn, resolved_objects) until it was revoked: neither a rename nor a deleted row keeps access.
//
// # Who owns which relation
//
// The queue and expiry: desired, which also deletes what has expired from desired_grants. Audit, retries, holds, withdrawn, resolved_objects, contested,
// costly_patterns: audit; the chain of the audit's hashes: audit/chain. The registry (intermediate_roles, keepers): apply; audit notes a new name there.
// desired_grants and desired_roles are the users'; adopt, and the commands demo and password, write rows for them. internal/layers has the full list, and
// fails for SQL that is not in it.
//
// # Words
//
//   - Drift: the differences found. Missing is desired and not there; surplus is there and not desired.
//   - Facts: the other data that a decision needs.
//   - Plan: typed changes against the drift. Step: a statement of a plan.
//   - Role of a batch: managed, by rows or a row of desired_roles, or intermediate. Exclusive: keeps nothing besides its rows, of the kinds of revoke_other.
//   - Selector: the privilege and the object, or pattern, that a row names.
//   - Intermediate role: holds what a selector finds, so that ACLs stay short. The registry has its OID.
//   - Keeper: has ADMIN on a share of the intermediate roles, its slot, so that no role's memberships are too many.
//   - Lender: a role whose privileges the daemon borrows for a statement. Rival: a role of the daemon's by which PostgreSQL may take another grantor than the owner.
//   - Withdrawn: what a deleted row gave, until it was revoked.
//   - Loss: what a role loses by a plan, which counts against the limit. Undeclared: a loss that no row ever asked for. Verdict: whether a loss is held.
//   - Held: waits for an approval.
//   - Foreign: of another database. Legacy: made by the Python library.
package reconcile
