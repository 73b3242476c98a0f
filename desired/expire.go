package desired

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed expire.sql
var expireSQL string

//go:embed expire_locked.sql
var expireLockedSQL string

//go:embed due.sql
var dueSQL string

// Ended is what Expire did: the roles of which grants have expired, and the rows that could not be deleted.
type Ended struct {
	Roles []string
	Kept  []Kept
}

// Kept is a desired grant that has expired and gives nothing any more, and of which another session has locked the row.
type Kept struct {
	Role   string
	ID     int64
	Holder string // who holds the lock; empty: PostgreSQL does not tell
}

// Due reports whether a grant has expired of a role that does not wait for another try, and whether the deadline of a review has passed.
func Due(ctx context.Context, q catalog.Querier) (grants, reviews bool, err error) {
	if err := q.QueryRow(ctx, dueSQL).Scan(&grants, &reviews); err != nil {
		return false, false, fmt.Errorf("look for expired grants: %w", err)
	}
	return grants, reviews, nil
}

// CloseReviews closes the reviews whose deadline has passed. Rows that end by that have expired.
func CloseReviews(ctx context.Context, q catalog.Querier) error {
	var closed int64
	if err := q.QueryRow(ctx, "select sync_roles.close_reviews()").Scan(&closed); err != nil {
		return fmt.Errorf("close reviews: %w", err)
	}
	return nil
}

// A beginner is a connection, or a transaction.
type beginner interface {
	catalog.Querier
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Expire ends desired grants that have expired, of at most limit roles, and so many rows or a little more: of those in among, or, if it is nil, of all that
// are not waiting for a retry. It
// waits for no lock on a row or on the table. What another session has locked is withdrawn, and deleted another time.
func Expire(ctx context.Context, db beginner, limit int, rows int64, among []string) (Ended, error) {
	var list []Kept
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, "lock table sync_roles.desired_grants in row exclusive mode nowait"); err != nil {
			return err
		}
		list, err = expire(ctx, tx, expireSQL, limit, rows, among)
		return err
	})
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == "55P03" {
		list, err = expire(ctx, db, expireLockedSQL, limit, rows, among)
	}
	if err != nil {
		return Ended{}, fmt.Errorf("delete expired grants: %w", err)
	}
	var ended Ended
	for _, k := range list {
		ended.Roles = append(ended.Roles, k.Role)
		if k.ID != 0 {
			ended.Kept = append(ended.Kept, k)
		}
	}
	ended.Roles = slices.Compact(ended.Roles)
	return ended, nil
}

func expire(ctx context.Context, q catalog.Querier, sql string, limit int, most int64, among []string) ([]Kept, error) {
	rows, err := q.Query(ctx, sql, limit, among, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Kept])
}
