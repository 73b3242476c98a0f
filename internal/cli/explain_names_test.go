package cli_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Roles whose names are not plain are quoted; PUBLIC is not.
func TestExplainQuotesRoles(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, team, odd := env.Role("ALICE"), env.Role("team "), env.Role("a → b\n\"")
	q := catalog.Quote
	env.Exec(t, "create role "+q(alice)+" login; create role "+q(team)+"; create role "+q(odd)+"; grant "+q(team)+" to "+q(alice)+"; grant "+q(alice)+" to "+q(odd))
	env.Exec(t, "grant select on app.t1 to public, "+q(team)+"; grant select on app.t1 to "+q(alice)+" with grant option; grant usage on schema app to public")
	env.Exec(t, "set session authorization "+q(alice)+"; grant select on app.t1 to "+q(odd))
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'DELETE', 'table', 'app', 't1')", team)
	exec(t, conn, "update sync_roles.desired_grants set created_by = 'Boss'")
	says := func(r result, lines ...string) {
		t.Helper()
		r.want(t, 0, "*", "")
		for _, line := range lines {
			if !strings.Contains(r.stdout, line) {
				t.Errorf("it does not say %q:\n%s", line, r.stdout)
			}
		}
	}
	printed := strings.NewReplacer("\n", `\n`)
	escaped := printed.Replace(q(odd))
	says(on(t, env, "explain", alice, "app.t1"), q(alice)+"\n└─ ", `member of `+q(team)+` (INHERIT, SET) → granted to `+q(team)+` by `+env.Owner+"\n",
		"granted to "+q(alice)+" by "+env.Owner+" with grant option", "─ PUBLIC\n", "for "+q(team)+`: asked for by row 1 by "Boss", which is pending`)
	says(on(t, env, "who", "SELECT", "app.t1"), "─ PUBLIC: every role\n", "─ "+q(alice)+"\n", "─ "+q(team)+", which cannot log in\n", "─ "+escaped+", which cannot log in\n",
		"granted to "+escaped+" by "+q(alice)+"\n")
	says(on(t, env, "explain", odd, "role:"+q(team)), escaped+", which cannot log in\n", "─ role "+q(team)+"\n")
	for _, name := range []string{alice, team, odd} {
		says(on(t, env, "explain", q(name)), printed.Replace(q(name)))
	}
	says(on(t, env, "explain", alice), "member of "+q(team)+" (INHERIT, SET)\n")
}
