package cli

import (
	"bytes"
	"strings"
	"testing"
)

func filled(shown terminal) string {
	var b bytes.Buffer
	t := newTable(screen{shownOn{&b, shown}}, "ROLE", "STATUS", "WHY")
	t.row("alice", "in_sync", "")
	t.row("王小明", "refused", "role pg_monitor is a predefined role: rows give no membership in it")
	t.row("e\u0301", "in_sync", "naïve\nand\x1b[31m")
	if err := t.flush(); err != nil {
		panic(err)
	}
	return b.String()
}

// Columns line up as a terminal shows them; what does not fit goes on in its column, or under the row where there is hardly room.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		shown terminal
		want  string
	}{
		{"no terminal", terminal{}, `
ROLE    STATUS   WHY
alice   in_sync
王小明  refused  role pg_monitor is a predefined role: rows give no membership in it
é       in_sync  naïve\nand\u001b[31m
`},
		{"wide", terminal{width: 50}, `
ROLE    STATUS   WHY
alice   in_sync
王小明  refused  role pg_monitor is a predefined
                 role: rows give no membership in
                 it
é       in_sync  naïve\nand\u001b[31m
`},
		{"narrow", terminal{width: 36}, `
ROLE    STATUS   WHY
alice   in_sync
王小明  refused
    role pg_monitor is a predefined
    role: rows give no membership in
    it
é       in_sync
    naïve\nand\u001b[31m
`},
		{"colours", terminal{width: 100, coloured: true}, strings.ReplaceAll(`
ROLE    STATUS   WHY
alice   ^[32min_sync^[0m
王小明  ^[31mrefused^[0m  role pg_monitor is a predefined role: rows give no membership in it
é       ^[32min_sync^[0m  naïve\nand\u001b[31m
`, "^", "\x1b")},
	} {
		want := strings.TrimPrefix(strings.ReplaceAll(c.want, "é ", "e\u0301 "), "\n")
		if got := filled(c.shown); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, want)
		}
	}
}

// Texts are broken between words, and a word that is longer than a line in itself; nothing is lost.
func TestWrapped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"one two", 10, "one two"},
		{"one two three", 7, "one two|three"},
		{"one two three", 8, "one two|three"},
		{"abcdefghij kl", 4, "abcd|efgh|ij|kl"},
		{"表が存在しません", 6, "表が存|在しま|せん"},
		{"ab 表が存在", 6, "ab|表が存|在"},
	} {
		got := wrapped(c.text, c.width)
		if strings.Join(got, "|") != c.want {
			t.Errorf("%q in %d columns: %q, want %s", c.text, c.width, got, c.want)
		}
	}
}
