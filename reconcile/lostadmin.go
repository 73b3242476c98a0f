package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

const registeredSQL = `
	select role_oid from sync_roles.intermediate_roles
	union
	select role_oid from sync_roles.keepers`

// warnOfLostAdmin says which roles of ours the daemon can no longer give, take away or drop. An upgrade to PostgreSQL 16 or later leads to that: before,
// CREATEROLE was enough, and no ADMIN option was recorded. Nothing is wrong until a row is deleted, whose access would then stay.
func (e *Engine) warnOfLostAdmin(ctx context.Context) error {
	if e.server.Superuser || !e.server.MembershipOptions() {
		return nil
	}
	oids, err := collect[struct{ OID catalog.OID }](ctx, e.conn, registeredSQL)
	if err != nil {
		return fmt.Errorf("read the registry of intermediate roles: %w", err)
	}
	list := make([]catalog.OID, len(oids))
	for i, r := range oids {
		list[i] = r.OID
	}
	rights, err := catalog.ReadRights(ctx, e.conn, list)
	if err != nil {
		return err
	}
	var lost []string
	for _, r := range rights {
		if !r.Admin {
			lost = append(lost, r.Name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	e.log.Warn().Int("roles", len(lost)).Str("fix", regainFix(lost, e.server)).
		Msg("the daemon has no ADMIN option on roles that it made, as after an upgrade from PostgreSQL 15 or older: access through them would outlive its rows; as a superuser run the fix, once")
	return nil
}
