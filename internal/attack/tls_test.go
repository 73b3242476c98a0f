package attack_test

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

const secret = "corre%ct ho'rse" // of all roles of a tlsServer

// A tlsServer is a server with a certificate for db.test, which lets each of its roles in by one way.
type tlsServer struct {
	*pgserver.Server
	ca, stranger          *authority
	root, wrongRoot       string // files of their certificates
	clientCert, clientKey string // of the client "daemon"
	otherCert, otherKey   string // of the client "other"
	forgedCert, forgedKey string // of a client "daemon" of the wrong authority
}

func newTLSServer(t *testing.T) *tlsServer {
	t.Helper()
	s := &tlsServer{ca: newAuthority(t, "right"), stranger: newAuthority(t, "wrong")}
	certificate, key := s.ca.sign(t, "db.test", "db.test")
	var err error
	s.Server, err = pgserver.Start(t.Context(), pgserver.Config{
		BinDir: os.Getenv(pgserver.BinEnv), AuthMethod: "reject",
		Settings: map[string]string{
			"fsync": "off", "max_connections": "30", "password_encryption": "scram-sha-256", "log_connections": "on",
			"ssl": "on", "ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl_ca_file": "ca.pem",
		},
		Files: map[string][]byte{"server.pem": certificate, "server.key": key, "ca.pem": s.ca.pem},
		Logins: []string{
			"hostssl all daemon 127.0.0.1/32 cert",
			"hostssl all both 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
			"hostssl all onlytls 127.0.0.1/32 scram-sha-256",
			"host all worker 127.0.0.1/32 trust", // who would be let in without TLS too
			"host all scram 127.0.0.1/32 scram-sha-256",
			"host all hashed 127.0.0.1/32 md5",
			"host all plain 127.0.0.1/32 password",
			"host all free 127.0.0.1/32 trust",
		},
	})
	if err != nil && strings.Contains(err.Error(), "SSL is not supported by this build") {
		t.Skip("this PostgreSQL was built without TLS")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	s.root, s.wrongRoot = inFile(t, "root.crt", s.ca.pem), inFile(t, "wrong.crt", s.stranger.pem)
	for _, c := range []struct {
		by               *authority
		name             string
		certificate, key *string
	}{{s.ca, "daemon", &s.clientCert, &s.clientKey}, {s.ca, "other", &s.otherCert, &s.otherKey}, {s.stranger, "daemon", &s.forgedCert, &s.forgedKey}} {
		certificate, key := c.by.sign(t, c.name)
		*c.certificate, *c.key = inFile(t, "client.crt", certificate), inFile(t, "client.key", key)
	}
	literal := "'" + strings.ReplaceAll(secret, "'", "''") + "'"
	s.exec(t, "create database db",
		"create role daemon login createrole; create role free login; create role worker login createrole; create role \"both\" login password "+literal,
		"create role onlytls login password "+literal+"; create role scram login password "+literal+"; create role plain login password "+literal,
		"set password_encryption = md5; create role hashed login password "+literal,
		"alter database db owner to worker")
	return s
}

func (s *tlsServer) exec(t *testing.T, statements ...string) {
	t.Helper()
	conn := s.superuser(t)
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("run %s: %v", sql, err)
		}
	}
}

func (s *tlsServer) superuser(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(pgserver.Superuser, "db"))
	if err != nil {
		conn, err = pgx.Connect(t.Context(), s.URL(pgserver.Superuser, "postgres"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// connects calls the program, which must get in, or fail with these words. It never shows the password.
func (s *tlsServer) connects(t *testing.T, words, options string) {
	t.Helper()
	options = strings.NewReplacer(
		"{root}", s.root, "{wrong}", s.wrongRoot, "{secret}", strings.ReplaceAll(secret, "'", `\'`),
		"{cert}", "sslcert="+s.clientCert+" sslkey="+s.clientKey, "{other}", "sslcert="+s.otherCert+" sslkey="+s.otherKey,
		"{forged}", "sslcert="+s.forgedCert+" sslkey="+s.forgedKey).Replace(options)
	r := call(t.Context(), "migrate", "version", "-d", fmt.Sprintf("hostaddr=127.0.0.1 port=%d dbname=db %s", s.Port(), options))
	code := 0
	if words != "" {
		code = 1
	}
	if r.code != code && (code == 0 || r.code != 64) || !strings.Contains(r.stderr, words) {
		t.Errorf("%s: exit code %d, want %d and %q:\n%s", options, r.code, code, words, r.stderr)
	}
	if strings.Contains(r.stdout+r.stderr, secret) {
		t.Errorf("%s shows the password:\n%s", options, r.stderr)
	}
}

// Each sslmode, and each way to authenticate, does what libpq's manual says, and no less.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := newTLSServer(t)
	const in = "" // no error
	for _, c := range []struct{ words, options string }{
		// The server's certificate.
		{in, "user=free host=db.test sslmode=verify-full sslrootcert={root}"},
		{"x509: certificate is valid for db.test, not localhost", "user=free host=localhost sslmode=verify-full sslrootcert={root}"},
		{"x509: certificate signed by unknown authority", "user=free host=db.test sslmode=verify-full sslrootcert={wrong}"},
		{"x509: ", "user=free host=db.test sslmode=verify-full sslrootcert=system"},
		{"x509: ", "user=free host=db.test sslrootcert=system"},
		{"too weak", "user=free host=db.test sslmode=require sslrootcert=system"},
		{"sslrootcert", "user=free host=db.test sslmode=verify-full"},
		{"sslrootcert", "user=free host=db.test sslmode=verify-ca"},
		{"sslrootcert", "user=free host=db.test sslmode=verify-ca sslrootcert=/no/such/file"},
		{in, "user=free host=localhost sslmode=verify-ca sslrootcert={root}"},
		{"x509: certificate signed by unknown authority", "user=free host=db.test sslmode=verify-ca sslrootcert={wrong}"},
		{in, "user=free host=localhost sslmode=require"},
		{in, "user=free host=localhost sslmode=require sslrootcert={root}"},
		{"x509: certificate signed by unknown authority", "user=free host=localhost sslmode=require sslrootcert={wrong}"},
		{in, "user=free host=localhost sslmode=disable"},
		{"no encryption", "user=onlytls host=localhost sslmode=disable password='{secret}'"},
		{in, "user=onlytls host=localhost sslmode=allow password='{secret}'"},
		{in, "user=onlytls host=localhost password='{secret}'"},

		// The client's.
		{in, "user=daemon host=db.test sslmode=verify-full sslrootcert={root} {cert}"},
		{"requires a valid client certificate", "user=daemon host=db.test sslmode=verify-full sslrootcert={root}"},
		{"requires a valid client certificate", "user=daemon host=db.test sslmode=verify-full sslrootcert={root} {cert} sslcertmode=disable"},
		{"certificate authentication failed", "user=daemon host=db.test sslmode=verify-full sslrootcert={root} {other}"},
		{"requires a valid client certificate", "user=daemon host=db.test sslmode=verify-full sslrootcert={root} {forged}"},
		{"both be given", "user=daemon host=db.test sslmode=require sslcert=" + s.clientCert},
		{in, "user=both host=db.test sslmode=verify-full sslrootcert={root} {other} password='{secret}'"},
		{"28", "user=both host=db.test sslmode=verify-full sslrootcert={root} password='{secret}'"},
		{"28P01", "user=both host=db.test sslmode=verify-full sslrootcert={root} {other} password=wrong"},
		{in, "user=scram host=db.test sslmode=verify-full sslrootcert={root} {other} sslcertmode=require password='{secret}'"},

		// Versions of TLS, and direct negotiation, which servers before 17 do not know.
		{in, "user=free host=db.test sslmode=require ssl_min_protocol_version=TLSv1.3"},
		{in, "user=free host=db.test sslmode=require ssl_max_protocol_version=TLSv1.2"},
		{"protocol version", "user=free host=db.test sslmode=require ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1"},
		{"sslnegotiation", "user=free host=db.test sslnegotiation=direct"},

		// Channel binding.
		{in, "user=scram host=db.test sslmode=require channel_binding=require password='{secret}'"},
		{in, "user=scram host=db.test sslmode=verify-full sslrootcert={root} channel_binding=require require_auth=scram-sha-256 password='{secret}'"},
		{in, "user=scram host=db.test sslmode=require channel_binding=disable password='{secret}'"},
		{"TLS", "user=scram host=db.test sslmode=disable channel_binding=require password='{secret}'"},
		{"channel binding required", "user=free host=db.test sslmode=require channel_binding=require"},
		{"channel binding required", "user=plain host=db.test sslmode=require channel_binding=require password='{secret}'"},
		{"channel binding required", "user=hashed host=db.test sslmode=require channel_binding=require password='{secret}'"},
		{"28P01", "user=scram host=db.test sslmode=require channel_binding=require password=wrong"},

		// Methods.
		{in, "user=scram host=db.test sslmode=disable require_auth=scram-sha-256 password='{secret}'"},
		{in, "user=plain host=db.test sslmode=disable require_auth=password password='{secret}'"},
		{in, "user=hashed host=db.test sslmode=disable require_auth=md5 password='{secret}'"},
		{in, "user=free host=db.test sslmode=disable require_auth=none"},
		{in, "user=daemon host=db.test sslmode=require {cert} require_auth=none"},
		{"require_auth", "user=plain host=db.test sslmode=disable require_auth=scram-sha-256 password='{secret}'"},
		{"require_auth", "user=hashed host=db.test sslmode=disable require_auth=scram-sha-256 password='{secret}'"},
		{"require_auth", "user=free host=db.test sslmode=disable require_auth=scram-sha-256 password='{secret}'"},
		{"require_auth", "user=plain host=db.test sslmode=disable require_auth=!password password='{secret}'"},
		{"require_auth", "user=scram host=db.test sslmode=disable require_auth=md5,password password='{secret}'"},
		{"require_auth", "user=free host=db.test sslmode=disable require_auth=!none"},
		{"of these methods this program has none", "user=free host=db.test require_auth=gss"},
	} {
		s.connects(t, c.words, c.options)
	}
	direct := in
	if version := pgtest.One[int](t, s.superuser(t), "select current_setting('server_version_num')::int"); version < 170000 {
		direct = "Hint"
	}
	s.connects(t, direct, "user=free host=db.test sslmode=require sslnegotiation=direct")
}

// What libpq finds in the user's folder counts here too: a root certificate makes require verify, a revocation list is not passed by, and
// a key that others can read is refused.
func TestTLSFilesOfTheUser(t *testing.T) {
	s := newTLSServer(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	put := func(name, from string) string {
		path := filepath.Join(home, ".postgresql", name)
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	s.connects(t, "", "user=free host=localhost sslmode=require")
	put("root.crt", s.wrongRoot)
	s.connects(t, "x509: ", "user=free host=localhost sslmode=require")
	put("root.crt", s.root)
	s.connects(t, "", "user=free host=localhost sslmode=require")
	s.connects(t, "", "user=free host=db.test sslmode=verify-full")
	s.connects(t, "not localhost", "user=free host=localhost sslmode=verify-full sslrootcert=''")

	put("postgresql.crt", s.clientCert)
	key := put("postgresql.key", s.clientKey)
	s.connects(t, "", "user=daemon host=db.test sslmode=verify-full")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	s.connects(t, "chmod 600", "user=daemon host=db.test sslmode=verify-full")
	s.connects(t, "", "user=free host=db.test sslmode=verify-full sslcertmode=disable")
	s.connects(t, "chmod 600", "user=daemon host=db.test sslmode=verify-full sslcert="+s.clientCert+" sslkey="+key)
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}

	list := inFile(t, "root.crl", s.ca.revoke(t))
	s.connects(t, "revocation", "user=free host=db.test sslmode=verify-full sslcrl="+list)
	put("root.crl", list)
	s.connects(t, "revocation", "user=free host=db.test sslmode=verify-full")
}

// All connections of a daemon are as the connection string asks, golang-migrate's included. When the server loses TLS, the daemon waits,
// although the server would let it in without.
func TestServerLosesTLS(t *testing.T) {
	t.Parallel()
	s := newTLSServer(t)
	s.exec(t, "grant create on database db to worker")
	const backends = "select count(*) from pg_stat_activity where usename = 'worker'"
	ctx, stop := context.WithCancel(t.Context())
	var log safeBuffer
	ended := make(chan int, 1)
	url := fmt.Sprintf("host=db.test hostaddr=127.0.0.1 port=%d user=worker dbname=db sslmode=verify-full sslrootcert=%s", s.Port(), s.root)
	go func() {
		ended <- cli.Run(ctx, []string{"run", "--rescan-interval", "1h", "--listen-address", "127.0.0.1:0", "-d", url}, strings.NewReader(""), &log, &log)
	}()
	conn := s.superuser(t)
	wait := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !done(); {
			if _, err := conn.Exec(t.Context(), "select pg_sleep(0.02)"); err != nil || time.Now().After(deadline) {
				t.Fatalf("%s: never: %v\n%s", what, err, log.String())
			}
		}
	}
	works := func() bool {
		return pgtest.One[int](t, conn, backends) >= 2 && strings.Contains(log.String(), `"listening"`)
	}
	wait("it works", works)
	withoutTLS := func() bool {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(filepath.Dir(s.DataDir()), "log"))
		if err != nil {
			t.Fatal(err)
		}
		logins, withTLS := 0, 0
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "connection authorized: user=worker") {
				logins++
				if strings.Contains(line, "SSL enabled") {
					withTLS++
				}
			}
		}
		if logins < 4 { // the installer and golang-migrate, the engine, the listener
			t.Errorf("the server's log has %d logins", logins)
		}
		return logins != withTLS
	}
	if withoutTLS() {
		t.Error("a connection has no TLS")
	}

	s.exec(t, "alter system set ssl = off", "select pg_reload_conf()")
	wait("TLS is off", func() bool {
		probe, err := pgx.Connect(t.Context(), strings.Replace(s.URL("free", "db"), "sslmode=disable", "sslmode=require", 1))
		if err == nil {
			_ = probe.Close(t.Context())
		}
		return err != nil
	})
	s.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'worker'")
	wait("it finds TLS gone", func() bool { return strings.Count(log.String(), "server refused TLS connection") >= 2 })
	if n := pgtest.One[int](t, conn, backends); n > 0 {
		t.Errorf("%d connections without TLS", n)
	}
	s.exec(t, "alter system reset ssl", "select pg_reload_conf()")
	wait("it works again", works)
	if withoutTLS() {
		t.Error("a connection had no TLS")
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, log.String())
	}
}

// A safeBuffer can be read while it is written to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
