package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Collect returns the rows of a query, each as a T, of which the fields have the names of the columns.
func Collect[T any](ctx context.Context, q Querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// Column returns the values of a query's only column.
func Column[T any](ctx context.Context, q Querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// Queue adds a query to a batch: its rows go to into, as those of Collect.
func Queue[T any](batch *pgx.Batch, sql string, into *[]T, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByName[T])
		return err
	})
}

// QueueColumn adds a query of one column to a batch: its values go to into.
func QueueColumn[T any](batch *pgx.Batch, sql string, into *[]T, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowTo[T])
		return err
	})
}

// QueueValue adds a query of one value to a batch.
func QueueValue[T any](batch *pgx.Batch, sql string, into *T, args ...any) {
	batch.Queue(sql, args...).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
}
