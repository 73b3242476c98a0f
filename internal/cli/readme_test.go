package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// pages are the texts of which the SQL is run, in this order.
var pages = []string{"README.md", "docs/security.md", "docs/writing.md", "docs/status.md", "docs/operations.md"}

// TestReadme does what README.md and its pages say: the set-up script for a daemon that is no superuser, the daemon, and the SQL of
// every block that is marked
//
//	<!-- test: NAME as ROLE -->
//	<!-- test: NAME as ROLE fails: TEXT -->
//
// in order. After each block a check of that name looks whether what the README promises is so, by logging in and trying.
func TestReadme(t *testing.T) {
	t.Parallel()
	r := newReadme(t)
	checks := r.checks()
	for _, b := range readmeBlocks(t) {
		check, ok := checks[b.name]
		if !ok {
			t.Fatalf("README.md has a block %q, and there is no check for it", b.name)
		}
		delete(checks, b.name)
		r.run(b)
		check()
		if t.Failed() {
			t.Fatalf("this was README.md's block %q; those that follow build upon it", b.name)
		}
	}
	for name := range checks {
		t.Errorf("README.md has no block %q", name)
	}
}

// checks are in the order of the README.
func (r *readme) checks() map[string]func() {
	return map[string]func(){
		"first": func() {
			r.can("alice", "select from sales.customers", true)
			r.can("alice", "select from sales.orders_2025", false)
		},
		"take-away": func() {
			r.can("alice", "select 1", true)
			r.can("alice", "select from sales.customers", false)
		},
		"pattern": func() {
			r.can("alice", "select from sales.orders_2024", true)
			r.can("alice", "select from sales.customers", false)
			r.superuser("set role sales_owner; create table sales.orders_2026 (id int)")
			r.sync()
			r.can("alice", "select from sales.orders_2026", true)
		},
		"more": func() {
			r.can("alice", "update sales.orders_2025 set price = 1", true)
			r.can("alice", "update sales.orders_2025 set id = 1", false)
			r.can("alice", "select city from sales.customers", true)
			r.can("alice", "select name from sales.customers", false)
			r.can("alice", "select sales.total(1, 'x')", true)
			r.can("alice", "select sales.total(1)", false)
			r.superuser("set role marketing; create table marketing.campaigns ()")
			r.can("bob", "select 1", true) // until the next block
		},
		"public": func() {
			r.can("bob", "select 1", false)
			r.can("alice", "select 1", true)
			r.superuser("set role sales_owner; grant usage on schema sales to bob; grant select on sales.customers to bob; reset role; grant connect on database warehouse to bob")
			r.can("bob", "select from sales.customers", true) // until the next block
		},
		"exclusive": func() {
			r.can("bob", "select from sales.customers", false)
			r.superuser("set role sales_owner; grant select on sales.customers to bob")
			r.sync()
			r.can("bob", "select from sales.customers", false)
		},
		"writers": func() {
			r.superuser("grant sales_owner to etl")
			r.can("etl", "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('etl', 'CREATE', 'database', 'warehouse')", false)
			r.can("etl", "insert into sync_roles.desired_roles (role_name) values ('etl')", false)
			r.can("etl", "insert into sync_roles.writers (writer_role) values ('etl')", false)
			if n := r.last("etl", "select count(*) from sync_roles.desired_grants where object_type <> 'table'"); n != "0" {
				r.t.Errorf("etl sees %s rows that are out of its scope", n)
			}
		},
		"writer":              func() { r.can("alice", "select from sales.revenue", true) },
		"writer-out-of-scope": func() { r.can("alice", "delete from sales.customers", false) },
		"rebuild":             func() { r.can("alice", "select from sales.orders_2025", true) },
		"functions":           func() { r.can("alice", "select from sales.orders_2025", true) },
		"touch": func() {
			r.can("alice", "select from sales.orders_2025", true)
			r.can("alice", "update sales.orders_2025 set price = 1", true) // which the new table did not have before
		},
		"status": func() {
			if n := r.last("sync_daemon", "select count(*) from sync_roles.role_status where status <> 'in_sync'"); n != "0" {
				r.t.Errorf("%s roles are not in sync", n)
			}
			if by := r.last("sync_daemon", "select requested_by::text from sync_roles.audit where 'etl' = any (requested_by) limit 1"); by != "{etl}" {
				r.t.Errorf("the audit says %q, want {etl}", by)
			}
		},
		"drift": func() {
			if r.answer != "" {
				r.t.Errorf("drift is %q before there is any", r.answer)
			}
			r.superuser("set role sales_owner; grant select on sales.orders_2024 to alice")
			r.run(r.block)
			if want := "alice SELECT table sales orders_2024 "; r.answer != want {
				r.t.Errorf("drift is %q, want %q", r.answer, want)
			}
		},
		"sessions": func() {
			if n := r.last("sync_daemon", "select sessions from sync_roles.role_status where role_name = 'erin'"); n != "0" {
				r.t.Errorf("%s sessions of a role that has never had LOGIN", n)
			}
		},
		"auditor": func() {
			r.superuser("grant connect on database warehouse to auditor")
			r.can("auditor", "select from sync_roles.audit, sync_roles.role_status, sync_roles.grant_status, sync_roles.actual_grants", true)
			r.can("auditor", "select from sync_roles.desired_roles", false)
			r.can("auditor", "delete from sync_roles.audit", false)
			r.can("sync_daemon", "delete from sync_roles.audit", false)
		},
		"explain": func() {
			for _, args := range [][]string{{"explain", "alice", "sales.orders_2024"}, {"explain", "alice"}, {"who", "SELECT", "sales.orders_2024"}} {
				call(r.t, append(args, "-d", r.server.URL("auditor", "warehouse"))...).want(r.t, 0, "[row ", "")
			}
			r.can("auditor", "select from sync_roles.effective_grants where role_name = 'alice'", true)
			r.can("auditor", "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('auditor', 'CREATE', 'database', 'warehouse')", false)
			r.can("auditor", "delete from sync_roles.desired_grants", false)
			r.can("auditor", "update sync_roles.desired_grants set role_name = 'auditor'", false)
		},
		"effective": func() {
			if !strings.Contains(r.answer, "sales_owner SELECT") || strings.Contains(r.answer, "auditor") {
				r.t.Errorf("who can do what with revenue: %q", r.answer)
			}
		},
		"bad-row": func() {},
		"blocked": func() { r.can("alice", "select from sales.targets", false) },
		"fix": func() {
			if want := `GRANT SELECT ON TABLE "sales"."targets" TO "sync_daemon" WITH GRANT OPTION`; r.answer != want {
				r.t.Fatalf("the fix is %q, want %q", r.answer, want)
			}
			r.superuser(r.answer)
			r.sync()
			r.can("alice", "select from sales.targets", true)
		},
		"held": func() {
			if r.answer != "" {
				r.t.Errorf("something is held: %q", r.answer)
			}
		},
		"approve": func() {}, // with nothing to approve it must at least run
		"refused": func() { r.can("bob", "select from sales.customers", false) },
	}
}

// readme is a server on which the README is played.
type readme struct {
	t      *testing.T
	server *pgserver.Server
	block  readmeBlock // the last that was run
	answer string      // what its last query returned
}

// readmeFixture is what the README finds there.
const readmeFixture = `
CREATE ROLE sales_owner;
CREATE ROLE bob LOGIN;
CREATE SCHEMA sales AUTHORIZATION sales_owner;
SET ROLE sales_owner;
CREATE TABLE sales.customers (name text, city text);
CREATE TABLE sales.orders_2024 (id int, price int);
CREATE TABLE sales.orders_2025 (id int, price int);
CREATE VIEW sales.revenue AS SELECT sum(price) FROM sales.orders_2024;
CREATE FUNCTION sales.total(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION sales.total(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA sales FROM PUBLIC;
RESET ROLE;
CREATE TABLE sales.targets (id int);`

// newReadme does the README's "Install", and leaves a daemon running until the test ends.
func newReadme(t *testing.T) *readme {
	t.Helper()
	server, err := pgserver.Start(t.Context(), pgserver.Config{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	r := &readme{t: t, server: server}
	conn := r.connect(pgserver.Superuser, "postgres")
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE warehouse"); err != nil {
		t.Fatal(err)
	}
	r.superuser(readmeFixture)
	script := "../../examples/setup-16.sql"
	if pgtest.One[int](t, conn, "select current_setting('server_version_num')::int") < 160000 {
		script = "../../examples/setup-14-15.sql"
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	r.superuser(string(text))
	r.startDaemon()
	return r
}

func (r *readme) startDaemon() {
	r.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	exit := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		exit <- cli.Run(ctx, []string{"run", "--log-level", "error", "-d", r.server.URL("sync_daemon", "warehouse")}, strings.NewReader(""), &stderr, &stderr)
	}()
	r.t.Cleanup(func() {
		stop()
		if code := <-exit; code != 0 {
			r.t.Errorf("the daemon ended with %d: %s", code, stderr.String())
		}
	})

	conn := r.connect("sync_daemon", "warehouse")
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !pgtest.One[bool](r.t, conn, "select to_regclass('sync_roles.installation') is not null") {
		select {
		case code := <-exit:
			exit <- code
			r.t.Fatalf("the daemon ended with %d: %s", code, stderr.String())
		case <-ticker.C:
		case <-time.After(time.Minute):
			r.t.Fatal("the daemon does not install its schema")
		}
	}
	// Its migrations follow one another, each in its own transaction.
	for !pgtest.One[bool](r.t, conn, "select to_regprocedure('sync_roles.wait_for_sync(text,interval)') is not null") {
		<-ticker.C
	}
}

func (r *readme) connect(role, database string) *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.server.URL(role, database))
	if err != nil {
		r.t.Fatalf("log in as %q: %v", role, err)
	}
	r.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(r.t.Context())) })
	return conn
}

// superuser does what somebody else does between the README's blocks.
func (r *readme) superuser(sql string) {
	r.t.Helper()
	if _, err := r.connect(pgserver.Superuser, "warehouse").Exec(r.t.Context(), sql); err != nil {
		r.t.Fatalf("run %s: %v", sql, err)
	}
}

// last returns the first value that a query returns to a role.
func (r *readme) last(role, sql string) string {
	r.t.Helper()
	return pgtest.One[string](r.t, r.connect(role, "warehouse"), "select ("+sql+")::text")
}

// can logs in as a role and tries a statement, which is rolled back.
func (r *readme) can(role, sql string, want bool) {
	r.t.Helper()
	err := func() error {
		conn, err := pgx.Connect(r.t.Context(), r.server.URL(role, "warehouse"))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(r.t.Context()) }()
		tx, err := conn.Begin(r.t.Context())
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(r.t.Context()) }()
		_, err = tx.Exec(r.t.Context(), sql)
		return err
	}()
	var refused *pgconn.PgError
	switch {
	case err == nil && !want:
		r.t.Errorf("%s can: %s", role, sql)
	case errors.As(err, &refused) && refused.Code == "42501":
		if want {
			r.t.Errorf("%s cannot: %s: %v", role, sql, err)
		}
	case err != nil:
		r.t.Errorf("as %s: %s: %v", role, sql, err)
	}
}

// sync stands for the next rescan.
func (r *readme) sync() {
	r.t.Helper()
	var out strings.Builder
	if code := cli.Run(r.t.Context(), []string{"sync", "-d", r.server.URL("sync_daemon", "warehouse")}, strings.NewReader(""), &out, &out); code != 0 {
		r.t.Fatalf("sync ended with %d: %s", code, out.String())
	}
}

// run runs a block as psql does: each statement by itself.
func (r *readme) run(b readmeBlock) {
	r.t.Helper()
	r.block, r.answer = b, ""
	conn := r.connect(b.role, "warehouse")
	var err error
	for _, sql := range b.statements {
		var results []*pgconn.Result
		if results, err = conn.PgConn().Exec(r.t.Context(), sql).ReadAll(); err != nil {
			err = fmt.Errorf("run %s: %w", sql, err)
			break
		}
		r.answer = text(results)
	}
	switch {
	case b.fails == "" && err != nil:
		r.t.Fatal(err)
	case b.fails != "" && err == nil:
		r.t.Fatalf("it works, and the README says that it fails: %s", b.fails)
	case b.fails != "" && !strings.Contains(err.Error(), b.fails):
		r.t.Fatalf("it fails otherwise than the README says: %v", err)
	}
}

func text(results []*pgconn.Result) string {
	var lines []string
	for _, result := range results {
		for _, row := range result.Rows {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = string(cell)
			}
			lines = append(lines, strings.Join(cells, " "))
		}
	}
	return strings.Join(lines, "\n")
}

type readmeBlock struct {
	name, role, fails string
	statements        []string
}

var (
	readmeMark = regexp.MustCompile("(?s)<!-- test: ([^>]*?) -->\n+```sql\n(.*?)\n```")
	markWords  = regexp.MustCompile(`^(\S+) as (\S+)(?: fails: (.+))?$`)
	statement  = regexp.MustCompile(`(?m);[ \t]*(?:--.*)?$`) // the README has no semicolon at the end of a line but at the end of a statement
)

// readmeBlocks reads the marked blocks.
func readmeBlocks(t *testing.T) []readmeBlock {
	t.Helper()
	var blocks []readmeBlock
	for _, page := range pages {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, pageBlocks(t, page, string(text))...)
	}
	return blocks
}

func pageBlocks(t *testing.T, page, text string) (blocks []readmeBlock) {
	t.Helper()
	matches := readmeMark.FindAllStringSubmatch(text, -1)
	if marks := strings.Count(text, "<!-- test:"); marks == 0 || marks != len(matches) {
		t.Fatalf("%s has %d marks for tests, and %d blocks to go with them", page, marks, len(matches))
	}
	for _, match := range matches {
		words := markWords.FindStringSubmatch(match[1])
		if words == nil {
			t.Fatalf("%s: cannot read the mark %q", page, match[1])
		}
		b := readmeBlock{name: words[1], role: words[2], fails: words[3]}
		for _, sql := range statement.Split(match[2], -1) {
			if strings.TrimSpace(sql) != "" && !strings.HasPrefix(strings.TrimSpace(sql), "--") {
				b.statements = append(b.statements, sql)
			}
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// README.md stays what one reads in ten minutes, and what it and the pages link to is there.
func TestReadmeIsShortAndItsLinksLead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 14_000 {
		t.Errorf("README.md has %d bytes, and 14,000 at most are allowed: move something to docs/", len(text))
	}
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../README.md", "../../.github/CONTRIBUTING.md", "../../.github/SECURITY.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`).FindAllStringSubmatch(string(text), -1) {
			target := file
			if strings.Contains(link[1], "://") {
				continue
			}
			if link[1] != "" {
				target = filepath.Join(filepath.Dir(file), link[1])
			}
			there, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s links to what is not there: %s", file, link[1])
				continue
			}
			if link[2] != "" && !slices.Contains(anchors(string(there)), link[2]) {
				t.Errorf("%s links to %s, which has no heading #%s", file, link[1], link[2])
			}
		}
	}
}

// anchors are those of the headings of a page, as GitHub makes them.
func anchors(page string) []string {
	var list []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		list = append(list, strings.ReplaceAll(anchor, " ", "-"))
	}
	return list
}
