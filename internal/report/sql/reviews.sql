-- The reviews that were open in a period. Not the status, which time alone changes.
-- $1 timestamptz: when the period ends
-- $2 timestamptz: when it begins
SELECT r.id, r.reason, r.opened_by, r.opened_at, r.reviewers, r.deadline, r.undecided, r.items, r.kept, r.ended,
    r.by_deadline, coalesce(r.decided_by, '{}') AS decided_by, r.closed_at
FROM sync_roles.review_status AS r
WHERE r.opened_at <= $1::timestamptz AND (r.closed_at IS NULL OR r.closed_at > $2::timestamptz)
ORDER BY r.id;
