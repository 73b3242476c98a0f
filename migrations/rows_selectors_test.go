package migrations_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// martRow asks for all tables of the schemas that a pattern matches.
var martRow = grantRow("alice").with(row{"schema_name": `mart\_%`, "schema_match": "like", "object_name": "%", "name_match": "like"})

// Whatever a row says of patterns for schemas, exceptions and columns can be obeyed, or is refused.
func TestBadSelectors(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	schema := grantRow("alice").without("schema_name").with(row{"privilege": "USAGE", "object_type": "schema", "object_name": "mart"})
	refuse(t, conn, "desired_grants", []badRow{
		{"an unknown schema_match", martRow.with(row{"schema_match": "LIKE"}), "schema_match", []string{"unknown", "exact, like, regex"}},
		{"schema_match of a type without schema", schema.with(row{"schema_match": "like"}), "schema_match", []string{"not allowed without schema_name", "'schema'"}},
		{"an empty schema", martRow.with(row{"schema_name": ""}), "schema_name", []string{"is empty"}},
		{"a long schema", martRow.with(row{"schema_name": strings.Repeat("x", 1001)}), "schema_name", []string{"at most 1000"}},
		{"a schema that ends in an escape", martRow.with(row{"schema_name": `mart\`}), "schema_name", []string{"single backslash"}},
		{"a bad regex for schemas", martRow.with(row{"schema_match": "regex", "schema_name": "("}), "schema_name", []string{"not a valid regex"}},
		{"a back-reference for schemas", martRow.with(row{"schema_match": "regex", "schema_name": `(a)\1`}), "schema_name", []string{"back-reference"}},
		{"a slow regex for schemas", martRow.with(row{"schema_match": "regex", "schema_name": "(a{0,80}b?){1,80}c"}), "schema_name", []string{"too slow"}},
		{"no schema", martRow.with(row{"schema_name": nil}), "schema_name", []string{"needs the name of a schema"}},
		{"schemas left out of one", grantRow("alice").with(row{"except_schemas": []string{"a"}}), "except_schemas", []string{"only with a pattern in schema_name"}},
		{"names left out of one", martRow.with(row{"name_match": "exact", "except_names": []string{"a"}}), "except_names", []string{"only with a pattern in object_name"}},
		{"a NULL that is left out", martRow.with(row{"except_names": []*string{nil}}), "except_names", []string{"NULL"}},
		{"an empty name that is left out", martRow.with(row{"except_schemas": []string{""}}), "except_schemas", []string{"is empty"}},
		{"a bad regex that is left out", martRow.with(row{"name_match": "regex", "object_name": ".*", "except_names": []string{"a", ")("}}), "except_names", []string{"not a valid regex"}},
		{"a back-reference that is left out", martRow.with(row{"name_match": "regex", "object_name": ".*", "except_names": []string{`(a)\1`}}), "except_names", []string{"back-reference"}},
		{"a slow regex that is left out", martRow.with(row{"name_match": "regex", "object_name": ".*", "except_names": []string{"(a{0,80}b?){1,80}c"}}), "object_name", []string{"too slow"}},
		{"slow columns that are left out", martRow.with(row{"name_match": "regex", "object_name": ".*", "except_columns": []string{"(a{0,80}b?){1,80}c"}}), "except_columns", []string{"too slow"}},
		{"slow schemas that are left out", martRow.with(row{"schema_match": "regex", "schema_name": ".*", "except_schemas": []string{"(a{0,80}b?){1,80}c"}}), "schema_name", []string{"too slow"}},
		{"much that is left out", martRow.with(row{"except_names": slices.Repeat([]string{strings.Repeat("x", 60)}, 9)}), "except_names", []string{"at most 500"}},
		{"all of it long", martRow.with(row{"schema_name": strings.Repeat("x", 999) + "%", "object_name": strings.Repeat("y", 999) + "%", "except_names": []string{strings.Repeat("z", 480)}}), "except_names", []string{"2400 at most"}},
		{"columns left out of DELETE", martRow.with(row{"privilege": "DELETE", "except_columns": []string{"a"}}), "except_columns", []string{"not allowed for DELETE"}},
		{"columns left out of ALL", martRow.with(row{"privilege": "ALL", "except_columns": []string{"a"}}), "except_columns", []string{"not allowed for ALL"}},
		{"columns left out of a sequence", martRow.with(row{"object_type": "sequence", "except_columns": []string{"a"}}), "except_columns", []string{"'sequence'"}},
		{"columns left out of a column", martRow.with(row{"column_name": "b", "except_columns": []string{"a"}}), "except_columns", []string{"column_name 'b'"}},
		{"a long column that is left out", grantRow("alice").with(row{"except_columns": []string{strings.Repeat("é", 32)}}), "except_columns", []string{"at most 63"}},
		{"partitions of a sequence", martRow.with(row{"object_type": "sequence", "privilege": "USAGE", "partitions": true}), "partitions", []string{"'sequence'"}},
		{"an owner of partitions", martRow.with(row{"privilege": "OWNER", "partitions": true}), "partitions", []string{"not allowed for OWNER"}},
		{"partitions on the objects", martRow.with(row{"direct": true, "partitions": true}), "partitions", []string{"with direct true"}},
		{"partitions to be given on", martRow.with(row{"grantable": true, "partitions": true}), "partitions", []string{"with grantable true"}},
		{"a moment without a pattern", grantRow("alice").with(row{"at_creation": true}), "at_creation", []string{"object_name % and name_match like"}},
		{"a moment of some tables", martRow.with(row{"object_name": "a%", "at_creation": true}), "at_creation", []string{"know no names"}},
		{"a moment with exceptions", martRow.with(row{"except_schemas": []string{"a"}, "at_creation": true}), "at_creation", []string{"exceptions"}},
		{"a moment of a schema", schema.with(row{"object_name": "%", "name_match": "like", "at_creation": true}), "at_creation", []string{"tables, sequences"}},
		{"a moment of an owner", martRow.with(row{"privilege": "OWNER", "at_creation": true}), "at_creation", []string{"OWNER"}},
		{"a moment on the objects", martRow.with(row{"direct": true, "at_creation": true}), "at_creation", []string{"direct true"}},
		{"a moment for PUBLIC", martRow.with(row{"role_name": "public", "at_creation": true}), "at_creation", []string{"public"}},
		{"partitions for PUBLIC", martRow.with(row{"role_name": "public", "partitions": true}), "partitions", []string{"'public'"}},
	})
	for _, r := range []row{
		martRow.with(row{"partitions": true}), grantRow("alice").with(row{"partitions": true}), martRow, martRow.with(row{"name_match": "exact", "object_name": "t"}), martRow.with(row{"except_schemas": []string{"%_staging", `a"b`}, "except_names": []string{"%%x"}}),
		schema.with(row{"object_name": "mart%", "name_match": "like", "except_names": []string{"%_staging"}}), martRow.with(row{"schema_name": "%_mart"}),
		martRow.with(row{"except_columns": []string{"e_ail"}}), grantRow("alice").with(row{"except_columns": []string{"email", "phone"}}),
	} {
		r.mustInsert(t, conn, "desired_grants")
	}
	// The same in another order is the same; with other exceptions, it is another row.
	wantError(t, martRow.with(row{"except_schemas": []string{`a"b`, "%_staging", `a"b`}, "except_names": []string{"%%x"}}).try(t, conn, "desired_grants"), "desired_grants_role_name_selector")
	martRow.with(row{"except_schemas": []string{"%_staging"}}).mustInsert(t, conn, "desired_grants")
}

// A pattern with exceptions is compared as a regex: it matches what the pattern matches, but for what the exceptions match.
func TestExceptionsAsARegex(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	const texts = `with recursive text (t) as (select '' union all select t || c from text, unnest('{a,%,_,\\,.}'::text[]) as c where length(t) < 3) `
	for what, sql := range map[string]string{
		"a like": texts + `
			select p.t || ' ' || n.t from text as p, text as n
			where p.t <> '' and not sync_roles.ends_in_escape(p.t) and (n.t like p.t) <> (n.t ~ ('^(?:' || sync_roles.name_regex(p.t, 'like') || ')$'))`,
		"a name": texts + `
			select p.t || ' ' || n.t from text as p, text as n
			where p.t <> '' and (n.t = p.t) <> (n.t ~ ('^(?:' || sync_roles.name_regex(p.t, 'exact') || ')$'))`,
		"an exception": texts + `
			select p.t || ' ' || e.t || ' ' || n.t from text as p, text as e, (select t from text where length(t) < 3) as n
			where p.t in ('%', 'a%', '_', '__', '%a') and e.t <> '' and not sync_roles.ends_in_escape(e.t)
				and (n.t like p.t and n.t not like e.t) <> sync_roles.name_matches(n.t, sync_roles.compared_name(p.t, 'like', array[e.t]), 'regex')`,
	} {
		if differ := list[string](t, conn, sql); len(differ) > 0 {
			t.Errorf("%s: %d differ: %.200q", what, len(differ), differ)
		}
	}
	for name, matches := range map[string]bool{"ab": false, "abc": true, "b": false, "a\nb": true, "[x": false} {
		if pgtest.One[bool](t, conn, `select sync_roles.name_matches($1, sync_roles.compared_name('.*', 'regex', '{a?b,"\\[.*"}'), 'regex')`, name) != matches {
			t.Errorf("%q: matches is not %t", name, matches)
		}
	}
}

// What a scope's pattern covers, it matches whatever the row's pattern finds.
func TestLikeCovers(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	const texts = `with recursive text (t) as (select '' union all select t || c from text, unnest('{a,%,_,\\}'::text[]) as c where length(t) < 3) `
	wrong := list[string](t, conn, texts+`
		select distinct s.t || ' ' || p.t from text as s, text as p, text as n
		where not sync_roles.ends_in_escape(s.t) and not sync_roles.ends_in_escape(p.t) and sync_roles.like_covers(s.t, p.t) and n.t like p.t and n.t not like s.t`)
	if len(wrong) > 0 {
		t.Errorf("%d patterns are not covered: %.200q", len(wrong), wrong)
	}
	for _, c := range [][2]string{{"%", "%"}, {"%", "a%"}, {"mart_%", "mart_%"}, {"mart_%", `mart\_x%`}, {`mart\_%`, `mart\_x%`}, {"a%b", "a%b"}, {"a%", "a"}} {
		if !pgtest.One[bool](t, conn, "select sync_roles.like_covers($1, $2)", c[0], c[1]) {
			t.Errorf("%q does not cover %q", c[0], c[1])
		}
	}
}

// A writer may write a pattern for schemas only where all that it can match is in a scope.
func TestScopesKnowSchemaPatterns(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "schema_like": `mart\_%`}.mustInsert(t, owner, "writers")
	mine := martRow.with(row{"role_name": role})
	for _, r := range []row{
		{},
		{"schema_name": `mart\_a%`},
		{"schema_name": `mart\_a`},
		{"schema_name": "mart_a", "schema_match": "exact"},
		{"except_schemas": []string{"%_staging"}},
		{"except_columns": []string{"email"}},
	} {
		mine.with(r).mustInsert(t, writer, "desired_grants")
	}
	for _, r := range []row{{"schema_name": "%"}, {"schema_name": "mart_%"}, {"schema_name": "mart%"}, {"schema_name": `mart\_.*`, "schema_match": "regex"}, {"schema_name": "mart", "schema_match": "exact"}} {
		wantError(t, mine.with(r).try(t, writer, "desired_grants"), "out of scope", "schema_like")
	}
	wantError(t, mine.with(row{"partitions": true}).try(t, writer, "desired_grants"), "partitions true is out of scope", "schema_like")
	// What it wrote it sees, changes within its scope, and deletes; what is out of its scope it does not see.
	mine.with(row{"schema_name": "%"}).mustInsert(t, owner, "desired_grants")
	if n := pgtest.One[int](t, writer, "select count(*) from sync_roles.desired_grants"); n != 6 {
		t.Errorf("the writer sees %d rows, want 6", n)
	}
	execute(t, writer, `update sync_roles.desired_grants set schema_name = 'mart\_b%' where schema_name = 'mart\_a%'`)
	wantError(t, tryExec(t, writer, `update sync_roles.desired_grants set schema_name = '%' where schema_name = 'mart\_b%'`), "out of scope", "schema_like")
	execute(t, writer, "delete from sync_roles.desired_grants")
	if n := pgtest.One[int](t, owner, "select count(*) from sync_roles.desired_grants"); n != 1 {
		t.Errorf("%d rows are left, want 1", n)
	}
	// Patterns for schemas count as patterns.
	execute(t, owner, "update sync_roles.writers set max_patterns = 1")
	mine.with(row{"name_match": "exact", "object_name": "t"}).mustInsert(t, writer, "desired_grants")
	wantError(t, mine.with(row{"name_match": "exact", "object_name": "u"}).try(t, writer, "desired_grants"), "max_patterns 1 is exceeded")
	wantError(t, mine.try(t, writer, "desired_grants"), "max_patterns 1 is exceeded")
	// Without schema_like, any pattern is in scope.
	execute(t, owner, "update sync_roles.writers set schema_like = null, max_patterns = 200")
	mine.with(row{"schema_name": "m.*", "schema_match": "regex"}).mustInsert(t, writer, "desired_grants")
}

// The functions take what the columns say.
func TestFunctionsKnowSelectors(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	const args = `('alice', 'SELECT', 'table', 'mart%', '%', 'like', schema_match => 'like', except_names => '{a,b}', except_schemas => '{c}', except_columns => '{d}')`
	for range 2 {
		execute(t, conn, "select sync_roles.grant"+args)
	}
	want := []string{`SELECT but columns "d" on table in like "mart%" but schemas "c" like but "a","b": %`}
	if got := list[string](t, conn, "select selector from sync_roles.desired_grants"); !slices.Equal(got, want) {
		t.Errorf("the rows are %q, want %q", got, want)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.rows_about('mart_x', 't')"); n != 1 {
		t.Error("rows_about does not find it")
	}
	for _, about := range [][2]string{{"mart_x", "a"}, {"c", "t"}, {"app", "t"}} {
		if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.rows_about($1, $2)", about[0], about[1]); n != 0 {
			t.Errorf("rows_about finds it for %v", about)
		}
	}
	if !pgtest.One[bool](t, conn, "select sync_roles.revoke"+args) || pgtest.One[bool](t, conn, "select sync_roles.revoke"+args) {
		t.Error("revoke does not find the row, or finds it twice")
	}
}
