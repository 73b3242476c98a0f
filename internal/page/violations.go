package page

import (
	"math"
	"time"
)

// violation is access that a rule forbids.
type violation struct {
	ID                                 int64
	ForbiddenID                        int64
	RoleName, Privilege, ObjectType    string
	SchemaName, ObjectName, ColumnName string
	Path                               string
	Since                              time.Time
	Reason                             string
	Culprit                            string // the change by hand that brought it about; empty: not known
}

// violationCount is how many privileges break how many rules.
type violationCount struct{ Violations, Rules int64 }

func countViolations(r *request) (violationCount, error) {
	list, err := collect[violationCount](r, "violation_count")
	if err != nil {
		return violationCount{}, err
	}
	return list[0], nil
}

func readViolations(r *request, role string, rule, before int64, most int) ([]violation, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return collect[violation](r, "violations", orNull(role), orNull(rule), before, most)
}

// violationList is a part of the violations, the newest first.
type violationList struct {
	Role       string
	Rule       string
	Violations []violation
	Count      violationCount
	Next       string
}

func showViolations(r *request) (*result, error) {
	if err := r.reader.need("Violations", "violation_history"); err != nil {
		return nil, err
	}
	l := &violationList{Role: r.query("role"), Rule: r.query("rule")}
	rule, err := idOf("rule", l.Rule)
	if err != nil {
		return nil, err
	}
	before, err := idOf("before", r.query("before"))
	if err != nil {
		return nil, err
	}
	if l.Violations, err = readViolations(r, l.Role, rule, before, manyLines+1); err != nil {
		return nil, err
	}
	if l.Count, err = countViolations(r); err != nil {
		return nil, err
	}
	if len(l.Violations) > manyLines {
		l.Violations = l.Violations[:manyLines]
		l.Next = link("/violations", "role", l.Role, "rule", l.Rule, "before", l.Violations[manyLines-1].ID)
	}
	return &result{template: "violations", title: "Violations", data: l}, nil
}

// orNull is a parameter of a query: nil where nothing was asked for.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
