package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/term"
)

// A screen is an output that a terminal may show: characters that it would obey or hide are escaped, in the way of JSON, whose strings may
// have them too. Newlines and tabs are ours; names come here with theirs escaped.
type screen struct{ io.Writer }

// Write implements io.Writer.
func (s screen) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.Writer, withEscapes(string(p), "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// terminal is how an output is shown; zero where it goes elsewhere than to a terminal.
type terminal struct {
	width, height int
	coloured      bool
}

// terminalOf asks the terminal that an output goes to. NO_COLOR and TERM=dumb keep it without colours (no-color.org).
func terminalOf(w io.Writer) terminal {
	if memory, ok := unwrapped(w).(shownOn); ok {
		return memory.terminal
	}
	f, ok := unwrapped(w).(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return terminal{}
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width, height = 80, 24
	}
	return terminal{width: width, height: height, coloured: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool { return terminalOf(w) != terminal{} }

// colour is a foreground colour of ECMA-48: the eight that each terminal has, in the shades that its owner has chosen.
type colour int

const (
	plain  colour = 0
	red    colour = 31
	green  colour = 32
	yellow colour = 33
)

// wordColours are those of statuses and outcomes: red for a problem, yellow for a wait, green for neither.
var wordColours = map[string]colour{
	"in_sync": green, "applied": green, "unchanged": green,
	"pending": yellow, "waiting": yellow, "held": yellow,
	"refused": red, "blocked": red, "failed": red,
}

func (t terminal) paint(text string, c colour) string {
	if !t.coloured || c == plain {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// unwrapped is what an output writes to.
func unwrapped(w io.Writer) io.Writer {
	if s, ok := w.(screen); ok {
		return s.Writer
	}
	return w
}

// printable is a text in one line, with nothing in it that would break a table or a terminal: names may hold any character.
func printable(s string) string { return withEscapes(s, "") }

var shortEscapes = map[rune]string{'\n': `\n`, '\r': `\r`, '\t': `\t`}

// withEscapes escapes what cannot be printed, but for some characters.
func withEscapes(s, but string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) && !strings.ContainsRune(but, r) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		short, isShort := shortEscapes[r]
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r) || strings.ContainsRune(but, r):
			b.WriteRune(r)
		case isShort:
			b.WriteString(short)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
		s = s[n:]
	}
	return b.String()
}

// errorText is an error for people. Its lines are ours: what PostgreSQL says, and the names that others' packages repeat, have theirs escaped.
func errorText(err error) string {
	text := err.Error()
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		// pgx indents the lines, those of names too.
		own := fmt.Sprintf("failed to connect to `user=%s database=%s`: %s", printable(connecting.Config.User), printable(connecting.Config.Database),
			strings.ReplaceAll(withoutForeignLines(connecting.Unwrap(), connecting.Unwrap().Error()), "\n", "\n  "))
		text = strings.ReplaceAll(text, connecting.Error(), own)
	}
	return withoutForeignLines(err, text)
}

// withoutForeignLines escapes those parts of an error's text that came from elsewhere.
func withoutForeignLines(err error, text string) string {
	for _, foreign := range foreignTexts(err) {
		if escaped := printable(foreign); foreign != escaped {
			text = strings.ReplaceAll(text, foreign, escaped)
		}
	}
	return text
}

func foreignTexts(err error) []string {
	var texts []string
	switch e := err.(type) { //nolint:errorlint // each error of the tree is inspected
	case *pgconn.PgError:
		texts = append(texts, e.Message)
	case *fs.PathError:
		texts = append(texts, e.Path)
	}
	switch e := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() []error }:
		for _, below := range e.Unwrap() {
			texts = append(texts, foreignTexts(below)...)
		}
	case interface{ Unwrap() error }:
		if below := e.Unwrap(); below != nil {
			texts = append(texts, foreignTexts(below)...)
		}
	}
	return texts
}
