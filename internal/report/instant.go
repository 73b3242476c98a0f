package report

import (
	"encoding/json"
	"time"
)

// Instant is a time as reports write it: in UTC, to the microsecond. The zero Instant is none.
type Instant struct{ time.Time }

// instant is the Instant of a time that may be missing.
func instant(t *time.Time) Instant {
	if t == nil {
		return Instant{}
	}
	return Instant{t.UTC()}
}

func (i Instant) String() string {
	if i.IsZero() {
		return ""
	}
	return i.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// MarshalJSON implements json.Marshaler.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(i.String()) //nolint:wrapcheck // a string
}
