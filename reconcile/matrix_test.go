package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// cell is one privilege on one object, and a statement that takes exactly this privilege. %d is the database, %s the tablespace, %p the parameter, %t the
// role to be a member of.
type cell struct {
	since   int // major version
	row     row
	try     string
	byHand  string   // what the statement takes besides; %r is the role
	implies []string // what other privileges on the object are for, and this one (or byHand) allows, too
	more    []string // further statements that it allows: ALL
	role    string
}

func (c *cell) String() string {
	name := c.row.privilege + " on " + c.row.objectType + " " + strings.TrimPrefix(c.row.schema+"."+c.row.name, ".")
	if c.row.column != "" {
		name += " (" + c.row.column + ")"
	}
	return name
}

// withoutLogin reports whether the privilege is what lets somebody in.
func (c *cell) withoutLogin() bool {
	return c.row.objectType == "database" && slices.Contains([]string{"CONNECT", "ALL"}, c.row.privilege)
}

func (c *cell) object() string { return c.row.objectType + " " + c.row.schema + "." + c.row.name }

// matrixCells has every privilege on every type of object, and ALL on each object.
func matrixCells() []cell {
	var cells []cell
	on := func(objectType, schema, name, privilege, try string) *cell {
		cells = append(cells, cell{row: row{privilege: privilege, objectType: objectType, schema: schema, name: name}, try: try})
		return &cells[len(cells)-1]
	}
	table := func(name, privilege, try string) *cell { return on("table", "app", name, privilege, try) }
	column := func(privilege, try string) { table("sales", privilege, try).row.column = "amount" }

	on("database", "", "%d", "CONNECT", "select 1")
	on("database", "", "%d", "CREATE", "create schema mine").implies = []string{"select 1"}
	on("database", "", "%d", "TEMPORARY", "create temporary table mine (id int)").implies = []string{"select 1"}
	on("schema", "", "vault", "USAGE", "select from vault.t")
	on("schema", "", "vault", "CREATE", "create table vault.mine (id int)")

	table("sales", "SELECT", "select * from app.sales")
	table("sales", "INSERT", "insert into app.sales (id) values (1)")
	table("sales", "UPDATE", "update app.sales set id = 2")
	table("sales", "DELETE", "delete from app.sales")
	table("sales", "TRUNCATE", "truncate app.sales")
	table("sales", "REFERENCES", "create table app.mine (id int references app.sales (id))")
	table("sales", "TRIGGER", "create trigger mine before insert on app.sales execute function app.nothing()")
	// A role that may UPDATE may LOCK, too; and who may not ANALYZE is only warned.
	table("sales", "MAINTAIN", "reindex table app.sales").since = 17
	column("SELECT", "select amount from app.sales")
	column("INSERT", "insert into app.sales (amount) values (1)")
	column("UPDATE", "update app.sales set amount = 2")
	column("REFERENCES", "create table app.mine (amount int references app.sales (amount))")
	table("v", "SELECT", "select * from app.v")
	table("v", "INSERT", "insert into app.v values (1, 1)")
	table("m", "SELECT", "select * from app.m")
	table("m", "MAINTAIN", "refresh materialized view app.m").since = 17
	table("p", "SELECT", "select * from app.p")
	table("p", "INSERT", "insert into app.p values (1)")
	table("p", "TRUNCATE", "truncate app.p")
	// Its wrapper has no handler, so it cannot be read: the planner must find out that it need not be.
	table("f", "SELECT", "select from (select * from app.f offset 0) as f where false")

	on("sequence", "app", "seq", "USAGE", "select nextval('app.seq')")
	on("sequence", "app", "seq", "SELECT", "select last_value from app.seq")
	on("sequence", "app", "seq", "UPDATE", "select setval('app.seq', 7)").implies = []string{"select nextval('app.seq')"}

	on("routine", "app", "fn(integer, text)", "EXECUTE", "select app.fn(1, '')")
	on("routine", "app", "fn(integer)", "EXECUTE", "select app.fn(1)")
	on("routine", "app", "fn", "EXECUTE", "select app.fn(1, ''), app.fn(1)")
	on("routine", "app", "pr(integer)", "EXECUTE", "call app.pr(1)")
	on("routine", "app", "agg(integer)", "EXECUTE", "select app.agg(1)")

	for _, name := range []string{"color", "age", "pair", "span", "tags"} {
		on("type", "app", name, "USAGE", "create table app.mine (m app."+name+")")
	}
	on("language", "", "plpgsql", "USAGE", "create function app.mine() returns int language plpgsql as 'begin return 1; end'")
	on("foreign_data_wrapper", "", "wrapper", "USAGE", "create server mine foreign data wrapper wrapper")
	on("foreign_server", "", "srv", "USAGE", "create foreign table app.mine (id int) server srv; create user mapping for current_user server srv")
	on("tablespace", "", "%s", "CREATE", "create table app.mine (id int) tablespace %s")
	on("parameter", "", "%p", "SET", "set %p = on").since = 15
	on("parameter", "", "%p", "ALTER SYSTEM", "alter system set %p = off").since = 15
	on("large_object", "", "4711", "SELECT", "select lo_get(4711)")
	lo := on("large_object", "", "4711", "UPDATE", "select lo_put(4711, 0, 'x')") // PostgreSQL opens it to read and write
	lo.byHand, lo.implies = "grant select on large object 4711 to %r", []string{"select lo_get(4711)"}
	on("role", "", "%t", "MEMBER", "set role %t").more = []string{"select from app.secret"}
	return cells
}

// matrix is a database with something of every type in it.
type matrix struct {
	*fixture
	cells            []cell
	bob, outsider    string // neighbours: one who can log in, one who cannot
	space, parameter string
	team             string
}

func newMatrix(t *testing.T, parameter string) *matrix {
	t.Helper()
	f := newFixture(t)
	m := &matrix{
		fixture: f, parameter: parameter, bob: f.user(t, "bob"), outsider: f.role(t, "outsider", "login"), team: f.role(t, "team", ""),
		space: f.tablespace(t, "disk", f.Owner),
	}
	f.asOwner(t, `
		grant usage, create on schema app to public;
		create schema vault;
		create table vault.t (id int);
		grant select on vault.t to public;
		alter table app.sales add unique (id), add unique (amount);
		create table app.secret (id int);
		grant select on app.secret to `+m.team+`;
		create view app.v as select * from app.sales;
		create materialized view app.m as select * from app.sales;
		create table app.p (id int) partition by list (id);
		create table app.p1 partition of app.p for values in (1);
		create sequence app.seq;
		create function app.nothing() returns trigger language plpgsql as 'begin return new; end';
		create function app.fn(a int, b text) returns int language sql as 'select 1';
		create function app.fn(a int) returns int language sql as 'select 1';
		create procedure app.pr(a int) language sql as 'select 1';
		create aggregate app.agg(int) (sfunc = int4pl, stype = int);
		create type app.color as enum ('red');
		create domain app.age as int;
		create type app.pair as (a int, b int);
		create type app.span as range (subtype = int);
		create domain app.tags as text[];
		revoke execute on all routines in schema app from public;
		grant execute on function app.nothing() to public;
		revoke usage on type app.color, app.age, app.pair, app.span, app.tags from public`)
	// What belongs to a superuser, the daemon has the grant option on.
	f.Exec(t, fmt.Sprintf(`
		revoke temporary on database %[1]s from public;
		create foreign data wrapper wrapper;
		grant usage on foreign data wrapper wrapper to %[2]s;
		grant usage on foreign data wrapper wrapper to %[3]s with grant option;
		create server srv foreign data wrapper wrapper;
		alter server srv owner to %[2]s;
		revoke usage on language plpgsql from public;
		grant usage on language plpgsql to %[3]s with grant option;
		set role %[2]s;
		create foreign table app.f (id int) server srv;
		select lo_create(4711)`, f.Database, f.Owner, f.Daemon))
	if f.Version >= 15 {
		f.Exec(t, fmt.Sprintf("grant set, alter system on parameter %s to %s with grant option", parameter, f.Daemon))
		f.afterwards(t, "alter system reset "+parameter)
	}
	m.fill(t)
	return m
}

// fill makes the cells of this server, and for each a role that has nothing but CONNECT.
func (m *matrix) fill(t *testing.T) {
	t.Helper()
	for _, c := range matrixCells() {
		if m.Version >= c.since {
			m.cells = append(m.cells, c)
		}
	}
	m.complete(t)
	all := map[string]*cell{}
	for _, c := range slices.Clone(m.cells) {
		if c.row.column != "" || c.row.objectType == "role" {
			continue
		}
		if a := all[c.object()]; a != nil {
			a.more = append(a.more, c.try)
			continue
		}
		a := c
		a.row.privilege, a.byHand = "ALL", ""
		all[c.object()] = &a
	}
	for _, object := range slices.Sorted(maps.Keys(all)) {
		m.cells = append(m.cells, *all[object])
	}
	replace := strings.NewReplacer("%d", m.Database, "%s", m.space, "%p", m.parameter, "%t", m.team)
	var sql strings.Builder
	for i := range m.cells {
		c := &m.cells[i]
		c.role = m.Role(fmt.Sprintf("c%d", i))
		c.row.name, c.try = replace.Replace(c.row.name), replace.Replace(c.try)
		for j := range c.more {
			c.more[j] = replace.Replace(c.more[j])
		}
		fmt.Fprintf(&sql, "create role %s login;\n", c.role)
		if !c.withoutLogin() {
			fmt.Fprintf(&sql, "grant connect on database %s to %s;\n", m.Database, c.role)
		}
		if m.Version >= 16 {
			fmt.Fprintf(&sql, "grant %s to %s with admin true, inherit false, set false;\n", c.role, m.Daemon)
		}
		if c.byHand != "" {
			fmt.Fprintf(&sql, "set role %s; %s; reset role;\n", m.Owner, strings.ReplaceAll(c.byHand, "%r", c.role))
		}
	}
	m.Exec(t, sql.String())
}

// complete asserts that the cells are what the server has: no privilege is without one.
func (m *matrix) complete(t *testing.T) {
	t.Helper()
	have := map[string]bool{}
	for _, c := range m.cells {
		have[c.row.privilege+" on "+c.row.objectType] = true
	}
	want := m.texts(t, `
		select p.privilege || ' on ' || t.object_type
		from (select distinct object_type from sync_roles.objects) as t, unnest(sync_roles.privileges_of(t.object_type)) as p (privilege)`)
	sameList(t, "what the matrix has", slices.Sorted(maps.Keys(have)), want)
}

// may logs in as the role and tells which of the statements it may run. Each is rolled back, but for those that PostgreSQL does not run in a transaction.
func (m *matrix) may(t *testing.T, role string, statements []string) []bool {
	t.Helper()
	may := make([]bool, len(statements))
	allowed := func(what string, err error) bool {
		var e *pgconn.PgError
		if err != nil && (!errors.As(err, &e) || e.Code != "42501") {
			t.Errorf("%s as %s: %v", what, role, err)
		}
		return err == nil
	}
	conn, err := m.TryConnect(t.Context(), role)
	if !allowed("log in", err) {
		return may
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for i, sql := range statements {
		if strings.HasPrefix(sql, "alter system ") {
			_, err := conn.Exec(t.Context(), sql)
			may[i] = allowed(sql, err)
			continue
		}
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), sql)
		may[i] = allowed(sql, err)
		_ = tx.Rollback(t.Context())
	}
	return may
}

// expect asserts that a login may run all that the cell is for, or none of it.
func (m *matrix) expect(t *testing.T, want bool, when string, c *cell, role string) {
	t.Helper()
	statements := append([]string{c.try}, c.more...)
	for i, got := range m.may(t, role, statements) {
		if got != want {
			t.Errorf("%s, %s: %s may run %s: %t, want %t", c, when, role, statements[i], got, want)
		}
	}
}

// nothingElse asserts that the privilege is not good for what other privileges on the same object are for.
func (m *matrix) nothingElse(t *testing.T, c *cell) {
	t.Helper()
	if c.row.privilege == "ALL" {
		return
	}
	var others []string
	for _, o := range m.cells {
		if o.object() == c.object() && o.row.column == "" && o.row.privilege != "ALL" && (o.row.privilege != c.row.privilege || c.row.column != "") &&
			!slices.Contains(c.implies, o.try) {
			others = append(others, o.try)
		}
	}
	for i, got := range m.may(t, c.role, others) {
		if got {
			t.Errorf("%s: %s may also run %s", c, c.role, others[i])
		}
	}
}

// Every privilege on every type of object, in each encoding: a row gives the use of it, to this role alone, and takes it back with itself.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		name, parameter string // parameters are the cluster's
		direct, public  bool
	}{{"direct true", "log_parser_stats", true, false}, {"direct false", "log_planner_stats", false, false}, {"PUBLIC", "log_executor_stats", true, true}} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			m := newMatrix(t, e.parameter)
			m.cells = slices.DeleteFunc(m.cells, func(c cell) bool { return c.row.privilege == "MEMBER" && (e.public || !e.direct) })
			m.insert(t, m.bob, "SELECT", "table", "app", "costs") // the neighbours are managed, too
			m.insert(t, m.outsider, "SELECT", "table", "app", "costs")
			m.pending(t)
			for i := range m.cells {
				m.expect(t, false, "before", &m.cells[i], m.cells[i].role)
			}
			m.walk(t, e.direct, e.public)
			m.quiet(t)
			m.noIntermediates(t)
		})
	}
}

// walk writes a row for each cell, looks what that does, and deletes the rows.
func (m *matrix) walk(t *testing.T, direct, public bool) {
	t.Helper()
	same := m.untouched(t, m.bob, m.outsider)
	ids := map[int64]*cell{}
	for i := range m.cells {
		r := m.cells[i].row.of(m.cells[i].role)
		if public {
			r.role = "public"
		} else {
			r.direct = &direct
		}
		ids[m.add(t, r)] = &m.cells[i]
	}
	m.pending(t)
	m.allApplied(t, ids, direct)
	m.quiet(t) // a second pass changes nothing
	for _, c := range ids {
		m.expect(t, true, "with the row", c, c.role)
		if public {
			continue
		}
		neighbour := m.bob
		if c.withoutLogin() {
			neighbour = m.outsider
		}
		m.expect(t, false, "a neighbour", c, neighbour)
		m.nothingElse(t, c)
		m.outcome(t, c.role, plan.Applied)
	}
	same()

	m.delete(t, slices.Collect(maps.Keys(ids))...)
	m.pending(t)
	for _, c := range ids {
		m.expect(t, false, "without the row", c, c.role)
		if !public {
			m.outcome(t, c.role, plan.Applied)
		}
	}
	same()
}

// allApplied asserts what grant_status says of the rows.
func (m *matrix) allApplied(t *testing.T, ids map[int64]*cell, direct bool) {
	t.Helper()
	want := "applied direct"
	if !direct {
		want = "applied intermediate"
	}
	rows, err := m.daemon.Query(t.Context(), "select id, concat_ws(' ', status, encoding, reason) from sync_roles.grant_status where id = any ($1)", slices.Collect(maps.Keys(ids)))
	if err != nil {
		t.Fatal(err)
	}
	type statusRow struct {
		ID     int64
		Status string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[statusRow])
	if err != nil || len(list) != len(ids) {
		t.Fatalf("read grant_status: %d rows of %d, %v", len(list), len(ids), err)
	}
	for _, r := range list {
		if c := ids[r.ID]; r.Status != want {
			t.Errorf("%s: grant_status says %q, want %q", c, r.Status, want)
		}
	}
}
