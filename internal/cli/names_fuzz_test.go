package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

// FuzzPrintable: nothing that a name holds reaches a terminal but what one can see, and what one can see stays.
func FuzzPrintable(f *testing.F) {
	for _, name := range sqllex.Hostile() {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		shown := printable(name)
		if !utf8.ValidString(shown) || strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", name, shown)
		}
		if utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) && shown != name {
			t.Errorf("%q is shown as %q, though nothing in it is in the way", name, shown)
		}
	})
}

// FuzzRoleText: a role's name among other words is that name for PostgreSQL too.
func FuzzRoleText(f *testing.F) {
	for _, name := range sqllex.Hostile() {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || !utf8.ValidString(name) || strings.Contains(name, "\x00") {
			return
		}
		tokens, err := sqllex.Tokens(roleText(name))
		if err != nil || len(tokens) != 1 || tokens[0].Text != name || tokens[0].Kind != sqllex.Identifier && tokens[0].Kind != sqllex.Word {
			t.Errorf("%q becomes %s, which is %q, %v", name, roleText(name), tokens, err)
		}
	})
}

// FuzzParseObject: a quoted object of the command line has the names that were quoted.
func FuzzParseObject(f *testing.F) {
	names := sqllex.Hostile()
	for i, name := range names {
		f.Add(name, names[(i+1)%len(names)])
	}
	f.Fuzz(func(t *testing.T, schema, name string) {
		if schema == "" || name == "" {
			return
		}
		quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		text := "sequence:" + quote(schema) + "." + quote(name)
		w, err := parseObject(text)
		if err != nil || w.Schema == nil || !slices.Equal([]string{*w.Schema, w.Name}, []string{schema, name}) {
			t.Errorf("%s is %+v, %v", text, w, err)
		}
		_, _ = parseObject(name) // whatever was typed, it ends
	})
}
