// Package desired is what people asked for: which roles are managed, and the queue of roles that must be looked at.
//
// The queue is insert-only for writers, and a pass deletes from it before it reads the desired rows. So a change is either
// seen by the pass that deletes its pending row, or its pending row is still there for the next: nothing is lost,
// whatever is killed when. A NOTIFY only wakes; anybody can send one.
package desired
