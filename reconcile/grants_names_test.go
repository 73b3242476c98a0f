package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Patterns match whole names; a regex is PostgreSQL's, and in like a backslash escapes.
func TestGrantsPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, match, pattern string
		want, wantNot        []string
	}{
		{"regex of the seed", "regex", "t_.+", []string{"t_1", "t_x_y"}, []string{"t_", "at_1", "sales"}},
		{"regex alternatives", "regex", "a|bb", []string{"a", "bb"}, []string{"ab", "abb", "xa", "bbx"}},
		{"regex that closes the group", "regex", "(a)(b)?", []string{"a", "ab"}, []string{"b", "abc"}},
		{"regex with anchors of its own", "regex", "^a$", []string{"a"}, []string{"aa"}},
		{"regex and newlines", "regex", "a.b", []string{"a\nb", "axb"}, []string{"a\nb\nc", "ab"}},
		{"regex is case sensitive", "regex", "abc", []string{"abc"}, []string{"ABC", "abcd"}},
		{"regex with a quote and a backslash", "regex", `it's\.a\\"b"`, []string{`it's.a\"b"`}, []string{`it'sxa\"b"`}},
		{"like", "like", "t%", []string{"t", "t_1", "t\nx"}, []string{"at"}},
		{"like one character", "like", "t_", []string{"t1", "t_", "té"}, []string{"t", "t12"}},
		{"like with escapes", "like", `t\_%\%`, []string{"t_1%", "t_%"}, []string{"tx1%", "t_1"}},
		{"like with a backslash", "like", `a\\_`, []string{`a\b`}, []string{`a\\b`, "ab"}},
		{"exact is not a pattern", "exact", "t_%", []string{"t_%"}, []string{"t_1", "tx%"}},
		{"exact is not a regex", "exact", "t.+", []string{"t.+"}, []string{"t_1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for _, name := range append(c.want, c.wantNot...) {
				if name != "sales" {
					f.asOwner(t, "create table app."+quote(name)+" (id int)")
				}
			}
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: c.pattern, match: c.match})
			f.pending(t)
			for _, name := range c.want {
				f.can(t, alice, "select from app."+quote(name))
				f.cannot(t, bob, "select from app."+quote(name))
			}
			for _, name := range c.wantNot {
				f.cannot(t, alice, "select from app."+quote(name))
			}
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			for _, name := range c.want {
				f.cannot(t, alice, "select from app."+quote(name))
			}
			f.quiet(t)
		})
	}
}

// Names are data: whatever PostgreSQL takes for a name of a role, schema, table or column works, in each encoding.
func TestGrantsNames(t *testing.T) {
	t.Parallel()
	for label, name := range map[string]string{
		"double quote":    `a"b`,
		"single quote":    `a'b`,
		"injection":       `x"; drop table app.sales; --`,
		"newline":         "a\nb\tc",
		"dots":            "a.b.c",
		"unicode":         "tàble_日本語_😀",
		"backslash":       `a\b\\c`,
		"percent":         "%s%d%%",
		"keyword":         "select",
		"upper case":      "PUBLIC",
		"current_user":    "current_user",
		"digits":          "12345",
		"space":           " a ",
		"dash":            "-",
		"dollar":          "$1$$",
		"63 bytes":        strings.Repeat("x", 63),
		"63 bytes of é":   strings.Repeat("é", 31) + "x",
		"comma and brace": `{a,b}=r/"c"`,
		"parentheses":     "f(x)",
	} {
		for encoding, direct := range map[string]*bool{"direct": ptr(true), "intermediate": ptr(false)} {
			t.Run(label+"/"+encoding, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				q := quote(name)
				f.asOwner(t, fmt.Sprintf("create schema %s; create table %[1]s.%[1]s (id int, %[1]s int); create table %[1]s.columns (id int, %[1]s int)", q))
				role := f.Prefix + name
				for len(role) > 63 {
					role = role[:len(role)-1]
				}
				role = strings.ToValidUTF8(role, "")
				f.user(t, role[len(f.Prefix):])
				bob := f.user(t, "bob")
				f.asOwner(t, fmt.Sprintf("grant usage on schema %s to %s", q, bob))
				ids := []int64{
					f.add(t, row{role: role, privilege: "USAGE", objectType: "schema", name: name, direct: direct}),
					f.add(t, row{role: role, privilege: "SELECT", objectType: "table", schema: name, name: name, direct: direct}),
					f.add(t, row{role: role, privilege: "SELECT", objectType: "table", schema: name, name: "columns", column: name, direct: direct}),
				}
				f.pending(t)
				table, column := fmt.Sprintf("select from %s.%[1]s", q), fmt.Sprintf("select %s from %[1]s.columns", q)
				f.can(t, role, table)
				f.can(t, role, column)
				f.cannot(t, role, fmt.Sprintf("select id from %s.columns", q))
				f.cannot(t, bob, table)
				f.outcome(t, role, plan.Applied)
				f.quiet(t)
				f.delete(t, ids...)
				f.pending(t)
				f.cannot(t, role, table)
				f.cannot(t, role, column)
				f.outcome(t, role, plan.Applied)
				f.quiet(t)
				f.noIntermediates(t)
				if t.Failed() {
					for _, a := range f.audit(t, role) {
						t.Log(a)
					}
				}
			})
		}
	}
}

// Routines with overloads, odd argument types and quotes in their names are told apart.
func TestGrantsRoutineNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.asOwner(t, `
		create type app."Odd, type" as enum ('x');
		create function app."f(x" (a app."Odd, type"[], b timestamp with time zone, variadic c numeric[]) returns int language sql as 'select 1';
		create function app."f(x" () returns int language sql as 'select 1';
		create function app.g() returns int language sql as 'select 1';
		revoke execute on all functions in schema app from public`)
	alice := f.user(t, "alice")
	ids := []int64{f.insert(t, alice, "EXECUTE", "routine", "app", "g()")}
	f.pending(t)
	f.can(t, alice, "select app.g()")
	// A name with a parenthesis is found by pattern.
	ids = append(ids, f.add(t, row{role: alice, privilege: "EXECUTE", objectType: "routine", schema: "app", name: `f\(x`, match: "regex"}))
	f.pending(t)
	f.can(t, alice, `select app."f(x"()`)
	f.can(t, alice, `select app."f(x"('{x}'::app."Odd, type"[], now(), 1, 2)`)
	f.quiet(t)
	f.delete(t, ids...)
	f.pending(t)
	f.cannot(t, alice, "select app.g()")
	f.cannot(t, alice, `select app."f(x"()`)
	f.quiet(t)
}

// A new object under a pattern is found at the next rescan, and one that is gone is no trouble.
func TestGrantsPatternFollowsTables(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: `day\_%`, match: "like", direct: direct})
			f.pending(t)
			f.outcome(t, alice, plan.Waiting)
			f.quiet(t)

			f.asOwner(t, "create table app.day_1 (id int)")
			f.rescan(t)
			f.can(t, alice, "select from app.day_1")
			f.cannot(t, bob, "select from app.day_1")
			f.quiet(t)

			f.asOwner(t, "create view app.day_2 as select 1")
			f.rescan(t)
			f.can(t, alice, "select from app.day_1")
			f.can(t, alice, "select from app.day_2")
			f.quiet(t)

			f.asOwner(t, "drop table app.day_1")
			f.rescan(t)
			f.can(t, alice, "select from app.day_2")
			f.quiet(t)

			f.asOwner(t, "drop view app.day_2")
			f.rescan(t)
			f.outcome(t, alice, plan.Waiting)
			f.quiet(t)

			f.asOwner(t, "create table app.day_3 (id int)")
			f.rescan(t)
			f.can(t, alice, "select from app.day_3")
			f.inOrder(t, alice)
			f.loses(t, alice, "select from app.day_3", id)
			f.noIntermediates(t)
		})
	}
}

// A row for what does not exist yet waits; once it exists, the next rescan applies it.
func TestGrantsWaitForObjects(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			ids := []int64{
				f.add(t, row{role: alice, privilege: "USAGE", objectType: "schema", name: "later", direct: direct}),
				f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "later", name: "t", direct: direct}),
				f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", column: "extra", direct: direct}),
			}
			f.insert(t, bob, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.outcome(t, alice, plan.Waiting)
			f.outcome(t, bob, plan.Applied)
			f.can(t, bob, "select from app.sales")
			if got := f.last(t, alice).Problems; len(got) != 3 {
				t.Errorf("problems are %v, want one for each row", got)
			}
			f.quiet(t)

			f.asOwner(t, "create schema later")
			f.rescan(t)
			f.outcome(t, alice, plan.Waiting)
			f.asOwner(t, "create table later.t (id int); alter table app.sales add column extra int")
			f.rescan(t)
			f.can(t, alice, "select from later.t")
			f.can(t, alice, "select extra from app.sales")
			f.cannot(t, alice, "select id from app.sales")
			f.cannot(t, bob, "select from later.t")
			f.outcome(t, alice, plan.Applied)
			f.quiet(t)

			f.delete(t, ids...)
			f.pending(t)
			f.cannot(t, alice, "select from later.t")
			f.cannot(t, alice, "select extra from app.sales")
			f.can(t, bob, "select from app.sales")
			f.quiet(t)
		})
	}
}

// A row whose object never came can be deleted, and leaves nothing.
func TestGrantsDeleteWhileWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "never", direct: ptr(false)})
	f.pending(t)
	f.outcome(t, alice, plan.Waiting)
	f.delete(t, id)
	f.pending(t)
	f.outcome(t, alice, plan.Unchanged)
	f.asOwner(t, "create table app.never (id int)")
	f.rescan(t)
	f.cannot(t, alice, "select from app.never")
	f.quiet(t)
}

// A table that is dropped and made again, which loses its grants, has them back at the next rescan.
func TestGrantsDroppedAndMadeAgain(t *testing.T) {
	t.Parallel()
	for encoding, direct := range map[string]*bool{"null": nil, "true": ptr(true), "false": ptr(false)} {
		t.Run("direct "+encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice := f.user(t, "alice")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: direct})
			f.pending(t)
			f.asOwner(t, "drop table app.sales; create table app.sales (id int)")
			f.cannot(t, alice, "select from app.sales")
			f.rescan(t)
			f.can(t, alice, "select from app.sales")
			f.quiet(t)
			f.asOwner(t, "drop table app.sales")
			f.rescan(t)
			f.outcome(t, alice, plan.Waiting)
			f.quiet(t)
			f.asOwner(t, "create table app.sales (id int)")
			f.rescan(t)
			f.can(t, alice, "select from app.sales")
			f.inOrder(t, alice)
			f.loses(t, alice, "select from app.sales", id)
			f.noIntermediates(t)
		})
	}
}

// A role that somebody drops is made again with what its rows say.
func TestGrantsRoleDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.Role("alice"), f.Role("bob")
	f.insert(t, alice, "CONNECT", "database", "", f.Database)
	f.insert(t, bob, "CONNECT", "database", "", f.Database)
	f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "cost.*", match: "regex"})
	f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true), ($2, true)", alice, bob)
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.Exec(t, "drop owned by "+alice+"; drop role "+alice)
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.can(t, alice, "select from app.costs")
	f.can(t, bob, "select 1")
	f.cannot(t, bob, "select from app.sales")
	f.quiet(t)
	f.write(t, "truncate sync_roles.desired_grants")
	f.pending(t)
	f.cannot(t, alice, "select 1")
	f.cannot(t, bob, "select 1")
	f.quiet(t)
}
