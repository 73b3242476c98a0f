package migrations_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// The statements that are named when the schema cannot be installed, or put right, help.
func TestUpNamesWhatHelps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since     int
		installed bool
		sql, as   string // what is in the way, and the role as which the statement is run, if not a superuser
	}{
		"no CREATEROLE":        {sql: "alter role <daemon> nocreaterole"},
		"no right to lock":     {since: 16, sql: "revoke _pgsr_lock from <daemon>"},
		"another role's grant": {installed: true, sql: "grant usage on schema sync_roles to <owner>; grant select on sync_roles.audit to <owner> with grant option; set role <owner>; grant select on sync_roles.audit to public", as: "<owner>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			if env.Version < c.since {
				t.Skip("not on this server")
			}
			filled := strings.NewReplacer("<daemon>", env.Daemon, "<owner>", env.Owner).Replace
			if c.installed {
				up(t, env)
			}
			env.Exec(t, filled(c.sql))
			_, err := migrations.Up(t.Context(), parse(t, env.URL(env.Daemon)))
			if err == nil {
				t.Fatal("it is installed")
			}
			_, fix, ok := strings.Cut(err.Error(), "run: ")
			if !ok {
				t.Fatalf("no statement: %v", err)
			}
			if c.as != "" {
				fix = filled("set role "+c.as+"; ") + fix
			}
			env.Exec(t, fix)
			if _, err := migrations.Up(t.Context(), parse(t, env.URL(env.Daemon))); err != nil {
				t.Errorf("after %s: %v", fix, err)
			}
		})
	}
}
