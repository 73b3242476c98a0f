package sqllex_test

import (
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestTokens(t *testing.T) {
	t.Parallel()
	word := func(s string) sqllex.Token { return sqllex.Token{Kind: sqllex.Word, Text: s} }
	name := func(s string) sqllex.Token { return sqllex.Token{Kind: sqllex.Identifier, Text: s} }
	text := func(s string) sqllex.Token { return sqllex.Token{Kind: sqllex.String, Text: s} }
	symbol := func(s string) sqllex.Token { return sqllex.Token{Kind: sqllex.Symbol, Text: s} }
	for sql, want := range map[string][]sqllex.Token{
		`GRANT Select ON "T""t" TO PUBLIC`: {word("grant"), word("select"), word("on"), name(`T"t`), word("to"), word("public")},
		`U&"a\001B\\b\+01F600\D83D\DE00"`:  {name("a\x1b\\b😀😀")},
		`u&'\0041'`:                        {text("A")},
		`"a\b" 'a\b' E'a\\b\'\n''c'`:       {name(`a\b`), text(`a\b`), text("a\\b'\n'c")},
		"'a' \n 'b' 'c'":                   {text("ab"), text("c")},
		"a--b\nc/* /* d */ e */f":          {word("a"), word("c"), word("f")},
		`$1 $$a'b$$ $x$y$$z$x$ a$b`:        {{Kind: sqllex.Parameter, Text: "1"}, text("a'b"), text("y$$z"), word("a$b")},
		`s."T"(int, 12.5);`:                {word("s"), symbol("."), name("T"), symbol("("), word("int"), symbol(","), {Kind: sqllex.Number, Text: "12.5"}, symbol(")"), symbol(";")},
	} {
		got, err := sqllex.Tokens(sql)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", sql, got, err, want)
		}
	}
	for _, sql := range []string{`"a`, `'a`, `""`, `U&"\0000"`, `U&"\D83D"`, `U&"\00"`, `U&"\+110000"`, "a\x00", "a\xff", "/* /* */", "$$a", `E'\x00'`, `E'\400'`, `E'a\`} {
		if got, err := sqllex.Tokens(sql); err == nil {
			t.Errorf("%q: %q, want an error", sql, got)
		}
	}
}

// The server takes quoted names and strings as the lexer does.
func TestTokensAsTheServerReadsThem(t *testing.T) {
	t.Parallel()
	conn := pgtest.New(t).Superuser(t)
	for _, sql := range []string{`"a""b"`, `U&"a\001B\\b\D83D\DE00"`, `"a\b"`, `U&"\+01F600"`, "\"\n\t\"", `abC$1`, "ÄÖÜ"} {
		rows, err := conn.Query(t.Context(), "select 1 as "+sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		name := rows.FieldDescriptions()[0].Name
		if got, err := sqllex.Tokens(sql); err != nil || len(got) != 1 || got[0].Text != name {
			t.Errorf("%s: %q, %v; and the server says %q", sql, got, err, name)
		}
	}
	for _, sql := range []string{`'a''b'`, `E'a\\b\'\n''c'`, "'a' \n 'b'", `U&'\0041\\'`, `$x$y$$z$x$`, `'a\b'`, `E'a\qb\ä\x41\u00e4\U0001F600\033'`} {
		text := pgtest.One[string](t, conn, "select "+sql)
		if got, err := sqllex.Tokens(sql); err != nil || len(got) != 1 || got[0].Text != text {
			t.Errorf("%s: %q, %v; and the server says %q", sql, got, err, text)
		}
	}
}
