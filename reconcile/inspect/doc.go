// Package inspect reads how roles differ from their rows, and the facts that a plan for them takes. PostgreSQL compares as sets, and sends only what differs;
// no policy is applied here but the names of roles that the operator allows.
package inspect
