package apply

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

// FuzzRecordText: a record in a plan has each argument as a string, in its place.
func FuzzRecordText(f *testing.F) {
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
		shown := recordText("-- what it is\nselect $1,\n$2, $1;\n", []any{first, second})
		if got, err := sqllex.Tokens(shown); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %q, %v; want %q", shown, got, err, want)
		}
	})
}
