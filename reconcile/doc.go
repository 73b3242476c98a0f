// Package reconcile makes roles hold what the desired rows say.
//
// One pass looks at a batch of roles in one READ COMMITTED transaction: lock, take the queue's requests for them, read what
// differs from what is desired, decide (a pure function), apply, read again, audit, commit. What is promised:
//
//   - The connection dies in mid-pass: PostgreSQL rolls back the grants, the audit rows and the taking of the queue alike.
//     The next pass finds all of it again.
//   - Several daemons run, in one database or in several of a cluster: a pass holds a lock on the role _pgsr_lock, which is
//     cluster-wide, ends with the transaction, and can be taken only by those who have ADMIN on that role.
//   - A notification is lost: the queue is in a table, and a rescan looks at every role.
//   - Somebody grants by hand at the same time: PostgreSQL fails one of the two ("tuple concurrently updated"). The pass is
//     tried again, from reading on.
//   - A statement reports success and does nothing (a GRANT without the grant option only warns): the second reading finds
//     it, and the outcome is blocked, never applied.
//   - One role of a batch cannot be served: what PostgreSQL refuses, or a lock holds back, is left out and reported; if that does not help, the
//     batch is split until that role stands alone. Its neighbours go through.
//   - More would be taken away at once than the limits allow: nothing is, from these roles, before a person approves (limit.go).
//   - A row asks for what would harm the cluster: refused, whatever the row says. The limits are the daemon's flags.
//
// The server compares desired with actual, and sends only what differs: in a fleet that is in order, nothing.
package reconcile
