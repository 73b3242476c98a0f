// Package migrations installs, upgrades and removes the schema sync_roles.
//
// The SQL is in numbered files, which golang-migrate runs in order, each in one transaction. Every file ends by setting
// installation.schema_version in that same transaction. golang-migrate writes its own version, and a "dirty" flag, in
// transactions before and after; where the two disagree, a migration was killed in the middle, PostgreSQL has rolled its
// SQL back, and Up puts golang-migrate's table right and goes on.
package migrations
