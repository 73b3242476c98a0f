package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// verify checks the audit, as the daemon role.
func (f *fixture) verify(t *testing.T, noted ...chain.Head) *chain.Verification {
	t.Helper()
	return verify(t, f.daemon, noted...)
}

func verify(t *testing.T, conn *pgx.Conn, noted ...chain.Head) *chain.Verification {
	t.Helper()
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	v, err := chain.Verify(t.Context(), tx, noted)
	if err != nil {
		t.Fatalf("verify the audit: %v", err)
	}
	return v
}

// intact asserts that nothing is found, and returns what was.
func (f *fixture) intact(t *testing.T, noted ...chain.Head) *chain.Verification {
	t.Helper()
	v := f.verify(t, noted...)
	if !v.Intact || len(v.Findings) > 0 {
		t.Errorf("the audit is not intact: %+v", v.Findings)
	}
	return v
}

// tamper runs SQL as a superuser for whom no trigger fires.
func (f *fixture) tamper(t *testing.T, sql string) {
	t.Helper()
	f.Exec(t, "set session_replication_role = replica; "+sql)
}

// busy writes some rows to the audit: of several roles in a pass, and of one by itself. The roles have nothing in the end.
func (f *fixture) busy(t *testing.T, users ...string) {
	t.Helper()
	for _, u := range users {
		f.insert(t, u, "SELECT", "table", "app", "sales")
	}
	f.pending(t)
	f.insert(t, users[0], "SELECT", "table", "app", "nowhere")
	f.pending(t)
	f.write(t, "delete from sync_roles.desired_grants where role_name = any ($1)", users)
	f.pending(t)
}

// found lists what a verification found, as kind and places.
func found(v *chain.Verification) []string {
	var texts []string
	for _, n := range v.Findings {
		texts = append(texts, fmt.Sprintf("%s %d-%d", n.Kind, n.First, n.Last))
	}
	return texts
}

// All that is written to the audit is in the chain, and what is not committed is not.
func TestChain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	begin := f.intact(t)
	if begin.Head.Seq != 0 || begin.Rows != 0 || begin.RowsBefore != 0 {
		t.Errorf("a new installation has %+v", begin)
	}
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.busy(t, alice, bob)
	v := f.intact(t, begin.Head)
	if v.Rows < 4 || v.Rows != v.Head.Seq || v.Rows != pgtest.One[int64](t, f.daemon, "select count(*) from sync_roles.audit") {
		t.Errorf("the chain has %d rows, and its head is %s", v.Rows, v.Head)
	}
	f.quiet(t)
	if again := f.intact(t, v.Head); again.Head != v.Head {
		t.Errorf("a rescan and a plan with nothing to do moved the head from %s to %s", v.Head, again.Head)
	}
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	if report := f.dryRun(t); len(report.Statements) == 0 {
		t.Error("the plan is empty")
	}
	if again := f.intact(t, v.Head); again.Head != v.Head {
		t.Errorf("a plan moved the head from %s to %s", v.Head, again.Head)
	}

	// A pass that fails is recorded, in its own transaction.
	f.Exec(t, `create function public.fail() returns trigger language plpgsql as $$ begin if new.outcome = 'applied' then raise 'no'; end if; return new; end $$;
		create trigger fail before insert on sync_roles.audit for each row execute function public.fail()`)
	f.pending(t)
	f.outcome(t, alice, plan.Failed)
	if again := f.intact(t, v.Head); again.Head.Seq != v.Head.Seq+1 {
		t.Errorf("a failure moved the head from %s to %s", v.Head, again.Head)
	}
}

// However others change the audit, it is found, and where.
func TestTampering(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.busy(t, alice, bob, carol)
	f.retain(t)
	f.busy(t, alice, bob, carol)
	end := f.intact(t).Head
	n := end.Seq - 3 // a row in the middle
	if kept := pgtest.One[int64](t, f.daemon, "select max(seq) from sync_roles.audit_removals"); kept >= n-1 {
		t.Fatalf("the chain has %d places, and the retention was at %d", end.Seq, kept)
	}
	at := func(kind chain.FindingKind, seq int64) string { return fmt.Sprintf("%s %d-%d", kind, seq, seq) }

	const update, where = "update sync_roles.audit set ", " where seq = {n}"
	for _, set := range []string{
		"id = id + 1000", "at = at + interval '1 us'", "at = 'infinity'", "role_name = 'mallory'", "role_name = null", "cause = 'ddl'", "outcome = 'held'",
		"granted = granted + 1", "revoked = revoked + 1", "statements = statements || ''::text", "statements = array[null]::text[]",
		"problems = '[null]'", "sqlstate = ''", "error = ''", "requested_by = '{mallory}'", "attempt = 7", "duration = duration + interval '1 us'",
		"duration = duration + interval '1 month'", "instance = ''", "pass = '3'", `hash = '\x00'`, `previous_hash = '\x00'`,
		"granted = 99" + where + "; update sync_roles.audit as a set hash = " + chain.RowHashSQL, // written anew, with a hash that fits
	} {
		f.tampered(t, update+set+where, n, at(chain.Changed, n))
	}
	const columns = "role_name, cause, outcome, granted, revoked, statements, problems, sqlstate, error, requested_by, attempt, duration, instance, pass"
	const unchained = "alter table sync_roles.audit drop constraint audit_is_chained; "
	for sql, want := range map[string][]string{
		update + "seq = 1000" + where:    {at(chain.Missing, n), at(chain.Inserted, 1000)},
		update + "seq = seq - 1" + where: {at(chain.Inserted, n-1), at(chain.Missing, n)},
		update + "id = -id where seq in ({n}, {n} + 1); update sync_roles.audit set id = case seq when {n} then 1000001 else 1000000 end" + where + " or seq = {n} + 1": {at(chain.Changed, n), at(chain.Reordered, n+1)},
		"delete from sync_roles.audit" + where:         {at(chain.Missing, n)},
		"delete from sync_roles.audit where seq > {n}": {fmt.Sprintf("missing %d-%d", n+1, end.Seq)},
		"insert into sync_roles.audit (" + columns + ", seq, previous_hash, hash) select " + columns + ", seq, previous_hash, hash from sync_roles.audit" + where: {at(chain.Inserted, n)},
		"insert into sync_roles.audit (" + columns + ", seq, previous_hash, hash) select " + columns + ", seq + 4, hash, hash from sync_roles.audit" + where:      {at(chain.Inserted, n+4)},
		unchained + "insert into sync_roles.audit (" + columns + ") select " + columns + " from sync_roles.audit" + where:                                         {at(chain.Inserted, 0)},
		unchained + "insert into sync_roles.audit (id, " + columns + ") overriding system value select 0, " + columns + " from sync_roles.audit" + where:          {at(chain.Inserted, 0)},
		unchained + update + "seq = null, previous_hash = null, hash = null" + where:                                                                              {at(chain.Missing, n), at(chain.Inserted, 0)},
	} {
		f.tampered(t, sql, n, want...)
	}
	for _, sql := range []string{
		"truncate sync_roles.audit", "truncate sync_roles.audit, sync_roles.audit_removals", "truncate sync_roles.audit_removals",
		"update sync_roles.audit_removals set rows = rows + 1", "update sync_roles.audit_removals set at = at + interval '1 s'",
		"update sync_roles.audit_removals set older_than = 'infinity'", "update sync_roles.audit_removals set last_at = '-infinity'",
		"update sync_roles.audit_removals set runs = '[]'", "update sync_roles.audit_removals set runs = '{}'",
		"update sync_roles.audit_removals set instance = 'mallory'", "update sync_roles.audit_removals set seq = seq - 1",
		"insert into sync_roles.audit_removals select * from sync_roles.audit_removals",
		"update sync_roles.audit_chain set rows_before = 3", "update sync_roles.audit_chain set begun_at = now()",
		"update sync_roles.audit_chain set begin_hash = sha256('')", "update sync_roles.audit_chain set seq = seq - 1",
		"update sync_roles.audit_chain set seq = seq + 1", "update sync_roles.audit_chain set hash = sha256('')",
	} {
		f.tampered(t, sql, n)
	}
	f.intact(t, end)
}

// tampered asserts what is found after SQL of a superuser for whom no trigger fires, which is rolled back. Without anything wanted, something.
func (f *fixture) tampered(t *testing.T, sql string, n int64, want ...string) {
	t.Helper()
	sql = strings.ReplaceAll(sql, "{n}", strconv.FormatInt(n, 10))
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	const free = "set local session_replication_role = replica; alter table sync_roles.audit alter id set generated by default; "
	if _, err := tx.Conn().PgConn().Exec(t.Context(), free+sql).ReadAll(); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	v, err := chain.Verify(t.Context(), tx, nil)
	if err != nil {
		t.Fatalf("after %s: %v", sql, err)
	}
	if v.Intact || len(v.Findings) == 0 || len(want) > 0 && !reflect.DeepEqual(found(v), want) {
		t.Errorf("after %s: found %q, want %q", sql, found(v), want)
	}
}

// retain removes from the audit all that may be removed.
func (f *fixture) retain(t *testing.T) {
	t.Helper()
	if more, err := f.engine.Retain(t.Context(), 0); err != nil || more {
		t.Fatalf("more %t, %v", more, err)
	}
}

// What the retention removes is accounted for, also where rows between must stay, and in any number of steps.
func TestRetentionKeepsTheChain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.insert(t, bob, "SELECT", "table", "app", "costs")
	f.pending(t) // bob's one row stays
	f.busy(t, alice, carol)
	f.retain(t)
	first := f.intact(t)
	if first.Removed.Records != 1 || first.Removed.Rows == 0 || first.Rows != 1 {
		t.Errorf("after the first removal: %+v", first)
	}
	for range 3 {
		f.busy(t, alice, carol)
		f.retain(t)
	}
	f.retain(t) // nothing to do
	v := f.intact(t, first.Head)
	if v.Removed.Records != 4 || v.Rows != 1 || v.Removed.Rows+v.Removed.Records+v.Rows != v.Head.Seq {
		t.Errorf("after four removals: %+v", v)
	}
	f.is(t, true, "status = 'in_sync' from sync_roles.role_status where role_name = $1", bob)

	// What was tampered with before it was removed is not forgotten with it.
	f.busy(t, alice, carol)
	f.tamper(t, "update sync_roles.audit set granted = 99 where role_name = '"+carol+"'")
	f.retain(t)
	if got := found(f.verify(t)); !reflect.DeepEqual(got, []string{"changed 0-0"}) {
		t.Errorf("found %q", got)
	}
}

// A DELETE by hand fails, whatever it says to the trigger, unless it is recorded; and a false record is found.
func TestRemovalByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.busy(t, f.user(t, "alice"), f.user(t, "bob"))
	end := f.intact(t).Head
	for _, conn := range []*pgx.Conn{f.daemon, f.super} {
		for _, sql := range []string{
			"delete from sync_roles.audit", "truncate sync_roles.audit", "update sync_roles.audit set error = 'x'",
			"delete from sync_roles.audit_removals", "truncate sync_roles.audit_removals", "update sync_roles.audit_removals set rows = 1",
			"delete from sync_roles.audit_chain", "truncate sync_roles.audit_chain",
		} {
			for _, setting := range []string{"off", "on"} {
				_, err := conn.PgConn().Exec(t.Context(), "set sync_roles.retention = "+setting+"; "+sql).ReadAll()
				if failure.SQLState(err) != "42501" || !strings.Contains(err.Error(), "stays on record") {
					t.Errorf("with retention %s, %s: %v", setting, sql, err)
				}
			}
		}
	}
	f.intact(t, end)

	record := `set sync_roles.retention = on;
		insert into sync_roles.audit_removals
			select seq + 1, hash, sha256(''), now(), now(), 1, 0, 0, (select max(id) from sync_roles.audit), now(), '[]', 'x', pg_current_xact_id() from sync_roles.audit_chain;
		delete from sync_roles.audit where id = (select max(id) from sync_roles.audit)`
	if _, err := f.daemon.PgConn().Exec(t.Context(), record).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if v := f.verify(t, end); v.Intact {
		t.Error("a row was removed with a false record, and nothing is found")
	}
}

// Any number of daemons write one chain, at once and with failures and removals between.
func TestChainOfSeveralEngines(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const engines, rounds = 4, 12
	f.Exec(t, `create function public.fail() returns trigger language plpgsql as $$
		begin if new.role_name like '%bad%' then raise 'no'; end if; return new; end $$;
		create trigger fail before delete on sync_roles.withdrawn for each row execute function public.fail()`)
	users := make([][]string, engines)
	list := make([]*reconcile.Engine, engines)
	writers := make([]*pgx.Conn, engines)
	for i := range engines {
		users[i] = []string{f.user(t, fmt.Sprintf("u%d", i)), f.user(t, fmt.Sprintf("bad%d", i))}
		list[i], writers[i] = f.engineWith(t, defaultPolicy), f.Connect(t, f.Daemon)
	}
	errs := make(chan error, engines)
	for i := range engines {
		go func() {
			errs <- func() error {
				for range rounds {
					for _, sql := range []string{
						"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select unnest($1::text[]), 'SELECT', 'table', 'app', 'sales'",
						"delete from sync_roles.desired_grants where role_name = any ($1)",
					} {
						if _, err := writers[i].Exec(t.Context(), sql, users[i]); err != nil {
							return err
						}
						if _, err := list[i].ServeQueue(t.Context(), audit.Notify); err != nil {
							return err
						}
					}
					if _, err := list[i].Retain(t.Context(), 0); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range engines {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	v := f.intact(t)
	if v.Head.Seq < engines*rounds || v.Removed.Rows == 0 {
		t.Errorf("hardly anything was written: %+v", v)
	}
}

// The hashes are the same whatever the settings of who writes and who verifies.
func TestChainUnderOtherSettings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	odd := f.user(t, "odd \"'\\ \u00fc\u0416\u20ac\n\x1b")
	for _, settings := range []string{
		"timezone = 'Asia/Kathmandu'; datestyle = 'German'; intervalstyle = 'sql_standard'; bytea_output = 'escape'; extra_float_digits = -5",
		"timezone = 'America/St_Johns'; datestyle = 'SQL, DMY'; intervalstyle = 'iso_8601'; standard_conforming_strings = off; quote_all_identifiers = on",
	} {
		for _, s := range strings.Split(settings, "; ") {
			if f.Version >= 19 && s == "standard_conforming_strings = off" { // it is always on
				continue
			}
			f.Exec(t, "alter role "+f.Daemon+" set "+s)
		}
		f.engine = f.engineWith(t, defaultPolicy)
		f.busy(t, odd)
		f.retain(t)
		f.busy(t, odd)
		f.intact(t)                                            // with the settings of before
		if v := verify(t, f.Connect(t, f.Daemon)); !v.Intact { // with these
			t.Errorf("with %s: %+v", settings, v.Findings)
		}
	}
}

// A daemon from before the chain cannot write any more; what it wrote before is said to be unprotected, and counted.
func TestRowsFromBeforeTheChain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.tamper(t, `alter table sync_roles.audit drop constraint audit_is_chained;
		insert into sync_roles.audit (role_name, cause, outcome, duration, instance) select 'old' || i, 'notify', 'applied', '1 s', 'x' from generate_series(1, 5) as i;
		alter table sync_roles.audit add constraint audit_is_chained check (hash is not null) not valid;
		update sync_roles.audit_chain set rows_before = 5, id_before = (select max(id) from sync_roles.audit);
		update sync_roles.audit_chain set begin_hash = sha256(convert_to(json_build_array('begin', extract(epoch from begun_at)::text, rows_before, id_before)::text, 'UTF8'));
		update sync_roles.audit_chain set hash = begin_hash`)
	if _, err := f.daemon.Exec(t.Context(), "insert into sync_roles.audit (cause, outcome, duration, instance) values ('manual', 'applied', '1 s', 'x')"); failure.SQLState(err) != "23514" {
		t.Errorf("a row without a place in the chain: %v", err)
	}
	f.busy(t, f.user(t, "alice"))
	if v := f.intact(t); v.RowsBefore != 5 {
		t.Errorf("%d rows from before the chain, want 5", v.RowsBefore)
	}
	f.tampered(t, "delete from sync_roles.audit where role_name = 'old3'", 0, "missing 0-0")
	f.retain(t)
	if v := f.intact(t); v.RowsBefore != 0 {
		t.Errorf("%d rows from before the chain are left", v.RowsBefore)
	}
}

// Without the row of the chain's end nothing can be written, and the error says so; the requests stay.
func TestChainWithoutItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.tamper(t, "delete from sync_roles.audit_chain")
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	if _, err := f.engine.ServeQueue(t.Context(), audit.Notify); err == nil || !strings.Contains(err.Error(), "audit_chain has no row") {
		t.Errorf("a pass without the chain's end: %v", err)
	}
	f.cannot(t, alice, "select from app.sales")
	f.is(t, true, "exists (select from sync_roles.pending)")
}

// A database that was restored from a dump has the chain of then.
func TestHeadsNotedLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.busy(t, f.user(t, "alice"))
	end := f.intact(t).Head
	other := chain.Head{Seq: end.Seq, Hash: strings.Repeat("0", 64)}
	later := chain.Head{Seq: end.Seq + 1, Hash: end.Hash}
	for _, noted := range []chain.Head{other, later} {
		if v := f.verify(t, end, noted); v.Intact || len(v.Findings) != 1 || v.Findings[0].Kind != chain.OtherHead {
			t.Errorf("noted %s: %+v", noted, v.Findings)
		}
	}
}

// The upgrade from version 4 begins the chain after the rows that are there.
func TestChainBegunByAnUpgrade(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := env.Connect(t, env.Daemon)
	script := "create schema sync_roles; create table sync_roles.schema_migrations (version bigint primary key, dirty boolean not null);"
	files, err := filepath.Glob("../migrations/00000[1-4]_*.up.sql")
	if err != nil || len(files) != 4 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script += string(text)
	}
	script += `insert into sync_roles.schema_migrations values (4, false);
		insert into sync_roles.audit (role_name, cause, outcome, duration, instance) select 'old', 'notify', 'applied', '1 s', 'x' from generate_series(1, 3)`
	if _, err := conn.PgConn().Exec(t.Context(), script).ReadAll(); err != nil {
		t.Fatalf("install version 4: %v", err)
	}
	config, err := pgx.ParseConfig(env.URL(env.Daemon))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, conn); !v.Intact || v.RowsBefore != 3 || v.Head.Seq != 0 {
		t.Errorf("after the upgrade: %+v", v)
	}
}

// A server process that dies between the rows and the commit leaves nothing; the next engine goes on where the chain was.
func TestChainAfterAKill(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.busy(t, alice)
	end := f.intact(t)
	f.Exec(t, `create function public.die() returns trigger language plpgsql security definer as $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
		create trigger die after update on sync_roles.audit_chain for each row execute function public.die()`)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	if _, err := f.engine.ServeQueue(t.Context(), audit.Notify); err == nil {
		t.Fatal("the server process did not die")
	}
	if v := f.intact(t, end.Head); v.Head != end.Head {
		t.Errorf("the head was %s, and is %s", end.Head, v.Head)
	}
	f.Exec(t, "drop trigger die on sync_roles.audit_chain")
	f.engine = f.engineWith(t, defaultPolicy)
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	if v := f.intact(t, end.Head); v.Head.Seq != end.Head.Seq+1 {
		t.Errorf("the head was %s, and is %s", end.Head, v.Head)
	}
}

// Who holds the chain's lock is waited for as long as for any lock, and no longer; the requests stay.
func TestChainWaitsNoLongerThanForALock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	config := reconcile.Config{Policy: defaultPolicy, Log: zerolog.Nop(), LockTimeout: time.Second}
	engine, err := reconcile.Open(t.Context(), f.config(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close(context.WithoutCancel(t.Context())) })
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from sync_roles.audit_chain for update"); err != nil {
		t.Fatal(err)
	}
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	if _, err := engine.ServeQueue(t.Context(), audit.Notify); failure.SQLState(err) != "55P03" {
		t.Errorf("while the chain is locked: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.is(t, true, "exists (select from sync_roles.pending)")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.intact(t)
}

// In whatever encoding a database is, the hashes are of what is stored.
func TestChainInOtherEncodings(t *testing.T) {
	t.Parallel()
	tables := map[string]string{"LATIN1": "verk\u00e4ufe \"\\", "EUC_JP": "\u58f2\u4e0a \"\\", "SQL_ASCII": "verk\u00e4ufe \"\\"}
	for _, encoding := range []string{"LATIN1", "EUC_JP", "SQL_ASCII"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			table := tables[encoding]
			f := &fixture{Env: pgtest.New(t)}
			env := *f.Env
			env.Database = f.Role(strings.ToLower(encoding))
			f.Exec(t, fmt.Sprintf("create database %s owner %s template template0 encoding '%s' lc_collate 'C' lc_ctype 'C'", env.Database, f.Daemon, encoding))
			f.Env = &env
			t.Cleanup(func() { f.dropDatabase(t) })
			if _, err := migrations.Up(t.Context(), f.config(t)); err != nil {
				t.Fatal(err)
			}
			f.engine = f.engineWith(t, defaultPolicy)
			role := f.Role("alice")
			config := f.config(t)
			config.RuntimeParams["client_encoding"] = map[bool]string{true: "SQL_ASCII", false: "UTF8"}[encoding == "SQL_ASCII"]
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			for _, sql := range []string{
				"create schema app", "create table app." + quote(table) + " (id int)",
				"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('" + role + "', 'SELECT', 'table', 'app', '" + table + "')",
			} {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			report := f.pending(t)
			if len(report.Rows) != 1 || !strings.Contains(strings.Join(report.Rows[0].Statements, ""), quote(table)) || report.Rows[0].Outcome != plan.Applied {
				t.Errorf("the pass for %q wrote %+v", role, report.Rows)
			}
			if v := verify(t, conn); !v.Intact || v.Rows != 1 {
				t.Errorf("%+v", v)
			}
			if _, err := conn.Exec(t.Context(), "delete from sync_roles.desired_grants"); err != nil {
				t.Fatal(err)
			}
			f.pending(t)
			f.retain(t)
			if v := verify(t, conn); !v.Intact || v.Removed.Rows == 0 {
				t.Errorf("%+v", v)
			}
		})
	}
}

// dropDatabase drops the test's database, after the connections of the test.
func (f *fixture) dropDatabase(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(t.Context()), strings.Replace(f.URL(pgserver.Superuser), f.Database, "postgres", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(context.WithoutCancel(t.Context()), "drop database "+f.Database+" with (force)"); err != nil {
		t.Error(err)
	}
}
