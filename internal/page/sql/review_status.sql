-- How far all reviews are: the open ones first.
-- $1 integer: how many
SELECT r.id, left(r.reason, 500) AS reason, r.opened_by, r.reviewers, r.deadline, r.undecided, r.status, r.items, r.open, r.kept, r.ended,
    r.by_deadline, r.stale
FROM sync_roles.review_status AS r
ORDER BY r.status = 'closed', r.deadline, r.id
LIMIT $1;
