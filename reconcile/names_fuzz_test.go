package reconcile

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

// FuzzLiteral: whatever a text holds, as a literal it is that text, and nothing but a string.
func FuzzLiteral(f *testing.F) {
	for _, text := range append(sqllex.Hostile(), "") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := sqllex.Tokens(literal(text))
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") { // no text of the database: one string, or no SQL at all
			if err == nil && (len(tokens) != 1 || tokens[0].Kind != sqllex.String) {
				t.Errorf("%q becomes %s, which is %q", text, literal(text), tokens)
			}
			return
		}
		if want := []sqllex.Token{{Kind: sqllex.String, Text: text}}; err != nil || !slices.Equal(tokens, want) {
			t.Errorf("%s is %q, %v; want %q", literal(text), tokens, err, text)
		}
	})
}

// FuzzBookkeeping: what a plan shows of a step's record has each argument as a string, in its place.
func FuzzBookkeeping(f *testing.F) {
	names := sqllex.Hostile()
	for i, name := range names {
		f.Add(name, names[(i+5)%len(names)])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, text := range []string{first, second} {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				return
			}
		}
		text := func(s string) sqllex.Token { return sqllex.Token{Kind: sqllex.String, Text: s} }
		comma := sqllex.Token{Kind: sqllex.Symbol, Text: ","}
		want := []sqllex.Token{{Kind: sqllex.Word, Text: "select"}, text(first), comma, text(second), comma, text(first)}
		shown := Step{then: "select $1,\n$2, $1", args: []any{first, second}}.bookkeeping()
		if got, err := sqllex.Tokens(shown); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %q, %v; want %q", shown, got, err, want)
		}
	})
}

// FuzzSettingClause: a setting's name and values are what ALTER ROLE … SET gets.
func FuzzSettingClause(f *testing.F) {
	names := sqllex.Hostile()
	for i, name := range names {
		f.Add(name, names[(i+5)%len(names)], i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, name, value string, reset bool) {
		for _, text := range []string{name, value} {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				return
			}
		}
		want := []sqllex.Token{{Kind: sqllex.Word, Text: "reset"}}
		s := setting{name: name}
		if !reset {
			want[0].Text = "set"
			s.values = []string{value, name}
		}
		for i, part := range strings.Split(name, ".") {
			if part == "" {
				return // no setting has such a name, and the server says so
			}
			if i > 0 {
				want = append(want, sqllex.Token{Kind: sqllex.Symbol, Text: "."})
			}
			want = append(want, sqllex.Token{Kind: sqllex.Identifier, Text: part})
		}
		if !reset {
			want = append(want, sqllex.Token{Kind: sqllex.Word, Text: "to"},
				sqllex.Token{Kind: sqllex.String, Text: value}, sqllex.Token{Kind: sqllex.Symbol, Text: ","}, sqllex.Token{Kind: sqllex.String, Text: name})
		}
		if got, err := sqllex.Tokens(s.clause()); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %q, %v; want %q", s.clause(), got, err, want)
		}
	})
}

// FuzzSplitNames: what is quoted and joined is the same when it is taken apart; what is no list is none also when it is taken apart again.
func FuzzSplitNames(f *testing.F) {
	names := sqllex.Hostile()
	for i, name := range names {
		f.Add(name, names[(i+1)%len(names)])
	}
	f.Add(`a, "b""c" ,d`, "")
	f.Fuzz(func(t *testing.T, first, second string) {
		if got, ok := splitNames(joined(first, second)); !ok || !slices.Equal(got, []string{first, second}) {
			t.Errorf("%s taken apart is %q, %t; want %q and %q", joined(first, second), got, ok, first, second)
		}
		if list, ok := splitNames(first); ok {
			if again, ok := splitNames(joined(list...)); !ok || !slices.Equal(list, again) {
				t.Errorf("%s taken apart is %q, and that joined and taken apart %q, %t", first, list, again, ok)
			}
		}
	})
}

// joined quotes every name, as flatten_set_variable_args of PostgreSQL does where there is a need (src/backend/utils/misc/guc.c).
func joined(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ", ")
}
