-- The reviews that the reader may decide or has opened: those with something to decide first.
-- $1 integer: how many
SELECT r.id, left(r.reason, 500) AS reason, r.opened_by, r.deadline, r.deadline > now() AS in_time, r.undecided, r.closed_at,
    count(i.id) AS items, count(i.id) FILTER (WHERE i.decision IS NULL) AS open
FROM sync_roles.reviews AS r
LEFT JOIN sync_roles.review_items AS i ON i.review_id = r.id
GROUP BY r.id
ORDER BY r.closed_at IS NOT NULL, count(i.id) FILTER (WHERE i.decision IS NULL) = 0, r.deadline, r.id
LIMIT $1;
