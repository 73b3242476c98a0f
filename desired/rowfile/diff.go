package rowfile

import (
	"fmt"
	"slices"
	"time"
)

// stored is a row that is there.
type stored struct {
	ID     int64  `json:"id"`
	Source string `json:"source"` // empty: none
	Row
}

// change is a row that will say something else.
type change struct {
	was stored
	Row
}

// Diff is what makes the rows of a source those of a file.
type Diff struct {
	source  string
	added   []Row
	changed []change
	deleted []stored
	expired []Row // of the file, for which there is nothing to do any more
}

// compare finds the difference. A row of no source that the file has becomes the source's; one of another source is an error.
func compare(source string, have []stored, want []Row, now time.Time) (Diff, error) {
	d := Diff{source: source}
	there := map[key]stored{}
	for _, s := range have {
		there[s.key()] = s
	}
	for _, r := range want {
		s, ok := there[r.key()]
		delete(there, r.key())
		switch {
		case r.ExpiresAt != nil && !r.ExpiresAt.After(now):
			d.expired = append(d.expired, r)
			if ok && s.Source == source {
				d.deleted = append(d.deleted, s)
			}
		case !ok:
			d.added = append(d.added, r)
		case s.Source != "" && s.Source != source:
			return Diff{}, fmt.Errorf("line %d: %s belongs to source %q: what two sources want is for one of them to say", r.Line, r, s.Source)
		case s.Source != source || !equal(s.Row, r):
			d.changed = append(d.changed, change{s, r})
		}
	}
	for _, s := range there {
		if s.Source == source {
			d.deleted = append(d.deleted, s)
		}
	}
	slices.SortFunc(d.deleted, func(a, b stored) int { return int(a.ID - b.ID) })
	return d, nil
}

func equal(a, b Row) bool {
	for _, column := range columns {
		if a.text(column) != b.text(column) {
			return false
		}
	}
	return true
}

// Empty reports whether there is nothing to do.
func (d Diff) Empty() bool { return len(d.added)+len(d.changed)+len(d.deleted) == 0 }

// Counts returns how many rows are inserted, changed and deleted.
func (d Diff) Counts() (added, changed, deleted int) {
	return len(d.added), len(d.changed), len(d.deleted)
}

// Expired returns the rows of the file that have expired already, and are not written.
func (d Diff) Expired() []Row { return d.expired }

// Lines says for people what is inserted (+), changed (~) and deleted (-).
func (d Diff) Lines() []string {
	var lines []string
	for _, s := range d.deleted {
		lines = append(lines, "- "+s.String())
	}
	for _, c := range d.changed {
		lines = append(lines, "~ "+c.String()+": "+c.difference(d.source))
	}
	for _, r := range d.added {
		lines = append(lines, "+ "+r.String())
	}
	return lines
}

// difference names the columns that change.
func (c change) difference(source string) string {
	var text string
	note := func(column, was, is string) {
		if was == is {
			return
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %s → %s", column, orNone(was), orNone(is))
	}
	for _, column := range columns {
		note(column, c.was.text(column), c.text(column))
	}
	note("source", c.was.Source, source)
	return text
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return fmt.Sprintf("%q", text)
}
