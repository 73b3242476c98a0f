// Package chaos has one test, and nothing else: for a while, writers, a DBA, an operator and a killer all do what they like to a
// cluster that real daemons look after. Then all of them stop, and what PostgreSQL has must be what the rows say, no more
// and no less. Somebody who rebuilds tables meanwhile, as dbt does, must not notice the daemons at all.
//
//	go test ./internal/chaos                              # some 15 s of chaos
//	go test ./internal/chaos -chaos.duration 10m          # more
//	go test ./internal/chaos -chaos.seed 42               # the same decisions again
//
// A seed repeats what each actor decides, not how their doings fall together.
package chaos
