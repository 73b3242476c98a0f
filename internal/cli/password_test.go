package cli_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// passwordServer is a server that asks everybody but its superuser for a password.
type passwordServer struct{ *pgserver.Server }

func newPasswordServer(t *testing.T) passwordServer {
	t.Helper()
	server, err := pgserver.Start(t.Context(), pgserver.Config{
		BinDir: os.Getenv("TEST_POSTGRES_BIN"), AuthMethod: "scram-sha-256", Settings: map[string]string{"fsync": "off", "max_connections": "20"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		_ = server.Stop(ctx)
	})
	s := passwordServer{server}
	s.exec(t, "postgres", "create role daemon login createrole password 'daemon''s'", "create database db owner daemon", "revoke connect on database db from public")
	return s
}

func (s passwordServer) exec(t *testing.T, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(pgserver.Superuser, database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range statements {
		exec(t, conn, sql)
	}
}

// url is the connection string with a password.
func (s passwordServer) url(t *testing.T, role, password string) string {
	t.Helper()
	u, err := url.Parse(s.URL(role, "db"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// admits asserts whether the role can log in with the password.
func (s passwordServer) admits(t *testing.T, role, password string, want bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.url(t, role, password))
	if err == nil {
		_ = conn.Close(t.Context())
	}
	var refusal *pgconn.PgError
	if err != nil && (!errors.As(err, &refusal) || refusal.Code != "28P01") {
		t.Fatal(err)
	}
	if got := err == nil; got != want {
		t.Errorf("%s logs in with %q: %t, want %t", role, password, got, want)
	}
}

// run is the program with standard input, as the daemon.
func (s passwordServer) run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(s.url(t, "daemon", "daemon's")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return callWith(t.Context(), strings.NewReader(stdin), append(args, "--database-url-file", file)...)
}

// A password that was typed in lets the role in; only its verifier is in the database; a slip changes nothing.
func TestPassword(t *testing.T) {
	t.Parallel()
	s := newPasswordServer(t)
	s.run(t, "", "password", "alice").want(t, 1, "", "migrate")
	s.run(t, "", "migrate").want(t, 0, "has version", "")
	s.run(t, "x\n", "password", "alice").want(t, 1, "", "neither exists")
	s.run(t, "x\n", "password").want(t, 64, "", "password")

	s.exec(t, "db", "set role daemon",
		"insert into sync_roles.desired_roles (role_name, login) values ('alice', true), ('bob', true)",
		"insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('alice', 'CONNECT', 'database', 'db'), ('bob', 'CONNECT', 'database', 'db')")
	for _, password := range []string{"s3cret ünï '\" \\ $1", " spaces "} {
		s.run(t, password+"\n", "password", "alice").want(t, 0, "alice", "")
		s.run(t, "", "sync").want(t, 0, "alice", "")
		s.admits(t, "alice", password, true)
		s.admits(t, "alice", password+"x", false)
		s.admits(t, "bob", password, false)
	}
	s.run(t, "\u00ad\n", "password", "alice").want(t, 1, "", "do not count")
	s.run(t, "x\n", "password", "daemon").want(t, 1, "", "not managed")
	s.run(t, "x\n", "password", "postgres").want(t, 1, "", "not managed")
	s.run(t, "\n", "password", "alice").want(t, 1, "", "empty")
	s.run(t, "", "password", "alice").want(t, 1, "", "empty")
	s.run(t, "", "sync").want(t, 0, "Nothing", "")
	s.admits(t, "alice", " spaces ", true)
}
