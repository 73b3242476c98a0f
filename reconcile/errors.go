package reconcile

import (
	"errors"
	"regexp"

	"github.com/jackc/pgx/v5/pgconn"
)

// PostgreSQL has no code of its own for these: somebody else committed a change to the same catalog row.
var concurrently = regexp.MustCompile(`^tuple concurrently (updated|deleted)$|^cache lookup failed for |^could not find tuple for `)

// isConcurrentUpdate reports whether somebody else changed the same catalog row at the same time. Reading again and trying
// again is right.
func isConcurrentUpdate(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == "XX000" && concurrently.MatchString(e.Message) || e.Code == "23505" && e.SchemaName == "pg_catalog"
}

// worthRetrying reports whether the same pass, begun anew, may succeed at once: somebody else was in the way, or took away
// what was just read.
func worthRetrying(err error) bool {
	if inTheWay(err) {
		return true
	}
	switch SQLState(err) {
	case "42710", "42P06", "42P07", // it exists by now
		"42704", "42P01", "3F000", "42883": // it is gone by now
		return true
	}
	return false
}

// inTheWay reports whether somebody else was, who is going to be out of it.
func inTheWay(err error) bool {
	switch SQLState(err) {
	case "40001", "40P01", "55P03": // serialization, deadlock, lock_timeout
		return true
	}
	return isConcurrentUpdate(err)
}

// needsRights reports whether trying again is of no use until somebody changes something.
func needsRights(err error) bool {
	switch SQLState(err) {
	case "42501", "0LP01", "2BP01", "42601", "42809", "42939", "22023", "0A000", "54000":
		return true
	}
	return false
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
func (e *lockError) Busy() bool { return true }
