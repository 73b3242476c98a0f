-- The requests that were made or decided in a period. Of approved ones, it depends on the time alone whether they have expired.
-- $1 timestamptz: when the period ends
-- $2 timestamptz: when it begins
SELECT r.id, r.role_name, r.privilege, r.object_type, coalesce(r.schema_name, '') AS schema_name, r.object_name,
    coalesce(r.column_name, '') AS column_name, r.reason, r.requester, r.requested_at,
    CASE WHEN r.status IN ('expired', 'ended') THEN 'approved' ELSE r.status END AS status, r.approved_by, r.decided_at, r.grant_id,
    r.expires_at
FROM sync_roles.request_status AS r
WHERE r.requested_at <= $1::timestamptz AND greatest(r.requested_at, r.decided_at, r.expires_at) > $2::timestamptz
ORDER BY r.id;
