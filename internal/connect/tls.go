package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
)

// tlsVersions are those that libpq names.
var tlsVersions = map[string]uint16{"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

const systemRoots = "system"

// checkTLS refuses what libpq refuses, and what pgx would understand as less.
func checkTLS(s settings) error {
	mode := s.sslmode()
	weak := slices.Contains([]string{"disable", "allow", "prefer"}, mode)
	switch {
	case s.get("sslrootcert") == systemRoots && mode != "verify-full":
		return fmt.Errorf("%s is too weak for sslrootcert=system, with which anybody may have a certificate: say sslmode=verify-full", s.where("sslmode"))
	case s.get("sslnegotiation") == "direct" && weak:
		return errors.New("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full")
	case mode == "verify-full" && s.get("sslsni") == "0":
		return fmt.Errorf("%s: with sslmode=verify-full this program always tells the server by which name it is called", s.where("sslsni"))
	case s.get("channel_binding") == "require" && mode == "disable" && s.overNetwork():
		return fmt.Errorf("%s cannot be had without TLS: say sslmode=require, or better verify-full", s.where("channel_binding"))
	}
	for _, name := range []string{"ssl_min_protocol_version", "ssl_max_protocol_version"} {
		if _, ok := tlsVersions[s.get(name)]; !ok && s.get(name) != "" {
			return fmt.Errorf("%s is not one of: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", s.where(name))
		}
	}
	if mode == "disable" || !s.overNetwork() {
		return nil
	}
	if err := s.checkRoots(); err != nil {
		return err
	}
	return s.checkClientCertificate()
}

// sslmode is what is asked for, or follows.
func (s settings) sslmode() string {
	switch {
	case s.get("sslmode") != "":
		return s.get("sslmode")
	case s.get("sslrootcert") == systemRoots:
		return "verify-full"
	default:
		return "prefer"
	}
}

func (s settings) overNetwork() bool {
	list, err := s.hosts()
	return err == nil && slices.ContainsFunc(list, func(h host) bool { return !h.socket() })
}

// checkRoots sees that there is something to verify the server's certificate with. pgx would take the system's CAs, by which anybody has
// a certificate.
func (s settings) checkRoots() error {
	mode, file := s.sslmode(), s.get("sslrootcert")
	verifies := mode == "verify-ca" || mode == "verify-full"
	if file == systemRoots {
		return nil
	}
	if file == "" {
		if defaultRoots() == "" {
			if verifies {
				return fmt.Errorf("sslmode=%s needs the certificate of the CA that has signed the server's: give its file as sslrootcert, or with verify-full sslrootcert=system for the CAs that this machine trusts", mode)
			}
			return nil
		}
	} else {
		pem, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the file of %s: %w", s.where("sslrootcert"), withoutPath(err))
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: there is no certificate in the file (PEM)", s.where("sslrootcert"))
		}
	}
	if _, err := os.Stat(userFile(".postgresql/root.crl")); err == nil && (verifies || mode == "require") {
		return fmt.Errorf("there is a file %s, which libpq obeys: %s, or move the file away", userFile(".postgresql/root.crl"), notRevoked)
	}
	return nil
}

// defaultRoots is the file that libpq takes where none is named; empty: there is none.
func defaultRoots() string {
	file := userFile(".postgresql/root.crt")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// checkClientCertificate sees that certificate and key are there, and the key is nobody else's.
func (s settings) checkClientCertificate() error {
	certificate, key := s.get("sslcert"), s.get("sslkey")
	if s.get("sslcertmode") == "disable" {
		return nil
	}
	if certificate == "" && key == "" {
		key = userFile(".postgresql/postgresql.key")
		if _, err := os.Stat(key); err != nil {
			return nil //nolint:nilerr // the client has no certificate
		}
		return checkKey("the key of the client's certificate, "+key+",", key)
	}
	if certificate == "" || key == "" {
		return errors.New("sslcert and sslkey, the client's certificate and its key, must both be given")
	}
	if _, err := os.ReadFile(certificate); err != nil {
		return fmt.Errorf("read the file of %s: %w", s.where("sslcert"), withoutPath(err))
	}
	return checkKey(s.where("sslkey"), key)
}

// checkKey refuses a key that others can read, as libpq does; root may let a group read it, which is how a system's keys are shared.
func checkKey(name, path string) error {
	info, err := os.Stat(path)
	if err == nil {
		_, err = os.ReadFile(path)
	}
	if err != nil {
		return fmt.Errorf("read the file of %s: %w", name, withoutPath(err))
	}
	sharedByRoot := ownedByRoot(info) && info.Mode().Perm()&0o037 == 0
	if readableByOthers(info) && !sharedByRoot {
		return fmt.Errorf("%s can be read by others than its owner; chmod 600 helps (640 where root owns it)", name)
	}
	return nil
}

// adjustTLS adds what pgx leaves out.
func (s settings) adjustTLS(c *tls.Config) {
	if c == nil {
		return
	}
	c.MinVersion = tls.VersionTLS12
	if v, ok := tlsVersions[s.get("ssl_min_protocol_version")]; ok {
		c.MinVersion = v
	}
	if v, ok := tlsVersions[s.get("ssl_max_protocol_version")]; ok {
		c.MaxVersion = v
	}
	if s.get("sslnegotiation") == "direct" {
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if state.NegotiatedProtocol == "" { // crypto/tls refuses another than ours
				return errors.New("the server does not say by ALPN that it is a PostgreSQL, which sslnegotiation=direct needs")
			}
			return nil
		}
	}
}
