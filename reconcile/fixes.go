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

// revokeFix is the statement that takes away what the daemon cannot; as another role, where that is the grantor.
func revokeFix(grantor string, s SurplusGrant) string {
	keywords, _ := s.ObjectType.Keywords()
	what := s.Privilege
	if s.ColumnName != "" {
		what += " (" + catalog.Quote(s.ColumnName) + ")"
	}
	if s.OptionOnly {
		what = "GRANT OPTION FOR " + what
	}
	sql := fmt.Sprintf("REVOKE %s ON %s %s FROM %s", what, keywords.Grant, s.object().SQL(), catalog.Grantee(s.Role))
	if grantor != "" {
		sql = fmt.Sprintf("SET ROLE %s; %s; RESET ROLE", catalog.Quote(grantor), sql)
	}
	return sql
}

// ownerFix is the statement that lets the daemon grant on what a role owns. Membership in a superuser would make the daemon
// one in disguise, so there it is a grant option on the one object.
func ownerFix(privilege string, object catalog.Object, owner catalog.Rights, server catalog.Server) string {
	keywords, _ := object.Type.Keywords()
	switch {
	case owner.Superuser:
		return fmt.Sprintf("GRANT %s ON %s %s TO %s WITH GRANT OPTION", privilege, keywords.Grant, object.SQL(), catalog.Quote(server.Role))
	default:
		return memberFix(owner.Lender, false, server)
	}
}

// settingFix is what helps where PostgreSQL does not let the daemon give a role a setting. Before 15 only a superuser can.
func settingFix(name, sql string, server catalog.Server) string {
	if server.Version < 15 {
		return sql
	}
	return fmt.Sprintf("GRANT SET ON PARAMETER %s TO %s", catalog.Object{Type: "parameter", Name: name}.SQL(), catalog.Quote(server.Role))
}

// usageFix is the statement that lets a role name what is in a schema.
func usageFix(schema, role string) string {
	return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", catalog.Quote(schema), catalog.Quote(role))
}
