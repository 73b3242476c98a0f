package audit

import "github.com/jackc/pgx/v5"

const releasedSQL = `
	insert into sync_roles.suspended_roles as s (role_oid, role_name, released)
	select r.oid, r.rolname, true
	from pg_catalog.pg_roles as r
	where r.rolname = any ($1::name[])
	on conflict (role_oid) do update set released = true`

// RecordReleased records of which roles that are being retired all may be revoked: what is left for later passes is not judged by the limit again.
func RecordReleased(records *pgx.Batch, roles []string) {
	if len(roles) > 0 {
		records.Queue(releasedSQL, roles)
	}
}
