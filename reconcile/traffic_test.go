package reconcile_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// traffic counts what an engine sends.
type traffic struct {
	net.Conn
	mu         sync.Mutex
	said       bool // something was sent that is not answered yet
	roundTrips int
	statements int // executions of prepared statements, and simple queries
}

// Write is called with whole messages: https://www.postgresql.org/docs/current/protocol-message-formats.html
func (c *traffic) Write(b []byte) (int, error) {
	c.mu.Lock()
	for rest := b; len(rest) >= 5; {
		if rest[0] == 'E' || rest[0] == 'Q' {
			c.statements++
		}
		rest = rest[min(len(rest), 1+int(binary.BigEndian.Uint32(rest[1:]))):]
	}
	c.said = true
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *traffic) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	if c.said && n > 0 {
		c.roundTrips++
		c.said = false
	}
	c.mu.Unlock()
	return n, err
}

// during counts round trips and statements while something is done.
func (c *traffic) during(do func()) (roundTrips, statements int) {
	c.mu.Lock()
	roundTrips, statements = c.roundTrips, c.statements
	c.mu.Unlock()
	do()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roundTrips - roundTrips, c.statements - statements
}

// What a pass over one row costs is round trips and statements, more than anything that a clock could tell on a test machine.
func TestTraffic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config := f.config(t)
	var sent *traffic
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		sent = &traffic{Conn: conn}
		return sent, err
	}
	engine, err := reconcile.Open(t.Context(), config, reconcile.Config{Policy: defaultPolicy, Log: zerolog.Nop(), LockTimeout: 2 * time.Minute, StatementTimeout: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close(context.WithoutCancel(t.Context())) })
	serve := func() {
		if _, err := engine.ServeQueue(t.Context(), audit.Notify); err != nil {
			t.Fatal(err)
		}
	}
	alice := f.user(t, "alice")
	var id int64
	give := func() { id = f.insert(t, alice, "SELECT", "table", "app", "sales") }
	take := func() { f.write(t, fmt.Sprintf("delete from sync_roles.desired_grants where id = %d", id)) }
	shared, sharing := 0, 0 // GRANT locks what it names since 18; before, a pass does
	if f.Version < 18 {
		shared, sharing = 1, 3
	}
	cases := []*struct {
		name                   string
		change                 func()
		roundTrips, statements int
		most, mostStatements   int
	}{
		{"one row given", give, math.MaxInt, math.MaxInt, 12 + shared, 28 + sharing},
		{"one row taken away", take, math.MaxInt, math.MaxInt, 15 + shared, 39 + sharing},
		{"nothing in the queue", func() {}, math.MaxInt, math.MaxInt, 1, 2},
	}
	// The first time, statements are prepared; what other tests do in the cluster can add a question; and on a busy machine the server answers the beginning
	// of a batch before the end was sent.
	for range 40 {
		enough := true
		for _, c := range cases {
			c.change()
			roundTrips, statements := sent.during(serve)
			c.roundTrips, c.statements = min(c.roundTrips, roundTrips), min(c.statements, statements)
			enough = enough && c.roundTrips <= c.most && c.statements <= c.mostStatements
		}
		if enough {
			break
		}
	}
	for _, c := range cases {
		t.Logf("%s: %d round trips, %d statements", c.name, c.roundTrips, c.statements)
		if c.roundTrips > c.most || c.statements > c.mostStatements {
			t.Errorf("%s took %d round trips and %d statements, want at most %d and %d", c.name, c.roundTrips, c.statements, c.most, c.mostStatements)
		}
	}
}
