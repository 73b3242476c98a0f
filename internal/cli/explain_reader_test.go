package cli_test

import (
	"regexp"
	"strings"
	"testing"
)

// Who lacks a right is told what to grant, until it can read all; and that row-level security hides rows, as long as it does.
func TestExplainToAReader(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, reader := env.Role("alice"), env.Role("reader")
	give(t, env, conn, alice)
	on(t, env, "sync").want(t, 0, alice, "")
	env.Exec(t, "create role "+reader+" login; grant connect on database "+env.Database+" to "+reader)
	as := func(args ...string) result { return call(t, append(args, "-d", env.URL(reader))...) }
	grant := regexp.MustCompile(`To allow it: (GRANT .*)\n`)
	for _, args := range [][]string{{"who", "SELECT", "app.t1"}, {"explain", alice}, {"explain", alice, "app.t1"}} {
		for range 2 { // USAGE on the schema, and the rest at once
			if r := as(args...); r.code != 0 {
				r.want(t, 1, "", `role "`+reader+`" may not `)
				fix := grant.FindStringSubmatch(r.stderr)
				if fix == nil {
					t.Fatalf("%q does not say what to grant: %s", args, r.stderr)
				}
				env.Exec(t, fix[1])
			}
		}
		r := as(args...)
		r.want(t, 0, alice, `Note: row-level security shows role "`+reader+`" only`)
		if strings.Count(r.stderr, "\n") != 1 || strings.Contains(r.stdout, "row 3") {
			t.Errorf("%q: more than a line, or a row that is hidden: %+v", args, r)
		}
	}
	exec(t, conn, "insert into sync_roles.writers (writer_role, object_type, public) values ($1, 'table', true)", reader)
	as("explain", alice, "app.t1").want(t, 0, "[row 3 by "+env.Daemon+"]", "Note: row-level security")
	exec(t, conn, "update sync_roles.writers set object_type = null")
	as("explain", alice, "app.t1").want(t, 0, "[row 3 by "+env.Daemon+"]", "")
	as("who", "SELECT", "app.t1").want(t, 0, "[row 3 by "+env.Daemon+"]", "")
	on(t, env, "explain", alice, "app.t1").want(t, 0, "[row 3 by "+env.Daemon+"]", "")
}
