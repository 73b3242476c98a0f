package daemon

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

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

// get reads it again where it has changed. While a new one cannot be read, the old one stays.
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
