// Package upgrade has no code: its tests take a cluster from PostgreSQL 15 to a version that records who may give each role away (16 and later), by
// pg_upgrade and by a dump.
//
// They need two PostgreSQLs, and are skipped where one is missing: TEST_POSTGRES_BIN, or what pgserver.Locate finds, is the new one, and must have the
// programs that make dumps; TEST_UPGRADE_FROM_BIN, or the 15 that Debian's package installs, is the old one.
package upgrade
