package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// The password needs to stand on no command line: a file, a service, a variable will do. No way shows it, nor when it is wrong.
func TestNoSecretOnTheCommandLine(t *testing.T) {
	s := newPasswordServer(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const right, wrong = "daemon's", "Wr0ngS3cret"
	bare := fmt.Sprintf("postgres://daemon@127.0.0.1:%d/db", s.Port())
	for name, way := range map[string]func(password string) (env map[string]string, args []string){
		"PGPASSWORD": func(p string) (map[string]string, []string) {
			return map[string]string{"PGPASSWORD": p}, []string{"-d", bare}
		},
		"PGPASSFILE": func(p string) (map[string]string, []string) {
			return map[string]string{"PGPASSFILE": file("pgpass", "*:*:*:daemon:"+p+"\n")}, []string{"-d", bare}
		},
		"PGSERVICE": func(p string) (map[string]string, []string) {
			text := fmt.Sprintf("[warehouse]\nhost=127.0.0.1\nport=%d\ndbname=db\nuser=daemon\npassword=%s\n", s.Port(), p)
			return map[string]string{"PGSERVICE": "warehouse", "PGSERVICEFILE": file("services", text)}, nil
		},
		"the variable": func(p string) (map[string]string, []string) {
			return map[string]string{"PG_SYNC_ROLES_DATABASE_URL": s.url(t, "daemon", p)}, nil
		},
		"the variable with a file": func(p string) (map[string]string, []string) {
			return map[string]string{"PG_SYNC_ROLES_DATABASE_URL_FILE": file("url", s.url(t, "daemon", p)+"\n")}, nil
		},
		"the option with a file": func(p string) (map[string]string, []string) {
			return map[string]string{"PG_SYNC_ROLES_DATABASE_URL": "postgres://nobody@127.0.0.1:1/x"}, []string{"--database-url-file", file("url", s.url(t, "daemon", p))}
		},
		"the option before the variable": func(p string) (map[string]string, []string) {
			return map[string]string{"PG_SYNC_ROLES_DATABASE_URL_FILE": "/no/such/file", "PGPASSWORD": p}, []string{"-d", bare}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, password := range []string{right, wrong} {
				env, args := way(password)
				for k, v := range env {
					t.Setenv(k, v)
				}
				for _, command := range [][]string{{"migrate", "version"}, {"status"}, {"sync"}, {"run", "--no-migrate"}} {
					r := call(t, append(command, args...)...)
					switch {
					case password == wrong:
						r.want(t, 1, "", "28P01")
					case command[0] == "migrate":
						r.want(t, 0, "0\n", "")
					default:
						r.want(t, 1, "", "pg-sync-roles migrate")
					}
					if strings.Contains(r.stdout+r.stderr, password) {
						t.Errorf("%s shows the password:\n%s", command[0], r.stderr)
					}
				}
			}
		})
	}
	call(t, "status", "-d", bare, "--database-url-file", file("url", bare)).want(t, 64, "", "one database is wanted")
	call(t, "status", "--database-url-file", filepath.Join(dir, "none")).want(t, 64, "", "no such file")
	call(t, "migrate", "version", "-d", s.url(t, "daemon", right)).want(t, 0, "0\n", "list of processes")
	for _, command := range []string{"status", "sync"} {
		r := call(t, command, "-d", "postgres://u:"+wrong+"@host.invalid/db")
		r.want(t, 1, "", "in clear")
		if strings.Contains(r.stderr, wrong) {
			t.Errorf("%s shows the password:\n%s", command, r.stderr)
		}
	}
}

// The daemon reads the file with the connection string at each connection: a new password counts, and a file that is broken meanwhile is
// waited for.
func TestRunWithANewPassword(t *testing.T) {
	t.Parallel()
	s := newPasswordServer(t)
	path := filepath.Join(t.TempDir(), "url")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(s.url(t, "daemon", "daemon's"))
	ctx, cancel := context.WithCancel(t.Context())
	log := &lockedBuffer{}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"run", "--rescan-interval", "1h", "--database-url-file", path}, strings.NewReader(""), log, log)
	}()
	conn, err := pgx.Connect(t.Context(), s.URL(pgserver.Superuser, "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	const listening = "select count(*) > 0 from pg_stat_activity where usename = 'daemon' and application_name = 'pg-sync-roles listener'"
	until(t, conn, listening)
	exec(t, conn, "alter role daemon password 'N3wS3cret'")
	write("postgres://daemon:N3wS3cret@")
	write("postgres://daemon:N3wS3cret@127.0.0.1:port/db")
	exec(t, conn, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'daemon'")
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "port in the connection string"); {
		if time.Now().After(deadline) {
			t.Fatalf("the broken file is not reported:\n%s", log.String())
		}
		pgtest.One[string](t, conn, "select pg_sleep(0.02)::text")
	}
	write(s.url(t, "daemon", "N3wS3cret"))
	until(t, conn, listening)
	cancel()
	if code := <-ended; code != 0 || strings.Contains(log.String(), "N3wS3cret") || strings.Contains(log.String(), "daemon's") {
		t.Errorf("exit code %d\n%s", code, log.String())
	}
}

// A lockedBuffer can be read while the daemon writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
