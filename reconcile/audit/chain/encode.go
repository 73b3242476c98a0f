package chain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// array is a JSON array as PostgreSQL's json_build_array writes it. What is hashed must be the same, byte by byte, as what is computed from the
// stored row (sql.go).
type array []byte

// begin begins another array in the same memory.
func (a array) begin(kind string) array { return quoted(append(a[:0], '['), kind) }

func (a *array) raw(text string) { *a = append(append(*a, ", "...), text...) }

func (a *array) text(s string) { *a = quoted(append(*a, ", "...), s) }

// optional is NULL if it is empty.
func (a *array) optional(s string) {
	if s == "" {
		a.raw("null")
		return
	}
	a.text(s)
}

func (a *array) number(n int64) { *a = strconv.AppendInt(append(*a, ", "...), n, 10) }

func (a *array) bytes(b []byte) { a.text(hex.EncodeToString(b)) }

// texts is an array within the array, which PostgreSQL writes without spaces.
func (a *array) texts(list []string) {
	*a = append(*a, ", ["...)
	for i, s := range list {
		if i > 0 {
			*a = append(*a, ',')
		}
		*a = quoted(*a, s)
	}
	*a = append(*a, ']')
}

// at is extract(epoch FROM …)::text.
func (a *array) at(t time.Time) {
	us, sign := t.UnixMicro(), ""
	if us < 0 {
		us, sign = -us, "-"
	}
	a.text(fmt.Sprintf("%s%d.%06d", sign, us/1e6, us%1e6))
}

// duration is to_char(…, 'YYYY-MM-DD HH24:MI:SS.US'): an interval of nothing but time.
func (a *array) duration(d time.Duration) {
	us := d.Microseconds()
	s := us / 1e6
	a.text(fmt.Sprintf("0000-00-00 %02d:%02d:%02d.%06d", s/3600, s/60%60, s%60, us%1e6))
}

func (a *array) hash() []byte {
	sum := sha256.Sum256(append(*a, ']'))
	return sum[:]
}

// quoted appends a JSON string as PostgreSQL's escape_json writes it.
func quoted(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
