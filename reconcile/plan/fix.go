package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Every statement that a problem has as its fix is made here, and TestFixesHelp runs each: it must be enough, for whoever has the right to run it.

// AdminFix is the statement that lets the daemon manage a role.
func AdminFix(role string, server catalog.Server) string {
	if server.MembershipOptions() {
		return fmt.Sprintf("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", catalog.Quote(role), catalog.Quote(server.Role))
	}
	return AttributeFix(server.Role, "CREATEROLE")
}

// AttributeFix is the statement that sets or clears an attribute of a role.
func AttributeFix(role, clause string) string {
	return fmt.Sprintf("ALTER ROLE %s %s", catalog.Quote(role), clause)
}

// memberFix is the statement that makes the daemon a member of an owner.
func memberFix(role string, set bool, server catalog.Server) string {
	sql := fmt.Sprintf("GRANT %s TO %s", catalog.Quote(role), catalog.Quote(server.Role))
	switch {
	case server.MembershipOptions() && set:
		return sql + " WITH INHERIT TRUE, SET TRUE"
	case server.MembershipOptions():
		return sql + " WITH INHERIT TRUE, SET FALSE"
	default:
		return sql
	}
}

// defaultFix is the change of default privileges itself, where only a superuser can make it.
func defaultFix(c DefaultChange) string {
	return c.sql()
}

// retiredRowsFix deletes the rows of a role that is being retired.
func retiredRowsFix(role string) string {
	return "DELETE FROM sync_roles.desired_grants WHERE role_name = " + catalog.Literal(role)
}

// initialPrivilegesFix takes back what only DROP OWNED does, once the role owns nothing.
func initialPrivilegesFix(role, to string) string {
	return fmt.Sprintf("REASSIGN OWNED BY %s TO %s; DROP OWNED BY %[1]s", catalog.Quote(role), catalog.Quote(to))
}

// sessionsFix lets the daemon see what sessions are, and end them.
func sessionsFix(server catalog.Server) string {
	sql := "GRANT pg_signal_backend, pg_read_all_stats TO " + catalog.Quote(server.Role)
	if server.MembershipOptions() {
		return sql + " WITH INHERIT TRUE, SET FALSE"
	}
	return sql
}

// alterFix is what a superuser runs for the daemon.
func alterFix(c RoleChange) string {
	var list []string
	for _, step := range c.steps() {
		list = append(list, step.SQL)
	}
	return strings.Join(list, "; ")
}

// ownFix is the change of owner itself, where only a superuser can make it.
func ownFix(o OwnershipChange) string {
	return o.sql()
}

// createOwnerFix makes a role that is to own something, and lets the daemon give it to it.
func createOwnerFix(role string, server catalog.Server) string {
	sql := "CREATE ROLE " + catalog.Quote(role)
	if server.MembershipOptions() {
		sql += "; " + memberFix(role, true, server)
	}
	return sql
}

// privilegeOn is a GRANT or REVOKE between its verb and TO or FROM.
func privilegeOn(privilege, column string, object catalog.Object) string {
	keywords, _ := object.Type.Keywords()
	return fmt.Sprintf("%s ON %s %s", onColumn(privilege, column), keywords.Grant, object.SQL())
}

// cascadeIf ends a statement that would otherwise be refused because other grants depend on the one that it revokes.
func cascadeIf(others bool) string {
	if others {
		return " CASCADE"
	}
	return ""
}

// revokeFix is the statement that revokes a privilege that the daemon cannot revoke; as another role, where that is the grantor.
func revokeFix(grantor string, s *SurplusGrant, server catalog.Server) string {
	what := privilegeOn(s.Privilege, s.ColumnName, s.Object())
	if s.OptionOnly {
		what = "GRANT OPTION FOR " + what
	}
	sql := fmt.Sprintf("REVOKE %s FROM %s", what, catalog.Grantee(s.Role))
	if grantor != "" && server.NamesGrantors() {
		return sql + " GRANTED BY " + catalog.Quote(grantor) + cascadeIf(s.cascades())
	}
	sql += cascadeIf(s.cascades())
	if grantor == "" {
		return sql
	}
	sql = fmt.Sprintf("SET ROLE %s; %s; RESET ROLE", catalog.Quote(grantor), sql)
	if s.GrantorNoUsage {
		lend, back := lendUsage(s.SchemaName, grantor)
		sql = lend + "; " + sql + "; " + back
	}
	return sql
}

// formerGrantorFix is revokeFix where the grantor is a superuser by now, whose REVOKE would be the owner's. All of it is done, or nothing.
func formerGrantorFix(grantor string, s *SurplusGrant, server catalog.Server) string {
	if server.NamesGrantors() {
		return revokeFix(grantor, s, server)
	}
	return fmt.Sprintf("BEGIN; %s; %s; %s; COMMIT", AttributeFix(grantor, "NOSUPERUSER"), revokeFix(grantor, s, server), AttributeFix(grantor, "SUPERUSER"))
}

// regrantFix is the statement after which a dependent no longer depends.
func regrantFix(s *SurplusGrant, d Dependent) string {
	sql := fmt.Sprintf("GRANT %s TO %s", privilegeOn(s.Privilege, s.ColumnName, s.Object()), catalog.Grantee(d.Role))
	if d.Option {
		sql += " WITH GRANT OPTION"
	}
	return sql
}

// rejoinFix is regrantFix for memberships. Before 16, a GRANT to whoever is a member changes no grantor.
func rejoinFix(role string, d Dependent, server catalog.Server) string {
	sql := fmt.Sprintf("GRANT %s TO %s", catalog.Quote(role), catalog.Quote(d.Role))
	if d.Option {
		sql += " WITH ADMIN OPTION"
	}
	if server.MembershipOptions() {
		return sql
	}
	return fmt.Sprintf("REVOKE %s FROM %s; %s", catalog.Quote(role), catalog.Quote(d.Role), sql)
}

// leaveFix is the statement that ends a membership that the daemon cannot end.
func leaveFix(s *SurplusMembership, grantor string, server catalog.Server) string {
	what := catalog.Quote(s.GrantedName)
	if s.OptionOnly != "" {
		what = s.OptionOnly + " OPTION FOR " + what
	}
	sql := fmt.Sprintf("REVOKE %s FROM %s", what, catalog.Quote(s.MemberName))
	if !server.MembershipOptions() {
		return sql
	}
	return sql + " GRANTED BY " + catalog.Quote(grantor) + cascadeIf(s.cascades())
}

// joinFix is the membership itself, where only a superuser can give it.
func joinFix(c MembershipChange) string {
	return fmt.Sprintf("GRANT %s TO %s%s", catalog.Quote(c.Granted), catalog.Quote(c.Member), c.Options)
}

// ownerFix is the statement that lets the daemon grant on what a role owns. Membership in a superuser would make the daemon
// one in disguise, so there it is a grant option on the one object.
func ownerFix(m Missing, owner catalog.Rights, server catalog.Server) string {
	if owner.Superuser {
		return fmt.Sprintf("GRANT %s TO %s WITH GRANT OPTION", privilegeOn(m.Privilege, m.ColumnName, *m.Object()), catalog.Quote(server.Role))
	}
	return memberFix(owner.Lender, false, server)
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

// createFix is the statement that lets a role own something in a schema.
func createFix(schema, role string) string {
	return fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s", catalog.Quote(schema), catalog.Quote(role))
}

// databaseFix is the statement that lets the daemon give schemas to others.
func databaseFix(server catalog.Server) string {
	return fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s", catalog.Quote(server.Database), catalog.Quote(server.Role))
}

// conflictFix makes room for a role of ours.
func conflictFix(name string) string {
	return "DROP ROLE " + catalog.Quote(name)
}

// formerFix drops a role that was ours, and nothing that was created as that role.
func formerFix(name string, server catalog.Server) string {
	return fmt.Sprintf("REASSIGN OWNED BY %s TO %s; DROP OWNED BY %[1]s; DROP ROLE %[1]s", catalog.Quote(name), catalog.Quote(server.Role))
}

// encodingFix lets the engine choose how a desired grant is given.
func encodingFix(m Missing) string {
	grantable := ""
	if m.Grantable {
		grantable = "grantable = false, "
	}
	return fmt.Sprintf("UPDATE sync_roles.desired_grants SET %sdirect = NULL WHERE id = %d", grantable, m.GrantID)
}

// forgetFix ends the search for what a deleted row gave.
func forgetFix(grantID int64) string {
	return fmt.Sprintf("DELETE FROM sync_roles.withdrawn WHERE grant_id = %d", grantID)
}

// approveFix is no statement, but a command.
func approveFix() string {
	return "pg-sync-roles sync --approve"
}

// UnhideFix lets the owner of these tables see all of their rows.
func UnhideFix(tables []string) string {
	list := make([]string, len(tables))
	for i, name := range tables {
		list[i] = "ALTER TABLE " + name + " NO FORCE ROW LEVEL SECURITY"
	}
	return strings.Join(list, "; ")
}

// RegainFix gives the ADMIN option on our own roles back, in one statement for all.
func RegainFix(roles []string, server catalog.Server) string {
	return catalog.RegainAdmin(roles, server.Role)
}
