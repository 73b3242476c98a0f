-- The audit, the newest first.
-- $1 bigint: before this id
-- $2 text: of this role; empty: of all
-- $3, $4 text: with this outcome, this cause; empty: with any
-- $5, $6 timestamptz: from, and before
-- $7 boolean: only what undid what others did, as far as that can be told
-- $8 integer: how many
SELECT a.id, a.at, coalesce(a.role_name, '') AS role_name, a.cause, a.outcome, a.granted, a.revoked, a.requested_by[1:5] AS requested_by,
    cardinality(a.requested_by) AS requesters, a.statements[1:10] AS statements, cardinality(a.statements) AS statement_count,
    a.problems, left(coalesce(a.error, ''), 1000) AS error
FROM sync_roles.audit AS a
WHERE a.id < $1 AND ($2 = '' OR a.role_name = $2) AND ($3 = '' OR a.outcome = $3) AND ($4 = '' OR a.cause = $4)
    AND ($5::timestamptz IS NULL OR a.at >= $5) AND ($6::timestamptz IS NULL OR a.at < $6)
    AND (NOT $7::boolean OR a.granted + a.revoked > 0
        AND (a.cause IN ('rescan', 'ddl') OR starts_with(a.requested_by[1], 'hand change by ')))
ORDER BY a.id DESC
LIMIT $8;
