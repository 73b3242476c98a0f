package catalog_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

// FuzzQuote: whatever a name holds, quoted it is that name, and nothing but a name.
func FuzzQuote(f *testing.F) {
	for _, name := range sqllex.Hostile() {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		wantName(t, catalog.Quote(name), name)
		if name == "public" {
			if got := catalog.Grantee(name); got != "PUBLIC" {
				t.Errorf("grantee %q is %s", name, got)
			}
			return
		}
		wantName(t, catalog.Grantee(name), name)
	})
}

// FuzzObjectSQL: an object's name in a statement has the parts that the catalogs have, whatever they hold.
func FuzzObjectSQL(f *testing.F) {
	names := sqllex.Hostile()
	for i, name := range names {
		f.Add(name, names[(i+7)%len(names)], names[(i+3)%len(names)], uint8(i))
	}
	f.Fuzz(func(t *testing.T, schema, name, typeName string, arguments uint8) {
		if !possible(schema) || !possible(name) || !possible(typeName) {
			return
		}
		qualified := []sqllex.Token{identifier(schema), symbol("."), identifier(name)}
		for _, objectType := range []catalog.ObjectType{catalog.Table, "sequence", "type"} {
			wantTokens(t, catalog.Object{Type: objectType, Schema: schema, Name: name}.SQL(), qualified)
		}
		for _, objectType := range []catalog.ObjectType{catalog.Schema, catalog.Database, catalog.Role, "language", "tablespace", "foreign_server"} {
			wantTokens(t, catalog.Object{Type: objectType, Name: name}.SQL(), []sqllex.Token{identifier(name)})
		}
		signature, tokens := signed(name, schema, typeName, int(arguments%4))
		wantTokens(t, catalog.Object{Type: catalog.Routine, Schema: schema, Name: name, Signature: signature}.SQL(), append(qualified, tokens...))
	})
}

// FuzzPrintable: a statement that is shown means what it meant, and has nothing in it that a terminal would obey or hide.
func FuzzPrintable(f *testing.F) {
	names := sqllex.Hostile()
	for i, name := range names {
		f.Add(name, names[(i+11)%len(names)])
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		if !possible(name) || !possible(text) {
			return
		}
		plain := "'" + strings.ReplaceAll(text, "'", "''") + "'"
		escaped := "E" + strings.ReplaceAll(plain, `\`, `\\`)
		for _, sql := range []string{
			"GRANT SELECT ON TABLE " + catalog.Object{Type: catalog.Table, Schema: text, Name: name}.SQL() + " TO " + catalog.Grantee(name) + ", " + catalog.Quote(text),
			"COMMENT ON ROLE " + catalog.Quote(name) + " IS " + escaped,
			"ALTER ROLE " + catalog.Quote(name) + " SET " + catalog.Quote(text) + " TO " + plain + ", " + escaped,
		} {
			shown := catalog.Printable(sql)
			if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is shown as %q", sql, shown)
			}
			want, err := sqllex.Tokens(sql)
			if err != nil {
				t.Fatalf("%q: %v", sql, err)
			}
			wantTokens(t, shown, want)
		}
	})
}

// signed is a routine's signature as sync_roles.objects has it, with so many arguments, and what must follow its name in a statement: each type as
// that of an IN argument.
func signed(name, typeSchema, typeName string, arguments int) (signature string, tokens []sqllex.Token) {
	doubled := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	types := []struct {
		text   string
		tokens []sqllex.Token
	}{
		{doubled(typeSchema) + "." + doubled(typeName), []sqllex.Token{identifier(typeSchema), symbol("."), identifier(typeName)}},
		{doubled(typeName) + "[]", []sqllex.Token{identifier(typeName), symbol("["), symbol("]")}},
		{"timestamp with time zone", []sqllex.Token{word("timestamp"), word("with"), word("time"), word("zone")}},
	}
	texts := make([]string, 0, arguments)
	tokens = append(tokens, symbol("("))
	for i, argument := range types[:arguments] {
		if i > 0 {
			tokens = append(tokens, symbol(","))
		}
		texts = append(texts, argument.text)
		tokens = append(append(tokens, word("in")), argument.tokens...)
	}
	return name + "(" + strings.Join(texts, ", ") + ")", append(tokens, symbol(")"))
}

// possible reports whether a catalog can hold the name.
func possible(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.Contains(name, "\x00")
}

// wantName wants SQL to be this name. What no catalog can hold must be one name all the same, or no SQL at all.
func wantName(t *testing.T, sql, name string) {
	t.Helper()
	if possible(name) {
		wantTokens(t, sql, []sqllex.Token{identifier(name)})
		return
	}
	if tokens, err := sqllex.Tokens(sql); err == nil && (len(tokens) != 1 || tokens[0].Kind != sqllex.Identifier) {
		t.Errorf("%q becomes %s, which is %q", name, sql, tokens)
	}
}

func wantTokens(t *testing.T, sql string, want []sqllex.Token) {
	t.Helper()
	got, err := sqllex.Tokens(sql)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s is %q, %v; want %q", sql, got, err, want)
	}
}

func identifier(name string) sqllex.Token { return sqllex.Token{Kind: sqllex.Identifier, Text: name} }
func word(text string) sqllex.Token       { return sqllex.Token{Kind: sqllex.Word, Text: text} }
func symbol(text string) sqllex.Token     { return sqllex.Token{Kind: sqllex.Symbol, Text: text} }

// FuzzLiteral: whatever a text holds, as a literal it is that text, and nothing but a string.
func FuzzLiteral(f *testing.F) {
	for _, text := range append(sqllex.Hostile(), "") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := sqllex.Tokens(catalog.Literal(text))
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") { // no text of the database: one string, or no SQL at all
			if err == nil && (len(tokens) != 1 || tokens[0].Kind != sqllex.String) {
				t.Errorf("%q becomes %s, which is %q", text, catalog.Literal(text), tokens)
			}
			return
		}
		if want := []sqllex.Token{{Kind: sqllex.String, Text: text}}; err != nil || !slices.Equal(tokens, want) {
			t.Errorf("%s is %q, %v; want %q", catalog.Literal(text), tokens, err, text)
		}
	})
}
