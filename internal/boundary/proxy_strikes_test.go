package boundary

import (
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// After each strike, client and server must agree about what happened: a harness that lies would find bugs that are none, and miss others.
func TestStrikes(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	// In a transaction the client inserts 1 and 2, by one protocol or the other, and commits.
	for i, test := range []struct {
		name string
		kind kind
		at   string
		play func(*testing.T, *pgx.Conn) error
		done bool // both rows are there
		open bool // the connection survives
	}{
		{"a simple query fails", kindNamed("55P03"), "insert into done values (2)", simply, false, true},
		{"a commit fails", kindNamed("XX000"), "commit", simply, false, true},
		{"a begin fails", kindNamed("40P01"), "begin", simply, false, true},
		{"the second of several statements in one query fails", kindNamed("57014"), "insert into done values (2)", together, false, true},
		{"a statement of the extended protocol fails", kindNamed("55P03"), "insert into done values ($1::int + 1)", extended, false, true},
		{"one in the middle of a pipeline fails", kindNamed("40P01"), "insert into done values ($1::int + 1)", batched, false, true},
		{"one outside of a transaction fails", kindNamed("XX000"), "insert into done select generate_series($1::int, 2)", alone, false, true},
		{"its end fails", kindNamed("XX000"), "the end of: insert into done select generate_series($1::int, 2)", alone, false, true},
		{"lost before a commit", kindNamed("lost before"), "commit", simply, false, false},
		{"lost after a commit", kindNamed("lost after"), "commit", simply, true, false},
		{"lost after the last statement", kindNamed("lost after"), "insert into done values (2)", simply, false, false},
		{"lost between the statements of one query", kindNamed("lost before"), "insert into done values (2)", together, false, false},
		{"lost in the middle of a pipeline", kindNamed("lost after"), "insert into done values ($1::int)", batched, false, false},
		{"lost before the end of a statement outside of a transaction", kindNamed("lost before"), "the end of: insert into done select generate_series($1::int, 2)", alone, false, false},
		{"lost after it", kindNamed("lost after"), "the end of: insert into done select generate_series($1::int, 2)", alone, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			schema := fmt.Sprintf("strike_%d", i)
			env.Exec(t, "create schema "+schema+"; create table "+schema+".done (n int)")
			p := newProxy(t, env.URL(pgserver.Superuser))
			config, err := pgx.ParseConfig(p.url(env.URL(pgserver.Superuser)))
			if err != nil {
				t.Fatal(err)
			}
			config.RuntimeParams["application_name"], config.RuntimeParams["search_path"] = engineName, schema
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()

			s := strikeAt(test.kind, func(key string) bool { return bare(key) == test.at })
			p.arm("", s)
			err = test.play(t, conn)
			if trail := p.disarm(); !s.hit {
				t.Fatalf("the strike never came: %q", trail)
			}
			<-s.happened
			state := ""
			if refusal := (*pgconn.PgError)(nil); errors.As(err, &refusal) {
				state = refusal.Code
			}
			if err == nil || state != test.kind.state {
				t.Errorf("the client was told %v, want SQLSTATE %q", err, test.kind.state)
			}
			if conn.IsClosed() == test.open {
				t.Errorf("the connection is closed: %t", conn.IsClosed())
			}
			if test.open {
				if err := conn.QueryRow(t.Context(), "select 1 where pg_current_xact_id_if_assigned() is null").Scan(new(int)); err != nil {
					t.Errorf("the connection is of no use after it: %v", err)
				}
			}
			want := map[bool]int64{true: 2}[test.done]
			if got := pgtest.One[int64](t, env.Superuser(t), "select count(*) from "+schema+".done"); got != want {
				t.Errorf("%d rows are there, want %d", got, want)
			}
		})
	}
}

var placed = regexp.MustCompile(`^, \d+: `)

// bare is the key without step and place.
func bare(key string) string {
	if match := placed.FindString(key); match != "" {
		return key[len(match):]
	}
	return key
}

func simply(t *testing.T, conn *pgx.Conn) error {
	t.Helper()
	return inTransaction(t, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "insert into done values (1)"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "insert into done values (2)")
		return err
	})
}

func together(t *testing.T, conn *pgx.Conn) error {
	t.Helper()
	return inTransaction(t, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "insert into done values (1); insert into done values (2); set local work_mem = '8MB'")
		return err
	})
}

func extended(t *testing.T, conn *pgx.Conn) error {
	t.Helper()
	return inTransaction(t, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "insert into done values ($1::int)", 1); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "insert into done values ($1::int + 1)", 1)
		return err
	})
}

func batched(t *testing.T, conn *pgx.Conn) error {
	t.Helper()
	return inTransaction(t, conn, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("insert into done values ($1::int)", 1)
		batch.Queue("insert into done values ($1::int + 1)", 1)
		batch.Queue("delete from done where n = $1::int", 0)
		return tx.SendBatch(t.Context(), batch).Close()
	})
}

func alone(t *testing.T, conn *pgx.Conn) error {
	t.Helper()
	_, err := conn.Exec(t.Context(), "insert into done select generate_series($1::int, 2)", 1)
	return err
}

func inTransaction(t *testing.T, conn *pgx.Conn, f func(pgx.Tx) error) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), conn, f)
}
