package plan

import (
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Session is one that still has what was taken from its role, or may have. (inspect/sql/stale_sessions.sql)
type Session struct {
	PID          int32 `db:"pid"`
	DatabaseName string
	RoleOID      catalog.OID
	RoleName     string
	Lost         string // what was taken: LOGIN, CONNECT, or MEMBER of a role
	MayEnd       bool   // the daemon sees all of it that counts, and may end it
}

// String names the session for people. It is one line.
func (s Session) String() string { return fmt.Sprintf("session %d %s", s.PID, s.why()) }

// Statement ends the session, and says why. It is one line.
func (s Session) Statement() string {
	return fmt.Sprintf("SELECT pg_catalog.pg_terminate_backend(%d) /* %s */", s.PID, strings.NewReplacer("/*", "/ *", "*/", "* /").Replace(s.why()))
}

func (s Session) why() string {
	where := "in no database"
	if s.DatabaseName != "" {
		where = "in database " + s.DatabaseName
	}
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(where + ", without " + s.Lost)
}

// Endings lists the statements that end these sessions, with those by which the daemon becomes a member of their roles for the moment.
func Endings(sessions []Session, server catalog.Server) []string {
	var list, back []string
	borrowed := set[string]{}
	for _, s := range sessions {
		if !s.MayEnd && !borrowed[s.RoleName] {
			borrowed.add(s.RoleName)
			lend := fmt.Sprintf("GRANT %s TO %s", catalog.Quote(s.RoleName), catalog.Quote(server.Role))
			if server.MembershipOptions() {
				lend += " WITH INHERIT TRUE, SET TRUE"
			}
			list = append(list, lend)
			back = append(back, fmt.Sprintf("REVOKE %s FROM %s", catalog.Quote(s.RoleName), catalog.Quote(server.Role)))
		}
		list = append(list, s.Statement())
	}
	return append(list, back...)
}

// EndableRoles divides the roles of sessions: those whose sessions the daemon can end, if need be as a member of the role for the moment, and those whose
// sessions it cannot.
func EndableRoles(sessions []Session, rights map[catalog.OID]catalog.Rights) (can, cannot []string) {
	refused := set[string]{}
	names := set[string]{}
	for _, s := range sessions {
		names.add(s.RoleName)
		if !s.MayEnd && !canBorrow(rights[s.RoleOID]) {
			refused.add(s.RoleName)
		}
	}
	for _, name := range names.sorted() {
		if refused[name] {
			cannot = append(cannot, name)
		} else {
			can = append(can, name)
		}
	}
	return can, cannot
}

// SessionsProblem says that sessions of a role stay. It is the same however many there are: only what is new is audited.
func SessionsProblem(role string, server catalog.Server) Problem {
	return Problem{
		Kind: Blocked, Code: SessionsRight, Role: role, Object: "role " + role, Privilege: "SESSION",
		Reason: "sessions of the role still have what was taken, and the daemon may not end them: it is no member of pg_signal_backend and pg_read_all_stats, and has no ADMIN option on the role",
		Fix:    sessionsFix(server),
	}
}

// Membership is one that a pass ended.
type Membership struct{ Member, Role string }

// EndedMemberships lists the memberships that the plan ends, with what these take along: sessions may have kept them by SET ROLE. Those in intermediate roles
// are left out: they are privileges on objects, for the people who write rows.
func (p *Plan) EndedMemberships() []Membership {
	var list []Membership
	for _, r := range p.RemoveMembers {
		s := r.Surplus
		if r.Replacement != nil || s.OptionOnly != "" && s.OptionOnly != "SET" || IsOurs(s.GrantedName) {
			continue
		}
		list = append(list, Membership{s.MemberName, s.GrantedName})
		for _, d := range s.Dependents {
			list = append(list, Membership{d.Role, s.GrantedName})
		}
	}
	return list
}
