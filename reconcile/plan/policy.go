package plan

import (
	"slices"
	"time"
)

// Policy is the settings that the operator of the daemon decides, and that rows cannot override.
type Policy struct {
	MaxDirectGrantees   int      // ACL entries of an object from which grants by exact name go through an intermediate role
	Protect             []string // roles that are never managed
	AllowMembershipIn   []string // privileged roles in which rows may ask for membership, with what these reach
	AllowAttribute      []string // createrole, replication, bypassrls
	FallbackOwner       string   // the new owner of what a role may no longer own; empty: the connected role
	AdvisoryLockKey     *int64   // a lock shared with other tools, taken before ours
	PruneEmptyAfterSecs int64    // how long an intermediate role that holds nothing is kept
	Limit               Limit    // how much may be revoked at once without a person
}

// Limit is how much may be revoked at once without a person: an ETL job that empties desired_grants by mistake must do no harm.
type Limit struct {
	Revokes int           // so many privileges; 0: no limit
	Percent int           // and this share of what all managed roles hold through rows; 0: the number alone decides
	Window  time.Duration // what passes revoked in this time counts too; 0: each deletion is measured by itself
}

func (p Policy) protects(role string) bool { return slices.Contains(p.Protect, role) }

// AllowedMemberships is AllowMembershipIn, as an array that is never NULL.
func (p Policy) AllowedMemberships() []string { return append([]string{}, p.AllowMembershipIn...) }

// AllowedAttributes is AllowAttribute, as an array that is never NULL.
func (p Policy) AllowedAttributes() []string { return append([]string{}, p.AllowAttribute...) }

func (p Policy) allowsAttribute(attribute string) bool {
	return slices.Contains(p.AllowAttribute, attribute)
}

// fallbackOwner is the new owner of what a role may no longer own.
func (p Policy) fallbackOwner(connected string) string {
	if p.FallbackOwner != "" {
		return p.FallbackOwner
	}
	return connected
}
