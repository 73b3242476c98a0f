-- Decides one item of a review. Row-level security says who may.
-- $1 bigint: the item
-- $2 bigint: its review
-- $3 text: keep or end
-- $4 text: a comment, or NULL
UPDATE sync_roles.review_items SET decision = $3, comment = $4 WHERE id = $1 AND review_id = $2 AND decision IS NULL;
