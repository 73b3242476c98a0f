// Package boundary has tests alone: a pass fails at every statement boundary there is, one after the other, and after each failure the world
// must be what the rows say.
//
// internal/chaos finds by chance; this enumerates. A proxy between the program and the server counts the messages of a scripted pass, and at
// the nth one the connection is lost (before it was sent, after it was done, while it runs), the process is killed, or the server fails the
// statement. Then the pass is repeated once, undisturbed, and judged: access, owners, attributes, what the daemon borrowed, intermediate
// roles, the queue, status and audit.
//
//	go test ./internal/boundary                        # a sample, always the same
//	go test ./internal/boundary -boundary.all          # every boundary with every failure: an hour
//
// The tests rely on SQL and on processes: the program is built and run. No server's TLS is between it and the proxy.
package boundary
