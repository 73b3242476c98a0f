package plan

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Role is a role of a batch: its attributes, the desired ones, and how its last pass ended. (inspect/sql/roles.sql)
type Role struct {
	Name            string      `db:"role_name"`
	OID             catalog.OID // 0: it does not exist
	Superuser       bool
	Inherit         bool
	Login           bool
	CreateDB        bool
	CreateRole      bool
	Replication     bool
	BypassRLS       bool
	ConnectionLimit int
	ValidUntil      pgtype.Timestamptz
	Provider        bool // its name is one that a managed service keeps for itself

	Intermediate    bool        // the registry has it, as an intermediate role or
	Keeper          bool        // as a keeper of such
	Locks           bool        // which locks _pgsr_lock, and so has CREATEROLE
	IntermediateOID catalog.OID // the OID that the registry has
	RenamedTo       string      // the name that the role of this OID has, if it is another
	RenamedOurs     bool        // and it is no login, or carries our comment
	Foreign         bool        `db:"foreign_name"` // its name is that of another database's intermediate role

	DesiredLogin           *bool
	DesiredCreateDB        *bool
	DesiredCreateRole      *bool
	DesiredInherit         *bool
	DesiredReplication     *bool
	DesiredBypassRLS       *bool
	DesiredConnectionLimit *int
	DesiredValidUntil      pgtype.Timestamptz
	PasswordChange         *bool    // true: to the row's verifier; false: to none; nil: none is due
	DesiredSettings        Settings // nil: left as they are
	Settings               []string // as pg_db_role_setting.setconfig, for this database
	Managed                bool

	Exclusive   bool // it has revoke_other
	Withdrawn   bool // rows of it were deleted, and no pass has dealt with them yet
	EndSessions bool // sessions that still have what was taken are to end

	State       State
	Suspended   bool  // suspended_roles has it
	Released    bool  // what is left of it is not judged by the limit again
	IgnoredRows int64 // rows of desired_grants for a retired role

	FailedAttempts int
	LastOutcome    Outcome
	LastProblems   []Problem
}

// misnamed reports whether the registered role does not bear its name, or does not exist.
func (r Role) misnamed() bool { return r.Intermediate && r.OID != r.IntermediateOID }

// kind names what the registry has the role for.
func (r Role) kind() string {
	if r.Keeper {
		return "a keeper"
	}
	return "an intermediate role"
}

// Protection says why a role is never managed (invariant 8 of package reconcile); empty: it may be.
func Protection(r Role, server catalog.Server, policy Policy) string {
	switch {
	case r.Name == catalog.Public:
		return ""
	case r.Name == server.Role:
		return "it is the role that runs pg-sync-roles, which does not manage itself"
	case r.Name == server.SchemaOwner:
		return "the owner of schema sync_roles is never managed"
	case r.Superuser:
		return "superusers are never managed"
	case strings.HasPrefix(r.Name, "pg_") || r.OID != 0 && r.OID < firstNormalOID:
		return "PostgreSQL's own roles are never managed"
	case r.Name == "none" || r.Name == "" || len(r.Name) > maxNameBytes:
		return "there can be no role of this name"
	case IsOurs(r.Name) && !r.Intermediate:
		return "roles named _pgsr_... are never managed through rows"
	case r.Provider:
		return "roles of this name belong to the managed service (RDS, Cloud SQL, Azure, Supabase and others), and are never managed"
	case policy.protects(r.Name):
		return "the daemon runs with --protect for it"
	}
	return ""
}

// firstNormalOID is FirstNormalObjectId of src/include/access/transam.h: below are the objects of initdb.
const firstNormalOID = 16384

// maxNameBytes is NAMEDATALEN - 1. PostgreSQL cuts longer names, with a NOTICE, and so would name another role.
const maxNameBytes = 63

// sameInstant treats no limit and infinity alike: VALID UNTIL cannot be set back to NULL.
func sameInstant(a, b pgtype.Timestamptz) bool {
	if a.InfinityModifier != pgtype.Finite || b.InfinityModifier != pgtype.Finite {
		return a.InfinityModifier == b.InfinityModifier
	}
	return a.Time.Round(time.Microsecond).Equal(b.Time.Round(time.Microsecond))
}
