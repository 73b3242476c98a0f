package sqllex

import (
	"slices"
	"strings"
)

// Hostile returns names that break code which takes names for text: the seeds of every fuzz target that takes one. PostgreSQL allows most of them.
func Hostile() []string {
	return slices.Concat(
		// What quotes and escapes.
		[]string{`a"b`, `"`, `""`, `a""b`, `a'b`, `'`, `\`, `a\`, `a\"b`, `a\'b`, `U&"a"`, `\0041`, `\+000041`, `\\0041`, "E'a", "$$", "$x$", "{a,b}", "`a`"},
		// What ends a statement, or a part of one.
		[]string{";--", "a;--b", `"; DROP TABLE x; --`, "--", "/* a", "*/", "a.b", "a,b", "a, b", "(", ")", "a(b)", "f(integer)", "f()", "a b", " ", " a ", "\ta", "a\u00a0"},
		// What is replaced by something else.
		[]string{"%s", "%I", "%[1]s", "%!d", "$1", "$4", "$10", ":'object_type'", ":name", "%", "_", "a%b_c", `(.*)\1`, "^(?:", "${a}", "{{a}}"},
		// What no terminal should be shown, and no message can hold.
		[]string{"a\nb", "a\r\nb", "\t", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x07", "\b", "\x7f", "a\x00b", "\x00", "\u0085", "\u200b", "\u202egnp", "\u2028", "\ufeff", "\ue000"},
		// What is no UTF-8.
		[]string{"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xa2", "\xf4\x90\x80\x80"},
		// What folds, or looks like something else.
		[]string{"Upper", "ünïcödé", "ÄÖ", "ı", "İ", "e\u0301", "\u00e9", "日本語", "😀", "ﬁ", "а" /* Cyrillic */},
		// What is a keyword in one place at least, or reserved, or somebody.
		[]string{
			"public", "PUBLIC", "Public", "public ", "none", "NONE", "current_user", "CURRENT_USER", "current_role", "session_user", "user", "all", "null", "true", "select", "table",
			"pg_x", "PG_x", "pg_monitor", "pg_read_all_data", "_pgsr_x", "_pgsr_lock", "_pgsr_16384_keeper_0", "sync_roles", "information_schema", "postgres", "ctid", "1", "01", "-1", "0x1",
		},
		// What is cut off at 63 bytes.
		[]string{
			strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("é", 31) + "x", strings.Repeat("é", 32), strings.Repeat("x", 62) + "é",
			strings.Repeat(`"`, 63), strings.Repeat(`\`, 63), strings.Repeat("\x1b", 63), strings.Repeat("x", 62) + `"`,
		},
	)
}
