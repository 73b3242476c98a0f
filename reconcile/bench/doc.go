// Package bench measures the engine next to the floor: the same end state by the fewest hand-written statements, on the same server, in the same run. Read the
// ratios; the machine's speed cancels out. Each benchmark checks at its end, by real privileges, that what it measured is true.
//
//	go test ./reconcile/bench -bench . -benchtime 1x -timeout 60m
//
// The daemon is no superuser; with -superuser it is. TEST_POSTGRES_BIN chooses the server. docs/performance.md has the figures, and says what they mean.
package bench
