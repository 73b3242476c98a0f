package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// defaultPolicy is what a daemon without flags runs with.
var defaultPolicy = plan.Policy{MaxDirectGrantees: 500, PruneEmptyAfterSecs: 3600, Limit: plan.Limit{Revokes: 500, Percent: 25, Window: time.Minute}}

// fixture is a database with sync_roles installed by the daemon role, an application schema, and an engine.
type fixture struct {
	*pgtest.Env
	engine *reconcile.Engine
	daemon *pgx.Conn // the daemon role, to write desired rows with
	super  *pgx.Conn
}

func install(ctx context.Context, config *pgx.ConnConfig) error {
	_, err := migrations.Up(ctx, config)
	return err
}

// newFixture has schema app, owned by the owner, with tables sales and costs; PUBLIC has USAGE on it.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Env: pgtest.NewInstalled(t, install)}
	f.daemon = f.Connect(t, f.Daemon)
	f.super = f.Superuser(t)
	f.asOwner(t, `
		create schema app;
		grant usage on schema app to public;
		create table app.sales (id int, amount int);
		create table app.costs (id int)`)
	f.engine = f.engineWith(t, defaultPolicy)
	return f
}

func (f *fixture) config(t *testing.T) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(f.URL(f.Daemon))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// engineWith opens one more engine, with another policy.
func (f *fixture) engineWith(t *testing.T, policy plan.Policy) *reconcile.Engine {
	t.Helper()
	// Passes take turns in the whole cluster, which here is many tests at once.
	config := reconcile.Config{Policy: policy, Log: zerolog.Nop(), LockTimeout: 2 * time.Minute, StatementTimeout: 3 * time.Minute}
	engine, err := reconcile.Open(t.Context(), f.config(t), config)
	if err != nil {
		t.Fatalf("open an engine: %v", err)
	}
	t.Cleanup(func() { _ = engine.Close(context.WithoutCancel(t.Context())) })
	return engine
}

// asOwner runs SQL as superuser that has SET ROLE to the owner.
func (f *fixture) asOwner(t *testing.T, sql string) {
	t.Helper()
	f.Exec(t, "set role "+f.Owner+"; "+sql)
}

// user makes a role that may log in to the database; the roles of rows need not be made this way.
func (f *fixture) user(t *testing.T, name string) string {
	t.Helper()
	role := f.Role(name)
	f.Exec(t, fmt.Sprintf("create role %s login; grant connect on database %s to %[1]s", quote(role), f.Database))
	f.manageable(t, role)
	return role
}

// manageable lets the daemon alter a role that it did not create, as the README tells a DBA to.
func (f *fixture) manageable(t *testing.T, role string) {
	t.Helper()
	if f.Version >= 16 {
		f.Exec(t, fmt.Sprintf("grant %s to %s with admin true, inherit false, set false", quote(role), quote(f.Daemon)))
	}
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// row is a row of desired_grants; what is empty is left to its default.
type row struct {
	role, privilege, objectType, schema, name string
	match, column                             string
	direct                                    *bool
	grantable, create                         bool
}

// of is the row for this role.
func (r row) of(role string) row {
	r.role = role
	return r
}

func ptr[T any](v T) *T { return &v }

// add writes a row as the daemon role and returns its id.
func (f *fixture) add(t *testing.T, r row) int64 {
	t.Helper()
	id, err := f.tryAdd(t, r)
	if err != nil {
		t.Fatalf("insert %+v: %v", r, err)
	}
	return id
}

// tryAdd is add for rows that may be refused.
func (f *fixture) tryAdd(t *testing.T, r row) (id int64, err error) {
	t.Helper()
	if r.match == "" {
		r.match = "exact"
	}
	err = f.daemon.QueryRow(t.Context(), `
		insert into sync_roles.desired_grants
			(role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable, create_if_not_exists)
		values ($1, $2, $3, nullif($4, ''), $5, $6, nullif($7, ''), $8, $9, $10)
		returning id`,
		r.role, r.privilege, r.objectType, r.schema, r.name, r.match, r.column, r.direct, r.grantable, r.create).Scan(&id)
	return id, err
}

// insert is add for the commonest row: an exact name, the encoding left to the engine.
func (f *fixture) insert(t *testing.T, role, privilege, objectType, schema, name string) int64 {
	t.Helper()
	return f.add(t, row{role: role, privilege: privilege, objectType: objectType, schema: schema, name: name})
}

// write runs SQL on the desired tables as the daemon role.
func (f *fixture) write(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := f.daemon.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
}

// delete deletes rows of desired_grants by their ids.
func (f *fixture) delete(t *testing.T, ids ...int64) {
	t.Helper()
	f.write(t, "delete from sync_roles.desired_grants where id = any ($1)", ids)
}

// pending serves the queue.
func (f *fixture) pending(t *testing.T) *reconcile.Report {
	t.Helper()
	report, err := f.engine.ServeQueue(t.Context(), audit.Notify)
	if err != nil {
		t.Fatalf("serve the queue: %v", err)
	}
	return report
}

// sync is the command sync over these roles, or over all.
func (f *fixture) sync(t *testing.T, roles ...string) *reconcile.Report {
	t.Helper()
	report, err := f.engine.Sync(t.Context(), roles, false)
	if err != nil {
		t.Fatalf("sync %v: %v", roles, err)
	}
	return report
}

// prune is sync --prune.
func (f *fixture) prune(t *testing.T) *reconcile.Report {
	t.Helper()
	report, err := f.engine.Sync(t.Context(), nil, true)
	if err != nil {
		t.Fatalf("sync with prune: %v", err)
	}
	return report
}

// rescan looks at all roles, as the daemon does every minute.
func (f *fixture) rescan(t *testing.T) *reconcile.Report {
	t.Helper()
	report, err := f.engine.Rescan(t.Context(), audit.Rescan)
	if err != nil {
		t.Fatalf("rescan: %v", err)
	}
	return report
}

// dryRun is the command plan.
func (f *fixture) dryRun(t *testing.T) *reconcile.Report {
	t.Helper()
	report, err := f.engine.DryRun(t.Context(), nil, "")
	if err != nil {
		t.Fatalf("dry run: %v", err)
	}
	return report
}

// auditRow is a row of sync_roles.audit.
type auditRow struct {
	Cause, Outcome   string
	Granted, Revoked int
	Statements       []string
	Problems         []plan.Problem
	SQLState, Error  *string
	RequestedBy      []string
}

// String is for messages.
func (r auditRow) String() string {
	text := fmt.Sprintf("%s %s +%d -%d", r.Cause, r.Outcome, r.Granted, r.Revoked)
	for _, s := range r.Statements {
		text += "\n    " + s
	}
	for _, p := range r.Problems {
		text += fmt.Sprintf("\n    %s %s: %s %s %s: %s [%s]", p.Kind, p.Code, p.Privilege, p.Object, p.Statement, p.Reason, p.Fix)
	}
	if r.Error != nil {
		text += "\n    " + *r.Error
	}
	return text
}

// audit returns all audit rows of a role, oldest first.
func (f *fixture) audit(t *testing.T, role string) []auditRow {
	t.Helper()
	rows, err := f.daemon.Query(t.Context(), `
		select cause, outcome, granted, revoked, statements, problems, sqlstate, error, requested_by
		from sync_roles.audit where role_name is not distinct from nullif($1, '') order by id`, role)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[auditRow])
	if err != nil {
		t.Fatalf("read the audit of %q: %v", role, err)
	}
	return list
}

// last returns the newest audit row of a role.
func (f *fixture) last(t *testing.T, role string) auditRow {
	t.Helper()
	list := f.audit(t, role)
	if len(list) == 0 {
		t.Fatalf("no audit row for %q", role)
	}
	return list[len(list)-1]
}

// quiet asserts that all is done: another rescan writes no audit row, and a plan is empty.
func (f *fixture) quiet(t *testing.T) {
	t.Helper()
	before := f.newestAudit(t)
	f.rescan(t)
	rows, err := f.daemon.Query(t.Context(), `
		select coalesce(role_name, '(none)') || ': ' || outcome || ' ' || statements::text || ' ' || problems::text || coalesce(' ' || error, '')
		from sync_roles.audit where id > $1 order by id`, before)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 0 {
		t.Errorf("a rescan with nothing to do wrote %d audit rows:\n%s", len(list), strings.Join(list, "\n"))
	}
	if report := f.dryRun(t); len(report.Statements) > 0 {
		t.Errorf("a plan with nothing to do has statements:\n%s", strings.Join(report.Statements, "\n"))
	}
}

func (f *fixture) newestAudit(t *testing.T) int64 {
	t.Helper()
	return pgtest.One[int64](t, f.daemon, "select coalesce(max(id), 0) from sync_roles.audit")
}

// can asserts what a real login may do.
func (f *fixture) can(t *testing.T, role, sql string) {
	t.Helper()
	if !f.Can(t, role, sql) {
		t.Errorf("%s may not: %s", role, sql)
	}
}

// cannot asserts what a real login may not do.
func (f *fixture) cannot(t *testing.T, role, sql string) {
	t.Helper()
	if f.Can(t, role, sql) {
		t.Errorf("%s may: %s", role, sql)
	}
}

// loses deletes rows and asserts that with them a role lost what it could do, and that nothing is left to do.
func (f *fixture) loses(t *testing.T, role, sql string, ids ...int64) {
	t.Helper()
	f.delete(t, ids...)
	f.pending(t)
	f.cannot(t, role, sql)
	f.quiet(t)
}

// member tells if a role is a direct member of another.
func (f *fixture) member(t *testing.T, role, group string) bool {
	t.Helper()
	return pgtest.One[bool](t, f.super, `
		select exists (
			select from pg_auth_members as m
			join pg_roles as g on g.oid = m.roleid
			join pg_roles as u on u.oid = m.member
			where u.rolname = $1 and g.rolname = $2)`, role, group)
}

// isMember asserts if a role is a direct member of another.
func (f *fixture) isMember(t *testing.T, want bool, role, group string) {
	t.Helper()
	if got := f.member(t, role, group); got != want {
		t.Errorf("%q is a member of %q: %t, want %t", role, group, got, want)
	}
}

// outcome asserts how the last pass over a role ended.
func (f *fixture) outcome(t *testing.T, role string, want plan.Outcome) {
	t.Helper()
	if got := f.last(t, role); got.Outcome != string(want) {
		t.Errorf("the outcome for %s is %s, want %s: %v", role, got.Outcome, want, got)
	}
}

// inOrder asserts that the last pass over a role found nothing left to do. What an intermediate role was given on the
// role's behalf is on the intermediate role's own audit row, so that this may be unchanged.
func (f *fixture) inOrder(t *testing.T, role string) {
	t.Helper()
	if got := f.last(t, role); got.Outcome != "applied" && got.Outcome != "unchanged" {
		t.Errorf("the outcome for %s is %s, want applied or unchanged: %v", role, got.Outcome, got)
	}
}

// owns asserts who owns a relation or a schema.
func (f *fixture) owns(t *testing.T, role, object string) {
	t.Helper()
	sql := "select relowner::regrole::text from pg_class where oid = $1::regclass"
	if !strings.Contains(object, ".") {
		sql = "select nspowner::regrole::text from pg_namespace where nspname = $1"
	}
	if got := pgtest.One[string](t, f.super, sql, object); got != role {
		t.Errorf("%s belongs to %s, want %s", object, got, role)
	}
}

// tablespace makes an empty tablespace; owner may be empty.
func (f *fixture) tablespace(t *testing.T, name, owner string) string {
	t.Helper()
	space := f.Role(name)
	if owner != "" {
		owner = " owner " + quote(owner)
	}
	if _, err := f.super.Exec(t.Context(), "set allow_in_place_tablespaces = on"); err != nil {
		t.Fatalf("this server has no in-place tablespaces: %v", err)
	}
	if _, err := f.super.Exec(t.Context(), "create tablespace "+space+owner+" location ''"); err != nil {
		t.Fatal(err)
	}
	f.afterwards(t, "drop tablespace if exists "+space)
	return space
}
