package sqllex

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unicodeEscapes reads one escape of U&"…" or U&'…' (str_udeescape in parser.c). Half a surrogate pair takes the other half with it.
func unicodeEscapes(s string) (text string, length int, err error) {
	if strings.HasPrefix(s, `\\`) {
		return `\`, 2, nil
	}
	r, length, err := codePoint(s)
	if err != nil {
		return "", 0, err
	}
	if utf16.IsSurrogate(r) {
		second, n, err := codePoint(s[length:])
		pair := utf16.DecodeRune(r, second)
		if err != nil || pair == utf8.RuneError {
			return "", 0, fmt.Errorf("invalid Unicode surrogate pair at %q", s)
		}
		return string(pair), length + n, nil
	}
	return string(r), length, nil
}

// codePoint reads \XXXX or \+XXXXXX.
func codePoint(s string) (r rune, length int, err error) {
	digits, length := 1, 5
	if strings.HasPrefix(s, `\+`) {
		digits, length = 2, 8
	}
	if len(s) < length || s[0] != '\\' {
		return 0, 0, fmt.Errorf("invalid Unicode escape at %q", s)
	}
	n, err := strconv.ParseUint(s[digits:length], 16, 32)
	if err != nil || n == 0 || n > utf8.MaxRune {
		return 0, 0, fmt.Errorf("invalid Unicode escape at %q", s)
	}
	return rune(n), length, nil
}

// backslashEscapes reads one escape of E'…'.
func backslashEscapes(s string) (text string, length int, err error) {
	if len(s) < 2 {
		return "", 0, fmt.Errorf("unterminated %s", String)
	}
	switch s[1] {
	case 'b':
		return "\b", 2, nil
	case 'f':
		return "\f", 2, nil
	case 'n':
		return "\n", 2, nil
	case 'r':
		return "\r", 2, nil
	case 't':
		return "\t", 2, nil
	case 'x':
		return byCode(s, 16, 2, 2)
	case 'u':
		return byCode(s, 16, 2, 4)
	case 'U':
		return byCode(s, 16, 2, 8)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return byCode(s, 8, 1, 3)
	}
	_, size := utf8.DecodeRuneInString(s[1:])
	return s[1 : 1+size], 1 + size, nil
}

// byCode reads an escape of all digits that it can have, behind so many bytes: it is stricter than PostgreSQL, which takes fewer, and bytes above ASCII.
func byCode(s string, base, behind, digits int) (text string, length int, err error) {
	length = behind + digits
	if len(s) < length {
		return "", 0, fmt.Errorf("invalid escape at %q", s)
	}
	n, err := strconv.ParseUint(s[behind:length], base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || utf16.IsSurrogate(rune(n)) || digits < 4 && n >= utf8.RuneSelf {
		return "", 0, fmt.Errorf("invalid escape at %q", s)
	}
	return string(rune(n)), length, nil
}
