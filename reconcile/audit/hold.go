package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const holdSQL = `
	insert into sync_roles.held (role_name, revokes, digest, changes, at_once, in_all) values ($1, $2, $3, $4, $5, $6)
	on conflict (role_name) do update
	set revokes = excluded.revokes, digest = excluded.digest, changes = excluded.changes, at_once = excluded.at_once, in_all = excluded.in_all
	where held.digest <> excluded.digest or held.changes is null or (held.at_once, held.in_all) <> (excluded.at_once, excluded.in_all)`

// RecordHeld records the held revokes, and forgets those of roles in before that are no longer held. An approval is for one pass, whether it was for what that
// found or not.
func RecordHeld(records *pgx.Batch, before []string, held map[string]plan.HeldRevokes, approvedBy map[string]string, problems plan.Problems) {
	var gone, used []string
	for _, role := range before {
		_, still := held[role]
		switch {
		case still:
			used = append(used, role)
		case approvedBy[role] != "" && plan.KeepsAccess(problems[role]):
			// It could not be revoked this time, and is tried again.
		default:
			used, gone = append(used, role), append(gone, role)
		}
	}
	if len(used) > 0 {
		records.Queue("delete from sync_roles.approvals where role_name = any ($1)", used)
	}
	if len(gone) > 0 {
		records.Queue("delete from sync_roles.held where role_name = any ($1)", gone)
	}
	for _, role := range sortedNames(held) {
		h := held[role]
		records.Queue(holdSQL, role, len(h.What), h.Digest, h.What, h.Measure.Revokes, h.Measure.Total)
	}
}

// keptRevokes is for how long recent revokes are kept at least: another daemon's window may be longer.
const keptRevokes = 10 * time.Minute

// Passes of the same second share a row: however many they are, the sum over the window reads few.
const recordRevokesSQL = `
	with same as (
		update sync_roles.recent_revokes
		set revokes = revokes + $1::bigint, at = statement_timestamp()
		where ctid = (
			select ctid
			from sync_roles.recent_revokes
			where at between date_trunc('second', statement_timestamp()) and statement_timestamp()
			limit 1
		)
		returning at
	)
	insert into sync_roles.recent_revokes (revokes)
	select $1::bigint where not exists (select from same)`

// RecordRevokes records how much of what the pass revoked counts against the next deletion: what neither expired nor was approved, and went.
func RecordRevokes(records *pgx.Batch, counts map[string]int64, rows []Row, window time.Duration) {
	var n int64
	for _, r := range rows {
		n += min(counts[r.Role], int64(r.Revoked))
	}
	if n == 0 || window == 0 {
		return
	}
	records.Queue("delete from sync_roles.recent_revokes where at < now() - $1::interval", max(window, keptRevokes))
	records.Queue(recordRevokesSQL, n)
}

const approveSQL = `
	insert into sync_roles.approvals (role_name)
	select h.role_name from sync_roles.held as h where cardinality($1::text[]) = 0 or h.role_name = any ($1)
	order by h.role_name`

// An executor is a connection, or a transaction.
type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Approve approves, once, the revokes that are held now from these roles, or from all. It returns the number of roles.
func Approve(ctx context.Context, db executor, roles []string) (int, error) {
	tag, err := db.Exec(ctx, approveSQL, append([]string{}, roles...))
	if err != nil {
		return 0, fmt.Errorf("approve what is held: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
