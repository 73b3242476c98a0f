package catalog_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`GRANT SELECT ON TABLE "s"."t" TO "a\b"`: `GRANT SELECT ON TABLE "s"."t" TO "a\b"`,
		"TO \"a\x1b[31m\"":                       `TO U&"a\001B[31m"`,
		"TO \"a\\\"\"\n\", \"b\\\"":              `TO U&"a\\""\000A", "b\"`,
		"\"\u202e\".\"\U000e0001\"":              `U&"\202E".U&"\+0E0001"`,
		"IS 'it''s \\ \x07'":                     `IS E'it''s \\ \u0007'`,
		"IS E'it\\'s ''\\\\ \x07'":               `IS E'it\'s ''\\ \u0007'`,
		"x = 'type'\n":                           "x = 'type'\n",
		"U&\"\x1b\"":                             "U&\"\x1b\"",
		"\"\x1b":                                 `U&"\001B`,
		"f(\"a\tb\", 'c')":                       `f(U&"a\0009b", 'c')`,
	} {
		if got := catalog.Printable(sql); got != want {
			t.Errorf("%q is %q, want %q", sql, got, want)
		}
	}
}

// What is printed says the same to the server, and nothing to a terminal.
func TestPrintableMeansTheSame(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := env.Superuser(t)
	for _, name := range []string{"a\x1b[31mb", "a\nb", "\r", "\a", "\u202eabc", "zero\u200bwidth", "\u009b", "\x7f", `back\slash"'` + "\t", `\001B` + "\x1b", "\U000e0001", strings.Repeat("\x1b", 63), "\u00a0"} {
		quoted := catalog.Quote(name)
		constant := "'" + strings.ReplaceAll(name, "'", "''") + "'"
		sql := "select " + constant + "::text = $1, E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'::text = $1, (select " + quoted + " from (values ($1::text)) as x (" + quoted + ")) = $1"
		printed := catalog.Printable(sql)
		if strings.ContainsFunc(printed, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is printed as %q", name, printed)
		}
		for _, statement := range []string{sql, printed} {
			var constant, withBackslashes, identifier bool
			if err := conn.QueryRow(t.Context(), statement, name).Scan(&constant, &withBackslashes, &identifier); err != nil || !constant || !withBackslashes || !identifier {
				t.Errorf("%s: %t, %t, %t, %v", statement, constant, withBackslashes, identifier, err)
			}
		}
	}
}
