-- One row of the audit.
-- $1 bigint: its id
SELECT a.id, a.at, coalesce(a.role_name, '') AS role_name, a.cause, a.outcome, a.granted, a.revoked, a.requested_by[1:200] AS requested_by,
    cardinality(a.requested_by) AS requesters, a.statements[1:500] AS statements, cardinality(a.statements) AS statement_count,
    a.problems, left(coalesce(a.error, ''), 5000) AS error
FROM sync_roles.audit AS a
WHERE a.id = $1;
