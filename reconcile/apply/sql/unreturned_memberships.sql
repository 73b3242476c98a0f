-- Whether a membership is left that the connected role has given itself.
-- $1 oid[]: the borrowed roles
-- $2 oid: the connected role
SELECT EXISTS (
    SELECT
    FROM sync_roles.memberships AS m
    WHERE m.role_oid = ANY ($1) AND m.member_oid = $2 AND m.grantor_oid = $2 AND (m.inherit_option OR m.set_option)
);
