-- The requests that the reader has made, that are for it, or that it may approve: those that wait for it first.
-- $1 bigint: how many to leave out
-- $2 integer: how many
SELECT q.id, q.role_name, q.privilege, q.object_type, coalesce(q.schema_name, '') AS schema_name, q.object_name,
    coalesce(q.column_name, '') AS column_name, q.duration::text AS duration, left(q.reason, 500) AS reason, q.extends, q.requester,
    q.requested_at, q.status, q.approved_by, coalesce(q.approvals_needed, 0) AS approvals_needed,
    coalesce(q.approver_role, '') AS approver_role, q.decided_at, q.expires_at,
    q.is_to_decide
FROM sync_roles.my_requests AS q
ORDER BY NOT q.is_to_decide, q.status <> 'open', q.id DESC
OFFSET $1
LIMIT $2;
