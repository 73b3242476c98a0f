-- Who granted or revoked by hand, as event triggers saw it: the newest first.
-- $1 integer: how many
SELECT h.at, h."session_user" AS who, nullif(h."current_user", h."session_user") AS acting_as,
    left(coalesce(h.application_name, ''), 200) AS application_name, coalesce(host(h.client_addr), '') AS client_addr,
    h.command_tag, left(coalesce(h.object_identity, ''), 500) AS object, left(coalesce(h.statement, ''), 300) AS statement
FROM sync_roles.hand_changes AS h
ORDER BY h.at DESC, h.id DESC
LIMIT $1;
