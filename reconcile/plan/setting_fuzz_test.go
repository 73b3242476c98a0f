package plan

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

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
		s := Setting{Name: name}
		if !reset {
			want[0].Text = "set"
			s.Values = []string{value, name}
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
