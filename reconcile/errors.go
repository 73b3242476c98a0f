package reconcile

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// class is what a failure calls for.
type class int

const (
	fails        class = iota // a later try, and until then the others without it
	again                     // the same at once, begun anew: somebody else was in the way, or took away what was just read
	locked                    // the others without it, and a later try: somebody else holds a lock
	slow                      // the same: it takes too long
	needsHelp                 // somebody to change something first
	disconnected              // another connection
)

// classes are by SQLSTATE (PostgreSQL's manual, appendix A); a class of SQLSTATEs by its first two characters.
var classes = map[string]class{
	"40001": again, "40P01": again, // serialization failure, deadlock
	"42710": again, "42P06": again, "42P07": again, // it exists by now
	"42704": again, "42P01": again, "3F000": again, "42883": again, // it is gone by now
	"55P03": locked,
	"57014": slow,
	"2201B": slow,                                              // a regex that a row has from another version of PostgreSQL: it is left out as one that takes too long is
	"42501": needsHelp,                                         // a right is missing
	"0LP01": needsHelp,                                         // a membership would be circular
	"2BP01": needsHelp,                                         // something depends on it
	"42601": needsHelp, "42809": needsHelp, "42939": needsHelp, // not for such an object, or such a name
	"22023": needsHelp, "0A000": needsHelp,
	"54000": needsHelp,                           // an ACL that is too long
	"25006": disconnected,                        // the server has become a standby, or lets nobody write
	"08":    disconnected, "53300": disconnected, // too many clients
	"57P01": disconnected, "57P02": disconnected, "57P03": disconnected, // the server ends, ended, or is not ready yet
	"57P04": disconnected, "57P05": disconnected, "25P03": disconnected, "25P04": disconnected, // dropped database, timeouts of a session or transaction
}

// PostgreSQL has no code of its own for these: somebody else committed a change to the same catalog row.
var concurrently = regexp.MustCompile(`^tuple concurrently (updated|deleted)$|^cache lookup failed for |^could not find tuple for |^could not open relation with OID `)

// classOf says what an error calls for.
func classOf(err error) class {
	if isConcurrentUpdate(err) || errors.Is(err, errRenamedMeanwhile) || errors.Is(err, errChangedMeanwhile) || errors.Is(err, errObjectRenamed) {
		return again
	}
	if errors.Is(err, errElsewhere) || errors.As(err, new(replacedError)) || readsInPart(err) {
		return disconnected // opening anew checks the schema, and says what is wrong with it
	}
	if isTooBig(err) {
		return slow
	}
	state := SQLState(err)
	if c, ok := classes[state]; ok {
		return c
	}
	if strings.HasPrefix(state, "08") {
		return classes["08"]
	}
	return fails
}

// isConcurrentUpdate reports whether somebody else changed the same catalog row at the same time. Reading again and trying
// again is right.
func isConcurrentUpdate(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == "XX000" && concurrently.MatchString(e.Message) || e.Code == "23505" && e.SchemaName == "pg_catalog"
}

// isTooBig reports whether a regex needs more memory than PostgreSQL can allocate at once. (src/backend/utils/mmgr/mcxt.c)
func isTooBig(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "XX000" && strings.HasPrefix(e.Message, "invalid memory alloc request size ")
}

// endsTransaction reports whether what failed must be begun anew with the whole transaction: somebody else was in the way who is going
// to be out of it.
func endsTransaction(err error) bool {
	switch SQLState(err) {
	case "40001", "40P01":
		return true
	}
	return isConcurrentUpdate(err)
}

// isRefusal reports whether PostgreSQL refused a statement, in a way that a savepoint undoes and that the same statement would meet again.
func isRefusal(err error) bool {
	return SQLState(err) != "" && classOf(err) != again && classOf(err) != disconnected
}

// SQLState returns PostgreSQL's code for an error, or nothing if it is none of PostgreSQL's.
func SQLState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// lockError is an error from before a pass came to any role: somebody holds the lock, or the right to it is missing. Nothing is lost, and
// the connection is good.
type lockError struct{ error }

func (e *lockError) Unwrap() error { return e.error }

// Busy reports whether the same call is worth another try in a moment.
func (e *lockError) Busy() bool { return classOf(e.error) != disconnected }

// passingError is an error of one statement outside of a pass, with which nothing is wrong but the moment: a lock, a timeout. The connection is good.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

// Busy reports that the same call is worth another try in a moment.
func (e *passingError) Busy() bool { return true }

// What makes every pass fail until the set-up is right: a schema that is gone or another, a right that is missing.
var setUp = map[string]bool{"42P01": true, "3F000": true, "42703": true, "42883": true, "42501": true}

// passing marks an error that one statement met, and that must not end the connection with all that it has to do for others.
func (e *Engine) passing(ctx context.Context, err error) error {
	state := SQLState(err)
	switch {
	case state == "", ctx.Err() != nil, e.conn.IsClosed(), classOf(err) == disconnected, setUp[state], errors.As(err, new(*lockError)):
		return err
	}
	return &passingError{err}
}
