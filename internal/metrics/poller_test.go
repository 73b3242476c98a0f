package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// A door opens connections, counts them, and closes them after the test.
type door struct {
	env    *pgtest.Env
	opened atomic.Int32

	mu    sync.Mutex
	conns []*pgx.Conn
}

func newDoor(tb testing.TB, env *pgtest.Env) *door {
	tb.Helper()
	d := &door{env: env}
	tb.Cleanup(func() { d.close(context.WithoutCancel(tb.Context())) })
	return d
}

func (d *door) open(ctx context.Context) (*pgx.Conn, error) {
	d.opened.Add(1)
	conn, err := d.env.TryConnect(ctx, d.env.Daemon)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.conns = append(d.conns, conn)
	}
	return conn, err
}

func (d *door) close(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range d.conns {
		_ = conn.Close(ctx)
	}
}

func install(tb testing.TB, env *pgtest.Env) *pgx.Conn {
	tb.Helper()
	conn := env.Connect(tb, env.Daemon)
	if _, err := migrations.Up(tb.Context(), conn.Config()); err != nil {
		tb.Fatal(err)
	}
	return conn
}

// installed makes metrics of a database, "db", that has the schema, and a connection to it.
func installed(tb testing.TB) (*metrics.Metrics, *pgx.Conn) {
	tb.Helper()
	env := pgtest.New(tb)
	conn := install(tb, env)
	m := metrics.New("test", zerolog.Nop())
	m.Database("db", time.Minute, newDoor(tb, env).open)
	return m, conn
}

func exec(tb testing.TB, conn *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	if _, err := conn.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
}

// manage writes rows for n roles, and an audit row with the outcome for each; "" for none.
func manage(tb testing.TB, conn *pgx.Conn, n int, outcome string) {
	tb.Helper()
	exec(tb, conn, "insert into sync_roles.desired_roles (role_name) select $1 || '_' || i from generate_series(1, $2::int) as i", "is"+outcome, n)
	exec(tb, conn, `
		insert into sync_roles.audit (role_name, cause, outcome, duration, instance, seq, previous_hash, hash)
		select $1 || '_' || i, 'notify', $3, '1 s', 'test', 0, '', '' from generate_series(1, $2::int) as i where $3 <> ''`, "is"+outcome, n, outcome)
}

// What the database knows is told as it is at the scrape.
func TestAnswers(t *testing.T) {
	t.Parallel()
	m, conn := installed(t)
	outcomes := []string{"applied", "unchanged", "waiting", "refused", "blocked", "failed", "held"}
	for i, outcome := range outcomes {
		manage(t, conn, i+1, outcome)
	}
	exec(t, conn, "delete from sync_roles.pending")
	manage(t, conn, 9, "")
	exec(t, conn, "update sync_roles.pending set queued_at = now() - interval '1 hour' where id = (select max(id) from sync_roles.pending)")
	exec(t, conn, "insert into sync_roles.retries (role_name, attempt, next_retry_at) select 'isfailed_' || i, 1, now() + interval '1 minute' from generate_series(1, 6) as i")
	got := scrape(t, m)
	got.want(t, map[string]string{
		`scrape_ok{database="db"}`:              "1",
		`pending{database="db"}`:                "9",
		`retries_waiting{database="db"}`:        "6",
		`roles{database="db",status="in_sync"}`: "3",
		`roles{database="db",status="pending"}`: "9",
		`roles{database="db",status="waiting"}`: "3",
		`roles{database="db",status="refused"}`: "4",
		`roles{database="db",status="blocked"}`: "5",
		`roles{database="db",status="failed"}`:  "6",
		`roles{database="db",status="held"}`:    "7",
	})
	var age float64
	if _, err := fmt.Sscan(got[`pending_oldest_age_seconds{database="db"}`], &age); err != nil || age < 3600 || age > 3700 {
		t.Errorf("the oldest request is %v s old (%v), want an hour", age, err)
	}
}

// Where nothing is managed, there are zeros, not gaps. And where the server's clock was set back, no age is below zero.
func TestNoAnswersAreZeros(t *testing.T) {
	t.Parallel()
	m, conn := installed(t)
	want := map[string]string{
		`scrape_ok{database="db"}`: "1", `pending{database="db"}`: "0", `pending_oldest_age_seconds{database="db"}`: "0", `retries_waiting{database="db"}`: "0",
	}
	for _, status := range []string{"in_sync", "pending", "waiting", "refused", "blocked", "failed", "held"} {
		want[`roles{database="db",status="`+status+`"}`] = "0"
	}
	scrape(t, m).want(t, want)
	exec(t, conn, "insert into sync_roles.pending (role_name, queued_at) values ('alice', now() + interval '1 hour')")
	scrape(t, m).want(t, map[string]string{`pending{database="db"}`: "1", `pending_oldest_age_seconds{database="db"}`: "0"})
}

// The labels are all that the schema knows: one that is new there is to be new here.
func TestLabelsAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	m, conn := installed(t)
	got := scrape(t, m)
	allowed := func(column string) []string {
		t.Helper()
		return pgtest.One[[]string](t, conn, `
			select array_agg(word[1] order by word[1])
			from pg_constraint as c, regexp_matches(pg_get_constraintdef(c.oid), '''(\w+)''', 'g') as word
			where c.conrelid = 'sync_roles.audit'::regclass and c.conname = 'audit_' || $1 || '_check'`, column)
	}
	expect := func(format string, words []string) {
		t.Helper()
		if len(words) < 7 {
			t.Errorf("the schema allows only %q", words)
		}
		for _, word := range words {
			if series := fmt.Sprintf(format, word); got[series] == "" {
				t.Errorf("there is no %s", series)
			}
		}
	}
	expect(`passes_total{cause=%q,database="db",result="ok"}`, allowed("cause"))
	outcomes := allowed("outcome")
	expect(`outcomes_total{database="db",outcome=%q}`, outcomes)
	statuses := slices.DeleteFunc(outcomes, func(o string) bool { return o == "applied" || o == "unchanged" })
	expect(`roles{database="db",status=%q}`, append(statuses, "in_sync", "pending"))
}

// The status of roles is read every 10 s at most; the length of the queue, each time.
func TestRolesAreKeptForAMoment(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := install(t, env)
	synctest.Test(t, func(t *testing.T) {
		m, d := metrics.New("test", zerolog.Nop()), newDoor(t, env)
		m.Database("db", time.Minute, d.open)
		expect := func(when, roles, pending string) {
			t.Helper()
			got := scrape(t, m)
			if got[`roles{database="db",status="pending"}`] != roles || got[`pending{database="db"}`] != pending {
				t.Errorf("%s: %s roles are pending, want %s, by %s requests, want %s", when, got[`roles{database="db",status="pending"}`], roles, got[`pending{database="db"}`], pending)
			}
		}
		expect("at the start", "0", "0")
		manage(t, conn, 1, "")
		expect("at once", "0", "1")
		<-time.After(10*time.Second - time.Nanosecond)
		expect("just before 10 s", "0", "1")
		<-time.After(time.Nanosecond)
		expect("after 10 s", "1", "1")
		if n := d.opened.Load(); n != 1 {
			t.Errorf("%d connections were opened, want 1", n)
		}
	})
}

// However many scrapes there are at once, all are answered, over one connection.
func TestConcurrentScrapes(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	install(t, env)
	m, d := metrics.New("test", zerolog.Nop()), newDoor(t, env)
	database := m.Database("db", time.Minute, d.open)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			database.Connected(true)
			database.Rescanned()
			read(t, get(t, m, "/metrics")).want(t, map[string]string{`scrape_ok{database="db"}`: "1"})
		})
	}
	wg.Wait()
	if n := d.opened.Load(); n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
}

// A connection that was lost between two scrapes is opened anew by the next, which tells no less for it.
func TestConnectionIsReopened(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	install(t, env)
	m, d := metrics.New("test", zerolog.Nop()), newDoor(t, env)
	m.Database("db", time.Minute, d.open)
	scrape(t, m).want(t, map[string]string{`scrape_ok{database="db"}`: "1"})
	env.Exec(t, fmt.Sprintf("select pg_terminate_backend(%d, 30000)", d.conns[0].PgConn().PID()))
	scrape(t, m).want(t, map[string]string{`scrape_ok{database="db"}`: "1", `pending{database="db"}`: "0"})
	if n := d.opened.Load(); n != 2 {
		t.Errorf("%d connections were opened, want 2", n)
	}
}

// Without an answer the rest is told all the same. The log says why, once, until there was an answer again.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	var log bytes.Buffer
	m := metrics.New("test", zerolog.New(zerolog.SyncWriter(&log)))
	m.Database("db", time.Minute, newDoor(t, env).open)
	m.Database("gone", time.Minute, nowhere)
	for range 3 {
		scrape(t, m).want(t, map[string]string{
			`scrape_ok{database="db"}`: "0", `pending{database="db"}`: "", `pending_oldest_age_seconds{database="db"}`: "", `retries_waiting{database="db"}`: "",
			`roles{database="db",status="in_sync"}`: "", `granted_total{database="db"}`: "0",
		})
	}
	install(t, env)
	scrape(t, m).want(t, map[string]string{`scrape_ok{database="db"}`: "1", `pending{database="db"}`: "0", `scrape_ok{database="gone"}`: "0"})
	said := func(words string, times int) {
		t.Helper()
		if n := strings.Count(log.String(), words); n != times {
			t.Errorf("the log says %d times that %s, want %d:\n%s", n, words, times, &log)
		}
	}
	said("nobody is there", 1)
	said(`relation \"sync_roles.pending\" does not exist`, 1)
	env.Exec(t, "drop schema sync_roles cascade")
	for range 2 {
		scrape(t, m).want(t, map[string]string{`scrape_ok{database="db"}`: "0"})
	}
	said(`relation \"sync_roles.pending\" does not exist`, 2)
}

// A scrape does not wait for longer than whoever asks for it, even if the database's tables are locked; it leaves nothing behind,
// and nothing is wrong with the database.
func TestScrapeEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := install(t, env)
	var log bytes.Buffer
	m := metrics.New("test", zerolog.New(&log))
	m.Database("db", time.Minute, newDoor(t, env).open)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table sync_roles.pending in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan values, 1)
	go func() { told <- read(t, request(ctx, m, http.MethodGet, "/metrics")) }()
	const waiting = "select exists (select from pg_locks where relation = 'sync_roles.pending'::regclass and not granted)"
	until(t, tx, waiting)
	cancel()
	(<-told).want(t, map[string]string{`scrape_ok{database="db"}`: "0", `pending{database="db"}`: "", `connected{database="db"}`: "0"})
	until(t, tx, "select not ("+strings.TrimPrefix(waiting, "select ")+")")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	scrape(t, m).want(t, map[string]string{`scrape_ok{database="db"}`: "1"})
	if log.Len() > 0 {
		t.Errorf("the log says %s", &log)
	}
}

func until(tb testing.TB, tx pgx.Tx, sql string) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if pgtest.One[bool](tb, tx, sql) {
			return
		}
		if _, err := tx.Exec(tb.Context(), "select pg_sleep(0.01)"); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Fatalf("never true: %s", sql)
}

// silent is a server that does not answer.
func silent(ctx context.Context) (*pgx.Conn, error) {
	<-ctx.Done()
	return nil, errors.New("no answer")
}

// Databases that do not answer keep a scrape for 5 s in all, however many they are, and however many scrapes wait.
func TestScrapeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := metrics.New("test", zerolog.New(zerolog.SyncWriter(&log)))
		m.Database("one", time.Minute, silent)
		m.Database("two", time.Minute, silent)
		var wg sync.WaitGroup
		ask := func(ctx context.Context, want time.Duration) {
			wg.Go(func() {
				started := time.Now()
				read(t, request(ctx, m, http.MethodGet, "/metrics")).want(t, map[string]string{`scrape_ok{database="one"}`: "0", `scrape_ok{database="two"}`: "0"})
				if took := time.Since(started); took != want {
					t.Errorf("a scrape took %s, want %s", took, want)
				}
			})
		}
		ask(t.Context(), 5*time.Second)
		synctest.Wait() // until it has asked, and others have to wait for it
		ask(t.Context(), 5*time.Second)
		hurry, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ask(hurry, time.Second)
		<-time.After(2 * time.Second)
		ask(t.Context(), 5*time.Second)
		wg.Wait()
		if n := strings.Count(log.String(), "cannot ask"); n != 2 {
			t.Errorf("the log says it %d times, want once for each database:\n%s", n, &log)
		}
	})
}

// One that does not answer leaves the others their time.
func TestSilentDatabase(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	install(t, env)
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New("test", zerolog.Nop())
		m.Database("gone", time.Minute, silent)
		m.Database("db", time.Minute, newDoor(t, env).open)
		scrape(t, m).want(t, map[string]string{`scrape_ok{database="gone"}`: "0", `scrape_ok{database="db"}`: "1"})
	})
}
