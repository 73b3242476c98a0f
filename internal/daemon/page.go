package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/page"
)

// newPage makes the page of what listens at an address.
func newPage(address net.Addr, secure bool, log zerolog.Logger, databases *page.Databases) *page.Page {
	config := page.Config{Log: log, Secure: secure}
	if tcp, ok := address.(*net.TCPAddr); ok {
		config.Cookie = "pg-sync-roles-" + strconv.Itoa(tcp.Port)
	}
	return page.New(config, databases)
}

// CheckUI finds out by looking at them whether the options of the page go together.
func CheckUI(config Config) error {
	switch {
	case config.TLSCert == "" && config.TLSKey != "":
		return errors.New("--tls-key: --tls-cert, the file with the certificate, is missing")
	case config.TLSCert != "" && config.TLSKey == "":
		return errors.New("--tls-cert: --tls-key, the file with the certificate's key, is missing")
	case config.TLSCert != "" && config.ListenAddress == "":
		return errors.New("--tls-cert: nothing is served; add --listen-address, such as --listen-address 127.0.0.1:8080")
	case config.UI && config.ListenAddress == "":
		return errors.New("--ui: nothing is served; add --listen-address, such as --listen-address 127.0.0.1:8080")
	case config.UI && config.TLSCert == "" && !page.IsLoopback(config.ListenAddress):
		return fmt.Errorf("--ui: people log in to the page with their passwords, and --listen-address %s can be reached from elsewhere over plain HTTP: "+
			"add --tls-cert and --tls-key, or listen on 127.0.0.1", config.ListenAddress)
	}
	return nil
}

// tlsOf returns how connections are encrypted; nil: not at all. The files are read again when they have changed: certificates are renewed.
func tlsOf(certFile, keyFile string) (*tls.Config, error) {
	if certFile == "" {
		return nil, nil //nolint:nilnil // plain HTTP
	}
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}, nil
}

// certificate is what stands in two files.
type certificate struct {
	certFile, keyFile string

	mu       sync.Mutex
	modified [2]time.Time
	current  *tls.Certificate
}

// get reads it anew where it has changed. While a new one cannot be read, the old one stays.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	modified := [2]time.Time{modifiedAt(c.certFile), modifiedAt(c.keyFile)}
	if c.current != nil && modified == c.modified {
		return c.current, nil
	}
	read, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	switch {
	case err == nil:
		c.current, c.modified = &read, modified
	case c.current == nil:
		return nil, fmt.Errorf("read the certificate and its key (--tls-cert, --tls-key): %w", err)
	}
	return c.current, nil
}

func modifiedAt(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
