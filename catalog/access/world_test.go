package access_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// world is a generated database in which each column of each table holds its own name, so that whoever reads it, by whatever way, can tell.
type world struct {
	env       *pgtest.Env
	random    *rand.Rand
	roles     []string // who log in
	schemas   []string
	tables    []string
	relations []string // tables, views and materialized views: schema.name
	columns   map[string][]string
	calls     map[string]string // by routine, as effective_grants has it: a query that calls it
	sql       strings.Builder
}

func newWorld(t *testing.T, env *pgtest.Env, seed uint64) *world {
	t.Helper()
	w := &world{env: env, random: rand.New(rand.NewPCG(seed, 14)), columns: map[string][]string{}, calls: map[string]string{}}
	w.add("grant connect on database %s to public", env.Database)
	w.makeRoles()
	for i := range 3 {
		w.schemas = append(w.schemas, fmt.Sprintf("s%d", i))
		w.add("create schema s%d; grant usage on schema s%d to %s", i, i, w.grantees(5))
	}
	w.makeTables()
	w.makeFunctions()
	for i := range 24 {
		w.makeView(i)
	}
	w.makeRules()
	w.makeTriggers()
	w.makePolicies()
	env.Exec(t, w.sql.String())
	return w
}

func (w *world) add(format string, args ...any) { fmt.Fprintf(&w.sql, format+";\n", args...) }

func (w *world) one(list []string) string { return list[w.random.IntN(len(list))] }

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

func (w *world) some(list []string) []string {
	n := 1 + w.random.IntN(len(list))
	result := []string{}
	for _, i := range w.random.Perm(len(list))[:n] {
		result = append(result, list[i])
	}
	slices.Sort(result)
	return result
}

func (w *world) grantees(most int) string {
	list := []string{}
	for range 1 + w.random.IntN(most) {
		list = append(list, w.one(w.roles))
	}
	if w.chance(10) {
		list = append(list, "public")
	}
	return strings.Join(list, ", ")
}

func (w *world) makeRoles() {
	for i := range 8 {
		name := w.env.Role(fmt.Sprintf("r%d", i))
		w.roles = append(w.roles, name)
		w.add("create role %s login %s", name, []string{"inherit", "noinherit"}[w.random.IntN(2)])
		if w.chance(15) {
			w.add("grant %s to %s", w.one([]string{"pg_read_all_data", "pg_write_all_data"}), name)
		}
		for j := range i {
			if w.chance(15) {
				options := ""
				if w.env.Version >= 16 {
					options = fmt.Sprintf(" with inherit %t", w.chance(60))
				}
				w.add("grant %s to %s%s", w.roles[j], name, options)
			}
		}
	}
}

func (w *world) own(kind, name string) {
	owner := w.one(w.roles)
	if w.chance(10) {
		owner = "postgres"
	}
	w.add("alter %s %s owner to %s", kind, name, owner)
}

func (w *world) grant(name string) {
	for _, privilege := range []string{"select", "insert", "update", "delete", "select"} {
		if w.chance(60) {
			w.add("grant %s on %s to %s", privilege, name, w.grantees(2))
		}
		if privilege != "delete" && w.chance(25) {
			w.add("grant %s (%s) on %s to %s", privilege, strings.Join(w.some(w.columns[name]), ", "), name, w.grantees(2))
		}
	}
}

func (w *world) makeTables() {
	for i := range 7 {
		name := fmt.Sprintf("%s.t%d", w.one(w.schemas), i)
		w.relations, w.tables = append(w.relations, name), append(w.tables, name)
		w.columns[name] = []string{"a", "b", "c"}
		definition := "(a text, b text, c text)"
		switch i {
		case 4:
			definition = "partition of " + w.schemas[0] + ".whole default"
			w.relations = append(w.relations, w.schemas[0]+".whole")
			w.columns[w.schemas[0]+".whole"] = []string{"a", "b", "c"}
			w.add("create table %s.whole (a text, b text, c text) partition by list (a)", w.schemas[0])
			w.own("table", w.schemas[0]+".whole")
			w.grant(w.schemas[0] + ".whole")
		case 5:
			definition = fmt.Sprintf("() inherits (%s)", w.tables[1])
		}
		w.add("create table %s %s; insert into %s values ('%[1]s.a', '%[1]s.b', '%[1]s.c')", name, definition, name)
		w.own("table", name)
		w.grant(name)
	}
}

func (w *world) makeFunctions() {
	add := func(name, arguments, definition string) {
		w.add("create function %s(%s) returns setof text %s", name, arguments, definition)
		w.own("function", name)
		if w.chance(70) {
			w.add("revoke execute on function %s from public; grant execute on function %s to %s", name, name, w.grantees(2))
		}
	}
	rights := func() string { return w.one([]string{"security definer", "security definer", "security invoker"}) }
	for i := range 4 {
		name := fmt.Sprintf("%s.known%d", w.one(w.schemas), i)
		from := w.one(w.tables)
		body := fmt.Sprintf("select %s from %s", w.one(w.columns[from]), from)
		if i > 1 {
			body = fmt.Sprintf("select * from %s.known%d()", w.schemaOf(fmt.Sprintf("known%d", i-2)), i-2)
		}
		add(name, "", fmt.Sprintf("language sql %s begin atomic %s; end", rights(), body))
		w.calls[name+"()"] = "select * from " + name + "()"
	}
	for i := range 2 {
		name := fmt.Sprintf("%s.opaque%d", w.one(w.schemas), i)
		from := w.one(w.tables)
		language := fmt.Sprintf("language plpgsql %s as $$ begin return query execute 'select b from %s'; end $$", rights(), from)
		if i == 1 {
			language = fmt.Sprintf("language sql %s as $$ select a from %s $$", rights(), from)
		}
		add(name, "", language)
		w.calls[name+"()"] = "select * from " + name + "()"
	}
	w.add("create function %s.plus(text) returns text immutable language sql as 'select $1'; create sequence %[1]s.numbers", w.schemas[1])
	w.add("revoke execute on function %s.plus from public; grant execute on function %[1]s.plus to %s; grant usage on sequence %[1]s.numbers to %s", w.schemas[1], w.grantees(5), w.grantees(5))
	// As their owner cannot do all that they try, they go on without.
	w.add(`create function s0.log() returns trigger security definer language plpgsql as $$ begin
		begin insert into %s values ('w', 'w', 'w'); exception when others then null; end; return new; end $$`, w.tables[6])
	w.own("function", "s0.log")
}

// schemaOf finds the schema of a function that was made before.
func (w *world) schemaOf(function string) string {
	for name := range w.calls {
		if schema, rest, _ := strings.Cut(name, "."); rest == function+"()" {
			return schema
		}
	}
	return ""
}

func (w *world) makeView(i int) {
	name := fmt.Sprintf("%s.v%d", w.one(w.schemas), i)
	from, other := w.one(w.relations), w.one(w.relations)
	chosen := w.some(w.columns[from])
	list := strings.Join(chosen, ", ")
	query := fmt.Sprintf("select %s from %s", list, from)
	switch w.random.IntN(14) {
	case 0:
		column := w.one(w.columns[other])
		query = fmt.Sprintf("select x.%s as x, y.%s as y from %s as x cross join %s as y", chosen[0], column, from, other)
		chosen = []string{"x", "y"}
	case 1:
		query = fmt.Sprintf("select %s || '' as x from %s", chosen[0], from)
		chosen = []string{"x"}
	case 2:
		query += fmt.Sprintf(" where %s is not null", w.one(w.columns[from]))
	case 3:
		query = fmt.Sprintf("select row_to_json(whole)::text as x from %s as whole", from)
		chosen = []string{"x"}
	case 4:
		query = fmt.Sprintf("select count(*)::text as x from %s", from)
		chosen = []string{"x"}
	case 5:
		query = fmt.Sprintf("select s1.plus(%s) as x from %s", chosen[0], from)
		chosen = []string{"x"}
	case 6:
		query = fmt.Sprintf("select nextval('s1.numbers')::text as n, %s from %s", list, from)
	case 7:
		query = fmt.Sprintf("select %s as x from %s union all select %s from %s", chosen[0], from, w.one(w.columns[other]), other)
		chosen = []string{"x"}
	case 8:
		query = fmt.Sprintf("with recursive q as (select %s as x, 1 as n from %s union all select x, n + 1 from q where n < 2) select x from q", chosen[0], from)
		chosen = []string{"x"}
	case 9:
		query = fmt.Sprintf("with q as (select * from %s) select %s from q where exists (select from %s)", from, list, other)
	}
	w.columns[name] = chosen
	w.relations = append(w.relations, name)
	kind, options := "view", ""
	switch {
	case w.chance(10):
		kind = "materialized view"
	case w.env.Version >= 15 && w.chance(40):
		options = " with (security_invoker = " + w.one([]string{"true", "on", "false"}) + ")"
	}
	create := fmt.Sprintf("create %s %s%s as %s", kind, name, options, query)
	if kind == "view" {
		w.add("%s", create)
	} else {
		w.add("do $do$ begin %s; exception when others then %s with no data; end $do$", create, create)
	}
	w.own(kind, name)
	w.grant(name)
}

func (w *world) makeRules() {
	for i, event := range []string{"insert", "update", "delete"} {
		on, to := w.tables[i], w.tables[(i+3)%len(w.tables)]
		w.add("create rule rule%d as on %s to %s do also %s", i, event, on, w.one([]string{
			fmt.Sprintf("insert into %s values ('w', 'w', 'w')", w.tables[6]),
			fmt.Sprintf("update %s set b = 'w'", to),
			fmt.Sprintf("delete from %s where c is not null", to),
		}))
	}
}

func (w *world) makeTriggers() {
	w.add("create trigger log after insert or delete on %s for each statement execute function s0.log()", w.tables[3])
	for i, name := range w.relations[len(w.relations)-6:] {
		w.add(`do $$ begin if (select relkind from pg_class where oid = '%s'::regclass) = 'v' then
			create trigger instead%d instead of insert on %[1]s for each row execute function s0.log(); end if; end $$`, name, i)
	}
}

func (w *world) makePolicies() {
	w.add("alter table %s enable row level security; create policy p on %[1]s using (true)", w.tables[2])
	w.add("alter table %s enable row level security; create policy p on %[1]s using (exists (select from %s))", w.tables[3], w.tables[6])
	if w.chance(50) {
		w.add("alter table %s force row level security", w.tables[3])
	}
}
