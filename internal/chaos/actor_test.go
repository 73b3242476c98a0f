//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// actor does one thing after another, as its own random numbers say.
type actor struct {
	name   string
	random *rand.Rand
	pause  time.Duration // between two doings, at most
	deeds  []deed
	counts map[string]int
}

// deed is something that an actor does now and then. What it returns is a word for the tally.
type deed struct {
	weight int
	do     func(context.Context) (string, error)
}

// act goes on until the context ends. An error is something that must not be.
func (a *actor) act(ctx context.Context) error {
	a.counts = map[string]int{}
	total := 0
	for _, d := range a.deeds {
		total += d.weight
	}
	for ctx.Err() == nil {
		n := a.random.IntN(total)
		i := 0
		for n >= a.deeds[i].weight {
			n -= a.deeds[i].weight
			i++
		}
		word, err := a.deeds[i].do(ctx)
		if err != nil && ctx.Err() == nil { // what fails later, fails because of that
			return err
		}
		a.counts[word]++
		rest(ctx, time.Duration(a.random.Int64N(int64(a.pause))))
	}
	return nil
}

func (a *actor) tally() string {
	var words []string
	for _, word := range slices.Sorted(maps.Keys(a.counts)) {
		words = append(words, fmt.Sprintf("%s %d", word, a.counts[word]))
	}
	return strings.Join(words, ", ")
}

// rest waits, but not longer than the context.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// pick returns one of the list.
func pick[T any](random *rand.Rand, list ...T) T { return list[random.IntN(len(list))] }

// chance is true in this many of a hundred cases.
func chance(random *rand.Rand, percent int) bool { return random.IntN(100) < percent }

// session is an actor's connection to one database. What ends it is made good by the next use.
type session struct {
	url       string
	tolerated []string // SQLSTATEs that are all in a day's work
	strict    bool     // nobody may get in its way in the catalogs
	conn      *pgx.Conn
}

// The words for the tally.
const (
	done    = "done"
	refused = "refused" // PostgreSQL said no, and nothing has happened
	unknown = "cut off" // the connection broke, and what was asked for may have happened
)

// use calls the function with a connection, in a transaction that is committed if it returns nil.
func (s *session) use(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) (string, error) {
	err := s.try(ctx, f)
	if err == nil {
		return done, nil
	}
	if s.conn != nil {
		// A transaction that was left open would hold its locks.
		_ = s.conn.Close(context.WithoutCancel(ctx))
		s.conn = nil
	}
	var refusal *pgconn.PgError
	switch {
	case errors.Is(err, errRollback):
		return "rolled back", nil
	case !errors.As(err, &refusal):
		return unknown, nil // the connection
	case strings.HasPrefix(refusal.Code, "57P0"), refusal.Code == "08P01", errors.As(err, new(*pgconn.ConnectError)) && refusal.Code == "55000":
		// Shutdown, crash, not up yet, or a database that is being copied.
		return unknown, nil
	case slices.Contains(s.tolerated, refusal.Code), !s.strict && raced(refusal):
		return refused, nil
	default:
		return "", fmt.Errorf("unexpected SQLSTATE %s: %w", refusal.Code, err)
	}
}

// errRollback ends a transaction that its actor thinks better of.
var errRollback = errors.New("thought better of it")

func (s *session) try(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) (err error) {
	if s.conn == nil || s.conn.IsClosed() {
		if s.conn, err = pgx.Connect(ctx, s.url); err != nil {
			s.conn = nil
			return err
		}
		// Nobody waits for somebody who waits for him: not here, anyway.
		if _, err := s.conn.Exec(ctx, "set lock_timeout = '3s'"); err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error { return f(ctx, tx) })
}

// PostgreSQL has no code of its own for a catalog row that two sessions change at once.
var racing = regexp.MustCompile(`^tuple concurrently |^cache lookup failed |^could not find tuple |^could not open relation with OID `)

func raced(err *pgconn.PgError) bool {
	return err.Code == "XX000" && racing.MatchString(err.Message) || err.Code == "23505" && err.SchemaName == "pg_catalog"
}

// run executes statements that have no arguments.
func run(ctx context.Context, tx pgx.Tx, format string, args ...any) error {
	sql := fmt.Sprintf(format, args...)
	if _, err := tx.Conn().PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("run %s: %w", sql, err)
	}
	return nil
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }
