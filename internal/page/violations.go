package page

import "time"

// violation is access that a rule forbids.
type violation struct {
	ForbiddenID                        int64
	RoleName, Privilege, ObjectType    string
	SchemaName, ObjectName, ColumnName string
	Path                               *string
	Since                              *time.Time
	Reason                             string
}

type violationList struct {
	Violations []violation
	More       bool
}

func showViolations(r *request) (*result, error) {
	if err := r.reader.need("Violations", "violations"); err != nil {
		return nil, err
	}
	l := &violationList{}
	var err error
	if l.Violations, err = collect[violation](r, "violations", nil, violations+1); err != nil {
		return nil, err
	}
	if len(l.Violations) > violations {
		l.Violations, l.More = l.Violations[:violations], true
	}
	return &result{template: "violations", title: "Violations", data: l}, nil
}
