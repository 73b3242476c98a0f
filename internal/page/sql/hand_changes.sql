-- Who granted or revoked by hand, as event triggers saw it: the newest first.
-- $1 integer: how many
SELECT h.at, h.session_user::text AS who, coalesce(h.application_name, '') AS application_name,
    coalesce(host(h.client_addr), '') AS client_addr,
    h.command_tag, left(coalesce(h.statement, ''), 2000) AS statement
FROM sync_roles.hand_changes AS h
ORDER BY h.at DESC
LIMIT $1;
