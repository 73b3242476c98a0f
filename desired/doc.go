// Package desired reads which roles are managed, keeps the queue of roles to be inspected, and ends expired grants.
//
// The queue is insert-only for writers, and a pass deletes from it before it reads the desired rows. So a change is either
// seen by the pass that deletes its pending row, or its pending row is still there for the next: nothing is lost,
// whichever process is killed, and when. A NOTIFY only wakes the daemon; any role can send one.
package desired
