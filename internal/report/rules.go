package report

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Rule is a row of sync_roles.forbidden, and whether it is kept.
type Rule struct {
	ID          int64    `json:"id"`
	What        string   `json:"what"`
	AppliesTo   string   `json:"applies_to"`
	ExceptRoles []string `json:"except_roles"`
	Enforce     bool     `json:"enforce"`
	Reason      string   `json:"reason"`
	CreatedBy   string   `json:"created_by"`
	CreatedAt   Instant  `json:"created_at"`
	Violations  int      `json:"violations"` // 0: it is kept
}

type ruleLine struct {
	ID              int64
	Privilege       string
	ObjectType      string
	SchemaName      string
	SchemaMatch     string
	ObjectName      string
	NameMatch       string
	ColumnName      string
	ExceptRoles     []string
	Enforce         bool
	Reason          string
	AppliesTo       string
	WithPrivilege   string
	WithObjectType  string
	WithSchemaName  string
	WithSchemaMatch string
	WithObjectName  string
	WithNameMatch   string
	WithColumnName  string
	CreatedBy       string
	CreatedAt       time.Time
}

// Violation is what broke a rule.
type Violation struct {
	RuleID     int64   `json:"forbidden_id"`
	Role       string  `json:"role"`
	Privilege  string  `json:"privilege"`
	ObjectType string  `json:"object_type"`
	Schema     string  `json:"schema"`
	Object     string  `json:"object"`
	Column     string  `json:"column"`
	Path       string  `json:"path"`
	Reason     string  `json:"reason"`
	Since      Instant `json:"since"`
	Until      Instant `json:"until"`
}

type violationLine struct {
	ForbiddenID int64
	RoleName    string
	Privilege   string
	ObjectType  string
	SchemaName  string
	ObjectName  string
	ColumnName  string
	Path        string
	Reason      string
	Since       time.Time
	Until       *time.Time
}

func (r *Reader) readRules(ctx context.Context, asOf, since time.Time) error {
	rules, err := collect[ruleLine](ctx, r.tx, "rules", r.at())
	if err != nil {
		return err
	}
	inPeriod, err := r.readViolations(ctx, "violations_then", asOf, since)
	if err != nil {
		return err
	}
	r.Report.ViolationsInPeriod = inPeriod
	if r.then() {
		r.Report.Violations = []Violation{}
		for _, v := range inPeriod {
			if v.Until.IsZero() {
				r.Report.Violations = append(r.Report.Violations, v)
			}
		}
	} else if r.Report.Violations, err = r.readViolations(ctx, "violations_now"); err != nil {
		return err
	}
	broken := map[int64]int{}
	for _, v := range r.Report.Violations {
		broken[v.RuleID]++
	}
	r.Report.Rules = []Rule{}
	for _, l := range rules {
		r.Report.Rules = append(r.Report.Rules, Rule{
			l.ID, l.what(), l.AppliesTo, l.ExceptRoles, l.Enforce, l.Reason, l.CreatedBy, instant(&l.CreatedAt), broken[l.ID],
		})
	}
	return nil
}

func (r *Reader) readViolations(ctx context.Context, name string, args ...any) ([]Violation, error) {
	lines, err := collect[violationLine](ctx, r.tx, name, args...)
	if err != nil {
		return nil, err
	}
	list := make([]Violation, 0, len(lines))
	for _, l := range lines {
		list = append(list, Violation{
			l.ForbiddenID, l.RoleName, l.Privilege, l.ObjectType, l.SchemaName, l.ObjectName, l.ColumnName, l.Path, l.Reason, instant(&l.Since), instant(l.Until),
		})
	}
	return list, nil
}

func (l ruleLine) what() string {
	text := pointer(l.Privilege, l.ObjectType, l.SchemaName, l.SchemaMatch, l.ObjectName, l.NameMatch, l.ColumnName)
	if l.WithPrivilege != "" {
		text += ", together with " + pointer(l.WithPrivilege, l.WithObjectType, l.WithSchemaName, l.WithSchemaMatch, l.WithObjectName, l.WithNameMatch, l.WithColumnName)
	}
	return text
}

// pointer is what a rule or a row points at, in words.
func pointer(privilege, objectType, schema, schemaMatch, name, nameMatch, column string) string {
	text := privilege + " on " + objectType + " "
	if schema != "" {
		text += compared(schema, schemaMatch) + "."
	}
	text += compared(name, nameMatch)
	if column != "" {
		text += fmt.Sprintf(", column %s", quoted(column))
	}
	return text
}

func compared(name, match string) string {
	if match == "exact" || match == "" {
		return quoted(name)
	}
	return match + " " + literal(name)
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// What names the privilege and the object, in words.
func (v Violation) What() string {
	return pointer(v.Privilege, v.ObjectType, v.Schema, "", v.Object, "", v.Column)
}

// What names the privilege and the object, in words.
func (q Request) What() string {
	return pointer(q.Privilege, q.ObjectType, q.Schema, "", q.Object, "", q.Column)
}
