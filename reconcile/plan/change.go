package plan

import (
	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// PrivilegeChange gives one role one privilege on one object or column, or revokes it.
type PrivilegeChange struct {
	Object    *catalog.Object
	Column    string
	Privilege string
	Role      string
	Option    bool    // in a grant: with the grant option; in a revoke: the grant option alone
	As        string  // the role to act as; empty: the connected one
	Lenders   Lenders // of which the connected role must be a member for the moment
	GrantID   int64   // the row that it is for; 0: none
}

// Lenders are the roles of which the connected role becomes a member for the length of a statement; empty: none.
type Lenders struct {
	Owner  string         // of the object, or the grantor
	Schema string         // the owner of its schema, for USAGE
	Usage  catalog.Object // the schema on which the role to act as gets USAGE for the length of the statement
}

// roles lists the lenders.
func (l Lenders) roles() []string {
	var list []string
	for _, role := range []string{l.Owner, l.Schema} {
		if role != "" {
			list = append(list, role)
		}
	}
	return list
}

// Revocation is a revoke of a privilege, with all that it takes along.
type Revocation struct {
	PrivilegeChange
	Surplus *SurplusGrant
	problem *Problem // why it cannot be revoked
}

// MembershipChange makes a role a member of another, or ends that.
type MembershipChange struct {
	Granted string // the role of which Member is a member
	Option  string // in a removal: only this option, ADMIN, INHERIT or SET
	Member  string
	Role    string // whose audit row it belongs to
	Options string // WITH …, GRANTED BY …
	As      string // the role to act as; empty: the connected one
	Borrow  string // a role of which the connected one must be a member for the moment; empty: none
}

// Removal ends a membership, with all that it takes along.
type Removal struct {
	MembershipChange
	Surplus     *SurplusMembership
	Replacement *Replacement // the membership cannot be revoked: another intermediate role takes the place of the one
}

// RoleChange creates or alters a role, or gives a registered role its name back.
type RoleChange struct {
	Role       string
	Create     bool
	Attributes []Attribute
	Password   *bool // as Role.PasswordChange
}

// OwnershipChange gives an object to another role, or creates a schema for it.
type OwnershipChange struct {
	OwnerChange
	From    catalog.Rights
	Role    string // whose audit row it belongs to
	Given   bool   // by an OWNER row; otherwise the role loses it
	GrantID int64
	Create  bool // CREATE SCHEMA instead
	surplus *SurplusOwnership
}

// SettingChange sets a setting with which the role's sessions in this database start, or resets it.
type SettingChange struct {
	Role    string
	Setting Setting
}
