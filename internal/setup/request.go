package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// DefaultRole is the daemon's role where no other is named: the examples in the documentation have it.
const DefaultRole = "sync_daemon"

// Request names the roles of a set-up.
type Request struct {
	Role         string   // as which the daemon logs in
	Owners       []string // roles that own something that rows speak of; empty: those that own something in the database
	Manage       []string // roles that were there before, whose attributes or members rows set
	KeepDatabase bool     // the database keeps its owner
}

// check refuses names that cannot be meant.
func (r Request) check(f *facts) error {
	if reason := reserved(r.Role); reason != "" {
		return fmt.Errorf("the daemon's role %q: %s", r.Role, reason)
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"owner", r.Owners}, {"managed role", r.Manage}} {
		for _, name := range list.names {
			other := f.role(name)
			switch {
			case reserved(name) != "":
				return fmt.Errorf("%s %q: %s", list.what, name, reserved(name))
			case name == r.Role:
				return fmt.Errorf("%s %q: this is the daemon's own role", list.what, name)
			case other == nil:
				return fmt.Errorf("%s %q: there is no such role", list.what, name)
			case other.Superuser:
				return fmt.Errorf("%s %q: it is a superuser, and membership in it would make the daemon one; give what it owns to another role", list.what, name)
			}
		}
	}
	return nil
}

// reserved says why a name is none that a DBA sets up.
func reserved(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case len(name) > 63:
		return "the name is longer than 63 bytes"
	case strings.ContainsRune(name, 0):
		return "the name has a zero byte in it"
	case strings.HasPrefix(name, "pg_"):
		return "names that begin with pg_ are PostgreSQL's own"
	case strings.HasPrefix(name, "_pgsr_"):
		return "names that begin with _pgsr_ are those of intermediate roles"
	case slices.Contains([]string{"public", "none"}, name):
		return "PostgreSQL reserves this name"
	}
	return ""
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// ChooseRole fills in the daemon's role where none is named: the default one, or, to be checked where there is none of that name, the connected one.
func ChooseRole(ctx context.Context, q catalog.Querier, r *Request, check bool) error {
	if r.Role != "" {
		return nil
	}
	r.Role = DefaultRole
	if !check {
		return nil
	}
	err := q.QueryRow(ctx, `
		select coalesce((select rolname from pg_catalog.pg_roles where rolname = $1), (select rolname from pg_catalog.pg_roles where rolname = current_user and not rolsuper), $1)`,
		DefaultRole).Scan(&r.Role)
	if err != nil {
		return fmt.Errorf("look for the daemon's role: %w", err)
	}
	return nil
}
