package plan

import (
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Drift is how a batch of roles differs from its rows. Until the roles themselves are right, only Roles is read.
type Drift struct {
	Roles       map[string]Role
	Missing     []Missing
	Resolved    []Resolved // objects that resolved_objects does not have under these names yet
	Grants      []SurplusGrant
	Memberships []SurplusMembership
	Ownerships  []SurplusOwnership
	Defaults    []DefaultPrivileges
	Retiring    map[string]Retirement // roles that exist and are being retired: all that they have is surplus
}

// Empty reports whether no difference was read. Roles can differ from their rows all the same.
func (d *Drift) Empty() bool {
	return len(d.Missing)+len(d.Resolved)+len(d.Grants)+len(d.Memberships)+len(d.Ownerships)+len(d.Defaults) == 0
}

// Target is a privilege on an object, or without ObjectName on none yet, that a row asks for. Roles that lack the same share it.
// (inspect/sql/missing_grants.sql)
type Target struct {
	Privilege        string
	DesiredPrivilege string // ALL stands for several
	ObjectType       catalog.ObjectType
	SchemaName       string
	DesiredName      string
	NameMatch        string
	ColumnName       string
	Direct           *bool
	Grantable        bool
	IntermediateOID  catalog.OID
	ClassOID         catalog.OID
	ObjectOID        catalog.OID
	ObjectName       string
	Signature        string
	OwnerOID         catalog.OID
	ACLLength        int
	WinnerID         int64 // the row that is obeyed, where several ask to own the object, or (0: this one) for options of the membership
	CreateSchema     bool
	ColumnMissing    bool
	MayGrant         bool
	NoUsage          bool   // neither the daemon nor the owner has USAGE on the schema, and so cannot name the object
	Refused          string // why the row can never be obeyed
	ColumnNumber     int16
	InheritOption    *bool  // MEMBER: WITH INHERIT; nil: as it is
	SetOption        *bool  // MEMBER: WITH SET; nil: as it is
	More             string // the selector of a row that is not plain (see Selector); DesiredName and SchemaName are not all of it

	intermediate string          // see intermediateName
	more         *more           // see selector
	object       *catalog.Object // see Object
}

// Kind is by what differences are read: MEMBER, OWNER, or the type of object.
func (t *Target) Kind() string {
	if t.isMember() || t.isOwner() {
		return t.DesiredPrivilege
	}
	return string(t.ObjectType)
}

func (t *Target) isMember() bool { return t.DesiredPrivilege == "MEMBER" }

func (t *Target) isOwner() bool { return t.DesiredPrivilege == "OWNER" }

// Exact reports whether the row names one object: no pattern, and not the columns of a table but some.
func (t *Target) Exact() bool { return t.NameMatch == "exact" && t.More == "" }

// Exists reports whether there is such an object. A parameter on which nothing was ever granted has no OID.
func (t *Target) Exists() bool { return t.ObjectName != "" }

// Object is the object; where there is none, it has the name that the row asks for. It is one copy for all roles that lack the same.
func (t *Target) Object() *catalog.Object {
	if t.object == nil {
		name := t.ObjectName
		if !t.Exists() {
			name = t.DesiredName
		}
		t.object = &catalog.Object{Type: t.ObjectType, Class: t.ClassOID, OID: t.ObjectOID, Schema: t.SchemaName, Name: name, Signature: t.Signature, Owner: t.OwnerOID}
	}
	return t.object
}

// MayUseIntermediate reports whether a membership in an intermediate role can be what the row asks for.
func (t *Target) MayUseIntermediate() bool {
	return (t.Direct == nil || !*t.Direct) && !t.Grantable && t.ColumnName == "" && t.ObjectOID != 0
}

// Routine is what overloads share.
type Routine struct{ Schema, Name string }

// routine names the routines that a row with argument types could have meant.
func (t *Target) routine() Routine {
	name, _, _ := strings.Cut(t.DesiredName, "(")
	return Routine{t.SchemaName, name}
}

// Missing is a target that a role should have and has not.
type Missing struct {
	*Target
	GrantID int64 // 0: an intermediate role's own
	Role    string
}

func (m Missing) problem(kind Outcome, code Code, reason, fix string) Problem {
	return Problem{Kind: kind, Code: code, GrantID: m.GrantID, Privilege: m.Privilege, Object: m.Object().String(), Reason: reason, Fix: fix}
}

// Resolved is an object, or a column of it, that a role's row resolves to.
type Resolved struct {
	Role         string
	Object       catalog.Object
	Column       string
	ColumnNumber int16 // 0: the object itself
}

// SurplusGrant is a privilege that a role holds on an object and should not. (inspect/sql/surplus_grants.sql)
type SurplusGrant struct {
	Role           string `db:"role_name"`
	Privilege      string
	ColumnName     string
	GrantorOID     catalog.OID
	ObjectType     catalog.ObjectType
	ClassOID       catalog.OID
	ObjectOID      catalog.OID
	SchemaName     string
	ObjectName     string
	Signature      string
	OwnerOID       catalog.OID
	Undeclared     bool        // no row ever asked for it: an exclusive role keeps nothing else
	Rival          bool        // PostgreSQL may take us for another grantor than the owner
	Dependents     []Dependent // who holds it from this role
	PassedOn       bool        // by its grant option, also to those who hold it otherwise
	NoUsage        bool        // the daemon has no USAGE on the schema
	GrantorNoUsage bool        // nor has the grantor
	OptionOnly     bool        // the privilege is desired, its grant option is not
	StillDesired   bool        // through an intermediate role, or on the object that bears the name now
	Expired        bool        // the row that gave it has expired
	Transactions   []int64     // which deleted the rows that gave it
	NameLost       bool        // a row gave it, and the object lost its name, which no other object bears
	Columns        []string    // on which the role holds the same privilege from the same grantor: revoking the table's revokes these too
	ColumnOptions  []bool      // and with the grant option
}

// Object is the object on which the role holds the privilege.
func (s *SurplusGrant) Object() catalog.Object {
	return catalog.Object{Type: s.ObjectType, Class: s.ClassOID, OID: s.ObjectOID, Schema: s.SchemaName, Name: s.ObjectName, Signature: s.Signature, Owner: s.OwnerOID}
}

// String names the privilege for people, and for what is held.
func (s *SurplusGrant) String() string {
	text := s.Privilege + " on " + s.Object().String()
	if s.ColumnName != "" {
		text = s.Privilege + " (" + s.ColumnName + ") on " + s.Object().String()
	}
	if s.OptionOnly {
		return "the grant option for " + text
	}
	return text
}

// cascades reports whether revoking it must take others along.
func (s *SurplusGrant) cascades() bool { return s.PassedOn || len(s.Dependents) > 0 }

func (s *SurplusGrant) problem(kind Outcome, code Code, reason, fix string) Problem {
	return Problem{Kind: kind, Code: code, Revoke: true, Privilege: s.Privilege, Object: s.Object().String(), Reason: reason, Fix: fix}
}

// SurplusMembership is a membership that should not be. (inspect/sql/surplus_memberships.sql)
type SurplusMembership struct {
	Role         string `db:"role_name"` // whose pass it belongs to: the member, or the intermediate role
	GrantedOID   catalog.OID
	GrantedName  string
	MemberOID    catalog.OID
	MemberName   string
	GrantorOID   catalog.OID
	Dependents   []Dependent // who is a member by this member's ADMIN option
	PassedOn     bool        // by that, also to those who are members otherwise
	OptionOnly   string      // ADMIN, INHERIT or SET: the membership is desired, this option of it is not
	StillDesired bool        // what an intermediate role gives, on the object itself
	Expired      bool        // the row that gave it has expired
	Transactions []int64     // which deleted the rows that gave it
}

// String names the membership for people, and for what is held.
func (s *SurplusMembership) String() string {
	if s.OptionOnly != "" {
		return "the " + s.OptionOnly + " option on role " + s.GrantedName
	}
	return "membership in role " + s.GrantedName
}

func (s *SurplusMembership) cascades() bool { return s.PassedOn || len(s.Dependents) > 0 }

func (s *SurplusMembership) problem(code Code, reason, fix string) Problem {
	return Problem{Kind: Blocked, Code: code, Revoke: true, Role: s.GrantedName, Privilege: "MEMBER", Object: "role " + s.GrantedName, Reason: reason, Fix: fix}
}

// SurplusOwnership is an object that a role owns and should not. (inspect/sql/surplus_ownerships.sql)
type SurplusOwnership struct {
	Role         string `db:"role_name"`
	ObjectType   catalog.ObjectType
	ClassOID     catalog.OID
	ObjectOID    catalog.OID
	SchemaName   string
	ObjectName   string
	Signature    string
	OwnerOID     catalog.OID
	Expired      bool    // the row that gave it has expired
	Transactions []int64 // which deleted the rows that gave it
	Moved        bool    // its row is there, and the name stands for another object now
}

// String names the ownership for people, and for what is held.
func (s *SurplusOwnership) String() string { return "ownership of " + s.Object().String() }

// Object is the object that the role owns.
func (s *SurplusOwnership) Object() catalog.Object {
	return catalog.Object{Type: s.ObjectType, Class: s.ClassOID, OID: s.ObjectOID, Schema: s.SchemaName, Name: s.ObjectName, Signature: s.Signature, Owner: s.OwnerOID}
}

// Dependent is a role that holds a privilege, or a membership, only because a role that loses it has passed it on. PostgreSQL revokes it along with the
// other (REVOKE … CASCADE): access that has ended has ended for those to whom the grantee gave it, too.
type Dependent struct {
	Role      string      `json:"role"`
	Grantor   catalog.OID `json:"grantor"`
	Desired   bool        `json:"desired"`   // a row of its own asks for it: then it is granted again first
	Grantable bool        `json:"grantable"` // that row asks for the grant option, or the ADMIN option, too
	Option    bool        `json:"option"`    // it has that option by the grantor
}

// Add puts the differences of further roles together with the rest.
func (d *Drift) Add(more *Drift) {
	d.Missing = append(d.Missing, more.Missing...)
	d.Resolved = append(d.Resolved, more.Resolved...)
	d.Grants = append(d.Grants, more.Grants...)
	d.Memberships = append(d.Memberships, more.Memberships...)
	d.Ownerships = append(d.Ownerships, more.Ownerships...)
	d.Defaults = append(d.Defaults, more.Defaults...)
}
