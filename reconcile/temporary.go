package reconcile

import (
	"context"
	"errors"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
)

// lockError is an error from before a pass came to any role: another session holds the lock, or the right to it is missing. Nothing is lost, and
// the connection is good.
type lockError struct{ error }

func (e *lockError) Unwrap() error { return e.error }

// Temporary reports whether the same call is worth another try in a moment.
func (e *lockError) Temporary() bool { return failure.Of(e.error) != failure.Disconnected }

// passingError is an error of one statement outside of a pass, with which nothing is wrong but the moment: a lock, a timeout. The connection is good.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

// Temporary reports that the same call is worth another try in a moment.
func (e *passingError) Temporary() bool { return true }

// What makes every pass fail until the set-up is right: a schema that is gone or another, a right that is missing.
var setUp = map[string]bool{"42P01": true, "3F000": true, "42703": true, "42883": true, "42501": true}

// passing marks an error that one statement met, and that must not end the connection with all that it has to do for others.
func (e *Engine) passing(ctx context.Context, err error) error {
	state := failure.SQLState(err)
	switch {
	case state == "", e.lost(ctx, err), setUp[state], errors.As(err, new(*lockError)):
		return err
	}
	return &passingError{err}
}
