package plan

// Code says which problem it is, for programs. docs/problems.md lists what to do about each.
type Code string

// Codes of problems that wait for an object.
const (
	ObjectMissing    Code = "object_missing"    // the object does not exist yet
	PatternUnmatched Code = "pattern_unmatched" // no object matches the pattern yet
	ColumnMissing    Code = "column_missing"    // the table has no such column yet
)

// Retiring is the code of what is left of a role that is being retired.
const Retiring Code = "retiring"

// Codes of refused rows.
const (
	RoleProtected        Code = "role_protected"        // the role is never managed
	RowInvalid           Code = "row_invalid"           // a row that the triggers would have refused
	MembershipPrivileged Code = "membership_privileged" // membership would reach a privileged role
	MembershipCircular   Code = "membership_circular"   // the role is itself a member
	RoleNameReserved     Code = "role_name_reserved"    // membership in a role of such a name
	OwnerConflict        Code = "owner_conflict"        // another row gives the object to another role
	OptionConflict       Code = "option_conflict"       // another row asks for other options of the membership
	OwnerFollowsTable    Code = "owner_follows_table"   // a column's sequence has the owner of its table
	Forbidden            Code = "forbidden"             // a rule forbids it
	RoleRetired          Code = "role_retired"          // rows for a retired role are not obeyed
	AttributeNotAllowed  Code = "attribute_not_allowed" // only a flag of the daemon allows it
	SettingInvalid       Code = "setting_invalid"       // a setting of desired_roles that cannot be one
	NameConflict         Code = "name_conflict"         // another role has the name of an intermediate role or keeper
	BackReference        Code = "back_reference"        // a regex that can take minutes to compare
)

// Codes of what the daemon cannot do as things are.
const (
	NoInherit             Code = "no_inherit"              // the role would gain nothing from an intermediate role
	ACLFull               Code = "acl_full"                // the object's ACL has no room for direct grants
	CreatorsMany          Code = "creators_many"           // at_creation asks for more default privileges than are given
	OwnerPrivileges       Code = "owner_privileges"        // the daemon does not have the privileges of the object's owner
	SchemaUsage           Code = "schema_usage"            // no role as which the daemon can act has USAGE on the schema
	AdminOption           Code = "admin_option"            // the daemon has no ADMIN option on the role
	SuperuserOnly         Code = "superuser_only"          // PostgreSQL lets only superusers do it
	GrantorOnly           Code = "grantor_only"            // only the role that granted it can revoke it
	DependentProtected    Code = "dependent_protected"     // a protected role would lose it, too
	DependentNotGrantable Code = "dependent_not_grantable" // a role that would lose it has a row for it, and it cannot be granted anew
	NewGrantMissing       Code = "new_grant_missing"       // kept until the new grant is in place
	AttributeRight        Code = "attribute_right"         // the daemon cannot change the attribute
	OwnershipRight        Code = "ownership_right"         // the daemon lacks what changing the owner takes
	PatternCostly         Code = "pattern_costly"          // comparing the pattern takes too long
	RegisteredRoleChanged Code = "registered_role_changed" // an intermediate role or keeper that another session made a login
	RoleAbandoned         Code = "role_abandoned"          // an intermediate role that only a superuser can drop
	RoleNotDropped        Code = "role_not_dropped"        // a role of a dropped database that cannot be dropped
	Contested             Code = "contested"               // another session undoes each change
	NoEffect              Code = "no_effect"               // PostgreSQL reported success, and nothing changed
	Rejected              Code = "rejected"                // PostgreSQL refused the statement
	InitialPrivileges     Code = "initial_privileges"      // an extension gives them, and only DROP OWNED takes them
	SessionsRight         Code = "sessions_right"          // the daemon may not end sessions that still have what was taken
)

// Codes of the safety limit, and of what is tried again by itself.
const (
	LimitExceeded Code = "limit_exceeded" // it waits for an approval
	BeingRenamed  Code = "being_renamed"  // the object was renamed a moment ago
	LockTimeout   Code = "lock_timeout"   // another session holds a lock
	Conflict      Code = "conflict"       // another session changed the same at the same time
	RowLocked     Code = "row_locked"     // an expired row that another session has locked
	RoleFailed    Code = "role_failed"    // an error that ended the pass of the role
)
