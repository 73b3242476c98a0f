package attack_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// An impostor stands where the server should be, and asks for the password itself. With a certificate it offers TLS.
type impostor struct {
	net.Listener
	certificate *tls.Certificate
	heard       safeBuffer
}

func newImpostor(t *testing.T, certificate *tls.Certificate) *impostor {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &impostor{Listener: listener, certificate: certificate}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.meet(conn)
		}
	}()
	return p
}

func (p *impostor) meet(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	backend := pgproto3.NewBackend(conn, conn)
	for {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, ok := message.(*pgproto3.SSLRequest); !ok {
			break
		}
		answer := "N"
		if p.certificate != nil {
			answer = "S"
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
		if p.certificate != nil {
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*p.certificate}})
			backend = pgproto3.NewBackend(conn, conn)
		}
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if backend.Flush() != nil {
		return
	}
	if message, err := backend.Receive(); err == nil {
		_, _ = fmt.Fprintf(&p.heard, "%v", message)
	}
}

// Who poses as the server, with or without a certificate, hears the password only from those who did not ask for better.
func TestImpostorHearsNoPassword(t *testing.T) {
	t.Parallel()
	right, wrong := newAuthority(t, "right"), newAuthority(t, "wrong")
	certificate, key := wrong.sign(t, "db.test", "db.test")
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	otherName, otherKey := right.sign(t, "another", "another.test")
	otherPair, err := tls.X509KeyPair(otherName, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	root := inFile(t, "root.crt", right.pem)
	for _, c := range []struct {
		options              string
		clear, forged, other bool // the password is heard without TLS, with a certificate of the wrong authority, with one for another name
	}{
		{"sslmode=verify-full sslrootcert={root}", false, false, false},
		{"sslmode=verify-ca sslrootcert={root}", false, false, true},
		{"sslmode=require sslrootcert={root}", false, false, true},
		{"sslmode=require", false, true, true},
		{"sslmode=require channel_binding=require", false, false, false},
		{"sslmode=require require_auth=scram-sha-256", false, false, false},
		{"sslmode=prefer require_auth=scram-sha-256", false, false, false},
		{"sslmode=disable require_auth=!password", false, false, false},
		{"sslmode=prefer channel_binding=require", false, false, false},
		{"sslmode=prefer", true, true, true}, // the guards matter
		{"sslmode=disable", true, true, true},
	} {
		for name, d := range map[string]struct {
			certificate *tls.Certificate
			heard       bool
		}{"no TLS": {nil, c.clear}, "a forged certificate": {&pair, c.forged}, "a certificate for another name": {&otherPair, c.other}} {
			p := newImpostor(t, d.certificate)
			url := fmt.Sprintf("host=db.test hostaddr=127.0.0.1 port=%d user=u dbname=db password='%s' %s", p.Addr().(*net.TCPAddr).Port,
				strings.ReplaceAll(secret, "'", `\'`), strings.ReplaceAll(c.options, "{root}", root))
			for _, command := range []string{"status", "sync", "migrate"} {
				r := call(t.Context(), command, "-d", url)
				if r.code != 1 || strings.Contains(r.stderr, secret) {
					t.Errorf("%s -d %s: exit code %d: %s", command, url, r.code, r.stderr)
				}
			}
			_ = p.Close()
			if heard := bytes.Contains([]byte(p.heard.String()), []byte(secret)); heard != d.heard {
				t.Errorf("%s, by %s the password was heard: %t, want %t", c.options, name, heard, d.heard)
			}
		}
	}
}
