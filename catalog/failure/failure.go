// Package failure says what an error of PostgreSQL calls for: another try, now or later, without what failed, a person, or another connection.
package failure

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class is what a failure calls for.
type Class int

// The classes.
const (
	Later        Class = iota // another try later, and until then the others without it
	Again                     // another try at once, begun anew: another session was in the way, or removed what was just read
	Locked                    // the others without it, and another try later: another session holds a lock
	Slow                      // the same: it takes too long
	NeedsHelp                 // a person to change something first
	Unreachable               // the others without it, in transactions of their own: a server that this one turned to does not answer, as a node of Citus
	Disconnected              // another connection
)

// classes are by SQLSTATE (PostgreSQL's manual, appendix A); a class of SQLSTATEs by its first two characters.
var classes = map[string]Class{
	"40001": Again, "40P01": Again, // serialization failure, deadlock
	"42710": Again, "42P06": Again, "42P07": Again, // it exists by now
	"42704": Again, "42P01": Again, "3F000": Again, "42883": Again, // it is gone by now
	"55P03": Locked,
	"57014": Slow,
	"2201B": Slow,                                              // a regex that a row has from another version of PostgreSQL: it is left out as one that takes too long is
	"42501": NeedsHelp,                                         // a right is missing
	"0LP01": NeedsHelp,                                         // a membership would be circular
	"2BP01": NeedsHelp,                                         // something depends on it
	"42601": NeedsHelp, "42809": NeedsHelp, "42939": NeedsHelp, // not for such an object, or such a name
	"22023": NeedsHelp, "0A000": NeedsHelp,
	"54000": NeedsHelp,                           // an ACL that is too long
	"25006": Disconnected,                        // the server has become a standby, or is read-only
	"08":    Disconnected, "53300": Disconnected, // too many clients
	"57P01": Disconnected, "57P02": Disconnected, "57P03": Disconnected, // the server ends, ended, or is not ready yet
	"57P04": Disconnected, "57P05": Disconnected, "25P03": Disconnected, "25P04": Disconnected, // dropped database, timeouts of a session or transaction
}

// Of says what an error calls for. Errors of our own say it themselves, by a method Class.
func Of(err error) Class {
	var own interface{ Class() Class }
	if errors.As(err, &own) {
		return own.Class()
	}
	switch {
	case IsConcurrentUpdate(err):
		return Again
	case hidesRows(err):
		return Disconnected // opening anew checks the schema, and says what is wrong with it
	case isTooBig(err):
		return Slow
	}
	state := SQLState(err)
	c, ok := classes[state]
	if !ok && strings.HasPrefix(state, "08") {
		c = classes["08"]
	}
	if c == Disconnected && isOfAnotherServer(err) {
		return Unreachable
	}
	return c
}

// isOfAnotherServer reports whether it was another connection that ended: the server's to a node of Citus, or to a foreign server. What ends this one is FATAL.
func isOfAnotherServer(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.SeverityUnlocalized == "ERROR" && e.Code != "25006"
}

// own is an error of our own.
type own struct {
	text  string
	class Class
}

func (e *own) Error() string { return e.text }
func (e *own) Class() Class  { return e.class }

// New returns an error of our own that calls for class.
func New(class Class, text string) error { return &own{text, class} }

// PostgreSQL has no code of its own for these: another session committed a change to the same catalog row.
var concurrently = regexp.MustCompile(`^tuple concurrently (updated|deleted)$|^cache lookup failed for |^could not find tuple for |^could not open relation with OID `)

// IsConcurrentUpdate reports whether another session changed the same catalog row at the same time. Reading again and trying again is right.
func IsConcurrentUpdate(err error) bool {
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

// hidesRows reports whether PostgreSQL refused a query because a policy would have hidden rows from it. (check_enable_rls in rls.c)
func hidesRows(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42501" && e.Routine == "check_enable_rls"
}

// EndsTransaction reports whether what failed must be begun anew with the whole transaction: another session was in the way, and is going to be out of it.
func EndsTransaction(err error) bool {
	switch SQLState(err) {
	case "40001", "40P01":
		return true
	}
	return IsConcurrentUpdate(err)
}

// IsRejection reports whether PostgreSQL refused a statement, in a way that a savepoint undoes and that the same statement would meet again.
func IsRejection(err error) bool {
	return SQLState(err) != "" && Of(err) != Again && Of(err) != Disconnected && Of(err) != Unreachable
}

// SQLState returns PostgreSQL's code for an error, or nothing if it is none of PostgreSQL's.
func SQLState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
