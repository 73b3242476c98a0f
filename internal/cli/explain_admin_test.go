package cli_test

import (
	"strings"
	"testing"
)

// A role that has only the ADMIN option on another can make itself a member of it: explain and who say so, and it is so.
func TestExplainAdminOptionAlone(t *testing.T) {
	t.Parallel()
	env, _ := installed(t)
	if env.Version < 16 {
		t.Skip("before, whoever has the ADMIN option is a member")
	}
	boss, deputy, readers, above, friend := env.Role("boss"), env.Role("deputy"), env.Role("readers"), env.Role("above"), env.Role("friend") // friend reaches boss in no way
	env.Exec(t, strings.NewReplacer("{boss}", boss, "{deputy}", deputy, "{readers}", readers, "{above}", above, "{friend}", friend, "{db}", env.Database).Replace(`
		create role {boss} login; create role {deputy} login; create role {friend} login; create role {readers}; create role {above};
		grant {above} to {readers};
		grant {readers} to {boss} with admin true, inherit false, set false;
		grant {boss} to {deputy} with inherit true, set false; grant {boss} to {friend} with inherit false, set false;
		grant connect on database {db} to {boss}, {deputy}, {friend};
		grant usage on schema app to public; grant select on app.t1 to {above}`))
	join := "after making itself a member of " + readers + " by its ADMIN option: member of " + readers
	for _, name := range []string{boss, deputy} {
		r := on(t, env, "explain", name, "app.t1")
		for _, line := range []string{"SELECT: only after a GRANT that it can make itself\n", join} {
			if r.code != 0 || !strings.Contains(r.stdout, line) {
				t.Errorf("explain %s does not say %q:\n%s%s", name, line, r.stdout, r.stderr)
			}
		}
		if r := on(t, env, "explain", name, "role:"+above); !strings.Contains(r.stdout, join) {
			t.Errorf("explain %s role:%s does not say how:\n%s%s", name, above, r.stdout, r.stderr)
		}
	}
	r := on(t, env, "who", "SELECT", "app.t1")
	for _, name := range []string{boss, deputy} {
		if !strings.Contains(r.stdout, "─ "+name+"\n") || !strings.Contains(r.stdout, join) {
			t.Errorf("who does not name %s:\n%s%s", name, r.stdout, r.stderr)
		}
	}
	if strings.Contains(r.stdout, friend) {
		t.Errorf("who names one who can do nothing:\n%s", r.stdout)
	}
	for _, name := range []string{deputy, boss} {
		if env.Can(t, name, "select from app.t1") {
			t.Errorf("%s can read already", name)
		}
		conn := env.Connect(t, name)
		if _, err := conn.Exec(t.Context(), "grant "+readers+" to "+name); err != nil {
			t.Errorf("%s cannot make itself a member: %v", name, err)
		}
		if !env.Can(t, name, "select from app.t1") {
			t.Errorf("%s cannot read although it has made itself a member", name)
		}
	}
	if _, err := env.Connect(t, friend).Exec(t.Context(), "grant "+readers+" to "+friend); err == nil {
		t.Error("friend can make itself a member")
	}
}
