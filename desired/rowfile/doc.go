// Package rowfile keeps rows of sync_roles.desired_grants as files under version control: YAML and CSV.
//
// A file is all that one source (desired_grants.source) wants. What it says is compared with the source's rows; rows of other sources are theirs.
package rowfile
