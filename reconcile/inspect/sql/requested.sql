-- Whether a pass over these roles has something to do besides what their privileges show: they were asked for, something of theirs has
-- expired, waits
-- for another try or was approved.
-- $1 text[]: names of roles
SELECT
    EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = ANY ($1))
    OR EXISTS (SELECT FROM sync_roles.desired_grants AS g WHERE g.role_name = ANY ($1) AND g.expires_at <= now())
    OR EXISTS (SELECT FROM sync_roles.retries AS t WHERE t.role_name = ANY ($1))
    OR EXISTS (SELECT FROM sync_roles.approvals AS a WHERE a.role_name = ANY ($1));
