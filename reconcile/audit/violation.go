package audit

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var recordViolationsSQL = query("record_violations")

// Violation is something that breaks a rule of sync_roles.forbidden.
type Violation struct {
	Rule      int64  `db:"forbidden_id"`
	Role      string `db:"role_name"`
	Privilege string
	Object    string
	Path      string
	Reason    string
}

// These spare a database without such rules the search.
const (
	anyRulesSQL = `
		select (select true from sync_roles.forbidden limit 1) is not null
			or (select true from sync_roles.violation_history where until is null limit 1) is not null`
	enforcedRulesSQL = "select exists (select from sync_roles.forbidden where enforce)"
)

// RecordViolations notes the violations that are new, at most so many as a transaction notifies of, and those that are over. It returns the new ones.
func RecordViolations(ctx context.Context, q catalog.Querier) ([]Violation, error) {
	return recordViolations(ctx, q, anyRulesSQL)
}

// RecordEnforced is RecordViolations before passes, which may end what rules with enforce forbid; without such rules it does nothing.
func RecordEnforced(ctx context.Context, q catalog.Querier) ([]Violation, error) {
	return recordViolations(ctx, q, enforcedRulesSQL)
}

func recordViolations(ctx context.Context, q catalog.Querier, conditionSQL string) ([]Violation, error) {
	var asked bool
	if err := q.QueryRow(ctx, conditionSQL).Scan(&asked); err != nil || !asked {
		return nil, err
	}
	list, err := catalog.Collect[Violation](ctx, q, recordViolationsSQL, EventChannel, maxEvents)
	if err != nil {
		return nil, fmt.Errorf("note the violations of rules: %w", err)
	}
	return list, nil
}

const (
	mayReadViolationsSQL = `
		select coalesce(has_table_privilege(to_regclass('sync_roles.violations'), 'SELECT'), false),
			coalesce(has_table_privilege(to_regclass('sync_roles.forbidden'), 'SELECT'), false)`
	violationsSQL = `
		select v.forbidden_id, v.role_name, v.privilege, v.path, v.reason,
			v.object_type || ' ' || concat_ws('.', v.schema_name, v.object_name) || coalesce(' (' || v.column_name || ')', '') as object
		from sync_roles.violations as v
		where coalesce(cardinality($1::text[]), 0) = 0 or v.role_name = any ($1)
		order by v.forbidden_id, v.role_name, object, v.privilege`
)

// Violations lists what breaks the rules at this moment, for these roles or all; none where the connected role may not read them.
func Violations(ctx context.Context, q catalog.Querier, roles []string) ([]Violation, error) {
	var may, known bool
	if err := q.QueryRow(ctx, mayReadViolationsSQL).Scan(&may, &known); err != nil || !may {
		return nil, err
	}
	if known {
		var exist bool // otherwise the view need not be planned
		if err := q.QueryRow(ctx, "select exists (select from sync_roles.forbidden)").Scan(&exist); err != nil || !exist {
			return nil, err
		}
	}
	list, err := catalog.Collect[Violation](ctx, q, violationsSQL, roles)
	if err != nil {
		return nil, fmt.Errorf("read the violations of rules: %w", err)
	}
	return list, nil
}
