package plan

import (
	"strings"
	"testing"
)

// What ends a session is one line, whatever the database is called: a plan is fed to psql.
func TestSessionStatementIsOneLine(t *testing.T) {
	t.Parallel()
	s := Session{PID: 7, DatabaseName: "a\n*/ DROP ROLE b; --", Lost: "LOGIN"}
	if got := s.Statement(); got != "SELECT pg_catalog.pg_terminate_backend(7) /* in database a * / DROP ROLE b; --, without LOGIN */" || strings.ContainsAny(got, "\r\n") {
		t.Error(got)
	}
	if got := (Session{PID: 8, Lost: "MEMBER of role x"}).String(); got != "session 8 in no database, without MEMBER of role x" {
		t.Error(got)
	}
}
