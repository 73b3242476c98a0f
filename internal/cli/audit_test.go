package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// audit verify is 0 if the chain is intact, else 1, with the head to note down, and changes nothing.
func TestAuditVerify(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	on(t, env, "audit", "verify").want(t, 0, "0 rows", "")
	alice := env.Role("alice")
	give(t, env, conn, alice)
	on(t, env, "sync").want(t, 0, "*", "")
	r := on(t, env, "audit", "verify")
	r.want(t, 0, "Intact.", "")
	head := regexp.MustCompile(`[0-9]+:[0-9a-f]{64}`).FindString(r.stdout)
	if head == "" {
		t.Fatalf("no head:\n%s", r.stdout)
	}
	exec(t, conn, "delete from sync_roles.desired_grants")
	on(t, env, "sync").want(t, 0, "*", "")
	on(t, env, "audit", "verify", "--expect-head", head).want(t, 0, "up to the noted head", "")
	on(t, env, "audit", "verify", "--expect-head", head, "--expect-head", strings.Replace(head, ":", "0:", 1)).want(t, 1, "NOT intact", "")

	r = on(t, env, "audit", "verify", "--output", "json")
	r.want(t, 0, `"intact": true`, "")
	var text struct {
		Head     string
		Rows     int64
		Findings []any
	}
	if err := json.Unmarshal([]byte(r.stdout), &text); err != nil || text.Rows != pgtest.One[int64](t, conn, "select count(*) from sync_roles.audit") || len(text.Findings) != 0 {
		t.Errorf("%v: %s", err, r.stdout)
	}
	if n := pgtest.One[int64](t, conn, "select seq from sync_roles.audit_chain"); !strings.HasPrefix(text.Head, pgtest.One[string](t, conn, "select seq || ':' || encode(hash, 'hex') from sync_roles.audit_chain")) || n == 0 {
		t.Errorf("the head is said to be %s", text.Head)
	}

	env.Exec(t, "set session_replication_role = replica; update sync_roles.audit set granted = granted + 1 where seq = 1")
	on(t, env, "audit", "verify").want(t, 1, "changed", "")
	on(t, env, "audit", "verify", "--output", "json").want(t, 1, `"kind": "changed"`, "")
}

// An auditor needs to read three tables and nothing else; where one is missing, the error says so.
func TestAuditVerifyAsAuditor(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	give(t, env, conn, env.Role("alice"))
	on(t, env, "sync").want(t, 0, "*", "")
	auditor := env.Role("auditor")
	env.Exec(t, "create role "+auditor+" login; grant connect on database "+env.Database+" to "+auditor)
	verify := func() result { return call(t, "audit", "verify", "-d", env.URL(auditor)) }
	verify().want(t, 1, "", "GRANT USAGE ON SCHEMA sync_roles")
	exec(t, conn, "grant usage on schema sync_roles to "+auditor+"; grant select on sync_roles.audit to "+auditor)
	verify().want(t, 1, "", "GRANT SELECT ON sync_roles.audit")
	exec(t, conn, "grant select on sync_roles.audit_chain, sync_roles.audit_removals to "+auditor)
	verify().want(t, 0, "Intact.", "")
	if env.Can(t, auditor, "select from sync_roles.audit_chain for update") {
		t.Error("the auditor may lock the row that every pass locks")
	}

	exec(t, conn, "drop table sync_roles.audit_removals; create view sync_roles.audit_removals as select 1 as seq")
	verify().want(t, 1, "", "in place of its tables")
	exec(t, conn, "drop schema sync_roles cascade")
	verify().want(t, 1, "", "no schema sync_roles")
}

// The daemon writes the head to its log, also with each pass.
func TestRunLogsTheHead(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	stop := start(t, "-d", env.URL(env.Daemon))
	until(t, conn, "select exists (select from sync_roles.rescans)")
	give(t, env, conn, env.Role("alice"))
	exec(t, conn, "select sync_roles.wait_for_sync()")
	r := stop()
	r.want(t, 0, "", "head of the audit's chain")
	heads := loggedHead.FindAllStringSubmatch(r.stderr, -1)
	if len(heads) < 2 {
		t.Fatalf("%d heads are in the log:\n%s", len(heads), r.stderr)
	}
	for _, h := range heads {
		on(t, env, "audit", "verify", "--expect-head", h[1]).want(t, 0, "noted head", "")
	}
}

var loggedHead = regexp.MustCompile(`"audit_head":"([^"]+)"`)

// A daemon with a short retention leaves a chain that is intact.
func TestRunRetainsTheChain(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	on(t, env, "sync").want(t, 0, "*", "")
	exec(t, conn, "delete from sync_roles.desired_grants")
	on(t, env, "sync").want(t, 0, "*", "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		ended <- callWith(ctx, strings.NewReader(""), "run", "--lock-timeout", "1m", "--rescan-interval", "1s", "--audit-retention", "1ms", "-d", env.URL(env.Daemon))
	}()
	until(t, conn, "select exists (select from sync_roles.audit_removals)")
	cancel()
	<-ended
	on(t, env, "audit", "verify").want(t, 0, "The retention removed", "")
}

var sqlBlock = regexp.MustCompile("(?s)<!-- test: ([a-z]+) -->\n```sql\n(.*?)```")

// The queries of docs/audit.md find nothing in an intact audit, with removals in it, and what each is for in another.
func TestAuditQueriesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	engineRuns := func() {
		give(t, env, conn, alice)
		give(t, env, conn, bob)
		on(t, env, "sync").want(t, 0, "*", "")
		exec(t, conn, "delete from sync_roles.desired_grants where role_name = $1", alice)
		on(t, env, "sync").want(t, 0, "*", "")
		exec(t, conn, "delete from sync_roles.desired_grants where role_name = $1", bob)
		on(t, env, "sync").want(t, 0, "*", "")
		exec(t, conn, "delete from sync_roles.desired_roles")
	}
	engineRuns()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		ended <- callWith(ctx, strings.NewReader(""), "run", "--lock-timeout", "1m", "--rescan-interval", "1s", "--audit-retention", "1ms", "-d", env.URL(env.Daemon))
	}()
	until(t, conn, "select exists (select from sync_roles.audit_removals)")
	cancel()
	<-ended
	engineRuns()
	on(t, env, "audit", "verify").want(t, 0, "*", "")

	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{}
	for _, match := range sqlBlock.FindAllStringSubmatch(string(text), -1) {
		queries[match[1]] = match[2]
	}
	if len(queries) != 3 {
		t.Fatalf("docs/audit.md has %d queries, want 3", len(queries))
	}
	super := env.Superuser(t)
	for _, test := range []struct {
		tamper string
		found  string // the query that finds it; empty: none
	}{
		{"", ""},
		{"update sync_roles.audit set granted = 99 where seq = (select max(seq) - 1 from sync_roles.audit)", "rows"},
		{"update sync_roles.audit_removals set instance = 'mallory'", "removals"},
		{"delete from sync_roles.audit where seq = (select max(seq) - 1 from sync_roles.audit)", "links"},
		{"delete from sync_roles.audit where seq = (select max(seq) from sync_roles.audit)", "links"},
		{"delete from sync_roles.audit where seq = (select min(seq) from sync_roles.audit)", "links"},
		{"delete from sync_roles.audit_removals", "links"},
		{"update sync_roles.audit_chain set rows_before = 1", "links"},
	} {
		for name, query := range queries {
			tx, err := super.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			results, err := tx.Conn().PgConn().Exec(t.Context(), "set local session_replication_role = replica;"+test.tamper+";"+query).ReadAll()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if n := len(results[len(results)-1].Rows); (n > 0) != (name == test.found) && (name == test.found || test.found == "") {
				t.Errorf("after %q, the query of %s returns %d rows", test.tamper, name, n)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
