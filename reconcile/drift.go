package reconcile

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Role is a role of a batch: what it is, what it should be, and how it was left last time. (sql/roles.sql)
type Role struct {
	Name            string
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
	IntermediateOID catalog.OID // with this OID
	RenamedTo       string      // the name that the role of this OID has, if it is another
	RenamedOurs     bool        // and is no login, or carries our comment
	Foreign         bool        // its name is that of another database's intermediate role

	DesiredLogin           *bool
	DesiredCreateDB        *bool
	DesiredCreateRole      *bool
	DesiredInherit         *bool
	DesiredReplication     *bool
	DesiredBypassRLS       *bool
	DesiredConnectionLimit *int
	DesiredValidUntil      pgtype.Timestamptz
	PasswordChange         *bool           // to the row's verifier, or false to none; nil: it is as the row asks, or left alone
	DesiredSettings        desiredSettings // nil: left as they are
	Settings               []string        // as pg_db_role_setting.setconfig, for this database
	Managed                bool

	Exclusive bool // it has revoke_other
	Withdrawn bool // rows of it have gone that were not dealt with yet

	FailedAttempts int
	LastOutcome    Outcome
	LastProblems   []Problem

	unmade bool // PostgreSQL refused to create it
}

// Target is what a desired grant comes to: one privilege on one object; without ObjectName, on nothing yet. Roles that lack the same
// share it. (sql/missing_grants.sql)
type Target struct {
	Privilege       string
	AskedPrivilege  string
	ObjectType      catalog.ObjectType
	SchemaName      string
	AskedName       string
	NameMatch       string
	ColumnName      string
	Direct          *bool
	Grantable       bool
	IntermediateOID catalog.OID
	Class           catalog.OID
	OID             catalog.OID
	ObjectName      string
	Signature       string
	Owner           catalog.OID
	ACLLength       int
	Winner          int64
	CreateSchema    bool
	ColumnMissing   bool
	MayGrant        bool
	NoUsage         bool   // it cannot even be named: neither the daemon nor the owner has USAGE on its schema
	Refused         string // why the row can never be obeyed
	ColumnNumber    int16

	intermediate string          // see intermediateName
	found        *catalog.Object // see shared
}

// kind is by what differences are read: memberships, ownerships, or privileges on one type of object.
func (t *Target) kind() string {
	if t.AskedPrivilege == "MEMBER" || t.AskedPrivilege == "OWNER" {
		return t.AskedPrivilege
	}
	return string(t.ObjectType)
}

func (t *Target) object() catalog.Object {
	o := catalog.Object{Type: t.ObjectType, Class: t.Class, OID: t.OID, Schema: t.SchemaName, Name: t.ObjectName, Signature: t.Signature, Owner: t.Owner}
	if !t.exists() {
		o.Name = t.AskedName
	}
	return o
}

// exists reports whether there is such an object. A parameter on which nothing was ever granted has no OID.
func (t *Target) exists() bool { return t.ObjectName != "" }

// shared is the one copy of the object for all roles that lack the same.
func (t *Target) shared() *catalog.Object {
	if t.found == nil {
		o := t.object()
		t.found = &o
	}
	return t.found
}

// Missing is a target that a role should have and has not.
type Missing struct {
	*Target
	GrantID int64 // 0: an intermediate role's own
	Role    string
}

func (m Missing) problem(kind Outcome, reason, fix string) Problem {
	return Problem{Kind: kind, GrantID: m.GrantID, Privilege: m.Privilege, Object: m.object().String(), Reason: reason, Fix: fix}
}

// Remembered is an object, or a column of it, that a role's rows name.
type Remembered struct {
	Role         string
	Object       catalog.Object
	Column       string
	ColumnNumber int16 // 0: the object itself
}

// SurplusGrant is a privilege that a role holds on an object and should not. (sql/surplus_grants.sql)
type SurplusGrant struct {
	Role           string
	RoleOID        catalog.OID
	Privilege      string
	ColumnName     string
	Grantable      bool
	Grantor        catalog.OID
	ObjectType     catalog.ObjectType
	Class          catalog.OID
	OID            catalog.OID
	SchemaName     string
	ObjectName     string
	Signature      string
	Owner          catalog.OID
	Other          bool        // no row ever spoke of it: an exclusive role keeps nothing else
	Rival          bool        // PostgreSQL may take us for another grantor than the owner
	Dependents     []Dependent // who holds it from this role
	PassedOn       bool        // by its grant option, also to those who hold it otherwise
	NoUsage        bool        // the daemon has no USAGE on the schema
	GrantorNoUsage bool        // nor has the grantor
	OptionOnly     bool        // the privilege is desired, its grant option is not
	StillAsked     bool        // through an intermediate role, or on the object that bears the name now
	Expired        bool        // the row that gave it has expired
	Transactions   []int64     // which deleted the rows that gave it
	Lost           bool        // a row gave it, and the object lost its name, which no other object bears
	Columns        []string    // of which the role holds the same privilege from the same grantor: revoking the table's takes it along
	ColumnOptions  []bool      // and with the grant option
}

func (s SurplusGrant) object() catalog.Object {
	return catalog.Object{Type: s.ObjectType, Class: s.Class, OID: s.OID, Schema: s.SchemaName, Name: s.ObjectName, Signature: s.Signature, Owner: s.Owner}
}

// what names the privilege for people.
func (s SurplusGrant) what() string {
	text := s.Privilege + " on " + s.object().String()
	if s.ColumnName != "" {
		text = s.Privilege + " (" + s.ColumnName + ") on " + s.object().String()
	}
	if s.OptionOnly {
		return "the grant option for " + text
	}
	return text
}

// SurplusMembership is a membership that should not be. (sql/surplus_memberships.sql)
type SurplusMembership struct {
	Unit         string // whose pass it belongs to: the member, or the intermediate role
	RoleOID      catalog.OID
	RoleName     string
	MemberOID    catalog.OID
	MemberName   string
	Grantor      catalog.OID
	Dependents   []Dependent // who is a member by this member's ADMIN option
	PassedOn     bool        // by that, also to those who are members otherwise
	OptionOnly   bool        // the membership is desired, its ADMIN option is not
	StillAsked   bool        // what an intermediate role gives, on the object itself
	Expired      bool        // the row that gave it has expired
	Transactions []int64     // which deleted the rows that gave it
}

// what names the membership for people.
func (s SurplusMembership) what() string {
	if s.OptionOnly {
		return "the ADMIN option on role " + s.RoleName
	}
	return "membership in role " + s.RoleName
}

// SurplusOwnership is an object that a role owns and should not. (sql/surplus_ownerships.sql)
type SurplusOwnership struct {
	Role         string
	ObjectType   catalog.ObjectType
	Class        catalog.OID
	OID          catalog.OID
	SchemaName   string
	ObjectName   string
	Signature    string
	Owner        catalog.OID
	Expired      bool    // the row that gave it has expired
	Transactions []int64 // which deleted the rows that gave it
	Moved        bool    // its row is there, and the name stands for another object now
}

// what names the ownership for people.
func (s SurplusOwnership) what() string { return "ownership of " + s.object().String() }

func (s SurplusOwnership) object() catalog.Object {
	return catalog.Object{Type: s.ObjectType, Class: s.Class, OID: s.OID, Schema: s.SchemaName, Name: s.ObjectName, Signature: s.Signature, Owner: s.Owner}
}

// Reached is a role that members of Start come to reach, and why rows may not give that away. (sql/reach.sql)
type Reached struct {
	Start      catalog.OID
	OID        catalog.OID
	Name       string
	Privileged string // empty: nothing against it
}

// Drift is how a batch of roles differs from what is desired, and what deciding about that takes.
type Drift struct {
	Roles        map[string]Role
	Missing      []Missing
	Remember     []Remembered // objects that resolved_objects does not know by their names yet
	Grants       []SurplusGrant
	Foreign      []SurplusGrant // those among Grants that another database's intermediate roles hold in this one
	Memberships  []SurplusMembership
	Ownerships   []SurplusOwnership
	Rights       map[catalog.OID]catalog.Rights
	Reach        map[catalog.OID][]Reached
	Keepers      map[catalog.OID]string // intermediate roles, and the keeper that has ADMIN on each
	KnownKeepers map[int]string         // by slot
	Namesakes    map[string]*namesake   // by derived name; nil: nobody has the name
	Overloads    map[routine][]string   // signatures, where a row names a routine that there is not
	Schemas      map[string]schemaFacts // those in which the daemon may lack USAGE
	Server       catalog.Server
	Locker       string // the keeper of the lock, where there is one

	unsettled map[catalog.OID]bool // schemas and types to be left alone for the moment

	separate bool // one object for each statement, so that one that PostgreSQL refuses is about nothing else
	python   bool // there are intermediate roles that the Python library made
}

// sameInstant treats no limit and infinity alike: VALID UNTIL cannot be set back to NULL.
func sameInstant(a, b pgtype.Timestamptz) bool {
	if a.InfinityModifier != pgtype.Finite || b.InfinityModifier != pgtype.Finite {
		return a.InfinityModifier == b.InfinityModifier
	}
	return a.Time.Round(time.Microsecond).Equal(b.Time.Round(time.Microsecond))
}
