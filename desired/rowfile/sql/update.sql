-- $1 jsonb: rows with their ids
-- $2 text: their source
UPDATE sync_roles.desired_grants AS g
SET at_creation = coalesce(n.at_creation, false), direct = n.direct, grantable = n.grantable, create_if_not_exists = n.create_if_not_exists,
    inherit_option = n.inherit_option, set_option = n.set_option, expires_at = n.expires_at, note = n.note, source = $2
FROM jsonb_to_recordset($1::jsonb) AS n (
    id bigint, at_creation boolean, direct boolean, grantable boolean, create_if_not_exists boolean, inherit_option boolean,
    set_option boolean, expires_at timestamptz, note text
)
WHERE g.id = n.id;
