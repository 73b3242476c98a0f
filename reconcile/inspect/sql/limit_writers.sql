-- Who deleted what.
-- $1 bigint[]: withdrawn.transaction
SELECT DISTINCT w.transaction::text::bigint AS transaction, w.withdrawn_by
FROM sync_roles.withdrawn AS w
WHERE w.transaction::text::bigint = ANY ($1);
