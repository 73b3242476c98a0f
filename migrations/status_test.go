package migrations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func status(tb testing.TB, conn pgtest.Querier, role string) string {
	tb.Helper()
	return pgtest.One[string](tb, conn, "select coalesce((select status from sync_roles.role_status where role_name = $1), 'not there')", role)
}

// A role goes from pending to how its pass ended, and back to pending when something is asked again.
func TestRoleStatus(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	e := engine(t, env)
	roles := map[string]row{
		"in_sync": connectRow(env, env.Role("good")),
		"waiting": grantRow(env.Role("early")),
		"refused": {"role_name": env.Role("greedy"), "privilege": "MEMBER", "object_type": "role", "object_name": "pg_monitor"},
	}
	for _, r := range roles {
		r.mustInsert(t, conn, "desired_grants")
		if got := status(t, conn, r["role_name"].(string)); got != "pending" {
			t.Errorf("%s is %s before any pass", r["role_name"], got)
		}
	}
	row{"role_name": env.Role("bare")}.mustInsert(t, conn, "desired_roles")
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.role_status where pending_since is not null and outcome is null and problems = '[]' and attempts = 0"); n != 4 {
		t.Errorf("%d of 4 new roles look new", n)
	}
	syncAll(t, e)
	for want, r := range roles {
		if got := status(t, conn, r["role_name"].(string)); got != want {
			t.Errorf("%s is %s, want %s", r["role_name"], got, want)
		}
	}
	if got := status(t, conn, env.Role("bare")); got != "in_sync" {
		t.Errorf("a role without grants is %s", got)
	}
	why := pgtest.One[string](t, conn, "select problems -> 0 ->> 'reason' || ' ' || (changed_at is not null) || ' ' || cause from sync_roles.role_status where status = 'refused'")
	if !strings.Contains(why, "pg_monitor") || !strings.HasSuffix(why, "true manual") {
		t.Errorf("the refused role says %q", why)
	}

	execute(t, conn, "update sync_roles.desired_grants set note = 'x' where role_name = $1", env.Role("good"))
	if got := status(t, conn, env.Role("good")); got != "pending" {
		t.Errorf("after a change the role is %s", got)
	}
	syncAll(t, e)
	execute(t, conn, "insert into sync_roles.pending (role_name) values (null)")
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.role_status where status <> 'pending'"); n != 0 {
		t.Errorf("%d roles are not pending after a request for all", n)
	}
}

// A role whose last row was deleted is in the view until what it had is revoked.
func TestRoleStatusOfALastRow(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	e := engine(t, env)
	alice := env.Role("alice")
	connectRow(env, alice).mustInsert(t, conn, "desired_grants")
	syncAll(t, e)
	execute(t, conn, "delete from sync_roles.desired_grants")
	if got := status(t, conn, alice); got != "pending" {
		t.Errorf("with a withdrawn row the role is %s, want pending", got)
	}
	syncAll(t, e)
	if got := status(t, conn, alice); got != "not there" {
		t.Errorf("with nothing left the role is %s, want not there", got)
	}
}

// What could not be revoked does not go out of sight with the row.
func TestRoleStatusOfWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	env, alice := cannotTake(t)
	conn := env.Connect(t, env.Daemon)
	if got := status(t, conn, alice); got != "blocked" {
		t.Errorf("the role that keeps what no row gives is %s, want blocked; its audit says %s", got,
			pgtest.One[string](t, conn, "select outcome || ' ' || problems from sync_roles.audit where role_name = $1 order by id desc limit 1", alice))
	}
}

type grantStatus struct {
	Status, Encoding, Via string
	Matches               int64
	Reason                string
}

func readGrantStatus(tb testing.TB, conn pgtest.Querier, id int64) (s grantStatus) {
	tb.Helper()
	text := pgtest.One[[]string](tb, conn, "select array[status, coalesce(encoding, ''), coalesce(via, ''), matches::text, coalesce(reason, '')] from sync_roles.grant_status where id = $1", id)
	s = grantStatus{Status: text[0], Encoding: text[1], Via: text[2], Reason: text[4]}
	if _, err := fmt.Sscan(text[3], &s.Matches); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (r row) mustInsertReturning(tb testing.TB, conn pgtest.Querier) int64 {
	tb.Helper()
	sql, args := r.insert("desired_grants")
	return pgtest.One[int64](tb, conn, sql+" returning id", args...)
}

// Each desired grant says what became of it, how it is held, and why where that is not obvious.
func TestGrantStatus(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	e := engine(t, env)
	env.Exec(t, "create schema app authorization "+env.Owner+"; set role "+env.Owner+`; create table app.t1 (id int); create table app.t2 (id int); create table app.x (id int);
		create sequence app.s; create function app.f(integer) returns integer language sql as 'select 1'; create function app.f(text) returns integer language sql as 'select 1'`)
	env.Exec(t, "create role "+env.Role("staff")+"; create schema app2 authorization "+env.Owner+"; set role "+env.Owner+"; create table app2.t (id int)")
	if env.Version >= 16 {
		env.Exec(t, "grant "+env.Role("staff")+" to "+env.Daemon+" with admin true, inherit false, set false")
	}
	alice := env.Role("alice")
	table := grantRow(alice).with(row{"schema_name": "app", "object_name": "t1"})
	usage := row{"role_name": alice, "privilege": "USAGE", "object_type": "schema", "object_name": "app"}
	cases := []struct {
		name string
		row  row
		want grantStatus
	}{
		{"a table", table, grantStatus{"applied", "direct", "", 1, ""}},
		{"a schema", usage, grantStatus{"applied", "direct", "", 1, ""}},
		{"a pattern", table.with(row{"object_name": `t_`, "name_match": "like"}), grantStatus{"applied", "intermediate", "_pgsr_", 2, ""}},
		{"a pattern, direct", table.with(row{"object_name": `t[12]`, "name_match": "regex", "privilege": "INSERT", "direct": true}), grantStatus{"applied", "direct", "", 2, ""}},
		{"a table, through a role", table.with(row{"privilege": "DELETE", "direct": false}), grantStatus{"applied", "intermediate", "_pgsr_", 1, ""}},
		{"a column", table.with(row{"privilege": "UPDATE", "column_name": "id"}), grantStatus{"applied", "direct", "", 1, ""}},
		{"all overloads", table.with(row{"privilege": "EXECUTE", "object_type": "routine", "object_name": "f"}), grantStatus{"applied", "direct", "", 2, ""}},
		{"one overload", table.with(row{"privilege": "EXECUTE", "object_type": "routine", "object_name": "f(text)"}), grantStatus{"applied", "direct", "", 1, ""}},
		{"ALL on a sequence", table.with(row{"privilege": "ALL", "object_type": "sequence", "object_name": "s"}), grantStatus{"applied", "direct", "", 1, ""}},
		{"an owner", table.with(row{"privilege": "OWNER", "object_name": "x"}), grantStatus{"applied", "direct", "", 1, ""}},
		{"a member", memberRow.with(row{"role_name": alice, "object_name": env.Role("staff")}), grantStatus{"applied", "direct", "", 1, ""}},
		{"a grant option", table.with(row{"privilege": "TRIGGER", "grantable": true}), grantStatus{"applied", "direct", "", 1, ""}},
		{"everybody", table.with(row{"role_name": "public", "privilege": "REFERENCES"}), grantStatus{"applied", "direct", "", 1, "*"}},
		{"not there yet", table.with(row{"object_name": "later"}), grantStatus{"waiting", "", "", 0, "app.later does not exist yet"}},
		{"a column not there yet", table.with(row{"privilege": "SELECT", "column_name": "later"}), grantStatus{"waiting", "", "", 0, "*"}},
		{"a pattern of nothing", table.with(row{"object_name": "later%", "name_match": "like"}), grantStatus{"waiting", "", "", 0, `pattern "later%"`}},
		{"refused", memberRow.with(row{"role_name": alice, "object_name": "pg_monitor"}), grantStatus{"refused", "", "", 1, "pg_monitor"}},
		{"no USAGE on the schema", table.with(row{"schema_name": "app2", "object_name": "t"}), grantStatus{"applied", "direct", "", 1, "no USAGE on schema app2"}},
		{"no USAGE on the schema, a pattern", table.with(row{"schema_name": "app2", "object_name": "%", "name_match": "like"}), grantStatus{"applied", "intermediate", "_pgsr_", 1, "no USAGE on schema app2"}},
	}
	ids := make([]int64, len(cases))
	for i, c := range cases {
		ids[i] = c.row.mustInsertReturning(t, conn)
	}
	for i, c := range cases {
		if got := readGrantStatus(t, conn, ids[i]); got.Status != "pending" {
			t.Errorf("%s: %s before any pass", c.name, got.Status)
		}
	}
	syncAll(t, e)
	for i, c := range cases {
		got := readGrantStatus(t, conn, ids[i])
		if strings.HasPrefix(got.Via, "_pgsr_") {
			got.Via = "_pgsr_"
		}
		if c.want.Reason == "*" || c.want.Reason != "" && strings.Contains(got.Reason, c.want.Reason) {
			got.Reason = c.want.Reason
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}

	// The reason goes when the access is of use.
	usage.with(row{"object_name": "app2"}).mustInsert(t, conn, "desired_grants")
	syncAll(t, e)
	if got := readGrantStatus(t, conn, ids[len(ids)-2]); got.Reason != "" {
		t.Errorf("with USAGE on the schema the reason is %q", got.Reason)
	}
	// A drift is seen at once, without a pass.
	env.Exec(t, "revoke select on app.t1 from "+alice)
	if got := readGrantStatus(t, conn, ids[0]); got.Status == "applied" && got.Encoding == "direct" {
		t.Errorf("a grant that was revoked by hand is %+v", got)
	}
}

// actual_grants speaks the words of desired_grants, so that EXCEPT, either way, shows drift and nothing else.
func TestActualGrantsShowDrift(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	env.Exec(t, "create schema app authorization "+env.Owner+"; set role "+env.Owner+`; create table app.t (id int, "odd ""column" int); create view app.v as select 1 as one; create sequence app.s;
		create function app.f(integer, character varying) returns integer language sql as 'select 1'; create type app.e as enum ('a'); create table app.mine (id int)`)
	env.Exec(t, "create role "+env.Role("staff"))
	if env.Version >= 16 {
		env.Exec(t, "grant "+env.Role("staff")+" to "+env.Daemon+" with admin true, inherit false, set false")
	}
	alice := env.Role("alice")
	in := func(r row) row { return r.with(row{"role_name": alice, "schema_name": "app"}) }
	for _, r := range []row{
		connectRow(env, alice),
		{"role_name": alice, "privilege": "USAGE", "object_type": "schema", "object_name": "app"},
		in(row{"privilege": "SELECT", "object_type": "table", "object_name": "t"}),
		in(row{"privilege": "INSERT", "object_type": "table", "object_name": "t", "grantable": true}),
		in(row{"privilege": "UPDATE", "object_type": "table", "object_name": "t", "column_name": `odd "column`}),
		in(row{"privilege": "SELECT", "object_type": "table", "object_name": "v", "direct": false}),
		in(row{"privilege": "USAGE", "object_type": "sequence", "object_name": "s"}),
		in(row{"privilege": "EXECUTE", "object_type": "routine", "object_name": "f(integer, character varying)"}),
		in(row{"privilege": "USAGE", "object_type": "type", "object_name": "e"}),
		in(row{"privilege": "OWNER", "object_type": "table", "object_name": "mine"}),
		memberRow.with(row{"role_name": alice, "object_name": env.Role("staff")}),
	} {
		r.mustInsert(t, conn, "desired_grants")
	}
	const columns = "role_name, privilege, object_type, schema_name, object_name, column_name, grantable"
	extra := "select concat_ws(' ', " + columns + ") from (select " + columns + " from sync_roles.actual_grants except select " + columns + " from sync_roles.desired_grants) as x"
	missing := "select concat_ws(' ', " + columns + ") from (select " + columns + " from sync_roles.desired_grants except select " + columns + " from sync_roles.actual_grants) as x"
	want := func(when, sql string, want ...string) {
		t.Helper()
		if got := list[string](t, conn, sql); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	syncAll(t, engine(t, env))
	want("extra after a sync", extra)
	want("missing after a sync", missing)

	env.Exec(t, "grant delete on app.t to "+alice+"; revoke usage on schema app from "+alice)
	want("extra after a GRANT by hand", extra, alice+" DELETE table app t f")
	want("missing after a REVOKE by hand", missing, alice+" USAGE schema app f")

	// Who granted it, and through what.
	got := list[string](t, conn, "select concat_ws(' ', object_name, grantor, left(via, 6)) from sync_roles.actual_grants where privilege = 'SELECT' order by 1")
	if !slices.Equal(got, []string{"t " + env.Owner, "v " + env.Owner + " _pgsr_"}) {
		t.Errorf("SELECT is held as %q", got)
	}
}

// Whoever is not managed is not in the view.
func TestActualGrantsAreOfManagedRoles(t *testing.T) {
	t.Parallel()
	env := installed(t)
	stranger := env.Role("stranger")
	env.Exec(t, "create role "+stranger+"; create table public.t (id int); grant select on public.t to "+stranger+", public")
	conn := env.Connect(t, env.Daemon)
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.actual_grants"); n != 0 {
		t.Errorf("%d grants of nobody's", n)
	}
	grantRow("public").mustInsert(t, conn, "desired_grants")
	if got := list[string](t, conn, "select role_name || ' ' || privilege from sync_roles.actual_grants where object_name = 't'"); !slices.Equal(got, []string{"public SELECT"}) {
		t.Errorf("PUBLIC's grants are %v", got)
	}
}
