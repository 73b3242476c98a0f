// Package citus has no code: its tests run a daemon beside Citus, a coordinator with two workers.
//
// No package registry has Citus. They run where TEST_CITUS_BIN names the bin folder of a PostgreSQL that it was built into, and are skipped elsewhere.
package citus
