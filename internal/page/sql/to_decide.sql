-- How many items of reviews wait for the reader to decide.
SELECT count(*) AS items, min(r.deadline) AS deadline
FROM sync_roles.review_items AS i
JOIN sync_roles.reviews AS r ON r.id = i.review_id
CROSS JOIN (
    SELECT l.to_decide, sync_roles.reached_by_login() AS reached FROM sync_roles.reviews_of_login() AS l OFFSET 0
) AS l
WHERE i.decision IS NULL AND r.closed_at IS NULL AND r.deadline > now() AND i.review_id = ANY (l.to_decide)
    AND i.role_name <> ALL (l.reached) AND session_user::text <> ALL (i.authors);
