package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const (
	// forgetLostSQL forgets memberships of which no session is left that began before they were lost.
	forgetLostSQL = `
		delete from sync_roles.lost_memberships as l
		where not exists (
			select
			from pg_catalog.pg_stat_activity as a
			where a.usesysid = l.member_oid and (a.backend_start < l.lost_at or a.backend_start is null)
		)`

	// lostSQL asks for what is lost for good: a member may be one by another grantor, or through other roles.
	lostSQL = `
		insert into sync_roles.lost_memberships (member_oid, role_oid)
		select distinct m.oid, g.oid
		from unnest($1::text[], $2::text[]) as l (member_name, role_name)
		join pg_catalog.pg_roles as m on m.rolname = l.member_name
		join pg_catalog.pg_roles as g on g.rolname = l.role_name
		where not pg_has_role(m.oid, g.oid, $3)
			and exists (select from pg_catalog.pg_stat_activity as a where a.usesysid = m.oid)
		on conflict (member_oid, role_oid) do update set lost_at = clock_timestamp()`
)

// RecordLostMemberships records memberships that the pass ended, of members with sessions: those of before may keep what they were given.
func RecordLostMemberships(records *pgx.Batch, lost []plan.Membership, server catalog.Server) {
	if len(lost) == 0 {
		return
	}
	members, roles := make([]string, len(lost)), make([]string, len(lost))
	for i, l := range lost {
		members[i], roles[i] = l.Member, l.Role
	}
	reach := "MEMBER"
	if server.MembershipOptions() {
		reach = "SET"
	}
	records.Queue(forgetLostSQL)
	records.Queue(lostSQL, members, roles, reach)
}

// ForgetLostMemberships forgets memberships that no session can have kept.
func ForgetLostMemberships(ctx context.Context, db executor) error {
	if _, err := db.Exec(ctx, forgetLostSQL); err != nil {
		return fmt.Errorf("forget memberships that no session can have kept: %w", err)
	}
	return nil
}
