package upgrade_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

const (
	daemon   = "sync_daemon"
	database = "warehouse"
)

// A warehouse is a server with a database in which pg-sync-roles looks after schema sales.
type warehouse struct{ *pgserver.Server }

// binDirs finds both PostgreSQLs, or skips the test. The new one must have these programs, and the old one those.
func binDirs(t *testing.T, programs, oldPrograms []string) (oldBin, newBin string) {
	t.Helper()
	newBin, err := pgserver.Locate(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	oldBin = cmp.Or(os.Getenv("TEST_UPGRADE_FROM_BIN"), "/usr/lib/postgresql/15/bin")
	for _, place := range []struct {
		name, bin string
		programs  []string
	}{
		{"TEST_POSTGRES_BIN", newBin, programs},
		{"TEST_UPGRADE_FROM_BIN", oldBin, append([]string{"postgres", "initdb"}, oldPrograms...)},
	} {
		for _, program := range place.programs {
			if _, err := exec.LookPath(filepath.Join(place.bin, program)); err != nil {
				t.Skipf("this needs two PostgreSQLs, and %s has no %s; %s names another", place.bin, program, place.name)
			}
		}
	}
	if v := version(t, oldBin); v != "15" {
		t.Skipf("this needs PostgreSQL 15, and %s is %s; TEST_UPGRADE_FROM_BIN names another", oldBin, v)
	}
	if v := version(t, newBin); v < "16" { // two digits for years to come
		t.Skipf("this needs PostgreSQL 16 or later, and %s is %s; TEST_POSTGRES_BIN names another", newBin, v)
	}
	return oldBin, newBin
}

// version asks a PostgreSQL for its major version.
func version(t *testing.T, binDir string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), filepath.Join(binDir, "postgres"), "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(output), "(PostgreSQL) ")
	major, _, _ := strings.Cut(strings.TrimSpace(rest), ".")
	return major
}

// start starts an empty server.
func start(t *testing.T, binDir string, initDB ...string) *warehouse {
	t.Helper()
	if version(t, binDir) >= "18" {
		initDB = append(initDB, "--no-data-checksums") // as before 18, where pg_upgrade wants both the same
	}
	server, err := pgserver.Start(t.Context(), pgserver.Config{
		BinDir: binDir, Dir: pgtest.MemoryDir(), InitDB: initDB,
		Logins:   []string{"local all all trust"}, // for pg_upgrade
		Settings: map[string]string{"fsync": "off", "full_page_writes": "off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return &warehouse{server}
}

// run runs a program, and returns what it prints.
func (w *warehouse) run(t *testing.T, input []byte, binDir, program string, args ...string) []byte {
	t.Helper()
	cmd, err := w.Program(t.Context(), filepath.Join(binDir, program), args...)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, stdout.String(), stderr.String())
	}
	return stdout.Bytes()
}

// try runs SQL as a login.
func (w *warehouse) try(t *testing.T, role, in, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.URL(role, in))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}

// exec is try that must succeed.
func (w *warehouse) exec(t *testing.T, role, in, sql string) {
	t.Helper()
	if err := w.try(t, role, in, sql); err != nil {
		t.Fatalf("as %s run %s: %v", role, sql, err)
	}
}

// text asks for one text, as superuser.
func (w *warehouse) text(t *testing.T, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.URL(pgserver.Superuser, database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// access fails the test unless each of these logins can, or cannot, do what it says after a colon.
func (w *warehouse) access(t *testing.T, when string, can bool, attempts ...string) {
	t.Helper()
	for _, attempt := range attempts {
		role, sql, _ := strings.Cut(attempt, ": ")
		switch err := w.try(t, role, database, sql); {
		case can && err != nil:
			t.Errorf("%s: %s cannot %s: %v", when, role, sql, err)
		case !can && err == nil:
			t.Errorf("%s: %s can %s", when, role, sql)
		}
	}
}

// A result is what a call of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the program as the daemon, and expects an exit code.
func (w *warehouse) call(t *testing.T, code int, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	r := result{code: cli.Run(t.Context(), append(args, "-d", w.URL(daemon, database)), strings.NewReader(""), &stdout, &stderr)}
	r.stdout, r.stderr = stdout.String(), stderr.String()
	if r.code != code {
		t.Fatalf("%v: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", args, r.code, code, r.stdout, r.stderr)
	}
	return r
}

// nothingToDo fails the test if sync changes anything.
func (w *warehouse) nothingToDo(t *testing.T, when string) {
	t.Helper()
	const everything = `
		select coalesce((select string_agg(concat_ws(' ', m.roleid::regrole, m.member::regrole, m.grantor::regrole, m.admin_option), E'\n' order by m.roleid, m.member, m.grantor) from pg_auth_members as m), '')
			|| coalesce((select string_agg(c.relname || c.relacl::text, E'\n' order by c.oid) from pg_class as c where c.relnamespace = 'sales'::regnamespace), '')
			|| (select string_agg(r.rolname, ' ' order by r.oid) from pg_roles as r)`
	before := w.text(t, everything)
	if r := w.call(t, 0, "sync"); !strings.HasPrefix(r.stdout, "Nothing to do.") {
		t.Errorf("%s: sync says:\n%s", when, r.stdout)
	}
	if after := w.text(t, everything); after != before {
		t.Errorf("%s: sync changed\n%s\nto\n%s", when, before, after)
	}
}

// before15 starts the old server, with a database in which rows are kept by a daemon that needs nothing but CREATEROLE.
func before15(t *testing.T, binDir string) *warehouse {
	t.Helper()
	w := start(t, binDir)
	w.exec(t, pgserver.Superuser, "postgres", "create role "+daemon+" login createrole")
	w.exec(t, pgserver.Superuser, "postgres", "create database "+database+" owner "+daemon)
	w.exec(t, pgserver.Superuser, database, fmt.Sprintf(`
		create role sales_owner; grant sales_owner to %s;
		create role alice login; create role bob login; create role carol login; create role dave login;
		create schema sales authorization sales_owner;
		set role sales_owner;
		grant usage on schema sales to public;
		create table sales.orders (id int); create table sales.offers (id int); create table sales.costs (id int); create table sales.reports (id int);
		grant select on sales.costs to carol`, daemon))
	w.call(t, 0, "migrate")
	w.exec(t, daemon, database, `
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
		select r, 'SELECT', 'table', 'sales', 'o%', 'like' from unnest('{alice,bob,dave}'::text[]) as r
		union all
		select 'alice', 'UPDATE', 'table', 'sales', 'c%', 'like'`)
	w.exec(t, daemon, database, `
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values
			('analysts', 'SELECT', 'table', 'sales', 'reports'), ('bob', 'MEMBER', 'role', null, 'analysts'), ('dave', 'MEMBER', 'role', null, 'analysts')`)
	w.call(t, 0, "sync")
	w.nothingToDo(t, "on 15")
	return w
}

// upgrading keeps two from starting the old server at once.
var upgrading sync.Mutex

// upgraded is the cluster after pg_upgrade. The old one is down, and stays as it is.
func (w *warehouse) upgraded(t *testing.T, oldBin, newBin string) *warehouse {
	t.Helper()
	next := start(t, newBin)
	if err := next.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	upgrading.Lock()
	defer upgrading.Unlock()
	next.run(t, nil, newBin, "pg_upgrade", "--old-bindir", oldBin, "--new-bindir", newBin, "--old-datadir", w.DataDir(), "--new-datadir", next.DataDir(),
		"--old-port", fmt.Sprint(w.Port()), "--new-port", fmt.Sprint(next.Port()), "--username", pgserver.Superuser, "--socketdir", filepath.Dir(next.DataDir()), "--no-sync")
	if err := next.Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return next
}

// A dump is of the roles and of the database.
type dump struct {
	roles, contents []byte
	oid             string // of the database
}

// dumped makes a dump with the programs of the new version, as PostgreSQL recommends.
func (w *warehouse) dumped(t *testing.T, newBin string) dump {
	t.Helper()
	return dump{
		roles:    w.run(t, nil, newBin, "pg_dumpall", "--roles-only", "--dbname", w.URL(pgserver.Superuser, "postgres")),
		contents: w.run(t, nil, newBin, "pg_dump", "--dbname", w.URL(pgserver.Superuser, database)),
		oid:      w.text(t, "select oid::text from pg_database where datname = current_database()"),
	}
}

// restored is a new cluster with the dump; its database has the given OID.
func restored(t *testing.T, newBin string, d dump, oid string) *warehouse {
	t.Helper()
	next := start(t, newBin)
	roles := bytes.ReplaceAll(d.roles, []byte("CREATE ROLE "+pgserver.Superuser+";"), nil)
	next.run(t, roles, newBin, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", next.URL(pgserver.Superuser, "postgres"))
	next.exec(t, pgserver.Superuser, "postgres", fmt.Sprintf("create database %s with oid = %s owner %s template template0", database, oid, daemon))
	next.run(t, d.contents, newBin, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", next.URL(pgserver.Superuser, database))
	return next
}
