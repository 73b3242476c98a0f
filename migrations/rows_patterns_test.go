package migrations_test

import (
	"context"
	"strings"
	"testing"
)

// What matches the same names has one spelling; what can take hours to compare is refused, and what takes long.
func TestNewPatterns(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	pattern := func(match, pattern string) row {
		return grantRow("alice").with(row{"name_match": match, "object_name": pattern})
	}
	var bad []badRow
	for given, want := range map[string]string{
		"%%": "%", "%%%": "%", "%_": "_%", "_%_": "__%", "a%_%b": "a_%b", "%%a%%": "%a%", `\a%`: "a%", `a\b\c`: "abc", `\_%%`: `\_%`, `\\%%`: `\\%`,
		`\%%%`: `\%%`, "%_%_%": "__%", `a\é`: "aé", "a\\\nb%": "a\nb%",
	} {
		bad = append(bad, badRow{"the like " + given, pattern("like", given), "object_name", []string{"shortest spelling", "write " + literal(want)}})
	}
	for _, regex := range []string{`(a)\1`, `(.*)\1`, `(.*)x\1+`, `([a-z]+)_\1`, `(a)(b)\2`, `\\(a)\1`, `(a)\12`, strings.Repeat("(.*)", 25) + `\1`, "(\n)\\1", `(a)(?:\1)?`, strings.Repeat("(a)", 10) + `\10`} {
		bad = append(bad, badRow{"the regex " + regex, pattern("regex", regex), "object_name", []string{"back-reference"}})
	}
	// Each takes three times as long as is allowed, at least, on a fast machine.
	for _, regex := range []string{"(a{0,80}b?){1,80}c", strings.Repeat("a?", 250) + strings.Repeat("a", 200), strings.Repeat("[a-z]{0,60}", 90)} {
		bad = append(bad, badRow{"the regex " + regex, pattern("regex", regex), "object_name", []string{"too slow", "thousand names"}})
	}
	refuse(t, conn, "desired_grants", bad)

	for match, patterns := range map[string][]string{
		"like":  {"%", "_%", "__%a_b%", `\%`, `\%%`, `\_%\_`, `a\\`, `\\%`, "abc", "é%", "\n%"},
		"regex": {`\\1`, `a\\1`, `\d\w\m\M\y\x31`, `[\\]1`, `(a|b)+_[0-9]{1,4}`, `a\\\\1`, `.*`, "(?=a)[[:alpha:]]+", `\u0031`, `a{1,3}\.`, `orders_\d{4}_\d{2}`, `.{1,63}`, `[a-z0-9_]{3,40}_(raw|clean|final)(_[0-9]{4}){0,3}`, `(?:dim|fct|stg)_.+`},
	} {
		for _, p := range patterns {
			if err := pattern(match, p).try(t, conn, "desired_grants"); err != nil {
				t.Errorf("the %s %q: %v", match, p, err)
			}
		}
	}
}

func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(strings.ReplaceAll(s, "'", "''"), `\`, `\\`) + "'"
	if strings.Contains(s, `\`) {
		return "E" + quoted
	}
	return quoted
}

// The shortest spelling matches what the given one does.
func TestShortestLike(t *testing.T) {
	t.Parallel()
	env := installed(t)
	differ := list[string](t, env.Connect(t, env.Daemon), `
		with recursive text (t) as (select '' union all select t || c from text, unnest('{a,%,_,\\}'::text[]) as c where length(t) < 4)
		select p.t || ' ' || n.t
		from text as p, (select t from text where length(t) < 3) as n
		where not sync_roles.ends_in_escape(p.t) and p.t <> ''
			and (n.t like p.t <> (n.t like sync_roles.shortest_like(p.t)) or length(sync_roles.shortest_like(p.t)) > length(p.t)
				or sync_roles.shortest_like(sync_roles.shortest_like(p.t)) <> sync_roles.shortest_like(p.t))
		limit 5`)
	if len(differ) > 0 {
		t.Errorf("pattern and name: %q", differ)
	}
}

// Rows that are there keep their patterns, and can be changed otherwise.
func TestOldPatternsStay(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "alter table sync_roles.desired_grants disable trigger user")
	for match, pattern := range map[string]string{"like": "%%", "regex": `(a)\1`} {
		grantRow("alice").with(row{"name_match": match, "object_name": pattern}).mustInsert(t, conn, "desired_grants")
	}
	execute(t, conn, "alter table sync_roles.desired_grants enable trigger user")
	for _, set := range []string{"note = 'x'", "role_name = 'bob'", "direct = false", "expires_at = now() + '1 d'"} {
		execute(t, conn, "update sync_roles.desired_grants set "+set)
	}
	for _, set := range []string{"object_name = 'b' || object_name", "schema_name = 's2'"} {
		if err := tryExec(t, conn, "update sync_roles.desired_grants set "+set); sqlState(err) != "23514" {
			t.Errorf("UPDATE … SET %s: %v", set, err)
		}
	}
}

// What a pattern costs is measured once for a statement, however many rows have it.
func TestPatternsAreMeasuredOnce(t *testing.T) {
	t.Parallel()
	env := installed(t)
	super := env.Superuser(t)
	execute(t, super, "create schema s; create table s.orders_of_2025 (); set track_functions = 'all'")
	tx, err := super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
		select 'r' || i, 'SELECT', 'table', 's', 'orders_(of|in)_.*', 'regex' from generate_series(1, 300) as i`); err != nil {
		t.Fatal(err)
	}
	var calls int
	if err := tx.QueryRow(t.Context(), "select calls from pg_stat_xact_user_functions where funcname = 'slow_pattern_problem'").Scan(&calls); err != nil {
		t.Fatal(err)
	}
	if calls != 1 {
		t.Errorf("it is measured %d times", calls)
	}
}
