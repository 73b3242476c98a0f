-- Whether a desired grant has expired of a role that does not wait for another try, and whether a review is to be closed.
SELECT EXISTS (
        SELECT
        FROM sync_roles.desired_grants AS g
        WHERE g.expires_at <= now()
            AND NOT EXISTS (SELECT FROM sync_roles.retries AS t WHERE t.role_name = g.role_name AND t.next_retry_at > now())
    ),
    EXISTS (
        SELECT
        FROM sync_roles.reviews AS r
        WHERE r.closed_at IS NULL AND r.deadline <= now() AND sync_roles.review_due(r.deadline, r.tried_at) <= now()
    );
