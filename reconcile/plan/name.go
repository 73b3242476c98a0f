package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

const prefix = "_pgsr_" // of the lock, of intermediate roles and of keepers, in every database; sync_roles.is_ours knows it too

// OwnName is the name of an intermediate role or a keeper of the database; with an empty rest, what the names of all of them begin with.
func OwnName(database catalog.OID, rest string) string {
	return fmt.Sprintf("%s%d_%s", prefix, database, rest)
}

// IsOurs reports whether a role's name is one that intermediate roles and keepers have, of whatever database.
func IsOurs(name string) bool { return strings.HasPrefix(name, prefix) }

// reservedName says why rows can never ask for membership in a role of this name, whether it exists or not; empty: they may.
func reservedName(name string) string {
	switch {
	case IsOurs(name):
		return "rows cannot ask for membership in roles named _pgsr_..."
	case strings.HasPrefix(name, "pg_"):
		return "there is no predefined role " + name + " on this server"
	}
	return ""
}
