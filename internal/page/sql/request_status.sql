-- All requests: the open ones first, then the newest.
-- $1 bigint: how many to leave out
-- $2 integer: how many
SELECT q.id, q.role_name, q.privilege, q.object_type, coalesce(q.schema_name, '') AS schema_name, q.object_name,
    coalesce(q.column_name, '') AS column_name, q.duration::text AS duration, left(q.reason, 500) AS reason, q.extends, q.requester,
    q.requested_at, q.status, q.approved_by, coalesce(q.approvals_needed, 0) AS approvals_needed,
    coalesce(q.approver_role, '') AS approver_role, q.decided_at, q.expires_at,
    false AS is_to_decide
FROM sync_roles.request_status AS q
ORDER BY q.status <> 'open', q.id DESC
OFFSET $1
LIMIT $2;
