package reconcile

import (
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// adminFix is the statement that lets the daemon manage a role.
func adminFix(role string, server catalog.Server) string {
	if server.MembershipOptions() {
		return fmt.Sprintf("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", catalog.Quote(role), catalog.Quote(server.Role))
	}
	return fmt.Sprintf("ALTER ROLE %s CREATEROLE", catalog.Quote(server.Role))
}

// ownerFix is the statement that lets the daemon grant on what a role owns. Membership in a superuser would make the daemon
// one in disguise, so there it is a grant option on the one object.
func ownerFix(privilege string, object catalog.Object, owner catalog.Rights, server catalog.Server) string {
	keywords, _ := object.Type.Keywords()
	switch {
	case owner.Superuser:
		return fmt.Sprintf("GRANT %s ON %s %s TO %s WITH GRANT OPTION", privilege, keywords.Grant, object.SQL(), catalog.Quote(server.Role))
	default:
		return memberFix(owner.Name, false, server)
	}
}
