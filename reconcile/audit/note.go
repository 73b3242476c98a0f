package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const (
	rescanSQL         = "insert into sync_roles.rescans (roles, drifted, duration, instance) values ($1, $2, $3, $4)"
	emptySinceSQL     = "update sync_roles.intermediate_roles set empty_since = case when $2 then null else now() end where role_name = $1"
	contestSQL        = "insert into sync_roles.contested (role_name, problems) values ($1, $2) on conflict (role_name) do update set problems = excluded.problems"
	forgetContestsSQL = "delete from sync_roles.contested where role_name = any ($1)"
	measuredSQL       = "update sync_roles.costly_patterns set measured_at = now() where object_type = $1 and schema_name = $2 and object_name = $3 and name_match = $4"
	forgetPatternSQL  = "delete from sync_roles.costly_patterns where object_type = $1 and schema_name = $2 and object_name = $3 and name_match = $4"
	costlyPatternsSQL = `
		insert into sync_roles.costly_patterns (object_type, schema_name, object_name, name_match, schema_match)
		select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
		on conflict (object_name, object_type, schema_name, name_match) do update set measured_at = now()`
	forgetResolvedSQL = `
		delete from sync_roles.resolved_objects
		where class_oid = $1 and object_oid = $2 and column_number = $3 and schema_name = $4 and object_name = $5 and signature = $6 and column_name = $7`
)

// WriteRescan writes a row of sync_roles.rescans.
func WriteRescan(ctx context.Context, db executor, roles, drifted int, took time.Duration, instance string) error {
	if _, err := db.Exec(ctx, rescanSQL, roles, drifted, took, instance); err != nil {
		return fmt.Errorf("record the rescan: %w", err)
	}
	return nil
}

// WriteEmptySince notes since when an intermediate role holds nothing, or that it holds something again.
func WriteEmptySince(ctx context.Context, db executor, role string, holds bool) error {
	if _, err := db.Exec(ctx, emptySinceSQL, role, holds); err != nil {
		return fmt.Errorf("note since when intermediate role %q holds nothing: %w", role, err)
	}
	return nil
}

// RecordContest notes for role_status that a role is contested.
func RecordContest(records *pgx.Batch, role string, problem plan.Problem) {
	records.Queue(contestSQL, role, []plan.Problem{problem})
}

// ForgetContests forgets roles that are no longer contested.
func ForgetContests(records *pgx.Batch, roles []string) {
	if len(roles) > 0 {
		records.Queue(forgetContestsSQL, roles)
	}
}

// ForgetResolved forgets that a name resolved to an object, or to a column of it.
func ForgetResolved(records *pgx.Batch, class, object catalog.OID, column int16, schema, name, signature, columnName string) {
	records.Queue(forgetResolvedSQL, class, object, column, schema, name, signature, columnName)
}

// WriteCostlyPatterns records patterns that take too long, as parallel lists: their rows are left out from then on.
func WriteCostlyPatterns(ctx context.Context, db executor, types, schemas, schemaMatches, patterns, matches []string) error {
	if _, err := db.Exec(ctx, costlyPatternsSQL, types, schemas, patterns, matches, schemaMatches); err != nil {
		return fmt.Errorf("record patterns that take too long: %w", err)
	}
	return nil
}

// WriteMeasured records that a costly pattern was measured, or forgets it where it is not costly any more.
func WriteMeasured(ctx context.Context, db executor, objectType, schema, pattern, match string, costly bool) error {
	sql := forgetPatternSQL
	if costly {
		sql = measuredSQL
	}
	if _, err := db.Exec(ctx, sql, objectType, schema, pattern, match); err != nil {
		return fmt.Errorf("record how long a pattern takes: %w", err)
	}
	return nil
}
