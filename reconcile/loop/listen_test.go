package loop_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/loop"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A real NOTIFY wakes the loop; also one that comes after the listening connection was lost, and anybody's, with any payload.
func TestListen(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	config, err := pgx.ParseConfig(env.URL(env.Daemon))
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "pg-sync-roles listener"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pending := make(chan struct{}, 100)
	s := newScript()
	s.on = func(_ context.Context, call string) {
		if call == "pending" {
			pending <- struct{}{}
		}
	}
	listening, interrupted := make(chan struct{}, 100), make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() {
		done <- loop.Run(ctx, loop.Config{
			Open: s.Open, Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, config) }, RescanInterval: time.Hour, Log: zerolog.Nop(),
			Listening: func() { listening <- struct{}{} }, Interrupted: func() { interrupted <- struct{}{} },
		})
	}()
	next := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(30 * time.Second):
			t.Fatalf("no %s", what)
		}
	}
	next("look at the start", pending)
	next("LISTEN", listening)
	next("look once LISTEN is in effect", pending)
	env.Exec(t, "notify sync_roles")
	next("look after NOTIFY", pending)
	env.Exec(t, "notify sync_roles, '"+strings.Repeat("x", 7000)+"'")
	next("look after a long NOTIFY", pending)

	env.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg-sync-roles listener' and usename = '"+env.Daemon+"'")
	next("word that the connection was lost", interrupted)
	next("LISTEN after the connection was lost", listening)
	next("look after the connection was lost", pending)
	env.Exec(t, "notify sync_roles")
	next("look after NOTIFY", pending)

	cancel()
	next("word that listening has ended", interrupted)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
