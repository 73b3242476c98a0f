package cli_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// USAGE on the schema counts for the role that one must SET ROLE to, CONNECT for the one that logs in.
func TestExplainBlockedBy(t *testing.T) {
	t.Parallel()
	env, _ := installed(t)
	alice, bob, open, shut := env.Role("alice"), env.Role("bob"), env.Role("open"), env.Role("shut")
	env.Exec(t, "create role "+alice+" login noinherit; create role "+bob+" login noinherit; create role "+open+"; create role "+shut)
	env.Exec(t, "grant "+open+", "+shut+" to "+alice+", "+bob+"; grant connect on database "+env.Database+" to "+alice+", "+shut)
	env.Exec(t, "grant usage on schema app to "+open+", "+bob+"; grant select on app.t1 to "+open+", "+shut+", "+bob)

	got := map[string][]string{} // by role and the role that it does SET ROLE to
	collect := func(role string, blockedBy []string, ways []explain.Path) {
		got[role] = blockedBy
		for _, w := range ways {
			got[role+" "+w.SetRole] = w.BlockedBy
		}
	}
	noUsage, noConnect := []string{"no USAGE on schema app"}, []string{"no CONNECT on database " + env.Database}
	check := func(command string) {
		t.Helper()
		for who, want := range map[string][]string{
			alice: nil, alice + " " + open: nil, alice + " " + shut: noUsage,
			bob: noConnect, bob + " ": nil, bob + " " + open: nil, bob + " " + shut: noUsage,
		} {
			if in, ok := got[who]; !ok || !slices.Equal(in, want) {
				t.Errorf("%s: in the way of %q is %q, want %q", command, who, in, want)
			}
		}
		clear(got)
	}
	for _, role := range []string{alice, bob} {
		var x explain.Explanation
		r := on(t, env, "explain", role, "app.t1", "--output", "json")
		if err := json.Unmarshal([]byte(r.stdout), &x); err != nil || r.code != 0 {
			t.Fatalf("%v: %+v", err, r)
		}
		collect(role, x.Objects[0].BlockedBy, x.Objects[0].Privileges[0].Paths)
	}
	check("explain")
	var list []explain.ObjectHolders
	r := on(t, env, "who", "SELECT", "app.t1", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || r.code != 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	for _, h := range list[0].Roles {
		collect(h.Role, h.BlockedBy, h.Paths)
	}
	check("who")
	text := "after SET ROLE " + shut + ": member of " + shut + " (SET) → granted to " + shut + " by " + env.Owner + "; in the way: no USAGE on schema app\n"
	on(t, env, "explain", alice, "app.t1").want(t, 0, text, "")
	on(t, env, "who", "SELECT", "app.t1").want(t, 0, text, "")
}
