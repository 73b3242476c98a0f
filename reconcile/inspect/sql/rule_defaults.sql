-- What the rules of sync_roles.forbidden say of default privileges that a plan gives: on any object that may come.
-- $1 text[], $2 text[], $3 text[]: schemas ('': all), types of objects, privileges
SELECT c.n, p.forbidden_id, p.part, 0::oid AS owner,
    format('%s on each new %s%s', c.privilege, c.object_type, ' of schema ' || nullif(c.schema_name, '')) AS text,
    false AS literal
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS c (schema_name, object_type, privilege, n)
JOIN sync_roles.rule_parts AS p ON p.object_type = c.object_type AND c.privilege = ANY (p.privileges)
    AND (c.schema_name = '' OR sync_roles.in_schema(c.schema_name, p.schema_name, p.schema_match));
