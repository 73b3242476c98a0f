package reconcile_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// A dropped database has left intermediate roles and keepers to the cluster.
type dropped struct {
	user  string   // who had privileges there
	roles []string // that are left
}

// another makes another database of the same daemon, with the schema, which is dropped after the test if not before.
func (f *fixture) another(t *testing.T) (config *pgx.ConnConfig, drop func()) {
	t.Helper()
	name := f.Prefix + "other"
	if _, err := f.super.Exec(t.Context(), "create database "+name+" owner "+f.Daemon); err != nil {
		t.Fatal(err)
	}
	drop = func() {
		if _, err := f.super.Exec(context.WithoutCancel(t.Context()), "drop database if exists "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(drop)
	config, err := pgx.ParseConfig(strings.ReplaceAll(f.URL(f.Daemon), f.Database, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return config, drop
}

func openEngine(t *testing.T, config *pgx.ConnConfig) *reconcile.Engine {
	t.Helper()
	engine, err := reconcile.Open(t.Context(), config, reconcile.Config{Policy: defaultPolicy, Log: zerolog.Nop(), LockTimeout: 2 * time.Minute, StatementTimeout: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close(context.WithoutCancel(t.Context())) })
	return engine
}

// dropAnother makes another database, of the same daemon, has a role hold something in it by way of intermediate roles, and drops it.
func (f *fixture) dropAnother(t *testing.T) dropped {
	t.Helper()
	config, drop := f.another(t)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	d := dropped{user: f.user(t, "dora")}
	sql := `
		create schema a;
		create table a.t (id int);
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
			('{r}', 'SELECT', 'table', 'a', 't%', 'like'), ('{r}', 'INSERT', 'table', 'a', 't%', 'like'), ('{r}', 'UPDATE', 'table', 'a', 't%', 'like')`
	if _, err := conn.Exec(t.Context(), strings.ReplaceAll(sql, "{r}", d.user)); err != nil {
		t.Fatal(err)
	}
	engine := openEngine(t, config)
	if _, err := engine.Sync(t.Context(), nil, false); err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	oid := pgtest.One[int64](t, conn, "select oid::bigint from pg_database where datname = current_database()")
	drop()
	d.roles = f.named(t, "_pgsr_"+strconv.FormatInt(oid, 10)+"_")
	want := 3 // intermediate roles
	if f.Version >= 16 {
		want += 2 // a keeper at least, and that of the lock
	}
	if len(d.roles) < want {
		t.Fatalf("the database left %v, want %d roles", d.roles, want)
	}
	if !f.member(t, d.user, d.roles[0]) {
		t.Fatalf("%s is no member of %s", d.user, d.roles[0])
	}
	return d
}

// named lists the roles with a prefix.
func (f *fixture) named(t *testing.T, prefix string) []string {
	t.Helper()
	return pgtest.One[[]string](t, f.super, "select coalesce(array_agg(rolname::text order by rolname), '{}') from pg_roles where starts_with(rolname, $1)", prefix)
}

// left lists those of the roles that are there.
func (f *fixture) left(t *testing.T, d dropped) []string {
	t.Helper()
	return pgtest.One[[]string](t, f.super, "select coalesce(array_agg(rolname::text order by rolname), '{}') from pg_roles where rolname = any ($1)", d.roles)
}

// (Before PostgreSQL 16, every daemon of the cluster may drop these roles: no other test may prune meanwhile.)

// The roles that a dropped database left are dropped by pruning in any other, and written down; that one's own roles, and the users, stay.
func TestPruneAfterDropDatabase(t *testing.T) { //nolint:paralleltest // see above
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	oid := pgtest.One[int64](t, f.daemon, "select oid::bigint from pg_database where datname = current_database()")
	own := f.named(t, "_pgsr_"+strconv.FormatInt(oid, 10)+"_")
	d := f.dropAnother(t)

	f.rescan(t)
	f.sync(t)
	if left := f.left(t, d); len(left) != len(d.roles) {
		t.Errorf("before the time roles are dropped: %v are left of %v", left, d.roles)
	}
	f.prune(t)
	if left := f.left(t, d); len(left) > 0 {
		t.Errorf("%v are left of %v", left, d.roles)
	}
	for _, role := range d.roles {
		if r := f.last(t, role); r.Outcome != "applied" || r.Cause != "manual" || len(r.Statements) != 1 {
			t.Errorf("the audit of %s says %v", role, r)
		}
	}
	if now := f.named(t, "_pgsr_"+strconv.FormatInt(oid, 10)+"_"); strings.Join(now, " ") != strings.Join(own, " ") {
		t.Errorf("the database's own roles are %v, and were %v", now, own)
	}
	if len(f.named(t, d.user)) != 1 {
		t.Errorf("role %s is gone", d.user)
	}
	f.can(t, alice, "select from app.sales")
	before := f.newestAudit(t)
	f.prune(t)
	if after := f.newestAudit(t); after != before {
		t.Error("pruning once more writes to the audit")
	}
	f.quiet(t)
}

// The daemon drops them when they have been dead for as long as one that holds nothing is kept.
func TestRescanAfterDropDatabase(t *testing.T) { //nolint:paralleltest // see above
	f := newFixture(t)
	d := f.dropAnother(t)
	policy := defaultPolicy
	policy.PruneEmptyAfterSecs = 0
	if _, err := f.engineWith(t, policy).Rescan(t.Context(), audit.Rescan); err != nil {
		t.Fatal(err)
	}
	if left := f.left(t, d); len(left) > 0 {
		t.Errorf("%v are left of %v", left, d.roles)
	}
	f.quiet(t)
}

// What is in use stays, whatever its name says; so does what can not have been made here.
func TestPruneLeavesWhatIsInUse(t *testing.T) { //nolint:paralleltest // see above
	f := newFixture(t)
	d := f.dropAnother(t)
	first := d.roles[0]
	third := f.Prefix + "third"
	if _, err := f.super.Exec(t.Context(), "create database "+third); err != nil {
		t.Fatal(err)
	}
	dba, err := pgx.Connect(t.Context(), strings.ReplaceAll(f.URL("postgres"), f.Database, third))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dba.Exec(t.Context(), "grant usage on schema public to "+quote(first)); err != nil {
		t.Fatal(err)
	}
	_ = dba.Close(t.Context())
	f.prune(t)
	if left := f.left(t, d); len(left) != len(d.roles) {
		t.Errorf("one holds something in another database, and yet of %v only %v are left", d.roles, left)
	}
	if _, err := f.super.Exec(t.Context(), "drop database "+third+" with (force)"); err != nil {
		t.Fatal(err)
	}
	f.Exec(t, "grant connect on database "+f.Database+" to "+quote(first))
	var made []string
	for _, suffix := range []string{"login", "other", "plain"} {
		made = append(made, strings.Replace(first, first[len(first)-5:], suffix, 1))
		f.Exec(t, "create role "+quote(made[len(made)-1]))
	}
	login, strange, plain := made[0], made[1], made[2]
	for _, role := range made[:2] {
		f.Exec(t, "comment on role "+quote(role)+" is 'intermediate role of sync_roles in database x: SELECT on table app.t'")
	}
	f.Exec(t, "alter role "+quote(login)+" login")
	f.manageable(t, login)
	f.manageable(t, plain)
	f.prune(t)
	left := f.left(t, d)
	if len(left) == 0 || left[0] != first {
		t.Errorf("%s holds CONNECT, and is not among those that are left: %v", first, left)
	}
	for _, role := range left[1:] {
		if !strings.Contains(role, "_keeper_") || strings.Contains(role, "_lock") {
			t.Errorf("%s is left: only a keeper of %s may be", role, first)
		}
	}
	if len(f.named(t, login)) != 1 {
		t.Errorf("%s can log in, and is dropped", login)
	}
	if there := len(f.named(t, strange)) == 1; there != (f.Version >= 16) {
		t.Errorf("%s, on which the daemon has no ADMIN option: is there: %t", strange, there)
	}
	if len(f.named(t, plain)) != 1 {
		t.Errorf("%s, which has no comment of ours, is dropped", plain)
	}
	before := f.newestAudit(t)
	f.prune(t)
	if after := f.newestAudit(t); after != before {
		t.Error("pruning once more writes to the audit")
	}
	f.Exec(t, "drop role "+quote(login)+"; drop role "+quote(plain)+"; drop role if exists "+quote(strange)+"; revoke connect on database "+f.Database+" from "+quote(first))
	f.prune(t)
	if left := f.left(t, d); len(left) > 0 {
		t.Errorf("%v are left of %v", left, d.roles)
	}
}

// A role that another session has locked is left for the next time, and keeps none of the others from being dropped. A daemon keeps all of them for as long as
// restoring a cluster may take.
func TestDeadRoleThatIsLocked(t *testing.T) { //nolint:paralleltest // see above
	f := newFixture(t)
	d := f.dropAnother(t)
	policy := defaultPolicy
	policy.PruneEmptyAfterSecs = 1
	kept := f.engineWith(t, policy)
	for range 2 {
		if _, err := kept.Rescan(t.Context(), audit.Rescan); err != nil {
			t.Fatal(err)
		}
		if _, err := f.super.Exec(t.Context(), "select pg_sleep(1.1)"); err != nil {
			t.Fatal(err)
		}
	}
	if left := f.left(t, d); len(left) != len(d.roles) {
		t.Errorf("a few seconds after the database was dropped, only %v are left of %v", left, d.roles)
	}

	locked := d.roles[1]
	tx, err := f.super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "comment on role "+quote(locked)+" is 'intermediate role of sync_roles in database x: nothing'"); err != nil {
		t.Fatal(err)
	}
	policy.PruneEmptyAfterSecs = 0
	engine := f.engineWith(t, policy)
	if _, err := engine.Rescan(t.Context(), audit.Rescan); err != nil {
		t.Fatal(err)
	}
	left := f.left(t, d)
	if len(left) == 0 || left[0] != locked || len(left) > 2 || len(left) == 2 && !strings.Contains(left[1], "_keeper_") {
		t.Errorf("%v are left of %v, want the one that is locked, and its keeper at most", left, d.roles)
	}
	for _, role := range left {
		if n := len(f.audit(t, role)); n != 0 {
			t.Errorf("%d rows of the audit are about %s, while one was locked", n, role)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Rescan(t.Context(), audit.Rescan); err != nil {
		t.Fatal(err)
	}
	if left := f.left(t, d); len(left) > 0 {
		t.Errorf("%v are left of %v", left, d.roles)
	}
	f.quiet(t)
}
