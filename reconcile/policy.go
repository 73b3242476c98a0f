package reconcile

import "slices"

// Policy is what the one who runs the daemon decides, and rows cannot.
type Policy struct {
	MaxDirectGrantees   int      // entries of an object's ACL from which on exact names go through an intermediate role
	Protect             []string // roles that are never managed
	AllowMembershipIn   []string // privileged roles in which rows may ask for membership, with what these reach
	AllowAttribute      []string // createrole, replication, bypassrls
	FallbackOwner       string   // who gets an ownership that is taken away; empty: the connected role
	AdvisoryLockKey     *int64   // a lock shared with other tools, taken before ours
	PruneEmptyAfterSecs int64    // how long an intermediate role that holds nothing is kept
	Limit               Limit    // how much may be taken away at once without a person
}

func (p Policy) protects(role string) bool { return slices.Contains(p.Protect, role) }

// allowedMemberships is AllowMembershipIn, as an array that is never NULL.
func (p Policy) allowedMemberships() []string { return append([]string{}, p.AllowMembershipIn...) }

func (p Policy) allowsAttribute(attribute string) bool {
	return slices.Contains(p.AllowAttribute, attribute)
}
