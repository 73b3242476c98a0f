package cli_test

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

var commands = []string{"setup", "migrate", "run", "sync", "plan", "status", "adopt", "retire", "export", "explain", "who", "report", "audit", "demo", "version"}

// A call that cannot be understood is 64, with a hint, before anything is done.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	const nowhere = "postgres://127.0.0.1:1/none"
	for _, args := range [][]string{
		{"frobnicate"},
		{"--frobnicate"},
		{"sync", "--frobnicate"},
		{"sync", "-x"},
		{"migrate", "sideways"},
		{"migrate", "up", "down"},
		{"version", "now"},
		{"demo", "now"},
		{"run", "now"},
		{"completion", "cmd.exe"},
		{"run", "--rescan-interval", "soon"},
		{"run", "--rescan-interval", "0s", "-d", nowhere},
		{"run", "--rescan-interval", "-1m", "-d", nowhere},
		{"run", "--ui", "-d", nowhere},
		{"run", "--ui", "--listen-address", ":8080", "-d", nowhere},
		{"run", "--ui", "--listen-address", "192.0.2.1:8080", "-d", nowhere},
		{"run", "--tls-cert", "c", "--listen-address", ":8080", "-d", nowhere},
		{"run", "--tls-key", "k", "--listen-address", ":8080", "-d", nowhere},
		{"run", "--tls-cert", "c", "--tls-key", "k", "-d", nowhere},
		{"sync", "--lock-timeout", "5"},
		{"sync", "--lock-timeout", "0s", "-d", nowhere},
		{"sync", "--statement-timeout", "-1s", "-d", nowhere},
		{"sync", "--prune-after", "-1h", "-d", nowhere},
		{"sync", "--max-direct-grantees", "many"},
		{"sync", "--max-direct-grantees", "-1", "-d", nowhere},
		{"sync", "--advisory-lock-key", "x"},
		{"sync", "--allow-attribute", "superuser", "-d", nowhere},
		{"sync", "--log-level", "loud", "-d", nowhere},
		{"sync", "--log-format", "xml", "-d", nowhere},
		{"sync", "--output", "yaml"},
		{"status", "--output", ""},
		{"plan", "--with-sql"},
		{"sync", "-d"},
		{"sync", "--prune=perhaps"},
		{"adopt", "-d", nowhere},
		{"retire", "-d", nowhere},
		{"retire", "alice", "--timeout", "-1s", "-d", nowhere},
		{"audit", "now"},
		{"audit", "verify", "now"},
		{"audit", "verify", "--expect-head", "12", "-d", nowhere},
		{"report", "--output", "text", "-d", nowhere},
		{"report", "--as-of", "soon", "-d", nowhere},
		{"adopt", "--all", "alice", "-d", nowhere},
	} {
		r := call(t, args...)
		r.want(t, 64, "", "Try: pg-sync-roles")
		if r.code != 64 || !strings.HasPrefix(r.stderr, "Error: ") {
			t.Errorf("%q: exit code %d: %s", args, r.code, r.stderr)
		}
	}
}

// The hint names the command that was called.
func TestUsageHint(t *testing.T) {
	t.Parallel()
	call(t, "sync", "--frobnicate").want(t, 64, "", "Try: pg-sync-roles sync --help")
	call(t, "frobnicate").want(t, 64, "", "Try: pg-sync-roles --help")
}

// Help is data: it goes to stdout, and is no error.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"-h"}} {
		r := call(t, args...)
		r.want(t, 0, "Usage:", "")
		for _, command := range commands {
			if !strings.Contains(r.stdout, "\n  "+command) {
				t.Errorf("%q does not list %s", args, command)
			}
		}
	}
	for _, command := range commands {
		call(t, command, "--help").want(t, 0, "pg-sync-roles "+command, "")
		call(t, "help", command).want(t, 0, "pg-sync-roles "+command, "")
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	call(t, "version").want(t, 0, "pg-sync-roles ", "")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		call(t, "completion", shell).want(t, 0, "pg-sync-roles", "")
	}
	call(t, "__complete", "").want(t, 0, "status", "*")
}

// A connection string that cannot be read is a usage error, and its password is not repeated.
func TestBadConnectionString(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://u:hunter2@host:port/db", "postgres://u:hunter2@host/db?sslmode=perhaps", "host=h password=hunter2 port=x", "hunter2", "postgres://u:hunter2@[::1/db",
		"host=h password='hunter2",
	} {
		for _, command := range []string{"migrate", "run", "sync", "plan", "status"} {
			r := call(t, command, "-d", url)
			r.want(t, 64, "", "Try: pg-sync-roles "+command)
			if strings.Contains(r.stderr, "hunter2") {
				t.Errorf("%s -d %s shows the password: %s", command, url, r.stderr)
			}
		}
	}
}

// A server that is not there is an error with a hint, without the password. (The daemon waits for it: see TestFleet.)
func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close() // so nobody is there
	url := fmt.Sprintf("postgres://u:hunter2@127.0.0.1:%d/db?sslmode=disable", port)
	for _, command := range []string{"migrate", "sync", "plan", "status"} {
		r := call(t, command, "-d", url)
		r.want(t, 1, "", "Hint: is the server running")
		if strings.Contains(r.stderr, "hunter2") {
			t.Errorf("%s shows the password: %s", command, r.stderr)
		}
	}
}

// What the server refuses to let in is told with what to do.
func TestConnectionHints(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	stranger := env.Role("stranger")
	env.Exec(t, "create role "+stranger+" login")
	for _, command := range []string{"migrate", "run", "sync", "plan", "status"} {
		call(t, command, "-d", env.URL(env.Role("nobody"))).want(t, 1, "", "Hint: check the user")
		call(t, command, "-d", env.URL(stranger)).want(t, 1, "", "Hint: the role needs CONNECT")
		if command != "run" {
			call(t, command, "-d", strings.ReplaceAll(env.URL(env.Daemon), env.Database, "nosuchdb")).want(t, 1, "", "Hint: create the database")
		}
	}
}

var flagLine = regexp.MustCompile(`(?m)^ +(?:-\w, |    )--([a-z-]+)`)

// flagsOf reads a command's flags from its help.
func flagsOf(t *testing.T, command string) (flags []string) {
	t.Helper()
	for _, match := range flagLine.FindAllStringSubmatch(call(t, command, "--help").stdout, -1) {
		if match[1] != "help" {
			flags = append(flags, match[1])
		}
	}
	if len(flags) == 0 && command != "demo" && command != "version" && command != "audit" {
		t.Fatalf("%s has no flags", command)
	}
	return flags
}

// Every flag can be given by environment: a value that is wrong for the flag is as wrong there, and the error names the variable.
func TestEveryFlagByEnvironment(t *testing.T) { //nolint:paralleltest // it sets the environment
	text := []string{"protect", "allow-membership-in", "fallback-owner", "with-sql", "databases", "role", "owner", "manage", "source", "reassign-to", "view", "tls-cert", "tls-key"} // any value is one
	arguments := map[string][]string{"adopt": {"alice"}, "explain": {"alice"}, "who": {"SELECT", "orders"}, "retire": {"alice"}}
	for _, command := range commands {
		for _, flag := range flagsOf(t, command) {
			if slices.Contains(text, flag) {
				continue
			}
			t.Run(command+" "+flag, func(t *testing.T) {
				name := "PG_SYNC_ROLES_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
				t.Setenv("PG_SYNC_ROLES_DATABASE_URL", "postgres://u@127.0.0.1:1/db?connect_timeout=1")
				t.Setenv(name, "no good://")
				r := call(t, append([]string{command}, arguments[command]...)...)
				r.want(t, 64, "", "Try: pg-sync-roles "+command)
				if !strings.Contains(r.stderr, name) && !strings.Contains(r.stderr, "--"+flag) && flag != "database-url" {
					t.Errorf("the error does not say what is wrong: %s", r.stderr)
				}
			})
		}
	}
}

// Where the command line says something, the environment does not count, and an empty variable says nothing.
func TestEnvironmentAndCommandLine(t *testing.T) { //nolint:paralleltest // it sets the environment
	env, conn := installed(t)
	alice := env.Role("alice")
	give(t, env, conn, alice)
	t.Setenv("PG_SYNC_ROLES_LOCK_TIMEOUT", "1m")

	t.Setenv("PG_SYNC_ROLES_DATABASE_URL", env.URL(env.Daemon))
	t.Setenv("PG_SYNC_ROLES_OUTPUT", "json")
	call(t, "status").want(t, 2, `"pending"`, "")
	call(t, "status", "--output", "text").want(t, 2, "ROLE", "")
	t.Setenv("PG_SYNC_ROLES_OUTPUT", "")
	call(t, "status").want(t, 2, "ROLE", "")
	call(t, "status", "-d", "postgres://nobody@127.0.0.1:1/x").want(t, 1, "", "Hint")

	t.Setenv("PG_SYNC_ROLES_PROTECT", alice)
	call(t, "sync").want(t, 1, "refused", "not as desired")
	t.Setenv("PG_SYNC_ROLES_PROTECT", "")
	call(t, "sync").want(t, 0, "applied", "")

	t.Setenv("PG_SYNC_ROLES_WITH_SQL", "-")
	callWith(t.Context(), strings.NewReader("delete from sync_roles.desired_grants"), "plan").want(t, 2, "REVOKE", "")
}

// Without a connection string, libpq's environment counts.
func TestLibpqEnvironment(t *testing.T) { //nolint:paralleltest // it sets the environment
	env, conn := installed(t)
	config := conn.Config()
	t.Setenv("PGHOST", config.Host)
	t.Setenv("PGPORT", fmt.Sprint(config.Port))
	t.Setenv("PGDATABASE", env.Database)
	t.Setenv("PGUSER", env.Daemon)
	t.Setenv("PGSSLMODE", "disable")
	t.Setenv("PG_SYNC_ROLES_DATABASE_URL", "")
	call(t, "status").want(t, 0, "ROLE", "")
	call(t, "migrate", "version").want(t, 0, "*", "")
}

// A variable that no flag of the command has is somebody else's.
func TestForeignEnvironment(t *testing.T) { //nolint:paralleltest // it sets the environment
	t.Setenv("PG_SYNC_ROLES_RESCAN_INTERVAL", "soon")
	call(t, "version").want(t, 0, "pg-sync-roles", "")
}
