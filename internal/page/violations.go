package page

import "time"

// violation is access that a rule forbids.
type violation struct {
	ForbiddenID                        int64
	RoleName, Privilege, ObjectType    string
	SchemaName, ObjectName, ColumnName string
	Path                               string
	Since                              time.Time
	Reason                             string
	Total                              int64 // of all like it
}

// violationList is a part of the violations, the newest first.
type violationList struct {
	Role       string
	Rule       string
	Violations []violation
	Total      int64
	Next       string
}

func showViolations(r *request) (*result, error) {
	if err := r.reader.need("Violations", "violations"); err != nil {
		return nil, err
	}
	l := &violationList{Role: r.query("role"), Rule: r.query("rule")}
	rule, err := idOf("rule", l.Rule)
	if err != nil {
		return nil, err
	}
	skip, err := idOf("skip", r.query("skip"))
	if err != nil {
		return nil, err
	}
	l.Violations, err = collect[violation](r, "violations", orNull(l.Role), orNull(rule), skip, manyLines+1)
	if err != nil {
		return nil, err
	}
	if len(l.Violations) > 0 {
		l.Total = l.Violations[0].Total
	}
	if len(l.Violations) > manyLines {
		l.Violations = l.Violations[:manyLines]
		l.Next = link("/violations", "role", l.Role, "rule", l.Rule, "skip", skip+manyLines)
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
