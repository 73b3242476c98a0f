-- An object can lose its name in more ways than by its own: a routine by the name of an argument's type, a column without its table.

ALTER TABLE sync_roles.resolved_objects
    ADD COLUMN signature text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN column_number smallint NOT NULL DEFAULT 0,
    ADD COLUMN column_name text COLLATE "C" NOT NULL DEFAULT '',
    DROP CONSTRAINT resolved_objects_pkey,
    REPLICA IDENTITY FULL; -- or nothing could be deleted where a publication has all tables

-- A signature of a hundred types can be longer than what an index can hold, so a hash stands for it. Not md5, which FIPS mode forbids. The cast to bytea
-- reads escapes: chr(92) is the backslash.
CREATE UNIQUE INDEX resolved_objects_key ON sync_roles.resolved_objects
    (class_oid, object_oid, column_number, schema_name, object_name, sha256(replace(signature, chr(92), chr(92) || chr(92))::bytea), column_name);

COMMENT ON TABLE sync_roles.resolved_objects IS 'Which object, or column, each name in use last stood for, so that after a rename or a swap nobody keeps a privilege on what no longer bears the name.';
COMMENT ON COLUMN sync_roles.resolved_objects.signature IS 'A routine''s name with its argument types at that time; empty for other types.';
COMMENT ON COLUMN sync_roles.resolved_objects.column_number IS 'The column, as pg_attribute.attnum; 0: the object itself.';
COMMENT ON COLUMN sync_roles.resolved_objects.column_name IS 'The column''s name at that time; empty: the object itself.';

UPDATE sync_roles.resolved_objects AS r
SET signature = o.signature
FROM sync_roles.objects AS o
WHERE r.object_type = 'routine' AND o.object_type = 'routine' AND o.object_oid = r.object_oid
    AND o.schema_name = r.schema_name AND o.object_name = r.object_name;

-- A pattern that costs too much must not be compared whatever the plan is: the planner takes the comparison for cheaper than looking whether it is one, and may
-- do it first. compared_as, which the comparison asks for before all else, is NULL for it. name_match stays a column with statistics.
CREATE OR REPLACE FUNCTION sync_roles.name_matches(name text, pattern text, name_match text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE name_match
    WHEN 'exact' THEN name COLLATE "C" = pattern COLLATE "C"
    WHEN 'like' THEN name COLLATE "C" LIKE pattern COLLATE "C"
    WHEN 'regex' THEN CASE WHEN sync_roles.refers_back(pattern) THEN false ELSE name COLLATE "C" ~ ('^(?:' || pattern || ')$') COLLATE "C" END
END;

CREATE OR REPLACE VIEW sync_roles.matchable_grants AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, m.compared_as
FROM sync_roles.desired_grants AS g
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN g.name_match = 'exact' THEN g.name_match
        WHEN NOT EXISTS (
            SELECT
            FROM sync_roles.costly_patterns AS c
            WHERE c.object_name = g.object_name AND c.object_type = g.object_type AND c.schema_name = coalesce(g.schema_name, '')
                AND c.name_match = g.name_match
        ) THEN g.name_match
    END AS compared_as
) AS m
WHERE (g.expires_at IS NULL OR g.expires_at > now()) AND m.compared_as IS NOT NULL;

CREATE OR REPLACE VIEW sync_roles.desired_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name,
    g.name_match, coalesce(g.column_name, '') AS column_name, g.direct, g.grantable, g.compared_as
FROM sync_roles.matchable_grants AS g
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, ''), i.object_name,
    i.name_match, coalesce(i.column_name, ''), true, false, m.compared_as
FROM sync_roles.intermediate_roles AS i
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN i.name_match = 'exact' THEN i.name_match
        WHEN NOT EXISTS (
            SELECT
            FROM sync_roles.costly_patterns AS c
            WHERE c.object_name = i.object_name AND c.object_type = i.object_type AND c.schema_name = coalesce(i.schema_name, '')
                AND c.name_match = i.name_match
        ) THEN i.name_match
    END AS compared_as
) AS m
WHERE m.compared_as IS NOT NULL;

CREATE OR REPLACE VIEW sync_roles.matchable_withdrawn AS
SELECT w.id, w.grant_id, w.role_name, w.privilege, w.object_type, w.schema_name, w.object_name, w.name_match, w.column_name, w.direct,
    w.grantable, w.expired, w.transaction::text::bigint AS transaction, m.compared_as
FROM sync_roles.withdrawn AS w
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN w.name_match = 'exact' THEN w.name_match
        WHEN NOT EXISTS (
            SELECT
            FROM sync_roles.costly_patterns AS c
            WHERE c.object_name = w.object_name AND c.object_type = w.object_type AND c.schema_name = coalesce(w.schema_name, '')
                AND c.name_match = w.name_match
        ) THEN w.name_match
    END AS compared_as
) AS m
WHERE m.compared_as IS NOT NULL;

COMMENT ON COLUMN sync_roles.matchable_grants.compared_as IS 'name_match, or NULL where the pattern costs too much, so that name_matches does not compare it.';
COMMENT ON COLUMN sync_roles.desired_holdings.compared_as IS 'name_match, or NULL where the pattern costs too much, so that name_matches does not compare it.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.compared_as IS 'name_match, or NULL where the pattern costs too much, so that name_matches does not compare it.';

UPDATE sync_roles.installation SET schema_version = 14;
