package examples

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// dbtEnv names the environment variable with the folder of programs in which dbt is.
const dbtEnv = "TEST_DBT_BIN"

// patience is far more than anything takes that is waited for here.
const patience = 2 * time.Minute

// A shop is a dbt project, with a server and the program.
type shop struct {
	server  *pgserver.Server
	program string
	dir     string // the project
	runner  *json.Encoder
	answers *bufio.Scanner
}

func newShop(t *testing.T) *shop {
	t.Helper()
	bin := os.Getenv(dbtEnv)
	if bin == "" {
		t.Skip("no dbt: " + dbtEnv + " names the folder of programs in which it is, as .ci/fetch-dbt prints it")
	}
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
	s := &shop{server: server, dir: t.TempDir(), program: filepath.Join(t.TempDir(), "pg-sync-roles")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	if err := os.CopyFS(s.dir, os.DirFS("testdata/dbt")); err != nil {
		t.Fatal(err)
	}
	s.startRunner(t, bin)
	setup, err := os.ReadFile("testdata/setup.sql")
	if err != nil {
		t.Fatal(err)
	}
	conn := s.connect(t, pgserver.Superuser, "postgres")
	for statement := range strings.SplitSeq(strings.TrimSpace(string(setup)), ";\n") {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("run %s: %v", statement, err)
		}
	}
	s.exec(t, "sync_daemon", "GRANT CREATE ON DATABASE warehouse TO dbt")
	return s
}

func (s *shop) startRunner(t *testing.T, bin string) {
	t.Helper()
	examples, err := filepath.Abs("../../examples/dbt")
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/runner.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, "python"), script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "SHOP_PACKAGE="+examples, "SHOP_PORT="+strconv.Itoa(s.server.Port()))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("dbt's process: %v: %s", err, stderr.Bytes())
		}
	})
	s.runner, s.answers = json.NewEncoder(stdin), bufio.NewScanner(stdout)
	s.answers.Buffer(nil, 10<<20)
}

// dbt runs dbt, and returns what it said and whether it went well.
func (s *shop) dbt(t *testing.T, args ...string) (said string, success bool) {
	t.Helper()
	if err := s.runner.Encode(args); err != nil {
		t.Fatal(err)
	}
	if !s.answers.Scan() {
		t.Fatalf("dbt %s: no answer: %v", args, errors.Join(s.answers.Err(), io.ErrUnexpectedEOF))
	}
	var answer struct {
		Success bool
		Said    string
	}
	if err := json.Unmarshal(s.answers.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Said, answer.Success
}

func (s *shop) mustRun(t *testing.T, args ...string) (said string) {
	t.Helper()
	said, success := s.dbt(t, args...)
	if !success {
		t.Fatalf("dbt %s: %s", args, said)
	}
	return said
}

// mustFail runs what must fail, and must say all of this.
func (s *shop) mustFail(t *testing.T, args []string, wants ...string) (said string) {
	t.Helper()
	said, success := s.dbt(t, args...)
	if success {
		t.Fatalf("dbt %s goes well, and should not: %s", args, said)
	}
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("dbt %s does not say %q: %s", args, want, said)
		}
	}
	return said
}

// write writes a file of the project; an empty one is removed.
func (s *shop) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if text == "" {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace changes a file of the project.
func (s *shop) replace(t *testing.T, name, old, text string) {
	t.Helper()
	was, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(was), old) {
		t.Fatalf("%s has no %q", name, old)
	}
	s.write(t, name, strings.ReplaceAll(string(was), old, text))
}

func (s *shop) migrate(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), s.program, "migrate", "-d", s.server.URL("sync_daemon", "warehouse")).CombinedOutput()
	if err != nil {
		t.Fatalf("migrate: %v: %s", err, out)
	}
}

// plansNothing fails the test if a pass over all roles would change something.
func (s *shop) plansNothing(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), s.program, "plan", "-d", s.server.URL("sync_daemon", "warehouse")).CombinedOutput()
	if err != nil {
		t.Errorf("plan: %v: %s", err, out)
	}
}

// startDaemon runs the program until the test ends.
func (s *shop) startDaemon(t *testing.T) {
	t.Helper()
	// A rescan that comes between dbt's commit and its DROP of the old table would have something to do there.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), s.program, "run", "--rescan-interval", "1h", "--log-level", "error",
		"-d", s.server.URL("sync_daemon", "warehouse"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("the daemon: %v: %s", err, stderr.String())
		}
	})
}

func (s *shop) connect(t *testing.T, role, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.server.URL(role, database))
	if err != nil {
		t.Fatalf("log in as %q: %v", role, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func (s *shop) exec(t *testing.T, role, sql string) {
	t.Helper()
	if _, err := s.connect(t, role, "warehouse").Exec(t.Context(), sql); err != nil {
		t.Fatalf("as %s: %s: %v", role, sql, err)
	}
}

// last returns the first value of a query, as text.
func (s *shop) last(t *testing.T, sql string) string {
	t.Helper()
	return pgtest.One[string](t, s.connect(t, pgserver.Superuser, "warehouse"), "SELECT coalesce(("+sql+")::text, '')")
}

// wants compares the first value of a query.
func (s *shop) wants(t *testing.T, sql, want string) {
	t.Helper()
	if got := s.last(t, sql); got != want {
		t.Errorf("%s is %q, want %q", sql, got, want)
	}
}

// rows are all desired grants, with all that can be seen of a change.
func (s *shop) rows(t *testing.T) string {
	t.Helper()
	return s.last(t, `SELECT string_agg(g::text, E'\n' ORDER BY g.id) FROM sync_roles.desired_grants AS g`)
}

func (s *shop) audited(t *testing.T) string {
	t.Helper()
	return s.last(t, `SELECT string_agg(concat_ws(' ', a.id, a.role_name, a.cause, a.outcome, a.statements), E'\n' ORDER BY a.id) FROM sync_roles.audit AS a`)
}

// sync waits until the daemon has done all that was asked for.
func (s *shop) sync(t *testing.T) {
	t.Helper()
	s.exec(t, "sync_daemon", "SELECT sync_roles.wait_for_sync(timeout => '"+patience.String()+"')")
}

// reads tells whether a login can read all of these, and fails the test where that is not as wanted.
func (s *shop) reads(t *testing.T, role string, want bool, relations ...string) {
	t.Helper()
	conn := s.connect(t, role, "warehouse")
	for _, relation := range relations {
		err := read(t.Context(), conn, relation)
		if want && err != nil {
			t.Errorf("%s cannot read %s: %v", role, relation, err)
		}
		var refused *pgconn.PgError
		if !want && (!errors.As(err, &refused) || refused.Code != "42501") {
			t.Errorf("%s reads %s: %v, want permission denied", role, relation, err)
		}
	}
}

func read(ctx context.Context, conn *pgx.Conn, relation string) error {
	_, err := conn.Exec(ctx, "SELECT count(*) FROM "+relation)
	return err
}

// Reads are what came of reading a relation over and over.
type reads struct {
	count, failed int
	first         error
}

// poll reads a relation until the context ends, and sends what came of it.
func poll(ctx context.Context, conn *pgx.Conn, relation string) <-chan reads {
	told := make(chan reads, 1)
	go func() {
		ticker := time.NewTicker(2 * time.Millisecond) // dbt needs the processors too
		defer ticker.Stop()
		var r reads
		for ctx.Err() == nil {
			<-ticker.C
			r.count++
			// Its own context: a read that is cancelled would look like one that failed.
			if err := read(context.WithoutCancel(ctx), conn, relation); err != nil {
				r.failed++
				r.first = cmp.Or(r.first, fmt.Errorf("%s reads %s: %w", conn.Config().User, relation, err))
			}
		}
		told <- r
	}()
	return told
}
