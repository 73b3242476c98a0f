package attack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// backreferences is a regex that takes minutes to compare with one name.
const backreferences = `(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)\1x`

// untriggered writes rows as a restore does: no trigger and no constraint looks at them.
func (f *field) untriggered(t *testing.T, sql string, args ...any) {
	t.Helper()
	super := f.Superuser(t)
	if _, err := super.Exec(t.Context(), "alter table sync_roles.desired_grants drop constraint if exists pattern; set session_replication_role = replica"); err != nil {
		t.Fatal(err)
	}
	if _, err := super.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// A row with a back-reference that came by a restore is never compared, and is refused for itself alone.
func TestBackReferenceIsNeverRun(t *testing.T) {
	t.Parallel()
	f := installed(t)
	fired, friend := f.user(t, "fired"), f.user(t, "friend")
	f.run(t, f.Daemon, insert(fired, "costs"))
	f.untriggered(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		($1, 'SELECT', 'table', 'sales', $2, 'regex')`, fired, backreferences)
	f.start(t)
	f.until(t, "select has_table_privilege($1, 'sales.costs', 'SELECT')", fired)
	f.run(t, f.Daemon, "update sync_roles.desired_grants set expires_at = now() + interval '1 s' where object_name = 'costs'")
	f.served(t, friend, "orders")
	f.until(t, "select not has_table_privilege($1, 'sales.costs', 'SELECT')", fired)
	f.until(t, `select exists (
		select from sync_roles.grant_status where role_name = $1 and status = 'refused' and reason like '%back-reference%')`, fired)
	if f.Can(t, fired, "select from sales.orders") {
		t.Error("a pattern with a back-reference gave something")
	}
}

// costly is a regex without back-references that takes half a minute to compile: each part that looks ahead takes more than a second, and makes PostgreSQL
// count anew how much is too complex.
var costly = strings.Repeat(tooSlow, 20)

// A pattern that takes too long is left out, and said; what else its role gains and loses is done, and others do not wait.
func TestCostlyPatternCostsItsOwnRow(t *testing.T) {
	t.Parallel()
	f := installed(t)
	fired, friend := f.user(t, "fired"), f.user(t, "friend")
	f.run(t, f.Daemon, fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values
		('%[1]s', 'SELECT', 'table', 'sales', 'costs'), ('%[1]s', 'INSERT', 'table', 'sales', 'costs')`, fired))
	f.start(t)
	f.until(t, "select has_table_privilege($1, 'sales.costs', 'SELECT')", fired)
	f.run(t, f.Daemon, "update sync_roles.desired_grants set expires_at = now() + interval '2 s' where privilege = 'SELECT'")
	f.untriggered(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		($1, 'SELECT', 'table', 'sales', $2, 'regex')`, fired, costly)

	f.run(t, f.Daemon, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('%s', 'UPDATE', 'table', 'sales', 'costs')", fired))
	f.served(t, friend, "orders")
	f.until(t, "select has_table_privilege($1, 'sales.costs', 'UPDATE')", fired)
	f.until(t, "select not has_table_privilege($1, 'sales.costs', 'SELECT')", fired)
	f.run(t, f.Daemon, fmt.Sprintf("delete from sync_roles.desired_grants where role_name = '%s' and privilege = 'INSERT'", fired))
	f.until(t, "select not has_table_privilege($1, 'sales.costs', 'INSERT')", fired)
	f.until(t, `select exists (
		select from sync_roles.audit as a, jsonb_array_elements(a.problems) as p, sync_roles.desired_grants as g
		where a.role_name = $1 and g.object_name = $2 and (p ->> 'grant_id')::bigint = g.id and p ->> 'kind' = 'blocked' and p ->> 'reason' like '%takes longer than%')`, fired, costly)
	f.until(t, "select status = 'blocked' from sync_roles.grant_status where object_name = $1", costly)
	f.served(t, friend, "costs")
}

// many invents roles of which each holds SELECT on sales.orders by a row of this writer.
func (f *field) many(t *testing.T, writer string, n int) {
	t.Helper()
	f.run(t, writer, fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
		select '%s' || i, 'SELECT', 'table', 'sales', 'orders' from generate_series(1, %d) as i`, f.Role("r"), n))
}

// holders counts the invented roles that hold SELECT on sales.orders, by whatever way.
func (f *field) holders(t *testing.T) int {
	t.Helper()
	return pgtest.One[int](t, f.Superuser(t), "select count(*) from pg_roles where rolname ~ ('^' || $1 || '[0-9]+$') and has_table_privilege(oid, 'sales.orders', 'SELECT')", f.Role("r"))
}

// allowInvented lets etl write rows for roles that do not exist, where that takes a scope of its own.
func (f *field) allowInvented(t *testing.T) {
	t.Helper()
	f.run(t, f.Daemon, `do $$ begin
		if exists (select from pg_attribute where attrelid = 'sync_roles.writers'::regclass and attname = 'may_create_roles') then
			update sync_roles.writers set may_create_roles = true;
		end if; end $$`)
}

// What one writer deletes too much of is held; what another takes from the same role goes, in the same pass or in a later one.
func TestLimitHoldsTheDeletion(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{true, false} {
		t.Run(fmt.Sprintf("later %t", later), func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			f.allowInvented(t)
			f.Exec(t, "set role "+f.Owner+"; create schema hr; grant usage on schema hr to public; create table hr.pay (id int)")
			fired := f.user(t, "fired")
			limits := []string{"sync", "--max-revokes", "10", "--max-revokes-percent", "1"}
			f.many(t, f.etl, 30)
			row := "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('%s', 'SELECT', 'table', '%s', '%s')"
			f.run(t, f.etl, fmt.Sprintf(row, fired, "sales", "orders"))
			f.run(t, f.Daemon, fmt.Sprintf(row, fired, "hr", "pay"))
			f.call(t, limits...).want(t, 0)

			f.run(t, f.etl, "delete from sync_roles.desired_grants")
			if later {
				f.call(t, limits...).want(t, 1)
			}
			f.run(t, f.Daemon, fmt.Sprintf("delete from sync_roles.desired_grants where role_name = '%s'", fired))
			f.call(t, limits...).want(t, 1)
			if f.Can(t, fired, "select from hr.pay") || !f.Can(t, fired, "select from sales.orders") {
				t.Error("what was deleted by itself stays, or what is held went")
			}
			if n := f.holders(t); n != 30 {
				t.Errorf("%d roles have what is held, want 30", n)
			}
			f.until(t, "select count(*) = 31 from sync_roles.held")
			f.until(t, "select revokes = 1 and changes::text like '%sales.orders%' from sync_roles.held where role_name = $1", fired)
			f.call(t, append(limits, "--approve")...).want(t, 0)
			if n := f.holders(t); n != 0 || f.Can(t, fired, "select from sales.orders") {
				t.Errorf("%d roles have it after the approval", n)
			}
			f.until(t, "select count(*) = 0 from sync_roles.withdrawn")
		})
	}
}

// Rows that are inserted and deleted in one transaction gave nothing, and make nothing large.
func TestLimitDoesNotCountWhatNeverWas(t *testing.T) {
	t.Parallel()
	f := installed(t)
	f.allowInvented(t)
	fired := f.user(t, "fired")
	f.ask(t, fired, "costs")
	f.run(t, f.etl, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('%s', 'SELECT', 'table', 'sales', 'orders')", fired))
	f.call(t, "sync").want(t, 0)
	// So many that they do not fit into a pass.
	f.run(t, f.etl, fmt.Sprintf(`begin;
		delete from sync_roles.desired_grants where role_name = '%[2]s';
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select '%[1]s' || i, 'SELECT', 'table', 'sales', 'orders' from generate_series(1, 2500) as i;
		delete from sync_roles.desired_grants;
		commit`, f.Role("r"), fired))
	f.run(t, f.Daemon, fmt.Sprintf("delete from sync_roles.desired_grants where role_name = '%s'", fired))
	f.call(t, "sync", "--max-revokes", "10", "--max-revokes-percent", "1").want(t, 0)
	for _, table := range []string{"orders", "costs"} {
		if f.Can(t, fired, "select from sales."+table) {
			t.Errorf("%s is held, and nothing else was revoked", table)
		}
	}
	if n := pgtest.One[int](t, f.Superuser(t), "select count(*) from sync_roles.held"); n != 0 {
		t.Errorf("%d roles are held", n)
	}
}

// Whatever way a writer takes to make many grants end at once, it does not get past the limit.
func TestLimitIsNotPassedBy(t *testing.T) {
	t.Parallel()
	shorten := "update sync_roles.desired_grants set expires_at = now()"
	for name, sqls := range map[string][]string{
		"shortened and deleted":      {"begin; " + shorten + "; delete from sync_roles.desired_grants; commit"},
		"shortened":                  {shorten},
		"shortened twice":            {"update sync_roles.desired_grants set expires_at = now() + interval '1 h'", shorten},
		"shortened to the past":      {"update sync_roles.desired_grants set expires_at = '-infinity'"},
		"shortened a little":         {"update sync_roles.desired_grants set expires_at = clock_timestamp() + interval '1 s'", "select pg_sleep(1.1)"},
		"inserted again with an end": {"begin; create temp table saved as table sync_roles.desired_grants; delete from sync_roles.desired_grants; insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, expires_at) select role_name, privilege, object_type, schema_name, object_name, clock_timestamp() + interval '1 s' from saved; commit; select pg_sleep(1.1)"},
		"inserted again, looked at":  {"begin; create temp table saved as table sync_roles.desired_grants; delete from sync_roles.desired_grants; insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, expires_at) select role_name, privilege, object_type, schema_name, object_name, clock_timestamp() + interval '1 min' from saved; commit", "sync", "time"},
		"as a pattern, looked at":    {"begin; create temp table saved as table sync_roles.desired_grants; delete from sync_roles.desired_grants; insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, expires_at) select role_name, privilege, object_type, schema_name, 'order_', 'like', clock_timestamp() + interval '1 min' from saved; commit", "sync", "time"},
		"role by role":               {"do $$ declare r text; begin for r in select role_name from sync_roles.desired_grants loop delete from sync_roles.desired_grants where role_name = r; commit; end loop; end $$"},
		"renamed":                    {"update sync_roles.desired_grants set object_name = 'nowhere', expires_at = now()"},
		"with ids anew":              {"update sync_roles.desired_grants set id = default, expires_at = now()"},
		"in savepoints":              {"begin; savepoint a; " + shorten + "; release a; savepoint b; delete from sync_roles.desired_grants; commit"},
		"by one upsert":              {"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, expires_at) select role_name, privilege, object_type, schema_name, object_name, now() from sync_roles.desired_grants on conflict (role_name, selector) do update set expires_at = excluded.expires_at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			f.allowInvented(t)
			f.many(t, f.Daemon, 30)
			f.call(t, "sync").want(t, 0)
			if n := f.holders(t); n != 30 {
				t.Fatalf("%d roles hold it at first", n)
			}
			limits := []string{"--max-revokes", "10", "--max-revokes-percent", "1"}
			conn := f.login(t, f.Daemon)
			for _, sql := range sqls {
				switch sql {
				case "sync":
					f.call(t, append([]string{"sync"}, limits...)...)
					if n := f.holders(t); n != 30 {
						t.Errorf("%d roles are left before it expires, want 30", n)
					}
				case "time":
					f.run(t, f.Daemon, `alter table sync_roles.desired_grants disable trigger user;
						update sync_roles.desired_grants set expires_at = now();
						alter table sync_roles.desired_grants enable trigger user;
						alter table sync_roles.desired_grants enable replica trigger enqueue_replicated`)
				default:
					if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
						t.Fatalf("run %s: %v", sql, err)
					}
				}
			}
			f.call(t, append([]string{"sync"}, limits...)...)
			f.call(t, append([]string{"sync"}, limits...)...)
			if n := f.holders(t); n < 20 {
				t.Errorf("%d roles are left, want 20 at least", n)
			}
			f.call(t, append([]string{"sync", "--approve"}, limits...)...)
			if n := f.holders(t); n != 0 {
				t.Errorf("%d roles still hold it after the approval", n)
			}
			// What was approved does not count against the next deletion.
			f.ask(t, f.Role("r1"), "costs")
			f.call(t, append([]string{"sync"}, limits...)...)
			f.run(t, f.Daemon, "delete from sync_roles.desired_grants")
			f.call(t, append([]string{"sync"}, limits...)...).want(t, 0)
		})
	}
}

// What was revoked in the last minute counts together, by whatever daemon.
func TestLimitCountsTogether(t *testing.T) {
	t.Parallel()
	f := installed(t)
	f.allowInvented(t)
	f.many(t, f.Daemon, 30)
	f.call(t, "sync").want(t, 0)
	limits := []string{"sync", "--max-revokes", "10", "--max-revokes-percent", "1"}
	for i, want := range []int{22, 22, 22} {
		f.run(t, f.Daemon, fmt.Sprintf("delete from sync_roles.desired_grants where id in (select id from sync_roles.desired_grants order by id offset %d limit 8)", i))
		f.call(t, limits...)
		if n := f.holders(t); n != want {
			t.Errorf("after deletion %d %d roles are left, want %d", i+1, n, want)
		}
	}
	// Without a window each is measured by itself; what is held stays so.
	f.run(t, f.Daemon, "delete from sync_roles.desired_grants where id in (select id from sync_roles.desired_grants order by id limit 6)")
	f.call(t, append(limits, "--max-revokes-window", "0")...)
	if n := f.holders(t); n != 16 {
		t.Errorf("without a window %d roles are left, want 16", n)
	}
}

// A plan for roles of which much is held and others cannot be served takes no longer than a rescan, and keeps nobody waiting.
func TestPlanOfWhatIsHeld(t *testing.T) {
	t.Parallel()
	f := installed(t)
	f.allowInvented(t)
	f.many(t, f.Daemon, 1500)
	f.call(t, "sync").want(t, 0)
	f.run(t, f.Daemon, "delete from sync_roles.desired_grants")
	f.call(t, "sync").want(t, 1)
	if n := pgtest.One[int](t, f.Superuser(t), "select count(*) from sync_roles.held"); n != 1500 {
		t.Fatalf("%d roles are held", n)
	}
	friend := f.user(t, "friend")
	f.ask(t, friend, "costs")

	// Whoever holds the cluster's lock does not keep a plan with nothing to do from being made.
	tx := f.begin(t, f.Daemon, "comment on role _pgsr_lock is null")
	r := call(t.Context(), "plan", "--lock-timeout", "1s", "-d", f.URL(f.Daemon), f.Role("r1"))
	if r.code != 0 || !strings.Contains(r.stdout, "is held") {
		t.Errorf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	r = f.call(t, "plan").want(t, 2)
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if !strings.Contains(r.stdout, `TO "`+friend+`"`) || strings.Count(r.stdout, "is held") != 1500 {
		t.Errorf("the plan is not complete: %d are held", strings.Count(r.stdout, "is held"))
	}
}

// A plan of several batches can be fed to psql: what they share is in it once.
func TestPlanOfSeveralBatches(t *testing.T) {
	t.Parallel()
	f := installed(t)
	f.allowInvented(t)
	f.run(t, f.Daemon, fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, direct)
		select '%s' || i, 'SELECT', 'table', 'sales', 'orders', false from generate_series(1, 1200) as i;
		insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name)
		select '%[1]s' || i, 'MEMBER', 'role', '%s' from generate_series(1, 1200) as i`, f.Role("r"), f.Role("group")))
	r := f.call(t, "plan").want(t, 2)
	for _, text := range []string{"INSERT INTO sync_roles.intermediate_roles", `CREATE ROLE "` + f.Role("group") + `"`, "COMMENT ON ROLE", "GRANT SELECT ON TABLE"} {
		if n := strings.Count(r.stdout, text); n != 1 {
			t.Errorf("the plan has %d times %s, want once", n, text)
		}
	}
	// The statements are run as they are, by the role that the plan is for.
	f.run(t, f.Daemon, r.stdout)
	if n := f.holders(t); n != 1200 {
		t.Errorf("%d roles hold it, want 1200", n)
	}
	f.call(t, "plan").want(t, 0)
}
