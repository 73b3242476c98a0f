-- Most passes change one entry of one object. To compare entry by entry costs them a third less than one statement for all objects did,
-- which took longer to begin than to run. For a thousand objects it takes no longer.

CREATE TYPE sync_roles.compared_object AS (
    was     sync_roles.seen_objects,
    becomes sync_roles.seen_objects
);
COMMENT ON TYPE sync_roles.compared_object IS
    'Internal. An object, or a column, as history knew it and as it is. With a new name, these are two.';
COMMENT ON COLUMN sync_roles.compared_object.was IS 'As seen_objects has it. NULL: it is new.';
COMMENT ON COLUMN sync_roles.compared_object.becomes IS 'As it is. NULL: it is gone.';

-- Inentryd.
CREATE FUNCTION sync_roles.privilege_entries(acl aclitem[], owner oid, is_owned boolean) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.grantor || CASE WHEN a.is_grantable THEN ':1:' ELSE ':0:' END || a.privilege_type || ':' || string_agg(a.grantee::text, ',')
    FROM aclexplode(privilege_entries.acl) AS a
    WHERE a.grantee <> privilege_entries.owner
    GROUP BY a.grantor, a.is_grantable, a.privilege_type
    UNION ALL
    SELECT ':0:OWNER:' || privilege_entries.owner WHERE privilege_entries.is_owned;
END;

COMMENT ON FUNCTION sync_roles.privilege_entries(aclitem[], oid, boolean) IS 'The entries of an object in seen_objects.';

-- Inentryd. Roles are OIDs here: names are given to them all at once.
CREATE FUNCTION sync_roles.access_change(
    at timestamptz, given boolean, grantees text[], entry_key text, object sync_roles.seen_objects, cause text, pass xid8
) RETURNS sync_roles.access_changes
LANGUAGE sql IMMUTABLE
RETURN ROW(
    NULL, at, given, grantees, split_part(entry_key, ':', 3), (object).object_type, (object).schema_name, (object).object_name,
    (object).column_name, split_part(entry_key, ':', 2) = '1', nullif(split_part(entry_key, ':', 1), ''), false, cause, pass
)::sync_roles.access_changes;

COMMENT ON FUNCTION sync_roles.access_change(timestamptz, boolean, text[], text, sync_roles.seen_objects, text, xid8) IS
    'What these grantees of an entry in seen_objects were given, or lost, with OIDs in place of names.';

-- Roles are named as history knows them, as it may be their names that have changed.
CREATE OR REPLACE FUNCTION sync_roles.write_object_changes(cause text, pass xid8, at timestamptz, class_oids oid[], object_oids oid[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    parts sync_roles.compared_object[];
    part sync_roles.compared_object;
    entry text;
    other text;
    entry_key text;
    given text[];
    lost text[];
    others text[] := '{}';
    has_gone boolean := false;
    gains sync_roles.access_changes[] := '{}';
    losses sync_roles.access_changes[] := '{}';
BEGIN
    -- Relations are what most passes are about, and a plan for them alone begins in a fraction of the time.
    IF 'pg_class'::regclass = ALL (class_oids) THEN
        parts := ARRAY(
            SELECT ROW(p.was, p.becomes)::sync_roles.compared_object
            FROM (SELECT DISTINCT u.object_oid FROM unnest(object_oids) AS u (object_oid)) AS o
            CROSS JOIN LATERAL (
                SELECT w.object AS was, CASE WHEN b.class_oid IS NOT NULL THEN ROW(
                    b.class_oid, b.object_oid, b.column_number, b.object_type, b.schema_name, b.object_name, b.column_name, b.version,
                    ARRAY(SELECT e FROM sync_roles.privilege_entries(b.acl, b.owner, b.column_number = 0) AS e)
                )::sync_roles.seen_objects END AS becomes
                FROM (
                    SELECT s AS object, s.*
                    FROM sync_roles.seen_objects AS s
                    WHERE s.class_oid = 'pg_class'::regclass AND s.object_oid = o.object_oid
                ) AS w
                FULL JOIN (
                    SELECT p.* FROM sync_roles.relation_privileges AS p WHERE p.object_oid = o.object_oid
                ) AS b ON b.column_number = w.column_number AND b.object_type = w.object_type AND b.object_name = w.object_name
                    AND coalesce(b.schema_name, '') = coalesce(w.schema_name, '')
                    AND coalesce(b.column_name, '') = coalesce(w.column_name, '')
                OFFSET 0
            ) AS p
        );
    ELSE
        parts := ARRAY(
            SELECT ROW(p.was, p.becomes)::sync_roles.compared_object
            FROM (SELECT DISTINCT u.class_oid, u.object_oid FROM unnest(class_oids, object_oids) AS u (class_oid, object_oid)) AS o
            CROSS JOIN LATERAL (
                SELECT w.object AS was, CASE WHEN b.class_oid IS NOT NULL THEN ROW(
                    b.class_oid, b.object_oid, b.column_number, b.object_type, b.schema_name, b.object_name, b.column_name, b.version,
                    ARRAY(
                        SELECT e
                        FROM sync_roles.privilege_entries(b.acl, b.owner, b.column_number = 0 AND b.object_type <> 'parameter') AS e
                    )
                )::sync_roles.seen_objects END AS becomes
                FROM (
                    SELECT s AS object, s.*
                    FROM sync_roles.seen_objects AS s
                    WHERE s.class_oid = o.class_oid AND s.object_oid = o.object_oid
                ) AS w
                FULL JOIN (
                    SELECT p.* FROM sync_roles.object_privileges AS p WHERE p.class_oid = o.class_oid AND p.object_oid = o.object_oid
                ) AS b ON b.column_number = w.column_number AND b.object_type = w.object_type AND b.object_name = w.object_name
                    AND coalesce(b.schema_name, '') = coalesce(w.schema_name, '')
                    AND coalesce(b.column_name, '') = coalesce(w.column_name, '')
                OFFSET 0
            ) AS p
        );
    END IF;
    FOREACH part IN ARRAY parts LOOP
        others := '{}';
        has_gone := has_gone OR (part.becomes).class_oid IS NULL;
        FOREACH entry IN ARRAY coalesce((part.becomes).entries, '{}') LOOP
            CONTINUE WHEN entry = ANY ((part.was).entries);
            entry_key := substring(entry, '^.*:');
            other := NULL;
            FOREACH other IN ARRAY coalesce((part.was).entries, '{}') LOOP
                EXIT WHEN starts_with(other, entry_key);
                other := NULL;
            END LOOP;
            IF other IS NULL THEN
                given := string_to_array(substr(entry, length(entry_key) + 1), ',');
                lost := NULL;
            ELSIF starts_with(entry, other || ',') THEN -- as GRANT leaves it
                given := string_to_array(substr(entry, length(other) + 2), ',');
                lost := NULL;
            ELSE
                SELECT array_agg(n.oid) FILTER (WHERE o.oid IS NULL), array_agg(o.oid) FILTER (WHERE n.oid IS NULL)
                INTO given, lost
                FROM unnest(string_to_array(substr(entry, length(entry_key) + 1), ',')) AS n (oid)
                FULL JOIN unnest(string_to_array(substr(other, length(entry_key) + 1), ',')) AS o (oid) ON o.oid = n.oid;
            END IF;
            others := others || other;
            IF given IS NOT NULL THEN
                gains := gains || sync_roles.access_change(at, true, given, entry_key, part.becomes, cause, pass);
            END IF;
            IF lost IS NOT NULL THEN
                losses := losses || sync_roles.access_change(at, false, lost, entry_key, part.was, cause, pass);
            END IF;
        END LOOP;
        FOREACH entry IN ARRAY coalesce((part.was).entries, '{}') LOOP
            CONTINUE WHEN entry = ANY ((part.becomes).entries) OR entry = ANY (others);
            entry_key := substring(entry, '^.*:');
            lost := string_to_array(substr(entry, length(entry_key) + 1), ',');
            losses := losses || sync_roles.access_change(at, false, lost, entry_key, part.was, cause, pass);
        END LOOP;
    END LOOP;
    IF has_gone THEN
        DELETE FROM sync_roles.seen_objects AS s
        USING unnest(parts) AS p
        WHERE (p.becomes).class_oid IS NULL AND s.class_oid = (p.was).class_oid AND s.object_oid = (p.was).object_oid
            AND s.column_number = (p.was).column_number;
    END IF;
    INSERT INTO sync_roles.seen_objects AS s (class_oid, object_oid, column_number, object_type, schema_name, object_name, column_name,
        version, entries)
    SELECT (p.becomes).* FROM unnest(parts) AS p WHERE (p.becomes).class_oid IS NOT NULL
    ON CONFLICT (class_oid, object_oid, column_number) DO UPDATE
    SET object_type = excluded.object_type, schema_name = excluded.schema_name, object_name = excluded.object_name,
        column_name = excluded.column_name, version = excluded.version, entries = excluded.entries
    WHERE s IS DISTINCT FROM excluded;
    INSERT INTO sync_roles.seen_roles (role_oid, role_name)
    SELECT DISTINCT r.oid, r.rolname::text
    FROM unnest(losses || gains) AS c
    CROSS JOIN LATERAL unnest(c.role_names || c.grantor) AS n (oid)
    JOIN pg_roles AS r ON r.oid = n.oid::oid
    WHERE NOT EXISTS (SELECT FROM sync_roles.seen_roles AS s WHERE s.role_oid = n.oid::oid);
    -- Losses first: what is given under the same name comes after it.
    INSERT INTO sync_roles.access_changes (at, given, role_names, privilege, object_type, schema_name, object_name, column_name, grantable,
        grantor, passes_on, cause, pass)
    SELECT c.at, c.given, n.role_names, c.privilege, c.object_type, c.schema_name, c.object_name, c.column_name, c.grantable,
        (SELECT s.role_name FROM sync_roles.seen_roles AS s WHERE s.role_oid = c.grantor::oid), c.passes_on, c.cause, c.pass
    FROM unnest(losses || gains) AS c
    CROSS JOIN LATERAL (
        SELECT array_agg(CASE n.oid WHEN '0' THEN 'public' ELSE (
                SELECT s.role_name FROM sync_roles.seen_roles AS s WHERE s.role_oid = n.oid::oid
            ) END) AS role_names
        FROM unnest(c.role_names) AS n (oid)
    ) AS n
    ORDER BY c.given;
    RETURN cardinality(losses) + cardinality(gains);
END
$$;

UPDATE sync_roles.installation SET schema_version = 33;
