package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// isFinal reports whether an error of opening a database is one of the call itself: at the first try, a connection string that cannot be read; and a
// password that is refused before any was accepted, which a server that counts failures must not be asked about again and again, whatever the tries before
// it met. After a login it is of the moment, as where a password is being changed.
func isFinal(err error, first, loggedIn bool) bool {
	return first && errors.As(err, new(CallError)) || !loggedIn && failure.SQLState(err) == "28P01"
}

// needsHelp reports whether a database cannot be opened before a person puts something right: a right, a setting, a schema, a pooler (which refuses our
// settings as a violation of the protocol). What PostgreSQL itself says otherwise, a server that does not answer and a connection that broke are worth waiting for.
func needsHelp(err error) bool {
	switch state := failure.SQLState(err); {
	case errors.Is(err, reconcile.ErrStandby):
		return false
	case state != "":
		return state == "42501" || state == "08P01" || strings.HasPrefix(state, "28")
	}
	return !isOfConnection(err)
}

// isOfConnection reports whether an error, which PostgreSQL did not send, is one of reaching it.
func isOfConnection(err error) bool {
	var network net.Error
	switch {
	case errors.As(err, new(*pgconn.ConnectError)), errors.As(err, &network):
		return true
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return pgconn.SafeToRetry(err)
}

// reasons are for those who may not read the log: they tell nothing of users and addresses.
var reasons = map[string]string{
	"3D000": "the database does not exist",
	"53300": "the server has too many connections",
	"57P03": "the server is starting or stopping",
	"28P01": "the server refuses the login",
	"28000": "the server refuses the login",
	"42501": "a right is missing",
}

// inShort says why a database cannot be opened.
func inShort(err error) string {
	reason, known := reasons[failure.SQLState(err)]
	switch {
	case known:
		return reason
	case errors.Is(err, reconcile.ErrStandby):
		return "the server is a standby"
	case errors.Is(err, reconcile.ErrSchema):
		return "schema sync_roles is missing or old"
	case failure.SQLState(err) == "" && isOfConnection(err):
		return "the server cannot be reached"
	}
	return "see the log"
}
