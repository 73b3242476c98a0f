package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// The daemon serves the page beside the metrics, over TLS where it has a certificate, which may be renewed.
func TestRunUI(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	first := certify(t, certFile, keyFile)
	plain, secure := freeAddress(t), freeAddress(t)
	stop := start(t, "-d", env.URL(env.Daemon), "--ui", "--listen-address", plain)
	conn := env.Connect(t, env.Daemon)
	until(t, conn, ready)
	stopSecure := start(t, "-d", env.URL(env.Daemon), "--ui", "--listen-address", secure, "--tls-cert", certFile, "--tls-key", keyFile)
	for !answers(t, secure) {
		until(t, conn, "select pg_sleep(0.05) is not null")
	}

	asks(t, http.DefaultClient, "http://"+plain+"/healthz", 200, "ok")
	asks(t, http.DefaultClient, "http://"+plain+"/metrics", 200, "pg_sync_roles_")
	asks(t, http.DefaultClient, "http://"+plain+"/", 200, "Log in")
	asks(t, trusting(first), "https://"+secure+"/", 200, "Log in")
	asks(t, trusting(first), "https://"+secure+"/metrics", 200, "pg_sync_roles_")
	asks(t, http.DefaultClient, "http://"+secure+"/", 400, "HTTPS")
	asks(t, trusting(certify(t, certFile, keyFile)), "https://"+secure+"/healthz", 200, "ok")

	stop().want(t, 0, "", "serving the page")
	stopSecure().want(t, 0, "", "stopped")
	call(t, "run", "-d", env.URL(env.Daemon), "--listen-address", secure, "--tls-cert", certFile, "--tls-key", filepath.Join(folder, "none")).want(t, 1, "", "--tls-key")
}

func asks(tb testing.TB, client *http.Client, url string, status int, text string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != status || !strings.Contains(string(body), text) {
		tb.Errorf("%s: %d %s (%v), want %d and %q", url, response.StatusCode, body, err, status, text)
	}
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func answers(tb testing.TB, address string) bool {
	tb.Helper()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// certify writes a certificate of 127.0.0.1, and its key.
func certify(tb testing.TB, certFile, keyFile string) *x509.CertPool {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: certificate}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	return pool
}

func trusting(pool *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}
