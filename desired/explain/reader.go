package explain

import (
	"context"
	"fmt"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// mayRead returns an error that says what to grant, if the connected role may not read all of these tables and views of sync_roles.
func mayRead(ctx context.Context, q catalog.Querier, relations ...string) error {
	var user string
	var missing []string
	err := q.QueryRow(ctx, `
		select current_user, array(
			select 'sync_roles.' || c.relname
			from pg_catalog.pg_class as c
			where c.relnamespace = to_regnamespace('sync_roles') and c.relname = any ($1) and not has_table_privilege(c.oid, 'SELECT')
			order by c.relname)`, relations).Scan(&user, &missing)
	if err != nil {
		return fmt.Errorf("ask what this role may read: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("role %q may not read all the relations that this command needs. To allow it: GRANT SELECT ON %s TO %s", user, strings.Join(missing, ", "), catalog.Quote(user))
	}
	return nil
}

// HidesRows reports whether row-level security can hide rows of desired_grants from the connected role, and what that is called.
func HidesRows(ctx context.Context, q catalog.Querier) (user string, hides bool, err error) {
	// A scope shows all if nothing in it restricts what is seen.
	err = q.QueryRow(ctx, `
		select current_user, row_security_active('sync_roles.desired_grants') and not exists (
			select
			from sync_roles.my_scopes as s
			where s.public and num_nonnulls(s.grantee_like, s.object_type, s.privileges, s.schema_like, s.object_like) = 0)`).Scan(&user, &hides)
	if err != nil {
		return user, hides, fmt.Errorf("ask whether row-level security hides rows of sync_roles.desired_grants: %w", err)
	}
	return user, hides, nil
}
