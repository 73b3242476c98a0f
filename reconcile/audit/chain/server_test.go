package chain

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// tables are as the migrations make them, without guards.
const tables = `
	create schema sync_roles;
	create table sync_roles.audit (id bigint generated always as identity primary key, at timestamptz, role_name text, cause text, outcome text, granted integer,
		revoked integer, statements text[], problems jsonb, sqlstate text, error text, requested_by text[], attempt integer, duration interval, instance text,
		pass xid8, seq bigint, previous_hash bytea, hash bytea);
	create table sync_roles.audit_removals (seq bigint, previous_hash bytea, hash bytea, at timestamptz, older_than timestamptz, rows bigint, rows_before bigint,
		rows_changed bigint, last_id bigint, last_at timestamptz, runs jsonb, instance text, pass xid8);
	create table sync_roles.audit_chain (begun_at timestamptz, rows_before bigint, id_before bigint, begin_hash bytea, seq bigint, hash bytea);
	insert into sync_roles.audit_chain select c.begun_at, 0, 0, b.hash, 0, b.hash
	from (select now() as begun_at, 0::bigint as rows_before, 0::bigint as id_before) as c, lateral (select ` + beginHashSQL + ` as hash) as b`

// What the daemon hashes is what PostgreSQL computes from the stored rows, whatever they hold.
func TestHashesAgreeWithPostgreSQL(t *testing.T) {
	t.Parallel()
	conn := pgtest.New(t).Superuser(t)
	if _, err := conn.Exec(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var all strings.Builder
	for r := rune(1); r < 0x300; r++ {
		all.WriteRune(r)
	}
	word := func() string {
		pool := []string{"", "a", all.String(), "\"", "\\", "\\u0041", "'", "\n\r\t\b\f\v\x01\x1f\x7f", "\u2028", "\ufffd", "𝒳", "/", "<&>", "null", "{}", ","}
		return pool[random.IntN(len(pool))] + pool[random.IntN(len(pool))]
	}
	words := func() []string {
		list := make([]string, random.IntN(4))
		for i := range list {
			list[i] = word()
		}
		return list
	}
	number := func() int { return []int{0, 1, -1, 1<<31 - 1, -1 << 31}[random.IntN(5)] }
	for range 100 {
		rows := make([]Row, 1+random.IntN(5))
		documents := make([]string, len(rows))
		for i := range rows {
			rows[i] = Row{
				Role: word(), Cause: word(), Outcome: word(), Granted: number(), Revoked: number(), Statements: words(), SQLState: word(), Error: word(),
				RequestedBy: words(), Attempt: number(), Instance: word(),
				Duration: []time.Duration{0, 999, time.Microsecond, time.Second, 59*time.Minute + 59999999*time.Microsecond, 30 * time.Hour, 5000 * time.Hour}[random.IntN(7)],
			}
			documents[i] = []string{"[]", `[{"reason":"\u003c\n\"","kind":"held","grant_id":7,"a":[1.50,null,true]}]`, ` [ {"bb":1,"a":2, "bb":3} ] `}[random.IntN(3)]
		}
		write(t, conn, rows, documents)
		if random.IntN(4) == 0 {
			remove(t, conn, random)
		}
	}
	v := verified(t, conn)
	if !v.Intact || v.Rows == 0 || v.Removed.Rows == 0 {
		t.Errorf("%+v", v)
	}
}

func write(t *testing.T, conn *pgx.Conn, rows []Row, documents []string) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		w := Open(batch, time.Minute, len(rows), documents)
		if err := tx.SendBatch(t.Context(), batch).Close(); err != nil {
			return err
		}
		batch = &pgx.Batch{}
		for _, r := range rows {
			w.Row(batch, r)
		}
		w.Close(batch, "none", nil)
		return tx.SendBatch(t.Context(), batch).Close()
	}); err != nil {
		t.Fatal(err)
	}
}

// remove removes about half of the rows.
func remove(t *testing.T, conn *pgx.Conn, random *rand.Rand) {
	t.Helper()
	ids := pgtest.One[[]int64](t, conn, "select array_agg(id) from sync_roles.audit")
	random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		w := Open(batch, time.Minute, 0, nil)
		r := Remove(batch, ids[:len(ids)/2], 0)
		if err := tx.SendBatch(t.Context(), batch).Close(); err != nil {
			return err
		}
		batch = &pgx.Batch{}
		w.Remove(batch, r, "host:1")
		w.Close(batch, "none", nil)
		return tx.SendBatch(t.Context(), batch).Close()
	}); err != nil {
		t.Fatal(err)
	}
}

func verified(t *testing.T, conn *pgx.Conn) *Verification {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(t.Context(), tx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// The runs of a removal are places without a gap; what did not fit is counted.
func TestRuns(t *testing.T) {
	t.Parallel()
	list := written(9)
	rows := func(places ...int) (rows []gone) {
		for _, i := range places {
			l := list[i]
			rows = append(rows, gone{ID: l.id, Seq: &l.first, Previous: l.previous, Hash: l.hash, Intact: l.intact})
		}
		return append(rows, gone{ID: 1})
	}
	for _, test := range []struct {
		rows    []gone
		want    string
		changed int
	}{
		{rows(), "", 0},
		{rows(3), "3-3", 0},
		{rows(1, 2, 3, 5, 6, 9), "1-3 5-6 9-9", 0},
		{append([]gone{{Seq: &list[1].first}}, rows(2)...), "1-2", 2}, // the first is damaged, and the second does not fit it
		{rows(4, 4, 5), "4-5", 0},
	} {
		places, changed := runs(test.rows)
		var texts []string
		for _, r := range places {
			texts = append(texts, fmt.Sprintf("%d-%d", r.first, r.last))
			if r.first > 1 && hex.EncodeToString(r.previous) != headOf(list[:r.first]).Hash {
				t.Errorf("a run from %d follows %x", r.first, r.previous)
			}
		}
		if got := strings.Join(texts, " "); got != test.want || changed != test.changed {
			t.Errorf("%s with %d changed, want %s with %d", got, changed, test.want, test.changed)
		}
	}
}
