// Package sqllex splits SQL into tokens by PostgreSQL's rules (src/backend/parser/scan.l), with standard_conforming_strings on. Tests ask it which
// names a statement is about: it shares nothing with the code that wrote the statement.
//
// It is stricter than PostgreSQL where that can only hide a mistake: a text that is no UTF-8, holds a NUL or does not end its last token is an error.
package sqllex

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Kind is what a token is.
type Kind string

// The kinds of tokens. Comments and white space are none.
const (
	Word       Kind = "word"       // a keyword or an unquoted name, folded to lower case
	Identifier Kind = "identifier" // a quoted name
	String     Kind = "string"     // a string constant of any form
	Number     Kind = "number"
	Parameter  Kind = "parameter" // $1
	Symbol     Kind = "symbol"    // one character of an operator or of punctuation
)

// A Token is one of a statement's words, with Text as PostgreSQL understands it: without quotes and escapes.
type Token struct {
	Kind Kind
	Text string
}

// Tokens splits SQL. Names are not cut off at 63 bytes.
func Tokens(sql string) ([]Token, error) {
	switch {
	case !utf8.ValidString(sql):
		return nil, errors.New("invalid byte sequence for encoding UTF8")
	case strings.Contains(sql, "\x00"):
		return nil, errors.New("a NUL ends the message before the statement ends")
	}
	l := &lexer{rest: sql}
	var tokens []Token
	for {
		if err := l.skip(); err != nil {
			return nil, err
		}
		if l.rest == "" {
			return tokens, nil
		}
		token, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
}

type lexer struct{ rest string }

const (
	space    = " \t\n\r\f\v"
	newlines = "\n\r"
)

// skip passes white space and comments by. Comments of the long form nest.
func (l *lexer) skip() error {
	for {
		l.rest = strings.TrimLeft(l.rest, space)
		switch {
		case strings.HasPrefix(l.rest, "--"):
			end := strings.IndexAny(l.rest, newlines)
			if end < 0 {
				end = len(l.rest)
			}
			l.rest = l.rest[end:]
		case strings.HasPrefix(l.rest, "/*"):
			if err := l.skipComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (l *lexer) skipComment() error {
	for depth := 0; ; {
		switch {
		case l.take("/*"):
			depth++
		case l.take("*/"):
			if depth--; depth == 0 {
				return nil
			}
		case l.rest == "":
			return errors.New("unterminated /* comment")
		default:
			l.rest = l.rest[1:]
		}
	}
}

// take passes a prefix by, if it is there.
func (l *lexer) take(prefix string) bool {
	rest, ok := strings.CutPrefix(l.rest, prefix)
	l.rest = rest
	return ok
}

// takeEither is take for a letter in either case, with what follows it.
func (l *lexer) takeEither(letter, then string) bool {
	return l.take(letter+then) || l.take(strings.ToUpper(letter)+then)
}

func (l *lexer) next() (Token, error) {
	switch first := l.rest[0]; {
	case l.takeEither("u", `&"`):
		return l.quoted(Identifier, '"', unicodeEscapes)
	case l.takeEither("u", `&'`):
		return l.quoted(String, '\'', unicodeEscapes)
	case l.takeEither("e", `'`):
		return l.quoted(String, '\'', backslashEscapes)
	case l.takeEither("n", `'`), l.take(`'`):
		return l.quoted(String, '\'', nil)
	case l.take(`"`):
		return l.quoted(Identifier, '"', nil)
	case startsName(first):
		return Token{Word, folded(l.while(continuesName))}, nil
	case first == '$':
		return l.dollar()
	case isDigit(first):
		return Token{Number, l.while(func(b byte) bool { return isDigit(b) || b == '.' })}, nil
	default:
		l.rest = l.rest[1:]
		return Token{Symbol, string(first)}, nil
	}
}

// while takes bytes as long as they belong.
func (l *lexer) while(belongs func(byte) bool) string {
	n := 0
	for n < len(l.rest) && belongs(l.rest[n]) {
		n++
	}
	text := l.rest[:n]
	l.rest = l.rest[n:]
	return text
}

// quoted reads up to the closing quote. Strings that only white space with a newline separates are one.
func (l *lexer) quoted(kind Kind, quote byte, unescape func(string) (text string, length int, err error)) (Token, error) {
	var b strings.Builder
	for {
		switch {
		case l.rest == "":
			return Token{}, fmt.Errorf("unterminated %s", kind)
		case l.rest[0] == quote && len(l.rest) > 1 && l.rest[1] == quote:
			b.WriteByte(quote)
			l.rest = l.rest[2:]
		case l.rest[0] == quote:
			l.rest = l.rest[1:]
			if kind == String && l.continues(quote) {
				continue
			}
			if kind == Identifier && b.Len() == 0 {
				return Token{}, errors.New("zero-length delimited identifier")
			}
			return Token{kind, b.String()}, nil
		case l.rest[0] == '\\' && unescape != nil:
			text, length, err := unescape(l.rest)
			if err != nil {
				return Token{}, err
			}
			b.WriteString(text)
			l.rest = l.rest[length:]
		default:
			b.WriteByte(l.rest[0])
			l.rest = l.rest[1:]
		}
	}
}

// continues reports whether a string goes on behind white space with a newline in it, and if so goes there.
func (l *lexer) continues(quote byte) bool {
	after := strings.TrimLeft(l.rest, space)
	between := l.rest[:len(l.rest)-len(after)]
	if !strings.ContainsAny(between, newlines) || after == "" || after[0] != quote {
		return false
	}
	l.rest = after[1:]
	return true
}

// dollar reads $1, or a string between dollars.
func (l *lexer) dollar() (Token, error) {
	l.rest = l.rest[1:]
	if digits := l.while(isDigit); digits != "" {
		return Token{Parameter, digits}, nil
	}
	tag, after, ok := strings.Cut(l.rest, "$")
	if !ok || !isTag(tag) {
		return Token{Symbol, "$"}, nil
	}
	text, after, ok := strings.Cut(after, "$"+tag+"$")
	if !ok {
		return Token{}, errors.New("unterminated dollar-quoted string")
	}
	l.rest = after
	return Token{String, text}, nil
}

// isTag reports whether a text between dollars makes them the beginning of a string.
func isTag(tag string) bool {
	for i := range len(tag) {
		if !continuesName(tag[i]) {
			return false
		}
	}
	return tag == "" || startsName(tag[0])
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func startsName(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_' || b >= utf8.RuneSelf
}

func continuesName(b byte) bool { return startsName(b) || isDigit(b) || b == '$' }

// folded makes ASCII letters small, and leaves others.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, name)
}
