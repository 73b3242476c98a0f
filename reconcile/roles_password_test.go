package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// leaks asserts that a verifier is nowhere that people read.
func (c *cluster) leaks(t *testing.T, verifier string, reports ...*reconcile.Report) {
	t.Helper()
	parts := strings.FieldsFunc(strings.TrimPrefix(verifier, "SCRAM-SHA-256$4096:"), func(r rune) bool { return r == '$' || r == ':' })
	for _, report := range reports {
		text := strings.Join(report.Statements, "\n")
		for _, row := range report.Rows {
			text += "\n" + strings.Join(row.Statements, "\n") + row.Error
			for _, p := range row.Problems {
				text += p.Object + p.Statement + p.Reason + p.Fix
			}
		}
		for _, part := range parts {
			if strings.Contains(text, part) {
				t.Errorf("a report has the verifier: %s", text)
			}
		}
	}
	for _, part := range parts {
		found := textsOf(t, c.super, `
			select 'audit ' || a::text from sync_roles.audit as a where strpos(a::text, $1) > 0
			union all select 'role_status ' || s::text from sync_roles.role_status as s where strpos(s::text, $1) > 0
			union all select 'retries ' || s::text from sync_roles.retries as s where strpos(s::text, $1) > 0
			union all select 'applied_passwords ' || s::text from sync_roles.applied_passwords as s where strpos(s::text, $1) > 0`, part)
		if len(found) > 0 {
			t.Errorf("the verifier can be read in %s", strings.Join(found, "\n"))
		}
	}
}

// Real logins with passwords, against a server that asks for them.
func TestRolesPassword(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "scram-sha-256")
	c.Exec(t, "create role neighbour login password '"+scram(t, "neighbour's")+"'; grant connect on database db to neighbour")
	first, second := scram(t, "first'$"), scram(t, "second")

	c.write(t, "insert into sync_roles.desired_roles (role_name, login, password_verifier) values ('alice', true, $1)", first)
	c.insert(t, "alice", "CONNECT", "database", "", "db")
	dry := c.dryRun(t)
	report := c.pending(t)
	c.outcome(t, "alice", plan.Applied)
	c.admits(t, "alice", "first'$", true)
	c.admits(t, "alice", "first", false)
	c.admits(t, "alice", "", false)
	c.admits(t, "neighbour", "neighbour's", true)
	c.leaks(t, first, dry, report)
	c.quiet(t)

	c.write(t, "update sync_roles.desired_roles set password_verifier = $1", second)
	dry, report = c.dryRun(t), c.pending(t)
	c.admits(t, "alice", "second", true)
	c.admits(t, "alice", "first'$", false)
	c.leaks(t, second, dry, report)
	c.quiet(t)

	// A role that was dropped and created again gets it again, whoever created it.
	c.Exec(t, "drop owned by alice; drop role alice")
	c.leaks(t, second, c.rescan(t))
	c.admits(t, "alice", "second", true)
	c.quiet(t)
	c.Exec(t, "drop owned by alice; drop role alice; create role alice login; grant connect on database db to alice")
	if c.Version >= 16 {
		c.Exec(t, "grant alice to daemon with admin true, inherit false, set false")
	}
	c.admits(t, "alice", "second", false)
	c.leaks(t, second, c.rescan(t))
	c.admits(t, "alice", "second", true)
	c.quiet(t)

	// NULL leaves it alone.
	c.write(t, "update sync_roles.desired_roles set password_verifier = null")
	c.pending(t)
	c.admits(t, "alice", "second", true)
	c.Exec(t, "alter role alice password '"+scram(t, "by hand")+"'")
	c.quiet(t)
	c.admits(t, "alice", "by hand", true)

	// The same verifier as was applied before the NULL is applied again.
	c.write(t, "update sync_roles.desired_roles set password_verifier = $1", second)
	c.pending(t)
	c.admits(t, "alice", "second", true)
	c.admits(t, "alice", "by hand", false)
	c.quiet(t)

	c.write(t, "update sync_roles.desired_roles set password_verifier = ''")
	c.pending(t)
	c.admits(t, "alice", "second", false)
	c.admits(t, "alice", "", false)
	c.admits(t, "neighbour", "neighbour's", true)
	c.quiet(t)
	c.write(t, "update sync_roles.desired_roles set password_verifier = $1", first)
	c.pending(t)
	c.admits(t, "alice", "first'$", true)
	c.quiet(t)
}

// The server's log shows no verifier that a pass applies, whatever it is set to log, nor one that a pass cannot apply.
func TestRolesPasswordIsNotLogged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "scram-sha-256")
	for _, setting := range []string{"log_statement = 'all'", "log_min_duration_statement = 0", "log_min_error_statement = 'debug5'", "log_error_verbosity = 'verbose'"} {
		c.run(t, c.super, "alter system set "+setting)
	}
	c.run(t, c.super, "create role boss superuser; select pg_reload_conf()")
	c.run(t, c.super, "set log_statement = 'none'; set log_min_duration_statement = -1")
	verifiers := []string{scram(t, "alice's"), scram(t, "boss's"), "not a verifier, but a password"}
	c.run(t, c.super, "set session_replication_role = replica") // as a restore, past the checks
	for i, role := range []string{"alice", "boss", "carol"} {
		c.run(t, c.super, "insert into sync_roles.desired_roles (role_name, login, password_verifier) values ('"+role+"', true, '"+verifiers[i]+"')")
		c.run(t, c.super, "insert into sync_roles.pending (role_name) values ('"+role+"')")
	}
	c.insert(t, "alice", "CONNECT", "database", "", "db")
	report := c.pending(t)
	c.admits(t, "alice", "alice's", true)
	c.outcome(t, "carol", plan.Blocked)
	if _, err := c.daemon.Exec(t.Context(), "select sync_roles.apply_password('boss')"); err == nil {
		t.Error("a superuser's password was changed")
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(c.server.DataDir()), "log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "apply_password") {
		t.Fatal("the log does not show statements")
	}
	for _, verifier := range verifiers {
		c.leaks(t, verifier, report)
		if strings.Contains(string(log), verifier[20:]) {
			t.Errorf("the log has the verifier %s", verifier)
		}
	}
}

// A password that has expired does not let in; the engine can prolong it.
func TestRolesPasswordValidUntil(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "scram-sha-256")
	c.write(t, "insert into sync_roles.desired_roles (role_name, login, password_verifier, valid_until) values ('alice', true, $1, now() - interval '1 day')", scram(t, "pw"))
	c.insert(t, "alice", "CONNECT", "database", "", "db")
	c.pending(t)
	c.admits(t, "alice", "pw", false)
	c.quiet(t)
	c.write(t, "update sync_roles.desired_roles set valid_until = now() + interval '1 day'")
	c.pending(t)
	c.admits(t, "alice", "pw", true)
	c.quiet(t)
	c.write(t, "update sync_roles.desired_roles set valid_until = now() - interval '1 day'")
	c.pending(t)
	c.admits(t, "alice", "pw", false)
	c.write(t, "update sync_roles.desired_roles set valid_until = 'infinity'")
	c.pending(t)
	c.admits(t, "alice", "pw", true)
	c.quiet(t)
}

// When it cannot be applied, the error does not have it either.
func TestRolesPasswordOfAFailure(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "scram-sha-256")
	verifier := scram(t, "pw")
	policy := defaultPolicy
	policy.AllowAttribute = []string{"replication"}
	c.engine = c.engineWith(t, policy)
	// REPLICATION is more than this daemon can give.
	c.write(t, "insert into sync_roles.desired_roles (role_name, login, replication, password_verifier) values ('alice', true, true, $1)", verifier)
	c.insert(t, "alice", "CONNECT", "database", "", "db")
	report := c.pending(t)
	c.leaks(t, verifier, report)
	c.outcome(t, "alice", plan.Blocked)
	c.leaks(t, verifier, c.rescan(t))

	// A plan that fails because of it does not say it either.
	if dry, err := c.engine.DryRun(t.Context(), nil, ""); err != nil {
		c.leaks(t, verifier, dry, &reconcile.Report{Statements: []string{err.Error()}})
	}

	// A role over which the daemon has no right.
	c.write(t, "delete from sync_roles.desired_roles; delete from sync_roles.desired_grants")
	c.pending(t)
	attributes := ""
	if c.Version < 16 {
		attributes = "replication"
	}
	c.Exec(t, "create role bob login "+attributes)
	c.write(t, "insert into sync_roles.desired_roles (role_name, password_verifier) values ('bob', $1)", verifier)
	c.leaks(t, verifier, c.pending(t), c.dryRun(t))
	c.outcome(t, "bob", plan.Blocked)
}

// What is no verifier would be taken for a password: it is refused, and the message does not repeat it.
func TestRolesPasswordRefusedAtInsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := scram(t, "pw")
	for _, bad := range []string{
		"hunter2", " ", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$4096:abc$x:y", " " + good, good + " ", good + "\n", "\n" + good,
		strings.ToLower(good), strings.Replace(good, "$4096:", "$0:", 1), strings.Replace(good, "$4096:", "$-1:", 1),
		strings.Replace(good, "$4096:", "$4096000000000:", 1), good[:len(good)-2] + "==", strings.Replace(good, "SCRAM-SHA-256", "SCRAM-SHA-1", 1),
	} {
		_, err := f.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name, password_verifier) values ($1, $2)", f.Role("x"), bad)
		if err == nil {
			t.Errorf("%q is taken for a verifier", bad)
			continue
		}
		if code := sqlstate(t, err); code != "23514" {
			t.Errorf("%q is refused with %s: %v", bad, code, err)
		}
		if secret := strings.TrimSpace(bad); secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the message repeats the secret: %v", err)
		}
	}
	f.is(t, false, "exists (select from pg_roles where rolname = $1)", f.Role("x"))
}
