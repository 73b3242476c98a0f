package connect

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Explained turns an error of connecting into one that says what to do.
func Explained(err error) error {
	var connectErr *pgconn.ConnectError
	if !errors.As(err, &connectErr) {
		return err
	}
	hint := "is the server running there? The database is named by --database-url, --database-url-file, their environment variables or libpq's"
	text := err.Error()
	switch {
	case strings.Contains(text, "authentication method requirement"):
		hint = "require_auth refuses what the server's pg_hba.conf asks for; nothing was sent: change the one or the other"
	case strings.Contains(text, "channel binding required"):
		hint = "channel_binding=require needs TLS, and scram-sha-256 in the server's pg_hba.conf for a password that is stored that way"
	case strings.Contains(text, "GSSAPI"):
		hint = "the server's pg_hba.conf asks for GSSAPI (Kerberos), which this program does not have: use scram-sha-256 or a client certificate"
	case strings.Contains(text, "28P01"), strings.Contains(text, "28000"):
		hint = "check the user, the password and the server's pg_hba.conf"
	case strings.Contains(text, "3D000"):
		hint = "create the database, or name another one"
	case strings.Contains(text, "42501"):
		hint = "the role needs CONNECT on the database"
	case strings.Contains(text, "read only connection"), strings.Contains(text, "connection is not primary"):
		hint = "none of the servers accepts writes: run waits until a standby is promoted, and the other commands need the primary"
	case strings.Contains(text, "53300"):
		hint = "raise max_connections, or reserve connections for this role: it needs one for each database and eight for work, and four with --listen-address"
	case strings.Contains(text, "08P01"), strings.Contains(text, "unsupported startup parameter"):
		hint = "a connection pooler, such as PgBouncer in transaction mode, cannot be used: LISTEN and locks need a session of their own; connect to the server itself"
	case strings.Contains(text, "server refused TLS connection"):
		hint = "sslmode asks for TLS, and the server has none: turn it on there (ssl = on)"
	case strings.Contains(text, "x509: "), strings.Contains(text, "tls: "):
		hint = "the server's certificate, or ours, was not accepted: check sslmode, sslrootcert, the host's name, and sslcert and sslkey"
	case strings.Contains(text, "no such host"), strings.Contains(text, "hostname resolving"):
		hint = "check the host's name"
	}
	return fmt.Errorf("%w\nHint: %s", err, hint)
}
