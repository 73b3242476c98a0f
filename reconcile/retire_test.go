package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// exists reports whether a role does.
func (f *fixture) exists(t *testing.T, role string) bool {
	t.Helper()
	return pgtest.One[bool](t, f.super, "select exists (select from pg_roles where rolname = $1)", role)
}

// gone asserts that a retired role is, is in sync, and does not come back.
func (f *fixture) gone(t *testing.T, role string) {
	t.Helper()
	if f.exists(t, role) {
		t.Errorf("%s is there still: %v", role, f.last(t, role))
		return
	}
	if status := pgtest.One[string](t, f.daemon, "select status from sync_roles.role_status where role_name = $1", role); status != "in_sync" {
		t.Errorf("the status of %s, which has gone, is %s: %v", role, status, f.last(t, role))
	}
	f.quiet(t)
	f.sync(t)
	if f.exists(t, role) {
		t.Errorf("%s has come back", role)
	}
}

// retire writes that a role is to be retired, and serves the queue.
func (f *fixture) retire(t *testing.T, role, to string) {
	t.Helper()
	f.write(t, `insert into sync_roles.desired_roles (role_name, state, reassign_to) values ($1, 'retired', nullif($2, ''))
		on conflict (role_name) do update set state = excluded.state, reassign_to = excluded.reassign_to`, role, to)
	f.pending(t)
	if f.last(t, role).Outcome == string(plan.Failed) { // other tests were in the way
		f.sync(t)
	}
}

// A retired role loses what it has step by step, and is dropped. Its neighbours keep theirs.
func TestRetire(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, heir, group := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "heir"), f.role(t, "team", "")
	f.Exec(t, fmt.Sprintf(`
		grant select (id) on app.sales to %[1]s; grant select on app.sales to %[2]s; grant insert, select on app.costs to %[1]s with grant option;
		grant %[3]s to %[1]s; grant %[3]s to %[2]s; grant create on schema app to %[1]s;
		alter role %[1]s set work_mem = '8MB'`, alice, bob, group))
	f.Exec(t, fmt.Sprintf("set role %s; create table app.mine (id serial primary key); create view app.shown as select 1 as one; create function app.f() returns int language sql return 1", alice))
	same := f.untouched(t, bob)
	nothingBorrowed := f.nothingBorrowed(t)
	session := f.Connect(t, alice)
	f.retire(t, alice, heir)
	f.ended(t, alice, session)
	f.gone(t, alice)
	f.owns(t, heir, "app.mine")
	f.owns(t, heir, "app.shown")
	f.owns(t, heir, "app.mine_id_seq")
	same()
	nothingBorrowed()
	if steps := len(f.audit(t, alice)); steps < 3 {
		t.Errorf("it was retired in %d steps, want each to be a pass: %v", steps, f.audit(t, alice))
	}
	if text := fmt.Sprint(f.audit(t, alice)); !strings.Contains(text, "retiring: owns 4 objects") {
		t.Errorf("the audit does not say what was left: %s", text)
	}
}

// Rows for a retired role give nothing, and say so; deleted, all is in sync.
func TestRetireWithRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.add(t, row{role: alice, privilege: "INSERT", objectType: "table", schema: "app", name: "%", match: "like"})
	member := f.insert(t, bob, "MEMBER", "role", "", alice)
	f.insert(t, bob, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.retire(t, alice, "")
	if f.exists(t, alice) {
		t.Fatalf("%s is there still: %v", alice, f.last(t, alice))
	}
	f.outcome(t, alice, plan.Refused)
	if p := f.last(t, alice).Problems; len(p) != 1 || p[0].Code != plan.RoleRetired {
		t.Errorf("no problem says that its rows give nothing: %v", p)
	}
	if n := pgtest.One[int](t, f.daemon, "select count(*) from sync_roles.grant_status where role_name = $1 and status = 'refused'", alice); n != 2 {
		t.Errorf("%d rows are refused, want 2", n)
	}
	f.sync(t)
	if f.exists(t, alice) {
		t.Error("the row of another role has made it anew")
	}
	f.outcome(t, bob, plan.Refused)
	f.can(t, bob, "select from app.costs")
	f.quiet(t)
	f.delete(t, member)
	f.write(t, f.last(t, alice).Problems[0].Fix)
	f.pending(t)
	f.gone(t, alice)
}

// A role goes when the last database has let go of it: each does its own part.
func TestRetireFromTwoDatabases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, heir := f.user(t, "alice"), f.user(t, "heir")
	config, _ := f.another(t)
	superConfig := f.super.Config()
	superConfig.Database = config.Database
	other := connected(t, superConfig)
	if _, err := other.Exec(t.Context(), fmt.Sprintf(`grant create on database %[3]s to %[1]s; set role %[1]s; create schema theirs; create table theirs.a (); create table theirs.b ();
		alter default privileges grant select on tables to %[2]s`, alice, heir, config.Database)); err != nil {
		t.Fatal(err)
	}
	f.asOwner(t, "grant select on app.sales to "+alice)
	f.retire(t, alice, heir)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'select')", alice)
	if p := fmt.Sprint(f.last(t, alice).Problems); !strings.Contains(p, "retiring: owns 3 objects") || !strings.Contains(p, "in database "+config.Database) {
		t.Errorf("no problem says what is left in the other database: %s", p)
	}
	f.outcome(t, alice, plan.Waiting)
	f.quiet(t)

	// The other's daemon was down, and starts.
	theirs := openEngine(t, config)
	daemon := connected(t, config)
	if _, err := daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name, state, reassign_to) values ($1, 'retired', $2)", alice, heir); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Sync(t.Context(), nil, false); err != nil {
		t.Fatal(err)
	}
	f.sync(t)
	f.gone(t, alice)
	if n := pgtest.One[int](t, other, "select count(*) from pg_class where relnamespace = 'theirs'::regnamespace and relowner = $1::regrole", heir); n != 2 {
		t.Errorf("%s has %d tables in the other database, want 2", heir, n)
	}
}

// A prepared transaction can still commit what it did as the role.
func TestRetireWaitsForPreparedTransactions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if pgtest.One[int](t, f.super, "select current_setting('max_prepared_transactions')::int") == 0 {
		t.Skip("the server has no prepared transactions")
	}
	alice := f.user(t, "alice")
	session := f.Connect(t, alice)
	for _, sql := range []string{"begin", "create temporary table x on commit drop as select 1", "rollback", "begin", "select set_config('a.b', 'c', true)", "prepare transaction '" + alice + "'"} {
		if _, err := session.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	f.retire(t, alice, "")
	f.outcome(t, alice, plan.Waiting)
	if p := fmt.Sprint(f.last(t, alice).Problems); !strings.Contains(p, "prepared transaction") {
		t.Errorf("no problem names the prepared transaction: %s", p)
	}
	f.quiet(t)
	if _, err := f.super.Exec(t.Context(), "rollback prepared '"+alice+"'"); err != nil {
		t.Fatal(err)
	}
	f.sync(t)
	f.gone(t, alice)
}

// What it gave to others as the creator of a role stays theirs; what it passed on by an ADMIN option goes, unless a row asks for it.
func TestRetireAGrantorOfMemberships(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	made, group := f.Role("made"), f.role(t, "team", "")
	f.Exec(t, fmt.Sprintf(`alter role %[1]s createrole; grant %[4]s to %[1]s with admin option;
		set role %[1]s; create role %[5]s; grant %[5]s to %[2]s; grant %[4]s to %[2]s; grant %[4]s to %[3]s`, alice, bob, carol, group, made))
	f.manageable(t, made)
	f.insert(t, carol, "MEMBER", "role", "", group)
	f.pending(t)
	f.retire(t, alice, "")
	f.gone(t, alice)
	f.isMember(t, true, bob, made)
	f.isMember(t, true, carol, group)
	if t.Failed() {
		t.Log(f.audit(t, alice))
	}
	f.isMember(t, false, bob, group)
}

// Rows that can never be obeyed are refused when they are written.
func TestRetireRefusedAtInsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, heir, boss := f.user(t, "alice"), f.user(t, "heir"), f.role(t, "boss", "superuser")
	for _, c := range []struct{ role, state, to, want string }{
		{alice, "gone", "", "allowed are active, suspended, retired"},
		{boss, "retired", "", "is a superuser"},
		{boss, "suspended", "", "is a superuser"},
		{f.Daemon, "retired", "", "runs pg-sync-roles"},
		{"public", "suspended", "", "is PUBLIC"},
		{"rdsadmin", "retired", "", "managed service"},
		{alice, "retired", alice, "is the role itself"},
		{alice, "retired", f.Role("nobody"), "no role that exists"},
		{alice, "retired", boss, "superuser"},
		{alice, "retired", "pg_monitor", "PostgreSQL's own"},
	} {
		_, err := f.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name, state, reassign_to) values ($1, $2, nullif($3, ''))", c.role, c.state, c.to)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: the error is %v", c, err)
		}
	}
	f.write(t, "insert into sync_roles.desired_roles (role_name, state) values ($1, 'retired')", heir)
	for _, sql := range []string{
		"insert into sync_roles.desired_roles (role_name, state, reassign_to) values ($1, 'retired', $2)",
	} {
		if _, err := f.daemon.Exec(t.Context(), sql, alice, heir); err == nil || !strings.Contains(err.Error(), "is retired itself") {
			t.Errorf("%s: the error is %v", sql, err)
		}
	}
	f.write(t, "delete from sync_roles.desired_roles")
	f.write(t, "insert into sync_roles.desired_roles (role_name, state, reassign_to) values ($1, 'retired', $2)", alice, heir)
	if _, err := f.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name, state) values ($1, 'retired')", heir); err == nil || !strings.Contains(err.Error(), "gets what retired role") {
		t.Errorf("retiring an heir: the error is %v", err)
	}
}

// connected opens a connection for the length of the test.
func connected(t *testing.T, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// Without ADMIN on the role all else goes on; the role itself stays until the daemon has it.
func TestRetireWithoutAdmin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("before 16, CREATEROLE is ADMIN on every role")
	}
	alice := f.Role("alice")
	f.Exec(t, fmt.Sprintf("create role %[1]s login; grant connect on database %[2]s to %[1]s; set role %[3]s; grant select on app.sales to %[1]s", quote(alice), f.Database, f.Owner))
	session := f.Connect(t, alice)
	f.retire(t, alice, "")
	f.outcome(t, alice, plan.Blocked)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'select')", alice)
	if !alive(t, session) {
		t.Error("a session has ended whose role can log in")
	}
	f.quiet(t)
	fix := ""
	for _, p := range f.last(t, alice).Problems {
		if p.Code == plan.AdminOption {
			fix = p.Fix
		}
	}
	f.Exec(t, fix)
	f.sync(t)
	f.ended(t, alice, session)
	f.gone(t, alice)
}

// A role that is being retired comes back with what is left, if its row says so in time.
func TestRetireTakenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, heir := f.user(t, "alice"), f.user(t, "heir")
	config, _ := f.another(t)
	superConfig := f.super.Config()
	superConfig.Database = config.Database
	if _, err := connected(t, superConfig).Exec(t.Context(), "create schema theirs authorization "+alice); err != nil {
		t.Fatal(err)
	}
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.retire(t, alice, heir)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'select')", alice)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", alice)
	f.state(t, alice, "active")
	f.pending(t)
	f.sync(t)
	f.inOrder(t, alice)
	f.is(t, true, "rolcanlogin from pg_roles where rolname = $1", alice)
	f.is(t, true, "has_table_privilege($1, 'app.sales', 'select')", alice)
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'select')", alice)
	f.quiet(t)
}

// A role that is being retired is not taken over by adopt.
func TestRetireIsNotAdopted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.write(t, "insert into sync_roles.desired_roles (role_name, state) values ($1, 'retired')", alice)
	if _, err := f.engine.Adopt(t.Context(), []string{alice}, false); err == nil || !strings.Contains(err.Error(), "is being retired") {
		t.Errorf("the error is %v", err)
	}
}
