package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// change is a row of the audit.
type change struct {
	ID               int64
	At               time.Time
	RoleName         string
	Cause, Outcome   string
	Granted, Revoked int32
	RequestedBy      []string
	Requesters       int32
	Statements       []string
	StatementCount   int32
	Problems         problems
	Error            string
}

// problems are as the audit and role_status have them.
type problems []plan.Problem

// UnmarshalJSON reads them, and leaves out what would not fit a page.
func (p *problems) UnmarshalJSON(text []byte) error {
	var list []plan.Problem
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for i := range list {
		list[i].Reason, list[i].Object = shortened(list[i].Reason, 2000), shortened(list[i].Object, 500)
	}
	*p = list
	return nil
}

// Some are the first of them.
func (p problems) Some() problems { return p[:min(len(p), fewLines)] }

// More is how many there are besides.
func (p problems) More() int { return max(0, len(p)-fewLines) }

// More is how many statements there are besides those that are shown.
func (c change) More() int { return int(c.StatementCount) - len(c.Statements) }

const fewStatements = 3

// Few are the first of its statements.
func (c change) Few() []string { return c.Statements[:min(len(c.Statements), fewStatements)] }

// MoreThanFew is how many statements there are besides.
func (c change) MoreThanFew() int { return int(c.StatementCount) - len(c.Few()) }

// OtherRequesters is how many have asked for it besides those that are shown.
func (c change) OtherRequesters() int { return int(c.Requesters) - len(c.RequestedBy) }

// shortened is a text of at most so many bytes.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + " …"
}

// changeFilter says which rows of the audit.
type changeFilter struct {
	Role, Outcome, Cause string
	From, To             string
	from, to             *time.Time
	Before               int64 // 0: from the newest on
	drift                bool
}

func readChanges(r *request, f changeFilter, most int) ([]change, error) {
	before := int64(math.MaxInt64)
	if f.Before > 0 {
		before = f.Before
	}
	list, err := collect[change](r, "changes", before, f.Role, f.Outcome, f.Cause, f.from, f.to, f.drift, most)
	for i := range list {
		for j, s := range list[i].Statements {
			list[i].Statements[j] = shortened(s, 1000)
		}
	}
	return list, err
}

// changeList is a part of the audit, the newest first.
type changeList struct {
	changeFilter
	Changes          []change
	Outcomes, Causes []string
	Next             string
}

var (
	outcomes = []string{"applied", "unchanged", "waiting", "refused", "blocked", "failed", "held"}
	causes   = []string{"notify", "rescan", "startup", "retry", "expiry", "ddl", "manual"}
)

func showChanges(r *request) (*result, error) {
	if err := r.reader.need("The audit", "audit"); err != nil {
		return nil, err
	}
	l := &changeList{Outcomes: outcomes, Causes: causes}
	var err error
	if l.changeFilter, err = filterOf(r); err != nil {
		return nil, err
	}
	if l.Changes, err = readChanges(r, l.changeFilter, someLines+1); err != nil {
		return nil, err
	}
	if len(l.Changes) > someLines {
		l.Changes = l.Changes[:someLines]
		l.Next = link("/changes", "role", l.Role, "outcome", l.Outcome, "cause", l.Cause, "from", l.From, "to", l.To, "before", l.Changes[someLines-1].ID)
	}
	return &result{template: "changes", title: "Changes", data: l}, nil
}

// filterOf reads the address.
func filterOf(r *request) (f changeFilter, err error) {
	f = changeFilter{Role: r.query("role"), Outcome: r.query("outcome"), Cause: r.query("cause"), From: r.query("from"), To: r.query("to")}
	if f.from, err = timeOf("from", f.From); err != nil {
		return f, err
	}
	if f.to, err = timeOf("to", f.To); err != nil {
		return f, err
	}
	if f.from != nil {
		f.From = f.from.UTC().Format(formTime)
	}
	if f.to != nil {
		f.To = f.to.UTC().Format(formTime)
	}
	f.Before, err = idOf("before", r.query("before"))
	return f, err
}

// timeOf reads a time, as forms send it, or a day. It is in UTC.
func timeOf(name, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no time is meant
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 0 {
			return &t, nil
		}
	}
	return nil, inputError{fmt.Errorf("%s is no time: write it as 2026-11-28 14:30, in UTC", name)}
}

// formTime is how a field for a time wants its value.
const formTime = "2006-01-02T15:04:05"

// idOf reads the number of a row; 0 if there is none.
func idOf(name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, inputError{errors.New(name + " is no number of a row")}
	}
	return id, nil
}

func showChange(r *request) (*result, error) {
	if err := r.reader.need("The audit", "audit"); err != nil {
		return nil, err
	}
	id, err := idOf("id", r.query("id"))
	if err != nil {
		return nil, err
	}
	list, err := collect[change](r, "change", id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNotFound
	}
	room := 400 << 10 // of a page
	for i, s := range list[0].Statements {
		list[0].Statements[i] = shortened(s, 20_000)
		if room -= len(list[0].Statements[i]); room < 0 {
			list[0].Statements = list[0].Statements[:i]
			break
		}
	}
	return &result{template: "change", title: fmt.Sprintf("Change %d", id), data: list[0]}, nil
}
