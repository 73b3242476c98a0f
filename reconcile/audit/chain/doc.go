// Package chain makes the audit tamper-evident: each row has a place in a chain, and a hash over itself and the hash of the place before.
//
// Writers take turns by a lock on the row of sync_roles.audit_chain. It is the last lock that they take in a transaction, and so never part of
// a deadlock. The SQL that computes and checks hashes calls no function of the schema, which its owner could replace.
//
// docs/audit.md says what the chain proves, and what it does not.
package chain
