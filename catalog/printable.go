package catalog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns SQL that does the same, in which no name and no string constant has a character that a terminal would obey or hide:
// names become U&"…", constants E'…', with that character escaped. It is for statements that people read or feed to psql; the server
// gets names as they are, since a database in SQL_ASCII cannot have all of them escaped.
func Printable(sql string) string {
	if isPrintable(sql) {
		return sql
	}
	var b strings.Builder
	for i := 0; i < len(sql); {
		if sql[i] != '"' && sql[i] != '\'' {
			b.WriteByte(sql[i])
			i++
			continue
		}
		prefix := prefixOf(sql[:i])
		text := quoted(sql[i:], prefix == "E")
		i += len(text)
		switch {
		case isPrintable(text) || prefix != "" && prefix != "E":
			b.WriteString(text)
		case text[0] == '"':
			b.WriteString("U&" + escaped(strings.ReplaceAll(text, `\`, `\\`), `\%04X`, `\+%06X`))
		case prefix == "E":
			b.WriteString(escaped(text, `\u%04X`, `\U%08X`))
		default:
			b.WriteString("E" + escaped(strings.ReplaceAll(text, `\`, `\\`), `\u%04X`, `\U%08X`))
		}
	}
	return b.String()
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// prefixOf is the end of the word, or &, right before a quote: it makes of it something other than a plain name or constant. E is for constants
// with backslashes.
func prefixOf(before string) string {
	end := strings.TrimRightFunc(before, func(r rune) bool { return r == '&' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	return strings.ToUpper(before[len(end):])
}

// quoted is the name or constant that a text begins with, quotes included. A quote in it is doubled, or in an E constant behind a backslash.
func quoted(text string, backslashes bool) string {
	for i := 1; i < len(text); i++ {
		switch {
		case backslashes && text[i] == '\\':
			i++
		case text[i] != text[0]:
		case i+1 < len(text) && text[i+1] == text[0]:
			i++
		default:
			return text[:i+1]
		}
	}
	return text
}

func escaped(text, short, long string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		char := text[:n]
		text = text[n:]
		switch {
		case unicode.IsPrint(r) || r == utf8.RuneError: // of bytes that are no UTF-8 nothing is known
			b.WriteString(char)
		case r <= 0xFFFF:
			fmt.Fprintf(&b, short, r)
		default:
			fmt.Fprintf(&b, long, r)
		}
	}
	return b.String()
}
