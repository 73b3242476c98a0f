package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// migrate installs, says the version, and removes; what it leaves it says.
func TestMigrate(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	on(t, env, "migrate", "version").want(t, 0, "0\n", "")
	on(t, env, "migrate", "down").want(t, 1, "", "not installed")
	on(t, env, "migrate", "up").want(t, 0, "has version", "")
	on(t, env, "migrate").want(t, 0, "has version", "")
	if r := on(t, env, "migrate", "version"); r.code != 0 || strings.TrimSpace(r.stdout) == "0" {
		t.Errorf("after migrate: %+v", r)
	}

	conn := env.Connect(t, env.Daemon)
	exec(t, conn, "insert into sync_roles.desired_roles (role_name) values ($1)", env.Role("alice"))
	on(t, env, "migrate", "down").want(t, 1, "", "--force")
	on(t, env, "migrate", "down", "--force").want(t, 0, "_pgsr_lock", "")
	on(t, env, "migrate", "version").want(t, 0, "0\n", "")
}

// sync is 0 if all is as desired or waits for objects, else 1, and says what it changed.
func TestSync(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	on(t, env, "sync").want(t, 0, "Nothing to do", "")

	give(t, env, conn, alice)
	r := on(t, env, "sync")
	r.want(t, 0, alice, "")
	if !strings.Contains(r.stdout, "applied") {
		t.Errorf("it does not say applied:\n%s", r.stdout)
	}
	if !env.Can(t, alice, "select from app.t1") {
		t.Error("alice cannot read")
	}

	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 'later')", alice)
	on(t, env, "sync").want(t, 0, "waiting", "")

	refused(t, conn, bob)
	on(t, env, "sync").want(t, 1, "refused", "not as desired")
	on(t, env, "sync", alice).want(t, 0, "*", "")
	on(t, env, "sync", bob).want(t, 1, "*", "not as desired")
	on(t, env, "sync", env.Role("nobody")).want(t, 1, "", env.Role("nobody"))
	on(t, env, "sync", alice, env.Role("nobody")).want(t, 1, "", "not managed")

	exec(t, conn, "delete from sync_roles.desired_grants")
	on(t, env, "sync", alice, bob).want(t, 0, "*", "")
	if env.Can(t, alice, "select 1") {
		t.Error("alice can still connect")
	}
	on(t, env, "sync").want(t, 0, "Nothing to do", "")
}

// A drift that nobody asked about is put right.
func TestSyncFindsDrift(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	on(t, env, "sync").want(t, 0, alice, "")
	env.Exec(t, "revoke select on app.t1 from "+alice)
	on(t, env, "plan").want(t, 2, "GRANT SELECT", "")
	on(t, env, "sync").want(t, 0, alice, "")
	if !env.Can(t, alice, "select from app.t1") {
		t.Error("alice cannot read")
	}
}

// What a deleted row gave and could not be revoked is not "all in sync".
func TestSyncThatCannotTakeAway(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	on(t, env, "sync").want(t, 0, alice, "")
	env.Exec(t, "revoke "+env.Owner+" from "+env.Daemon+"; alter role "+env.Owner+" superuser")
	exec(t, conn, "delete from sync_roles.desired_grants; delete from sync_roles.desired_roles")
	on(t, env, "sync").want(t, 1, alice, "not as desired")
	on(t, env, "sync").want(t, 1, "*", "not as desired")
	on(t, env, "status").want(t, 2, alice, "")
}

// status is 0 if all is as desired or waits for objects, else 2.
func TestStatus(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	on(t, env, "status").want(t, 0, "ROLE", "")
	give(t, env, conn, alice)
	on(t, env, "status").want(t, 2, "pending", "")
	on(t, env, "sync").want(t, 0, "*", "")
	on(t, env, "status").want(t, 0, "in_sync", "")
	refused(t, conn, bob)
	on(t, env, "sync", bob)
	on(t, env, "status").want(t, 2, "pg_monitor", "")
	on(t, env, "status", alice).want(t, 0, alice, "")
	on(t, env, "status", bob).want(t, 2, "refused", "")
}

// plan is 2 if there is something to do, else 0, and changes nothing.
func TestPlan(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	on(t, env, "plan").want(t, 0, "Nothing to do", "")
	give(t, env, conn, alice)
	r := on(t, env, "plan")
	r.want(t, 2, "GRANT SELECT", "")
	if !strings.Contains(r.stdout, "CREATE ROLE") {
		t.Errorf("it does not create the role:\n%s", r.stdout)
	}
	if pgtest.One[bool](t, conn, "select to_regrole($1) is not null", alice) {
		t.Error("plan created the role")
	}
	if n := pgtest.One[int](t, conn, "select (select count(*) from sync_roles.audit) + (select count(*) from sync_roles.rescans)"); n != 0 {
		t.Errorf("plan left %d rows of audit", n)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.pending"); n == 0 {
		t.Error("plan took the requests from the queue")
	}
	on(t, env, "plan", alice).want(t, 2, "GRANT SELECT", "")
	on(t, env, "plan", env.Role("nobody")).want(t, 1, "", "not managed")
	on(t, env, "sync").want(t, 0, "*", "")
	on(t, env, "plan").want(t, 0, "Nothing to do", "")
	refused(t, conn, alice)
	on(t, env, "plan").want(t, 0, "-- "+alice+": refused", "")
}

// The statements of a plan, run as the daemon, do what sync would have done: the next plan is empty.
func TestPlanCanBeRun(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]string{
		"exact names": "('{alice}', 'USAGE', 'schema', null, 'app', 'exact'), ('{alice}', 'SELECT', 'table', 'app', 't1', 'exact'), ('{alice}', 'INSERT', 'table', 'app', 't2', 'exact'), ('{bob}', 'SELECT', 'table', 'app', 't1', 'exact')",
		"patterns":    "('{alice}', 'SELECT', 'table', 'app', 't%', 'like'), ('{bob}', 'SELECT', 'table', 'app', 't%', 'like'), ('{bob}', 'UPDATE', 'table', 'app', 't[12]', 'regex')",
		"ownerships":  "('{alice}', 'OWNER', 'table', 'app', 't1', 'exact'), ('{bob}', 'OWNER', 'schema', null, 'app', 'exact')",
		"memberships": "('{alice}', 'MEMBER', 'role', null, '{staff}', 'exact'), ('{bob}', 'MEMBER', 'role', null, '{staff}', 'exact')",
		"odd names":   `('{alice}"''\', 'SELECT', 'table', 'app', 't1', 'exact'), ('{a;--}', 'SELECT', 'table', 'app', 't2', 'exact'), (E'{new\nline}', 'SELECT', 'table', 'app', 't2', 'exact')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, conn := installed(t)
			if env.Version >= 19 {
				rows = strings.ReplaceAll(rows, `new\nline`, `new\tline`)
			}
			rows = strings.NewReplacer("{", env.Prefix, "}", "").Replace(rows)
			exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values "+rows)
			exec(t, conn, "insert into sync_roles.desired_roles (role_name, login, connection_limit, valid_until) values ($1, true, 3, '2040-01-01')", env.Role("alice"))
			runAgain := func() {
				t.Helper()
				r := on(t, env, "plan")
				r.want(t, 2, "BEGIN;", "")
				// As psql would run it: all at once, in the transaction that it brings along.
				if _, err := conn.PgConn().Exec(t.Context(), r.stdout).ReadAll(); err != nil {
					t.Fatalf("the plan does not run: %v\n%s", err, r.stdout)
				}
				r = on(t, env, "plan")
				r.want(t, 0, "Nothing to do", "")
				if strings.Contains(r.stdout, ": failed:") {
					t.Errorf("a role that the plan failed for is not nothing to do:\n%s", r.stdout)
				}
			}
			runAgain()
			on(t, env, "sync").want(t, 0, "*", "")
			// And what was given that way can be revoked.
			exec(t, conn, "delete from sync_roles.desired_grants")
			runAgain()
		})
	}
}

// plan --with-sql shows what a change would do, from a file or from stdin, and does not do it.
func TestPlanWithSQL(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	sql := "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('" + alice + "', 'SELECT', 'table', 'app', 't3');\n" +
		"-- a comment\nset local role " + env.Owner + "; create table app.t3 (id int); reset role;"
	file := filepath.Join(t.TempDir(), "change.sql")
	if err := os.WriteFile(file, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	on(t, env, "plan", "--with-sql", file).want(t, 2, `"t3"`, "")
	on(t, env, "plan", alice, "--with-sql", file).want(t, 2, `"t3"`, "")
	stdin := func(sql string) result {
		return callWith(t.Context(), strings.NewReader(sql), "plan", "--with-sql", "-", "--lock-timeout", "1m", "-d", env.URL(env.Daemon))
	}
	stdin(sql).want(t, 2, `"t3"`, "")
	stdin("").want(t, 0, "Nothing to do", "")
	stdin("-- only a comment").want(t, 0, "Nothing to do", "")

	for _, control := range []string{
		"commit", "COMMIT;", "rollback", "begin", "savepoint a", "start transaction", "end", "abort", "release a", "prepare transaction 'x'", "commit and chain",
		"select 1; commit; select 2", "/* x */ commit", "do $$ begin commit; end $$", "call public.committer()",
	} {
		if strings.HasPrefix(control, "call") {
			env.Exec(t, "create procedure public.committer() language plpgsql as 'begin commit; end'")
		}
		r := stdin(sql + "\n" + control)
		r.want(t, 1, "", "--with-sql")
	}
	stdin("select from nowhere").want(t, 1, "", "nowhere")
	on(t, env, "plan", "--with-sql", file+".not").want(t, 1, "", "change.sql.not")

	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 0 {
		t.Errorf("%d rows are left of it", n)
	}
	if pgtest.One[bool](t, conn, "select exists (select from pg_class where relname = 't3') or to_regrole($1) is not null", alice) {
		t.Error("something of it is left")
	}
}

// --output json can be parsed, whatever there is to say.
func TestJSON(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role(`al"ice`)
	parse := func(code int, into any, args ...string) {
		t.Helper()
		r := on(t, env, append(args, "--output", "json")...)
		if r.code != code {
			t.Errorf("%s: exit code %d, want %d: %s", args[0], r.code, code, r.stderr)
		}
		if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
			t.Errorf("%s: %v:\n%s", args[0], err, r.stdout)
		}
	}
	type plan struct {
		Statements []string
		Roles      []struct {
			Role string `json:"role_name"`
		}
	}
	type status struct {
		Role     string `json:"role_name"`
		Status   string
		Problems []struct{ Kind, Reason string }
	}
	var emptyPlan plan
	var emptyStatus []status
	parse(0, &emptyPlan, "plan")
	parse(0, &emptyStatus, "status")
	parse(0, &[]any{}, "sync")
	if emptyPlan.Statements == nil || emptyStatus == nil {
		t.Error("nothing is null, and should be an empty list")
	}

	give(t, env, conn, alice)
	var p plan
	parse(2, &p, "plan")
	if len(p.Statements) == 0 || len(p.Roles) != 1 || p.Roles[0].Role != alice {
		t.Errorf("plan: %+v", p)
	}
	var done []struct {
		Role    string `json:"role_name"`
		Outcome string
		Granted int
	}
	parse(0, &done, "sync")
	if len(done) != 1 || done[0].Role != alice || done[0].Outcome != "applied" || done[0].Granted < 3 {
		t.Errorf("sync: %+v", done)
	}
	refused(t, conn, alice)
	parse(1, &done, "sync")
	var s []status
	parse(2, &s, "status")
	if len(s) != 1 || s[0].Role != alice || s[0].Status != "refused" || len(s[0].Problems) != 1 || s[0].Problems[0].Kind != "refused" {
		t.Errorf("status: %+v", s)
	}
}

// A database without the schema is an error that says what to run.
func TestWithoutSchema(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	for _, command := range []string{"sync", "plan", "status"} {
		on(t, env, command).want(t, 1, "", "pg-sync-roles migrate")
	}
	on(t, env, "run", "--no-migrate").want(t, 1, "", "pg-sync-roles migrate")
}

// A role without the right to the schema is told so.
func TestAsAnother(t *testing.T) {
	t.Parallel()
	env, _ := installed(t)
	other := env.Role("other")
	env.Exec(t, "create role "+other+" login createrole; grant connect on database "+env.Database+" to "+other)
	for _, command := range []string{"sync", "plan", "status"} {
		r := call(t, command, "-d", env.URL(other))
		r.want(t, 1, "", "sync_roles")
	}
}

// Names and reasons cannot break a line, a table or a terminal.
func TestOddNamesInTables(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	odd := env.Role("a\tb\nc\x1b[31m")
	refused(t, conn, odd)
	for _, command := range []string{"sync", "status", "plan"} {
		r := on(t, env, command)
		if strings.ContainsAny(r.stdout, "\x1b\t") {
			t.Errorf("%s prints control characters: %q", command, r.stdout)
		}
	}
}
