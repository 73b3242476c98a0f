-- Selectors that say more: patterns for schemas, names that patterns leave out, and columns that rows on tables leave out.
--
-- A row that says none of this is "plain", and what reads rows for the engine treats plain rows as before. For the others there are views
-- of their own, which the engine reads only where there are such rows: they show exceptions as a part of the pattern, a regex.

ALTER TABLE sync_roles.desired_grants
    ADD COLUMN schema_match text COLLATE "C" NOT NULL DEFAULT 'exact',
    ADD COLUMN except_names text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN except_schemas text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN except_columns text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN partitions boolean NOT NULL DEFAULT false;
ALTER TABLE sync_roles.withdrawn
    ADD COLUMN schema_match text COLLATE "C" NOT NULL DEFAULT 'exact',
    ADD COLUMN except_names text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN except_schemas text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN except_columns text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN partitions boolean NOT NULL DEFAULT false;
ALTER TABLE sync_roles.intermediate_roles
    ADD COLUMN schema_match text COLLATE "C" NOT NULL DEFAULT 'exact',
    ADD COLUMN except_names text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN except_schemas text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN except_columns text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN partitions boolean NOT NULL DEFAULT false;
ALTER TABLE sync_roles.costly_patterns ADD COLUMN schema_match text COLLATE "C" NOT NULL DEFAULT 'exact';

COMMENT ON COLUMN sync_roles.desired_grants.schema_name IS
    'The schema, or a pattern for it (schema_match), exactly for the types that live in one: table, sequence, routine, type.';
COMMENT ON COLUMN sync_roles.desired_grants.schema_match IS
    'How schema_name is compared: exact, like or regex, as name_match. Patterns pass by the schemas of PostgreSQL and of this program.';
COMMENT ON COLUMN sync_roles.desired_grants.except_names IS
    'Only with a pattern in object_name: of what it finds, the objects whose name one of these matches are left out. They are compared as '
    'name_match says.';
COMMENT ON COLUMN sync_roles.desired_grants.except_schemas IS
    'Only with a pattern in schema_name: the schemas whose name one of these matches are left out. They are compared as schema_match says.';
COMMENT ON COLUMN sync_roles.desired_grants.except_columns IS
    'For SELECT, INSERT, UPDATE and REFERENCES on tables, without column_name: every column but these, also those that come later. They '
    'are compared as name_match says. What the role has on the whole table by other means, PostgreSQL does not take from it.';

COMMENT ON COLUMN sync_roles.desired_grants.partitions IS
    'For tables: also every partition, and every table that inherits, of what object_name finds, now and later, whatever their names and '
    'schemas are.';
COMMENT ON COLUMN sync_roles.withdrawn.schema_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.withdrawn.except_names IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.withdrawn.except_schemas IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.withdrawn.except_columns IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.withdrawn.partitions IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.schema_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.except_names IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.except_schemas IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.except_columns IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.partitions IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_patterns.schema_match IS 'How schema_name is compared, as in desired_grants.';

-- Selectors. ------------------------------------------------------------------------------------------------------------------------------

-- Inlined, as is what calls it: it is asked of each row.
CREATE FUNCTION sync_roles.is_plain(schema_match text, except_names text[], except_columns text[], partitions boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN schema_match = 'exact' AND except_names = '{}' AND except_columns = '{}' AND NOT partitions;

COMMENT ON FUNCTION sync_roles.is_plain(text, text[], text[], boolean) IS
    'Whether a row of desired_grants names one schema, leaves no names and no columns out, and asks for no partitions. '
    '(except_schemas takes a schema_match.)';

CREATE FUNCTION sync_roles.exception_list(names text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(string_agg('"' || replace(n.name, '"', '""') || '"', ',' ORDER BY n.name COLLATE "C"), '')
    FROM (SELECT DISTINCT u.name FROM unnest(names) AS u (name)) AS n
$$;

COMMENT ON FUNCTION sync_roles.exception_list(text[]) IS 'Exceptions as a part of a selector: quoted, in order, each once.';

CREATE FUNCTION sync_roles.selector(
    privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    schema_match text, except_names text[], except_schemas text[], except_columns text[], partitions boolean
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN privilege || coalesce(' ("' || replace(column_name, '"', '""') || '")', '')
    || CASE WHEN except_columns = '{}' THEN '' ELSE ' but columns ' || sync_roles.exception_list(except_columns) END
    || ' on ' || object_type || coalesce(' in ' || CASE schema_match WHEN 'exact' THEN '' ELSE schema_match || ' ' END
        || '"' || replace(schema_name, '"', '""') || '"', '')
    || CASE WHEN partitions THEN ' with partitions' ELSE '' END
    || CASE WHEN except_schemas = '{}' THEN '' ELSE ' but schemas ' || sync_roles.exception_list(except_schemas) END
    || CASE name_match WHEN 'exact' THEN '' ELSE ' ' || name_match END
    || CASE WHEN except_names = '{}' THEN '' ELSE ' but ' || sync_roles.exception_list(except_names) END
    || ': ' || object_name;

COMMENT ON FUNCTION sync_roles.selector(text, text, text, text, text, text, text, text[], text[], text[], boolean) IS
    'What a row of desired_grants points at, in its canonical text, such as: SELECT on table in "app" like: mart_%.';

-- A generated column cannot get another expression before PostgreSQL 17. Until all views read the new one, the old one has another name.

ALTER TABLE sync_roles.desired_grants RENAME COLUMN selector TO former_selector;
ALTER TABLE sync_roles.desired_grants ADD COLUMN selector text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
    sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name, schema_match, except_names,
        except_schemas, except_columns, partitions)) STORED;
ALTER TABLE sync_roles.withdrawn RENAME COLUMN selector TO former_selector;
ALTER TABLE sync_roles.withdrawn ADD COLUMN selector text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
    sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name, schema_match, except_names,
        except_schemas, except_columns, partitions)) STORED;
ALTER TABLE sync_roles.intermediate_roles RENAME COLUMN selector TO former_selector;
ALTER TABLE sync_roles.intermediate_roles ADD COLUMN selector text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
    sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name, schema_match, except_names,
        except_schemas, except_columns, partitions)) STORED;
COMMENT ON COLUMN sync_roles.desired_grants.selector IS
    'What the row points at: privilege, columns, type, schemas, how the name is compared, exceptions, and the name. Unique together with '
    'role_name: the conflict target of upserts.';
COMMENT ON COLUMN sync_roles.withdrawn.selector IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.intermediate_roles.selector IS 'As in desired_grants: rows with it are fulfilled by membership.';

DROP INDEX sync_roles.desired_grants_role_name_selector;
DROP INDEX sync_roles.intermediate_roles_selector;
CREATE UNIQUE INDEX desired_grants_role_name_selector ON sync_roles.desired_grants (role_name, selector);
CREATE UNIQUE INDEX intermediate_roles_selector ON sync_roles.intermediate_roles (selector);
-- Which rows are not plain: by role, and by who wrote them.
CREATE INDEX desired_grants_not_plain ON sync_roles.desired_grants (role_name, object_type)
    WHERE NOT sync_roles.is_plain(schema_match, except_names, except_columns, partitions);
CREATE INDEX desired_grants_not_plain_by ON sync_roles.desired_grants (coalesce(updated_by, created_by), selector)
    WHERE NOT sync_roles.is_plain(schema_match, except_names, except_columns, partitions);
CREATE INDEX withdrawn_not_plain ON sync_roles.withdrawn (role_name)
    WHERE NOT sync_roles.is_plain(schema_match, except_names, except_columns, partitions);
CREATE INDEX intermediate_roles_not_plain ON sync_roles.intermediate_roles (role_name)
    WHERE NOT sync_roles.is_plain(schema_match, except_names, except_columns, partitions);

-- Exceptions as a part of a pattern. ------------------------------------------------------------------------------------------------------

-- Not as a text: a backslash in one would be what the session takes it for.
CREATE FUNCTION sync_roles.name_regex(name text, name_match text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE name_regex.name_match
        WHEN 'exact' THEN regexp_replace(name_regex.name, '[][\\^$.|?*+(){}]', '\\\&', 'g')
        WHEN 'like' THEN (
            SELECT string_agg(CASE
                WHEN t.token[1] = '%' THEN '.*'
                WHEN t.token[1] = '_' THEN '.'
                WHEN t.token[1] ~ '^[\\].' THEN regexp_replace(substr(t.token[1], 2), '[][\\^$.|?*+(){}]', '\\\&', 'g')
                ELSE regexp_replace(t.token[1], '[][\\^$.|?*+(){}]', '\\\&', 'g')
            END, '' ORDER BY t.place)
            FROM regexp_matches(name_regex.name, '[\\].|[%_]|[^%_\\]+', 'g') WITH ORDINALITY AS t (token, place)
        )
        ELSE name_regex.name
    END;
END;

COMMENT ON FUNCTION sync_roles.name_regex(text, text) IS 'The regex that matches what the name, or pattern, does.';

CREATE FUNCTION sync_roles.exception_regex(names text[], name_match text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT '(?!(?:' || string_agg('(?:' || sync_roles.name_regex(n.name, exception_regex.name_match) || ')', '|' ORDER BY n.place) || ')$)'
    FROM unnest(names) WITH ORDINALITY AS n (name, place)
$$;

COMMENT ON FUNCTION sync_roles.exception_regex(text[], text) IS 'What stands before a regex so that it matches none of these names.';

CREATE FUNCTION sync_roles.compared_name(name text, name_match text, exceptions text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN exceptions = '{}' THEN name
    ELSE sync_roles.exception_regex(exceptions, name_match) || '(?:' || sync_roles.name_regex(name, name_match) || ')'
END;

COMMENT ON FUNCTION sync_roles.compared_name(text, text, text[]) IS
    'The pattern that matches what the pattern does, but for the exceptions.';

CREATE FUNCTION sync_roles.compared_match(name_match text, exceptions text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN exceptions = '{}' THEN name_match ELSE 'regex' END;

COMMENT ON FUNCTION sync_roles.compared_match(text, text[]) IS 'The name_match of compared_name.';

CREATE FUNCTION sync_roles.compared_column(column_name text, name_match text, except_columns text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN except_columns = '{}' THEN coalesce(column_name, '')
    ELSE sync_roles.exception_regex(except_columns, name_match) || '.*'
END;

COMMENT ON FUNCTION sync_roles.compared_column(text, text, text[]) IS
    'The name of a row''s column, empty for the whole table; or the regex that matches all columns but those that are left out.';

CREATE FUNCTION sync_roles.in_schema(schema_name text, desired_schema text, schema_match text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE schema_match
    WHEN 'exact' THEN schema_name = desired_schema
    ELSE sync_roles.name_matches(schema_name, desired_schema, schema_match)
END;

COMMENT ON FUNCTION sync_roles.in_schema(text, text, text) IS
    'Whether a row that names desired_schema means objects in the schema of this name.';

CREATE FUNCTION sync_roles.is_column(column_name text, desired_column text, column_match text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE column_match
    WHEN 'exact' THEN column_name = desired_column
    ELSE column_name <> '' AND sync_roles.name_matches(column_name, desired_column, column_match)
END;

COMMENT ON FUNCTION sync_roles.is_column(text, text, text) IS
    'Whether a row that names desired_column means the column of this name; empty: the table.';

-- As find_objects, in all schemas that a pattern matches at once.
CREATE FUNCTION sync_roles.find_in_schemas(object_type text, schema_name text, schema_match text, desired_name text, name_match text)
RETURNS SETOF sync_roles.objects
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE find_in_schemas.schema_match IN ('like', 'regex') AND o.object_type = find_in_schemas.object_type
        AND sync_roles.name_matches(o.schema_name, find_in_schemas.schema_name, find_in_schemas.schema_match)
        AND sync_roles.means(find_in_schemas.desired_name, find_in_schemas.name_match, o.object_name, o.signature);
END;

COMMENT ON FUNCTION sync_roles.find_in_schemas(text, text, text, text, text) IS
    'The objects that a row with a pattern for schemas means, as find_objects has them.';

CREATE FUNCTION sync_roles.find_remembered_in_schemas(
    object_type text, schema_name text, schema_match text, desired_name text, name_match text
)
RETURNS SETOF sync_roles.resolved_objects
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT r.*
    FROM sync_roles.resolved_objects AS r
    WHERE find_remembered_in_schemas.schema_match IN ('like', 'regex') AND r.object_type = find_remembered_in_schemas.object_type
        AND sync_roles.name_matches(r.schema_name, find_remembered_in_schemas.schema_name, find_remembered_in_schemas.schema_match)
        AND sync_roles.means(find_remembered_in_schemas.desired_name, find_remembered_in_schemas.name_match, r.object_name, r.signature);
END;

COMMENT ON FUNCTION sync_roles.find_remembered_in_schemas(text, text, text, text, text) IS
    'The objects that a row with a pattern for schemas last meant, as find_remembered has them.';

CREATE FUNCTION sync_roles.find_partitions(schema_name text, schema_match text, desired_name text, name_match text)
RETURNS SETOF sync_roles.objects
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH RECURSIVE below (object_oid) AS (
        SELECT i.inhrelid
        FROM sync_roles.objects AS o
        JOIN pg_catalog.pg_inherits AS i ON i.inhparent = o.object_oid
        WHERE o.object_type = 'table'
            AND sync_roles.in_schema(o.schema_name, find_partitions.schema_name, find_partitions.schema_match)
            AND sync_roles.means(find_partitions.desired_name, find_partitions.name_match, o.object_name, o.signature)
        UNION
        SELECT i.inhrelid
        FROM below AS b
        JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.object_oid
    )
    SELECT o.*
    FROM below AS b
    JOIN sync_roles.objects AS o ON o.object_type = 'table' AND o.object_oid = b.object_oid
    -- What the row finds by its name is not found twice.
    WHERE (
        sync_roles.in_schema(o.schema_name, find_partitions.schema_name, find_partitions.schema_match)
        AND sync_roles.means(find_partitions.desired_name, find_partitions.name_match, o.object_name, o.signature)
    ) IS NOT TRUE;
END;

COMMENT ON FUNCTION sync_roles.find_partitions(text, text, text, text) IS
    'The tables below those that a row means: partitions, theirs, and tables that inherit; but for those that it means by their names.';

-- Views. ----------------------------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW sync_roles.grants_in_force AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, g.selector, g.schema_match, g.except_names, g.except_schemas, g.except_columns,
    g.partitions
FROM sync_roles.desired_grants AS g
WHERE g.expires_at IS NULL OR g.expires_at > now();

-- The columns of the plain views and of those for all rows are the same, so that a query reads the one or the other.
CREATE OR REPLACE VIEW sync_roles.matchable_grants AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, m.compared_as, g.selector, g.inherit_option, g.set_option,
    g.object_name AS asked_name, 'exact'::text AS schema_match, 'exact'::text AS column_match, false AS partitions,
    NULL::text AS more, sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions) AS is_plain
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

CREATE OR REPLACE VIEW sync_roles.matchable_withdrawn AS
SELECT w.id, w.grant_id, w.role_name, w.privilege, w.object_type, w.schema_name, w.object_name, w.name_match, w.column_name, w.direct,
    w.grantable, w.expired, w.transaction::text::bigint AS transaction, m.compared_as,
    'exact'::text AS schema_match, 'exact'::text AS column_match, false AS partitions,
    sync_roles.is_plain(w.schema_match, w.except_names, w.except_columns, w.partitions) AS is_plain
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

CREATE OR REPLACE VIEW sync_roles.desired_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name,
    g.name_match, coalesce(g.column_name, '') AS column_name, g.direct, g.grantable, g.compared_as, g.selector,
    g.asked_name, g.schema_match, g.column_match, g.partitions, g.more
FROM sync_roles.matchable_grants AS g
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, ''), i.object_name,
    i.name_match, coalesce(i.column_name, ''), true, false, m.compared_as, i.selector,
    i.object_name, 'exact', 'exact', false, NULL
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

CREATE VIEW sync_roles.all_matchable_grants AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, g.compared_as, g.selector, g.inherit_option, g.set_option, g.asked_name,
    g.schema_match, g.column_match, g.partitions, g.more
FROM sync_roles.matchable_grants AS g
WHERE g.is_plain
UNION ALL
SELECT g.id, g.role_name, g.privilege, g.object_type, c.schema_name, c.object_name, c.name_match, nullif(c.column_name, ''), g.direct,
    g.grantable, g.create_if_not_exists, g.expires_at, g.created_at, c.name_match, g.selector, g.inherit_option, g.set_option,
    g.object_name, c.schema_match, c.column_match, g.partitions, c.more
FROM sync_roles.desired_grants AS g
CROSS JOIN LATERAL (
    SELECT sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas) AS schema_name,
        sync_roles.compared_match(g.schema_match, g.except_schemas) AS schema_match,
        sync_roles.compared_name(g.object_name, g.name_match, g.except_names) AS object_name,
        sync_roles.compared_match(g.name_match, g.except_names) AS name_match,
        sync_roles.compared_column(g.column_name, g.name_match, g.except_columns) AS column_name,
        sync_roles.compared_match('exact', g.except_columns) AS column_match,
        jsonb_build_object('schema_name', g.schema_name, 'schema_match', g.schema_match, 'object_name', g.object_name, 'name_match',
            g.name_match, 'except_names', g.except_names, 'except_schemas', g.except_schemas, 'except_columns', g.except_columns,
            'partitions', g.partitions, 'selector', g.selector)::text AS more
    OFFSET 0
) AS c
WHERE (g.expires_at IS NULL OR g.expires_at > now())
    AND NOT sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions)
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.costly_patterns AS p
        WHERE p.object_name = c.object_name AND p.object_type = g.object_type AND p.schema_name = coalesce(c.schema_name, '')
            AND p.name_match = c.name_match
    );

CREATE VIEW sync_roles.all_matchable_withdrawn AS
SELECT w.id, w.grant_id, w.role_name, w.privilege, w.object_type, w.schema_name, w.object_name, w.name_match, w.column_name, w.direct,
    w.grantable, w.expired, w.transaction, w.compared_as, w.schema_match, w.column_match, w.partitions
FROM sync_roles.matchable_withdrawn AS w
WHERE w.is_plain
UNION ALL
SELECT w.id, w.grant_id, w.role_name, w.privilege, w.object_type, c.schema_name, c.object_name, c.name_match, nullif(c.column_name, ''),
    w.direct, w.grantable, w.expired, w.transaction::text::bigint, c.name_match, c.schema_match, c.column_match, w.partitions
FROM sync_roles.withdrawn AS w
CROSS JOIN LATERAL (
    SELECT sync_roles.compared_name(w.schema_name, w.schema_match, w.except_schemas) AS schema_name,
        sync_roles.compared_match(w.schema_match, w.except_schemas) AS schema_match,
        sync_roles.compared_name(w.object_name, w.name_match, w.except_names) AS object_name,
        sync_roles.compared_match(w.name_match, w.except_names) AS name_match,
        sync_roles.compared_column(w.column_name, w.name_match, w.except_columns) AS column_name,
        sync_roles.compared_match('exact', w.except_columns) AS column_match
    OFFSET 0
) AS c
WHERE NOT sync_roles.is_plain(w.schema_match, w.except_names, w.except_columns, w.partitions)
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.costly_patterns AS p
        WHERE p.object_name = c.object_name AND p.object_type = w.object_type AND p.schema_name = coalesce(c.schema_name, '')
            AND p.name_match = c.name_match
    );

CREATE VIEW sync_roles.all_desired_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name,
    g.name_match, coalesce(g.column_name, '') AS column_name, g.direct, g.grantable, g.compared_as, g.selector,
    g.asked_name, g.schema_match, g.column_match, g.partitions, g.more
FROM sync_roles.all_matchable_grants AS g
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(c.schema_name, ''), c.object_name, c.name_match, c.column_name, true, false,
    c.name_match, i.selector, i.object_name, c.schema_match, c.column_match, i.partitions, c.more
FROM sync_roles.intermediate_roles AS i
CROSS JOIN LATERAL (
    SELECT sync_roles.compared_name(i.schema_name, i.schema_match, i.except_schemas) AS schema_name,
        sync_roles.compared_match(i.schema_match, i.except_schemas) AS schema_match,
        sync_roles.compared_name(i.object_name, i.name_match, i.except_names) AS object_name,
        sync_roles.compared_match(i.name_match, i.except_names) AS name_match,
        sync_roles.compared_column(i.column_name, i.name_match, i.except_columns) AS column_name,
        sync_roles.compared_match('exact', i.except_columns) AS column_match,
        CASE WHEN NOT sync_roles.is_plain(i.schema_match, i.except_names, i.except_columns, i.partitions) THEN
            jsonb_build_object('schema_name', i.schema_name, 'schema_match', i.schema_match, 'object_name', i.object_name, 'name_match',
                i.name_match, 'except_names', i.except_names, 'except_schemas', i.except_schemas, 'except_columns', i.except_columns,
                'partitions', i.partitions, 'selector', i.selector)::text
        END AS more
    OFFSET 0
) AS c
WHERE NOT EXISTS (
        SELECT
        FROM sync_roles.costly_patterns AS p
        WHERE p.object_name = c.object_name AND p.object_type = i.object_type AND p.schema_name = coalesce(c.schema_name, '')
            AND p.name_match = c.name_match
    );

CREATE OR REPLACE VIEW sync_roles.costly_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, 'exact'::text AS schema_match
FROM sync_roles.costly_patterns AS c
JOIN sync_roles.desired_grants AS g
    ON g.object_name = c.object_name AND g.object_type = c.object_type AND coalesce(g.schema_name, '') = c.schema_name
    AND g.name_match = c.name_match
WHERE (g.expires_at IS NULL OR g.expires_at > now()) AND sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions)
UNION ALL
SELECT g.id, g.role_name, g.privilege, g.object_type, c.schema_name, c.schema_match
FROM sync_roles.costly_patterns AS c
JOIN sync_roles.desired_grants AS g
    ON g.object_type = c.object_type AND NOT sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions)
    AND sync_roles.compared_name(g.object_name, g.name_match, g.except_names) = c.object_name
    AND coalesce(sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas), '') = c.schema_name
    AND sync_roles.compared_match(g.name_match, g.except_names) = c.name_match
WHERE g.expires_at IS NULL OR g.expires_at > now()
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, c.schema_name, c.schema_match
FROM sync_roles.costly_patterns AS c
JOIN sync_roles.intermediate_roles AS i
    ON i.object_type = c.object_type
    AND sync_roles.compared_name(i.object_name, i.name_match, i.except_names) = c.object_name
    AND coalesce(sync_roles.compared_name(i.schema_name, i.schema_match, i.except_schemas), '') = c.schema_name
    AND sync_roles.compared_match(i.name_match, i.except_names) = c.name_match;

COMMENT ON COLUMN sync_roles.matchable_grants.asked_name IS 'object_name as the row has it.';
COMMENT ON COLUMN sync_roles.desired_holdings.asked_name IS 'object_name as the row has it.';
COMMENT ON COLUMN sync_roles.matchable_grants.schema_match IS 'How schema_name is compared.';
COMMENT ON COLUMN sync_roles.matchable_grants.partitions IS 'Also every table below.';
COMMENT ON COLUMN sync_roles.matchable_grants.column_match IS 'How column_name is compared: exact or regex.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.schema_match IS 'How schema_name is compared.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.partitions IS 'Also every table below.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.column_match IS 'How column_name is compared: exact or regex.';
COMMENT ON COLUMN sync_roles.desired_holdings.schema_match IS 'How schema_name is compared.';
COMMENT ON COLUMN sync_roles.desired_holdings.partitions IS 'Also every table below.';
COMMENT ON COLUMN sync_roles.desired_holdings.column_match IS 'How column_name is compared: exact or regex.';
COMMENT ON COLUMN sync_roles.matchable_grants.more IS 'The selector of a row that is not plain, as JSON.';
COMMENT ON COLUMN sync_roles.desired_holdings.more IS 'The selector of a row that is not plain, as JSON.';
COMMENT ON COLUMN sync_roles.matchable_grants.is_plain IS 'See function is_plain.';
COMMENT ON COLUMN sync_roles.matchable_withdrawn.is_plain IS 'See function is_plain.';
COMMENT ON COLUMN sync_roles.grants_in_force.schema_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.except_names IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.except_schemas IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.except_columns IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.grants_in_force.partitions IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.costly_holdings.schema_match IS 'How schema_name is compared.';
COMMENT ON VIEW sync_roles.all_matchable_grants IS
    'Internal. As matchable_grants, of all rows: the exceptions of those that are not plain are a part of their patterns.';
COMMENT ON VIEW sync_roles.all_matchable_withdrawn IS
    'Internal. As matchable_withdrawn, of all rows: the exceptions of those that are not plain are a part of their patterns.';
COMMENT ON VIEW sync_roles.all_desired_holdings IS
    'Internal. As desired_holdings, of all rows: the exceptions of those that are not plain are a part of their patterns.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.id IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.role_name IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.privilege IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.object_type IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.schema_name IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.object_name IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.name_match IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.column_name IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.direct IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.grantable IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.create_if_not_exists IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.expires_at IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.created_at IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.compared_as IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.selector IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.inherit_option IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.set_option IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.asked_name IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.schema_match IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.partitions IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.column_match IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_grants.more IS 'As in matchable_grants.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.id IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.grant_id IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.role_name IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.privilege IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.object_type IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.schema_name IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.object_name IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.name_match IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.column_name IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.direct IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.grantable IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.expired IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.transaction IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.compared_as IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.schema_match IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.partitions IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_matchable_withdrawn.column_match IS 'As in matchable_withdrawn.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.id IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.role_name IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.privilege IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.object_type IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.schema_name IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.object_name IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.name_match IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.column_name IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.direct IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.grantable IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.compared_as IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.selector IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.asked_name IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.schema_match IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.partitions IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.column_match IS 'As in desired_holdings.';
COMMENT ON COLUMN sync_roles.all_desired_holdings.more IS 'As in desired_holdings.';

CREATE OR REPLACE FUNCTION sync_roles.membership_options(member_name text, granted_name text)
RETURNS TABLE (inherit_option boolean, inherit_id bigint, set_option boolean, set_id bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT g.id, g.created_at, g.name_match <> 'exact' AS pattern, g.inherit_option, g.set_option
        FROM sync_roles.all_matchable_grants AS g
        WHERE g.role_name = $1 COLLATE "C"
            AND (g.inherit_option IS NOT NULL OR g.set_option IS NOT NULL)
            AND sync_roles.name_matches($2, g.object_name, g.compared_as)
    )
    SELECT i.inherit_option, i.id, s.set_option, s.id
    FROM (VALUES (true)) AS one (row)
    LEFT JOIN LATERAL (
        SELECT a.id, a.inherit_option
        FROM asked AS a
        WHERE a.inherit_option IS NOT NULL
        ORDER BY a.pattern, a.created_at, a.id
        LIMIT 1
    ) AS i ON true
    LEFT JOIN LATERAL (
        SELECT a.id, a.set_option
        FROM asked AS a
        WHERE a.set_option IS NOT NULL
        ORDER BY a.pattern, a.created_at, a.id
        LIMIT 1
    ) AS s ON true
$$;

-- The registry. ---------------------------------------------------------------------------------------------------------------------------

DROP FUNCTION sync_roles.intermediate_problem(oid, oid[], text, text, text, text, text, text);

CREATE FUNCTION sync_roles.intermediate_problem(
    candidate oid, trusted oid[], privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    more jsonb
) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS MATERIALIZED (
        SELECT a.*,
            coalesce(sync_roles.compared_name($5, a.asked_schema_match, a.except_schemas), '') AS schema_name,
            sync_roles.compared_match(a.asked_schema_match, a.except_schemas) AS schema_match,
            sync_roles.compared_name($6, $7, a.except_names) AS object_name,
            sync_roles.compared_match($7, a.except_names) AS name_match,
            sync_roles.compared_column($8, $7, a.except_columns) AS column_name,
            sync_roles.compared_match('exact', a.except_columns) AS column_match
        FROM (
            SELECT coalesce(more ->> 'schema_match', 'exact') AS asked_schema_match,
                ARRAY(SELECT jsonb_array_elements_text(more -> 'except_names')) AS except_names,
                ARRAY(SELECT jsonb_array_elements_text(more -> 'except_schemas')) AS except_schemas,
                ARRAY(SELECT jsonb_array_elements_text(more -> 'except_columns')) AS except_columns,
                coalesce((more ->> 'partitions')::boolean, false) AS partitions
        ) AS a
    ),
    keepers AS (
        SELECT k.role_oid AS oid
        FROM sync_roles.keepers AS k
        UNION
        SELECT t.oid
        FROM unnest(trusted) AS t (oid)
    ),
    holds AS MATERIALIZED (
        SELECT d.dbid, d.classid, d.objid
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = candidate AND d.deptype NOT IN ('o', 'r')
            -- As the grantor of memberships.
            AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
        GROUP BY 1, 2, 3
    ),
    objects AS MATERIALIZED (
        SELECT h.classid, h.objid, o.object_type AS type, o.schema_name AS schema, o.object_name AS name, o.signature, o.acl
        FROM holds AS h
        CROSS JOIN LATERAL (
            SELECT o.*
            FROM sync_roles.objects AS o
            WHERE o.class_oid = h.classid AND o.object_oid = h.objid
            OFFSET 0
        ) AS o
        WHERE h.dbid = 0 OR h.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
    ),
    entries AS (
        SELECT o.type, o.schema, o.name, o.signature, '' AS on_column, a.privilege_type, a.is_grantable
        FROM objects AS o
        CROSS JOIN LATERAL aclexplode(o.acl) AS a
        WHERE a.grantee = candidate
        UNION ALL
        SELECT o.type, o.schema, o.name, o.signature, c.attname::text, a.privilege_type, a.is_grantable
        FROM objects AS o
        JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.objid AND c.attacl IS NOT NULL AND NOT c.attisdropped
        CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
        WHERE o.classid = 'pg_catalog.pg_class'::regclass AND a.grantee = candidate
    ),
    desired AS (
        SELECT g.role_name
        FROM sync_roles.desired_grants AS g
        CROSS JOIN asked AS w
        WHERE g.schema_match = w.asked_schema_match AND g.except_names = w.except_names AND g.except_schemas = w.except_schemas
            AND g.except_columns = w.except_columns AND g.partitions = w.partitions
            AND g.object_type = $4 AND g.object_name = $6 AND g.privilege = $3
            AND coalesce(g.schema_name, '') = coalesce($5, '')
            AND g.name_match = $7 AND coalesce(g.column_name, '') = coalesce($8, '') AND g.direct IS NOT TRUE AND NOT g.grantable
    )
    SELECT string_agg(p.problem, '; ' ORDER BY p.problem)
    FROM (
        SELECT t.trait AS problem
        FROM sync_roles.strange_traits(candidate, '', ARRAY(SELECT k.oid FROM keepers AS k)) AS t (trait)
        UNION
        SELECT 'it lacks the comment of one'
        WHERE starts_with(shobj_description(candidate, 'pg_authid'), 'intermediate role of sync_roles in database ') IS NOT TRUE
        UNION
        SELECT format('it is a member of role %I', r.rolname)
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
        WHERE m.member_oid = candidate
        UNION
        -- Those that the daemon itself, or a keeper, has let in leave with the pass that takes the role.
        SELECT format('role %I is a member of it', u.rolname)
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
        WHERE m.role_oid = candidate AND NOT m.admin_option
            AND m.grantor_oid <> me.oid AND m.grantor_oid NOT IN (SELECT k.oid FROM keepers AS k)
            AND u.oid NOT IN (SELECT k.oid FROM keepers AS k) AND NOT sync_roles.commands(u.oid)
            AND u.rolname::text NOT IN (SELECT d.role_name FROM desired AS d)
        UNION
        SELECT 'it holds more than ' || $3 || ' on ' || concat_ws('.', nullif($5, ''), $6)
        WHERE EXISTS (
                SELECT
                FROM entries AS e
                CROSS JOIN asked AS w
                WHERE (
                    e.type = $4 AND sync_roles.in_schema(e.schema, w.schema_name, w.schema_match)
                    AND sync_roles.is_column(e.on_column, w.column_name, w.column_match) AND NOT e.is_grantable
                    AND $3 IN ('ALL', e.privilege_type) AND sync_roles.means(w.object_name, w.name_match, e.name, e.signature)
                ) IS NOT TRUE
            )
            -- In other databases, and what rows cannot name.
            OR EXISTS (SELECT FROM holds AS h WHERE NOT EXISTS (SELECT FROM objects AS o WHERE o.classid = h.classid AND o.objid = h.objid))
    ) AS p
$$;

COMMENT ON FUNCTION sync_roles.intermediate_problem(oid, oid[], text, text, text, text, text, text, jsonb) IS
    'Why an unregistered role cannot be an intermediate role that was made here for this selector; NULL: it can. Those trusted are '
    'keepers, besides the registered ones. more is that of all_matchable_grants.';

-- Rules. ----------------------------------------------------------------------------------------------------------------------------------

-- The rules for object_name, but the one for its spelling: by it, rows that mean the same have the same selector.
CREATE FUNCTION sync_roles.other_pattern_problem(column_name text, pattern text, name_match text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT replace(
        coalesce(sync_roles.pattern_problem(pattern, name_match),
            CASE WHEN name_match = 'regex' THEN sync_roles.new_pattern_problem(pattern, name_match) END),
        'object_name ', column_name || ' ')
$$;

COMMENT ON FUNCTION sync_roles.other_pattern_problem(text, text, text) IS
    'Why a row can have no such pattern in a column of desired_grants other than object_name, or NULL.';

CREATE FUNCTION sync_roles.exception_problem(column_name text, exceptions text[], name_match text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    exception text;
    problem text;
BEGIN
    IF array_position(exceptions, NULL) IS NOT NULL THEN
        RETURN format('%s has a NULL: names, or patterns, are allowed', column_name);
    ELSIF array_ndims(exceptions) > 1 THEN
        RETURN format('%s has %s dimensions: a list is allowed', column_name, array_ndims(exceptions));
    ELSIF octet_length(array_to_string(exceptions, ',')) > 500 THEN
        RETURN format('%s has %s bytes: at most 500 are allowed', column_name, octet_length(array_to_string(exceptions, ',')));
    END IF;
    FOREACH exception IN ARRAY exceptions LOOP
        problem := CASE name_match
            WHEN 'exact' THEN sync_roles.name_problem(column_name, exception)
            ELSE sync_roles.other_pattern_problem(column_name, exception, name_match)
        END;
        IF problem IS NOT NULL THEN
            RETURN problem;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.exception_problem(text, text[], text) IS
    'Why a row can have no such exceptions in the column of desired_grants, or NULL.';

-- Called for rows that are not plain, each selector once.
CREATE FUNCTION sync_roles.selector_problem(
    privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    schema_match text, except_names text[], except_schemas text[], except_columns text[], partitions boolean
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bytes constant integer := octet_length(
        sync_roles.selector(privilege, object_type, schema_name, object_name, name_match, column_name, schema_match, except_names,
            except_schemas, except_columns, partitions));
BEGIN
    IF schema_match NOT IN ('exact', 'like', 'regex') THEN
        RETURN format('schema_match %L is unknown: allowed are exact, like, regex', schema_match)
            || sync_roles.did_you_mean('name_match', schema_match);
    ELSIF schema_match <> 'exact' AND schema_name IS NULL THEN
        RETURN format('schema_match %L is not allowed without schema_name: object_type %L lives in no schema', schema_match, object_type);
    ELSIF except_schemas <> '{}' AND schema_match = 'exact' THEN
        RETURN 'except_schemas is allowed only with a pattern in schema_name: schema_match like or regex';
    ELSIF except_names <> '{}' AND name_match = 'exact' THEN
        RETURN 'except_names is allowed only with a pattern in object_name: name_match like or regex';
    ELSIF except_columns <> '{}' AND (object_type <> 'table' OR privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')) THEN
        RETURN format(
            'except_columns is not allowed for %s of object_type %L: columns have SELECT, INSERT, UPDATE and REFERENCES of a table',
            privilege, object_type);
    ELSIF partitions AND object_type <> 'table' THEN
        RETURN format('partitions true is not allowed for object_type %L: tables have partitions', object_type);
    ELSIF partitions AND privilege = 'OWNER' THEN
        RETURN 'partitions true is not allowed for OWNER: a pattern in object_name is';
    ELSIF except_columns <> '{}' AND column_name IS NOT NULL THEN
        RETURN format('except_columns is not allowed with column_name %L: that is one column already', column_name);
    END IF;
    RETURN coalesce(
        CASE WHEN schema_match <> 'exact' THEN
            sync_roles.other_pattern_problem('schema_name', schema_name, schema_match)
        END,
        sync_roles.exception_problem('except_names', except_names, name_match),
        sync_roles.exception_problem('except_schemas', except_schemas, schema_match),
        sync_roles.exception_problem('except_columns', except_columns, name_match),
        CASE WHEN bytes > 2400 THEN
            format('except_names is too much: with all names and exceptions the row has %s bytes, and 2400 at most are allowed', bytes)
        END);
END
$$;

COMMENT ON FUNCTION
    sync_roles.selector_problem(text, text, text, text, text, text, text, text[], text[], text[], boolean) IS
    'Why a row of desired_grants that is not plain can have no such selector, or NULL; besides what grant_problem says.';

CREATE FUNCTION sync_roles.partitions_problem(role_name text, direct boolean, grantable boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN direct OR grantable OR role_name = 'public' THEN
    format('partitions true is not allowed with %s: only an intermediate role is certain to lose what is detached',
        CASE WHEN direct THEN 'direct true' WHEN grantable THEN 'grantable true' ELSE 'role_name ''public''' END)
END;

COMMENT ON FUNCTION sync_roles.partitions_problem(text, boolean, boolean) IS 'Why a row with partitions can not be like this, or NULL.';

-- No trigger has checked the rows that a restore or logical replication brought.
CREATE FUNCTION sync_roles.more_problem(grant_id bigint) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        sync_roles.grant_problem(g.role_name, g.privilege, g.object_type,
            CASE WHEN g.schema_match = 'exact' OR g.schema_name IS NULL THEN g.schema_name ELSE '-' END, g.object_name, g.name_match,
            g.column_name, g.direct, g.grantable, g.create_if_not_exists),
        sync_roles.selector_problem(g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.schema_match,
            g.except_names, g.except_schemas, g.except_columns, g.partitions),
        CASE WHEN g.partitions THEN sync_roles.partitions_problem(g.role_name, g.direct, g.grantable) END)
    FROM sync_roles.desired_grants AS g
    WHERE g.id = grant_id
$$;

COMMENT ON FUNCTION sync_roles.more_problem(bigint) IS 'Why a row that is not plain can never be obeyed, or NULL.';

CREATE OR REPLACE FUNCTION sync_roles.desired_grants_validate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    problem text;
    pattern record;
    rival record;
BEGIN
    SELECT p.problem INTO problem
    FROM new_rows AS n
    CROSS JOIN LATERAL (
        -- selector_problem has the rules for patterns for schemas.
        SELECT sync_roles.grant_problem(n.role_name, n.privilege, n.object_type,
            CASE WHEN n.schema_match = 'exact' OR n.schema_name IS NULL THEN n.schema_name ELSE '-' END, n.object_name, n.name_match,
            n.column_name, n.direct, n.grantable, n.create_if_not_exists)
    ) AS p (problem)
    WHERE p.problem IS NOT NULL
    LIMIT 1;

    IF problem IS NULL THEN
        SELECT p.problem INTO problem
        FROM (
            SELECT DISTINCT n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name, n.schema_match,
                n.except_names, n.except_schemas, n.except_columns, n.partitions
            FROM new_rows AS n
            WHERE n.schema_match <> 'exact' OR n.except_names <> '{}' OR n.except_schemas <> '{}' OR n.except_columns <> '{}'
                OR n.partitions
        ) AS n
        CROSS JOIN LATERAL (
            SELECT sync_roles.selector_problem(n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
                n.schema_match, n.except_names, n.except_schemas, n.except_columns, n.partitions)
        ) AS p (problem)
        WHERE p.problem IS NOT NULL
        LIMIT 1;
    END IF;

    IF problem IS NULL THEN
        SELECT sync_roles.partitions_problem(n.role_name, n.direct, n.grantable) INTO problem
        FROM new_rows AS n
        WHERE n.partitions AND sync_roles.partitions_problem(n.role_name, n.direct, n.grantable) IS NOT NULL
        LIMIT 1;
    END IF;

    IF problem IS NULL THEN
        FOR pattern IN
            SELECT DISTINCT n.object_name, n.name_match, n.object_type, n.schema_name, n.schema_match, n.except_names, n.except_schemas,
                n.except_columns
            FROM new_rows AS n
            WHERE n.name_match <> 'exact' OR n.schema_match <> 'exact'
        LOOP
            -- What an UPDATE left as it was is not new.
            IF TG_OP = 'UPDATE' THEN
                CONTINUE WHEN EXISTS (
                    SELECT FROM old_rows AS o
                    WHERE o.object_name = pattern.object_name AND o.name_match = pattern.name_match
                        AND o.object_type = pattern.object_type AND o.schema_name IS NOT DISTINCT FROM pattern.schema_name
                        AND o.schema_match = pattern.schema_match AND o.except_names = pattern.except_names
                        AND o.except_schemas = pattern.except_schemas AND o.except_columns = pattern.except_columns
                );
            END IF;
            problem := CASE WHEN pattern.name_match <> 'exact' THEN
                sync_roles.new_pattern_problem(pattern.object_name, pattern.name_match) END;
            -- One that passes use already is not measured again.
            IF problem IS NULL AND NOT EXISTS (
                SELECT FROM sync_roles.intermediate_roles AS i
                WHERE i.object_type = pattern.object_type AND i.object_name = pattern.object_name AND i.name_match = pattern.name_match
                    AND i.schema_name IS NOT DISTINCT FROM pattern.schema_name AND i.schema_match = pattern.schema_match
                    AND i.except_names = pattern.except_names AND i.except_schemas = pattern.except_schemas
                    AND i.except_columns = pattern.except_columns
            ) THEN
                IF pattern.schema_match <> 'exact' THEN
                    problem := replace(
                        sync_roles.slow_pattern_problem(
                            sync_roles.compared_name(pattern.schema_name, pattern.schema_match, pattern.except_schemas),
                            sync_roles.compared_match(pattern.schema_match, pattern.except_schemas), 'schema', NULL),
                        'object_name', 'schema_name');
                END IF;
                IF problem IS NULL AND pattern.except_columns <> '{}' THEN
                    problem := replace(
                        sync_roles.slow_pattern_problem(
                            sync_roles.compared_column(NULL, pattern.name_match, pattern.except_columns), 'regex', 'column', NULL),
                        'object_name', 'except_columns');
                END IF;
                IF problem IS NULL AND pattern.name_match <> 'exact' THEN
                    problem := sync_roles.slow_pattern_problem(
                        sync_roles.compared_name(pattern.object_name, pattern.name_match, pattern.except_names),
                        sync_roles.compared_match(pattern.name_match, pattern.except_names), pattern.object_type, pattern.schema_name);
                END IF;
            END IF;
            EXIT WHEN problem IS NOT NULL;
        END LOOP;
    END IF;

    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(problem, ' ', 1);
    END IF;

    SELECT n.object_type, concat_ws('.', quote_ident(n.schema_name), quote_ident(n.object_name)) AS object INTO rival
    FROM new_rows AS n
    JOIN sync_roles.desired_grants AS o
        ON o.privilege = 'OWNER' AND o.name_match = 'exact' AND o.object_type = n.object_type AND o.object_name = n.object_name
        AND coalesce(o.schema_name, '') = coalesce(n.schema_name, '') AND o.schema_match = 'exact' AND o.id <> n.id
    WHERE n.privilege = 'OWNER' AND n.name_match = 'exact' AND n.schema_match = 'exact'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'privilege',
            MESSAGE = format('privilege ''OWNER'' of %s %s is already asked for another role: an object has one owner',
                rival.object_type, rival.object),
            HINT = 'Its row is not for you to see. Ask the owner of schema sync_roles.';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.claim_ownerships() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.ownership_claims (object_type, schema_name, object_name)
    SELECT DISTINCT n.object_type, coalesce(n.schema_name, ''), n.object_name
    FROM new_rows AS n
    WHERE n.privilege = 'OWNER' AND n.name_match = 'exact' AND n.schema_match = 'exact'
    ORDER BY 1, 2, 3 -- the same for all, so that none waits for another in a circle
    ON CONFLICT (object_type, object_name, schema_name) DO UPDATE SET object_name = excluded.object_name;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.withdraw_old() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        schema_match, except_names, except_schemas, except_columns, partitions, direct, grantable, expires_at, expired,
        transaction, withdrawn_by)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name,
        o.schema_match, o.except_names, o.except_schemas, o.except_columns, o.partitions, o.direct, o.grantable, o.expires_at,
        coalesce(o.expires_at <= now() AND s.grant_id IS NULL, false),
        -- The daemon deletes what has expired; whoever made it expire took it away.
        CASE WHEN o.expires_at <= now() THEN coalesce(s.transaction, pg_current_xact_id()) ELSE pg_current_xact_id() END,
        CASE WHEN o.expires_at <= now() THEN coalesce(s.shortened_by, session_user) ELSE session_user END
    FROM old_rows AS o
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = o.id;
    DELETE FROM sync_roles.shortened_grants AS s USING old_rows AS o WHERE s.grant_id = o.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.withdraw_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        schema_match, except_names, except_schemas, except_columns, partitions, direct, grantable, expires_at, expired,
        transaction, withdrawn_by)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name,
        o.schema_match, o.except_names, o.except_schemas, o.except_columns, o.partitions, o.direct, o.grantable, o.expires_at,
        coalesce(o.expires_at <= now() AND s.grant_id IS NULL, false),
        CASE WHEN o.expires_at <= now() THEN coalesce(s.transaction, pg_current_xact_id()) ELSE pg_current_xact_id() END,
        CASE WHEN o.expires_at <= now() THEN coalesce(s.shortened_by, session_user) ELSE session_user END
    FROM old_rows AS o
    LEFT JOIN new_rows AS n USING (id)
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = o.id
    WHERE (o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name, o.schema_match,
            o.except_names, o.except_schemas, o.except_columns, o.partitions, o.direct, o.grantable)
        IS DISTINCT FROM (n.role_name, n.privilege, n.object_type, n.schema_name, n.object_name, n.name_match, n.column_name,
            n.schema_match, n.except_names, n.except_schemas, n.except_columns, n.partitions, n.direct, n.grantable);

    -- What lasts again as long as it did is shortened no more.
    DELETE FROM sync_roles.shortened_grants AS s
    USING new_rows AS n
    WHERE s.grant_id = n.id AND coalesce(n.expires_at, 'infinity') >= s.until;
    INSERT INTO sync_roles.shortened_grants AS s (grant_id, until)
    SELECT n.id, coalesce(o.expires_at, 'infinity')
    FROM old_rows AS o
    JOIN new_rows AS n USING (id)
    WHERE n.expires_at < coalesce(o.expires_at, 'infinity') AND coalesce(o.expires_at, 'infinity') > now()
    ON CONFLICT (grant_id) DO UPDATE
    SET transaction = excluded.transaction, shortened_by = excluded.shortened_by, until = greatest(s.until, excluded.until);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.withdraw_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        schema_match, except_names, except_schemas, except_columns, partitions, direct, grantable, expires_at, expired)
    SELECT o.id, o.role_name, o.privilege, o.object_type, o.schema_name, o.object_name, o.name_match, o.column_name,
        o.schema_match, o.except_names, o.except_schemas, o.except_columns, o.partitions, o.direct, o.grantable, o.expires_at,
        coalesce(o.expires_at <= now() AND s.grant_id IS NULL, false)
    FROM sync_roles.desired_grants AS o
    LEFT JOIN sync_roles.shortened_grants AS s ON s.grant_id = o.id;
    DELETE FROM sync_roles.shortened_grants;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.enqueue_replicated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND TG_TABLE_NAME = 'desired_grants' THEN
        INSERT INTO sync_roles.withdrawn (grant_id, role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
            schema_match, except_names, except_schemas, except_columns, partitions, direct, grantable, expires_at)
        VALUES (OLD.id, OLD.role_name, OLD.privilege, OLD.object_type, OLD.schema_name, OLD.object_name, OLD.name_match, OLD.column_name,
            OLD.schema_match, OLD.except_names, OLD.except_schemas, OLD.except_columns, OLD.partitions, OLD.direct, OLD.grantable,
            OLD.expires_at);
    END IF;
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'desired_grants' THEN
        IF NEW.expires_at < coalesce(OLD.expires_at, 'infinity') AND coalesce(OLD.expires_at, 'infinity') > now() THEN
            INSERT INTO sync_roles.shortened_grants AS s (grant_id, until)
            VALUES (NEW.id, coalesce(OLD.expires_at, 'infinity'))
            ON CONFLICT (grant_id) DO UPDATE SET transaction = excluded.transaction, until = greatest(s.until, excluded.until);
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO sync_roles.pending (role_name) VALUES (OLD.role_name);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO sync_roles.pending (role_name) VALUES (NEW.role_name);
    END IF;
    PERFORM pg_notify('sync_roles', '');
    RETURN NULL;
END
$$;

-- Whoever may write what. ----------------------------------------------------------------------------------------------------------------

-- Both patterns as tokens: a character, alone or escaped, or a wildcard.
CREATE FUNCTION sync_roles.like_covers(scope text, pattern text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    token constant text := '[' || repeat(chr(92), 2) || '].|.';
    wide constant text[] := ARRAY(SELECT t[1] FROM regexp_matches(scope, token, 'g') AS t);
    narrow constant text[] := ARRAY(SELECT t[1] FROM regexp_matches(pattern, token, 'g') AS t);
    head constant integer := coalesce(array_position(wide, '%'), cardinality(wide) + 1) - 1;
BEGIN
    IF scope = pattern THEN
        RETURN true;
    -- Only with one %, at the end, does what follows the head not matter.
    ELSIF head <> cardinality(wide) - 1 OR cardinality(narrow) < head THEN
        RETURN false;
    END IF;
    FOR i IN 1..head LOOP
        IF narrow[i] = '%' OR narrow[i] = '_' AND wide[i] <> '_'
            OR wide[i] <> '_' AND right(wide[i], 1) <> right(narrow[i], 1)
        THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$;

COMMENT ON FUNCTION sync_roles.like_covers(text, text) IS
    'Whether one like pattern matches all that another one can match: where it is the same, or has one %, at its end. False: not known.';

CREATE FUNCTION sync_roles.scope_problem(
    scope sync_roles.my_scopes, role_name text, privilege text, object_type text, schema_name text, schema_match text, object_name text,
    name_match text, partitions boolean, grantable boolean, new_role text
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN NOT (scope).public AND role_name = 'public' THEN 'public'
    WHEN (scope).grantee_like IS NOT NULL AND (role_name LIKE (scope).grantee_like) IS NOT TRUE THEN 'grantee_like'
    WHEN (scope).object_type IS NOT NULL AND (object_type = (scope).object_type) IS NOT TRUE THEN 'object_type'
    WHEN (scope).privileges IS NOT NULL AND (privilege = ANY ((scope).privileges)) IS NOT TRUE THEN 'privileges'
    -- Partitions can have any name, in any schema.
    WHEN (scope).schema_like IS NOT NULL AND (NOT partitions AND CASE schema_match
        WHEN 'exact' THEN schema_name LIKE (scope).schema_like
        WHEN 'like' THEN sync_roles.like_covers((scope).schema_like, schema_name)
    END) IS NOT TRUE THEN 'schema_like'
    WHEN (scope).object_like IS NOT NULL
        AND (NOT partitions AND name_match = 'exact' AND object_name LIKE (scope).object_like) IS NOT TRUE THEN 'object_like'
    WHEN NOT (scope).grantable AND grantable IS NOT FALSE THEN 'grantable'
    WHEN NOT (scope).may_create_roles AND new_role IS NOT NULL THEN 'may_create_roles'
END;

COMMENT ON FUNCTION sync_roles.scope_problem(sync_roles.my_scopes, text, text, text, text, text, text, text, boolean, boolean, text) IS
    'The column of a scope that keeps a row of desired_grants out of it, or NULL: the row is in scope. A pattern is, where all that it can '
    'match is.';

CREATE OR REPLACE FUNCTION sync_roles.refuse_grant(refused sync_roles.desired_grants, is_new boolean) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing constant text := CASE
        WHEN refused.role_name IS NULL THEN 'role_name' WHEN refused.privilege IS NULL THEN 'privilege'
        WHEN refused.object_type IS NULL THEN 'object_type' WHEN refused.object_name IS NULL THEN 'object_name'
        WHEN refused.name_match IS NULL THEN 'name_match' WHEN refused.grantable IS NULL THEN 'grantable'
        WHEN refused.schema_match IS NULL THEN 'schema_match' WHEN refused.except_names IS NULL THEN 'except_names'
        WHEN refused.except_schemas IS NULL THEN 'except_schemas' WHEN refused.except_columns IS NULL THEN 'except_columns'
        WHEN refused.partitions IS NULL THEN 'partitions'
        WHEN refused.create_if_not_exists IS NULL THEN 'create_if_not_exists'
        WHEN refused.created_by IS NULL THEN 'created_by' WHEN refused.created_at IS NULL THEN 'created_at' END;
    new_role text;
    problem text;
    scope record;
    reason text;
    reasons text[] := '{}';
    in_scope boolean := false;
    hint text := format('SELECT * FROM sync_roles.my_scopes shows what %I may write. The owner of the schema decides that.', current_user);
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'not_null_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = missing,
            MESSAGE = format('null value in column "%s" of relation "desired_grants" violates not-null constraint', missing);
    END IF;

    -- A row that no login may write gets the owner's message.
    problem := sync_roles.grant_problem(refused.role_name, refused.privilege, refused.object_type,
        CASE WHEN refused.schema_match = 'exact' OR refused.schema_name IS NULL THEN refused.schema_name ELSE '-' END, refused.object_name,
        refused.name_match, refused.column_name, refused.direct, refused.grantable, refused.create_if_not_exists);
    IF problem IS NULL AND NOT (sync_roles.is_plain(refused.schema_match, refused.except_names, refused.except_columns, refused.partitions)
        AND refused.except_schemas = '{}')
    THEN
        problem := sync_roles.selector_problem(refused.privilege, refused.object_type, refused.schema_name, refused.object_name,
            refused.name_match, refused.column_name, refused.schema_match, refused.except_names, refused.except_schemas,
            refused.except_columns, refused.partitions);
    END IF;
    IF problem IS NULL AND refused.name_match <> 'exact' THEN
        problem := coalesce(sync_roles.pattern_problem(refused.object_name, refused.name_match),
            sync_roles.new_pattern_problem(refused.object_name, refused.name_match));
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(problem, ' ', 1);
    END IF;

    new_role := sync_roles.new_role(refused.role_name, refused.privilege, refused.object_name, refused.name_match);
    -- The scope that comes nearest first.
    FOR scope IN
        SELECT s.*, p.problem
        FROM sync_roles.my_scopes AS s
        CROSS JOIN LATERAL (
            SELECT sync_roles.scope_problem(s, refused.role_name, refused.privilege, refused.object_type, refused.schema_name,
                refused.schema_match, refused.object_name, refused.name_match, refused.partitions, refused.grantable, new_role)
        ) AS p (problem)
        ORDER BY array_position(
            '{public,grantee_like,object_type,privileges,schema_like,object_like,grantable,may_create_roles}', p.problem) DESC NULLS FIRST,
            s.id
        LIMIT 20
    LOOP
        in_scope := scope.problem IS NULL;
        EXIT WHEN in_scope;
        reason := CASE scope.problem
            WHEN 'public' THEN format('role_name ''public'' is out of scope %s: its public is false', scope.id)
            WHEN 'grantee_like' THEN format('role_name %L is out of scope %s: its grantee_like is %L',
                refused.role_name, scope.id, scope.grantee_like)
            WHEN 'object_type' THEN format('object_type %L is out of scope %s: its object_type is %L',
                refused.object_type, scope.id, scope.object_type)
            WHEN 'privileges' THEN format('privilege %L is out of scope %s: its privileges are %s', refused.privilege, scope.id,
                coalesce(nullif(array_to_string(scope.privileges, ', '), ''), 'none'))
            WHEN 'schema_like' THEN CASE WHEN refused.partitions
                THEN format('partitions true is out of scope %s: its schema_like is %L, and partitions can be in any schema',
                    scope.id, scope.schema_like)
                WHEN refused.schema_match = 'exact'
                THEN format('schema_name %L is out of scope %s: its schema_like is %L', refused.schema_name, scope.id, scope.schema_like)
                ELSE format('schema_name %L (%s) is out of scope %s: its schema_like is %L, which is not known to match all that this does',
                    refused.schema_name, refused.schema_match, scope.id, scope.schema_like) END
            WHEN 'object_like' THEN CASE WHEN refused.partitions
                THEN format('partitions true is out of scope %s: its object_like is %L, and partitions can have any name',
                    scope.id, scope.object_like)
                WHEN refused.name_match = 'exact'
                THEN format('object_name %L is out of scope %s: its object_like is %L', refused.object_name, scope.id, scope.object_like)
                ELSE format('name_match %L is out of scope %s: its object_like is %L, and so it allows exact names alone',
                    refused.name_match, scope.id, scope.object_like) END
            WHEN 'grantable' THEN format('grantable true is out of scope %s: its grantable is false', scope.id)
            WHEN 'may_create_roles' THEN format('%s %L is out of scope %s: there is no such role, and its may_create_roles is false',
                new_role, CASE new_role WHEN 'role_name' THEN refused.role_name ELSE refused.object_name END, scope.id)
        END;
        reasons := reasons || reason;
    END LOOP;

    IF in_scope THEN
        CASE
            WHEN NOT is_new THEN
                RETURN true;
            WHEN refused.created_by <> session_user THEN
                reason := format('created_by %L is not the login of this session, %L: a writer''s rows bear its own name',
                    refused.created_by, session_user);
                hint := 'Leave it out.';
            WHEN refused.created_at <> now() THEN
                reason := format('created_at %L is not now', refused.created_at);
                hint := 'Leave it out.';
            WHEN num_nonnulls(refused.updated_by, refused.updated_at) > 0 THEN
                reason := format('%s is set, and a new row was never changed',
                    CASE WHEN refused.updated_by IS NULL THEN 'updated_at' ELSE 'updated_by' END);
                hint := 'Leave it out.';
            WHEN NOT sync_roles.is_own_id(refused.id) THEN
                reason := format('id %s was not generated for this row', refused.id);
                hint := 'Leave it out.';
            ELSE
                RETURN true;
        END CASE;
    ELSE
        reason := coalesce(reasons[1],
            format('role_name %L is out of scope: %I has no scope in sync_roles.writers', refused.role_name, current_user));
    END IF;
    IF cardinality(reasons) > 1 AND NOT in_scope THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(reason, ' ', 1), MESSAGE = reason, DETAIL = array_to_string(reasons[2:], E'\n'), HINT = hint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', SCHEMA = 'sync_roles', TABLE = 'desired_grants',
        COLUMN = split_part(reason, ' ', 1), MESSAGE = reason, HINT = hint;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.bind_writer() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rival record;
    lowest record;
    allowed record;
    written record;
    exceeded text;
BEGIN
    -- Without it the session writes through another role's view.
    IF NOT has_schema_privilege('sync_roles', 'USAGE') THEN
        RETURN NULL;
    END IF;

    IF has_table_privilege(TG_RELID, 'SELECT') THEN
        SELECT n.object_type, concat_ws('.', quote_ident(n.schema_name), quote_ident(n.object_name)) AS object, o.role_name, o.id INTO rival
        FROM new_rows AS n
        JOIN sync_roles.desired_grants AS o
            ON o.privilege = 'OWNER' AND o.name_match = 'exact' AND o.schema_match = 'exact' AND o.object_type = n.object_type
            AND o.object_name = n.object_name AND coalesce(o.schema_name, '') = coalesce(n.schema_name, '') AND o.id <> n.id
        WHERE n.privilege = 'OWNER' AND n.name_match = 'exact' AND n.schema_match = 'exact'
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'unique_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'privilege',
                MESSAGE = format('privilege ''OWNER'' of %s %s is already asked for role %L (id %s): an object has one owner',
                    rival.object_type, rival.object, rival.role_name, rival.id),
                HINT = 'DELETE that row first.';
        END IF;
    END IF;

    IF NOT row_security_active(TG_RELID) THEN
        RETURN NULL;
    END IF;
    SELECT min(s.max_rows) AS rows, min(s.max_patterns) AS patterns, min(s.max_direct) AS direct INTO lowest FROM sync_roles.my_scopes AS s;
    SELECT CASE WHEN TG_OP = 'INSERT' THEN sync_roles.rows_written(lowest.rows) END AS rows,
        CASE WHEN EXISTS (SELECT FROM new_rows AS n WHERE n.name_match <> 'exact' OR n.schema_match <> 'exact')
            THEN sync_roles.patterns_written() END AS patterns,
        CASE WHEN EXISTS (SELECT FROM new_rows AS n WHERE n.direct) THEN sync_roles.direct_written() END AS direct
    INTO written;
    IF written.rows > lowest.rows OR written.patterns > lowest.patterns OR written.direct > lowest.direct THEN
        -- Of the scopes that allow a row, the greatest counts.
        SELECT min(s.max_rows) AS rows, min(s.max_patterns) FILTER (WHERE n.name_match <> 'exact' OR n.schema_match <> 'exact') AS patterns,
            min(s.max_direct) FILTER (WHERE n.direct) AS direct
        INTO allowed
        FROM new_rows AS n
        CROSS JOIN LATERAL (
            SELECT max(s.max_rows) AS max_rows, max(s.max_patterns) AS max_patterns, max(s.max_direct) AS max_direct
            FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, n.role_name, n.privilege, n.object_type, n.schema_name, n.schema_match, n.object_name,
                n.name_match, n.partitions, n.grantable, NULL) IS NULL
        ) AS s;
        exceeded := CASE
            WHEN written.rows > allowed.rows THEN format('max_rows %s is exceeded: with these, login %L has %s rows',
                allowed.rows, session_user, written.rows)
            WHEN written.patterns > allowed.patterns THEN
                format('max_patterns %s is exceeded: with these, login %L has %s different patterns',
                    allowed.patterns, session_user, written.patterns)
            WHEN written.direct > allowed.direct THEN format('max_direct %s is exceeded: with these, login %L has %s rows with direct true',
                allowed.direct, session_user, written.direct)
        END;
        IF exceeded IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', SCHEMA = 'sync_roles', TABLE = 'writers',
                COLUMN = split_part(exceeded, ' ', 1), MESSAGE = exceeded,
                HINT = 'DELETE rows that are not needed, or have the owner of the schema raise the limit in sync_roles.writers.';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.patterns_written() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE pattern AS (
        (
            SELECT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, '') AS schema_name, g.name_match,
                coalesce(g.column_name, '') AS column_name
            FROM sync_roles.desired_grants AS g
            WHERE coalesce(g.updated_by, g.created_by) = session_user AND g.name_match <> 'exact'
                AND sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions)
            ORDER BY g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            LIMIT 1
        )
        UNION ALL
        SELECT n.*
        FROM pattern AS p
        CROSS JOIN LATERAL (
            SELECT g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            FROM sync_roles.desired_grants AS g
            WHERE coalesce(g.updated_by, g.created_by) = session_user AND g.name_match <> 'exact'
                AND sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions)
                AND (g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, ''))
                    > (p.object_type, p.object_name, p.privilege, p.schema_name, p.name_match, p.column_name)
            ORDER BY g.object_type, g.object_name, g.privilege, coalesce(g.schema_name, ''), g.name_match, coalesce(g.column_name, '')
            LIMIT 1
        ) AS n
    )
    SELECT (SELECT count(*) FROM pattern) + (
        SELECT count(DISTINCT g.selector)
        FROM sync_roles.desired_grants AS g
        WHERE coalesce(g.updated_by, g.created_by) = session_user
            AND NOT sync_roles.is_plain(g.schema_match, g.except_names, g.except_columns, g.partitions)
    )
$$;

ALTER POLICY writers_see ON sync_roles.desired_grants
    USING (EXISTS (
        SELECT FROM sync_roles.my_scopes AS s
        WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
            desired_grants.schema_name, desired_grants.schema_match, desired_grants.object_name, desired_grants.name_match,
            desired_grants.partitions, false, NULL) IS NULL
    ));
ALTER POLICY writers_insert ON sync_roles.desired_grants
    WITH CHECK (CASE
        WHEN created_by = session_user AND created_at = now() AND updated_by IS NULL AND updated_at IS NULL AND sync_roles.is_own_id(id)
            AND EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
                desired_grants.schema_name, desired_grants.schema_match, desired_grants.object_name, desired_grants.name_match,
                desired_grants.partitions, desired_grants.grantable, sync_roles.new_role(desired_grants.role_name,
                    desired_grants.privilege, desired_grants.object_name, desired_grants.name_match)) IS NULL
        ) THEN true
        ELSE sync_roles.refuse_grant(desired_grants, true)
    END);
ALTER POLICY writers_update ON sync_roles.desired_grants
    USING (EXISTS (
        SELECT FROM sync_roles.my_scopes AS s
        WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
            desired_grants.schema_name, desired_grants.schema_match, desired_grants.object_name, desired_grants.name_match,
            desired_grants.partitions, desired_grants.grantable, NULL) IS NULL
    ))
    WITH CHECK (CASE
        WHEN EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
                desired_grants.schema_name, desired_grants.schema_match, desired_grants.object_name, desired_grants.name_match,
                desired_grants.partitions, desired_grants.grantable, sync_roles.new_role(desired_grants.role_name,
                    desired_grants.privilege, desired_grants.object_name, desired_grants.name_match)) IS NULL
        ) THEN true
        ELSE sync_roles.refuse_grant(desired_grants, false)
    END);
ALTER POLICY writers_delete ON sync_roles.desired_grants
    USING (EXISTS (
        SELECT FROM sync_roles.my_scopes AS s
        WHERE sync_roles.scope_problem(s, desired_grants.role_name, desired_grants.privilege, desired_grants.object_type,
            desired_grants.schema_name, desired_grants.schema_match, desired_grants.object_name, desired_grants.name_match,
            desired_grants.partitions, desired_grants.grantable, NULL) IS NULL
    ));

CREATE OR REPLACE VIEW sync_roles.my_problems WITH (security_barrier) AS
SELECT g.role_name, g.id AS grant_id, p.kind,
    -- The row that won may be out of sight.
    CASE p.code
        WHEN 'owner_conflict' THEN format('%s is to belong to another role: an object has one owner', p.object)
        WHEN 'option_conflict' THEN 'another row asks for other options of the same membership'
        ELSE regexp_replace(p.reason, ', by desired grant [0-9]+', '')
    END AS reason,
    p.fix
FROM sync_roles.role_status AS s
CROSS JOIN LATERAL jsonb_to_recordset(s.problems)
    AS p (grant_id bigint, kind text, code text, object text, privilege text, reason text, fix text)
-- A problem of the role as a whole is one of each of its rows.
JOIN sync_roles.desired_grants AS g
    ON g.role_name = s.role_name
    AND (g.id = p.grant_id
        OR p.grant_id IS NULL AND p.privilege IS NULL AND p.object = 'role ' || s.role_name AND p.kind IN ('refused', 'blocked'))
WHERE EXISTS (
    SELECT FROM sync_roles.my_scopes AS c
    WHERE sync_roles.scope_problem(c, g.role_name, g.privilege, g.object_type, g.schema_name, g.schema_match, g.object_name,
        g.name_match, g.partitions, false, NULL) IS NULL
);

CREATE OR REPLACE FUNCTION sync_roles.queue_rows_about(schema_name text, object_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_owner constant boolean := pg_has_role(session_user, current_user, 'MEMBER') OR EXISTS (
        SELECT
        FROM sync_roles.objects AS o
        WHERE pg_has_role(session_user, o.owner, 'MEMBER') AND (
                o.object_type = 'schema' AND o.object_name = queue_rows_about.schema_name
                OR o.schema_name = queue_rows_about.schema_name AND queue_rows_about.object_name IN (o.object_name, o.signature)
            )
    );
    scopes constant sync_roles.my_scopes[] := ARRAY(
        SELECT ROW(w.id, w.writer_role, w.grantee_like, w.object_type, w.privileges, w.schema_like, w.object_like, w.grantable, w.public,
            w.may_create_roles, w.max_rows, w.max_patterns, w.max_direct)::sync_roles.my_scopes
        FROM sync_roles.writers AS w
        WHERE octet_length(w.writer_role) <= 63 AND pg_has_role(session_user, to_regrole(quote_ident(w.writer_role))::oid, 'MEMBER')
            AND (w.schema_like IS NULL OR queue_rows_about.schema_name LIKE w.schema_like)
    );
    queued bigint;
BEGIN
    IF NOT is_owner AND cardinality(scopes) = 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO sync_roles.pending (role_name, requested_by, object_names)
    SELECT a.role_name, session_user, CASE WHEN count(*) <= 100 THEN array_agg(DISTINCT a.asked_name) END
    FROM sync_roles.rows_about(queue_rows_about.schema_name, queue_rows_about.object_name) AS a
    JOIN sync_roles.desired_grants AS g ON g.id = a.grant_id
    WHERE is_owner OR EXISTS (
            SELECT
            FROM unnest(scopes) AS s
            WHERE sync_roles.scope_problem(s, g.role_name, g.privilege, g.object_type, g.schema_name, g.schema_match, g.object_name,
                g.name_match, g.partitions, false, NULL) IS NULL
        )
    GROUP BY a.role_name;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF queued > 0 THEN
        PERFORM sync_roles.wake_daemons();
    END IF;
    RETURN queued;
END
$$;

CREATE OR REPLACE FUNCTION sync_roles.rows_about(schema_name text, object_name text)
RETURNS TABLE (grant_id bigint, role_name text, asked_name text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT g.id, g.role_name, g.object_name
    FROM sync_roles.desired_grants AS g
    CROSS JOIN LATERAL (
        SELECT sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas) AS schema_name,
            sync_roles.compared_match(g.schema_match, g.except_schemas) AS schema_match,
            sync_roles.compared_name(g.object_name, g.name_match, g.except_names) AS object_name,
            sync_roles.compared_match(g.name_match, g.except_names) AS name_match
    ) AS c
    WHERE sync_roles.in_schema(rows_about.schema_name, c.schema_name, c.schema_match) AND (
            rows_about.object_name IS NULL
            OR g.object_name = rows_about.object_name
            OR sync_roles.own_name(g.object_type, g.object_name) = rows_about.object_name
            OR sync_roles.name_matches(sync_roles.own_name(g.object_type, rows_about.object_name), c.object_name, c.name_match)
        )
        OR rows_about.object_name IS NULL AND g.object_type = 'schema'
            AND sync_roles.name_matches(rows_about.schema_name, c.object_name, c.name_match);
END;

DROP FUNCTION sync_roles.grant(
    text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text, boolean, boolean);

DROP FUNCTION sync_roles.revoke(text, text, text, text, text, text, text);

CREATE FUNCTION sync_roles.revoke(
    role_name text, privilege text, object_type text, schema_name text DEFAULT NULL, object_name text DEFAULT NULL,
    name_match text DEFAULT 'exact', column_name text DEFAULT NULL, schema_match text DEFAULT 'exact', except_names text[] DEFAULT '{}',
    except_schemas text[] DEFAULT '{}', except_columns text[] DEFAULT '{}',
    partitions boolean DEFAULT false
) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    problem constant text := coalesce(
        sync_roles.grant_problem(revoke.role_name, revoke.privilege, revoke.object_type,
            CASE WHEN revoke.schema_match = 'exact' OR revoke.schema_name IS NULL THEN revoke.schema_name ELSE '-' END,
            revoke.object_name, revoke.name_match, revoke.column_name, NULL, false, false),
        sync_roles.selector_problem(revoke.privilege, revoke.object_type, revoke.schema_name, revoke.object_name, revoke.name_match,
            revoke.column_name, revoke.schema_match, revoke.except_names, revoke.except_schemas, revoke.except_columns, revoke.partitions));
    missing constant text := CASE
        WHEN revoke.role_name IS NULL THEN 'role_name' WHEN revoke.privilege IS NULL THEN 'privilege'
        WHEN revoke.object_type IS NULL THEN 'object_type' WHEN revoke.object_name IS NULL THEN 'object_name'
        WHEN revoke.name_match IS NULL THEN 'name_match' WHEN revoke.schema_match IS NULL THEN 'schema_match'
        WHEN revoke.except_names IS NULL THEN 'except_names' WHEN revoke.except_schemas IS NULL THEN 'except_schemas'
        WHEN revoke.except_columns IS NULL THEN 'except_columns' WHEN revoke.partitions IS NULL THEN 'partitions' END;
    unseen sync_roles.desired_grants;
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = format('%s is NULL, and no row has that', missing);
    ELSIF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, SCHEMA = 'sync_roles', TABLE = 'desired_grants',
            COLUMN = split_part(problem, ' ', 1);
    END IF;
    DELETE FROM sync_roles.desired_grants AS g
    WHERE g.role_name = revoke.role_name AND g.selector = sync_roles.selector(revoke.privilege, revoke.object_type, revoke.schema_name,
        revoke.object_name, revoke.name_match, revoke.column_name, revoke.schema_match, revoke.except_names, revoke.except_schemas,
        revoke.except_columns, revoke.partitions);
    IF FOUND THEN
        RETURN true;
    END IF;
    -- A row out of scope is out of sight: that it is not there would be a wrong answer.
    IF row_security_active('sync_roles.desired_grants') THEN
        unseen.role_name := revoke.role_name;
        unseen.privilege := revoke.privilege;
        unseen.object_type := revoke.object_type;
        unseen.schema_name := revoke.schema_name;
        unseen.object_name := revoke.object_name;
        unseen.name_match := revoke.name_match;
        unseen.column_name := revoke.column_name;
        unseen.schema_match := revoke.schema_match;
        unseen.except_names := revoke.except_names;
        unseen.except_schemas := revoke.except_schemas;
        unseen.except_columns := revoke.except_columns;
        unseen.partitions := revoke.partitions;
        unseen.grantable := false;
        unseen.create_if_not_exists := false;
        unseen.created_by := session_user;
        unseen.created_at := now();
        IF NOT EXISTS (
            SELECT FROM sync_roles.my_scopes AS s
            WHERE sync_roles.scope_problem(s, unseen.role_name, unseen.privilege, unseen.object_type, unseen.schema_name,
                unseen.schema_match, unseen.object_name, unseen.name_match, unseen.partitions, false, NULL) IS NULL
        ) THEN
            PERFORM sync_roles.refuse_grant(unseen, false);
        END IF;
    END IF;
    RETURN false;
END
$$;

COMMENT ON FUNCTION sync_roles.revoke(text, text, text, text, text, text, text, text, text[], text[], text[], boolean) IS
    'Deletes a row of desired_grants, and returns whether it was there. With the rights of the caller.';

-- Status. ---------------------------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW sync_roles.grant_status AS
-- Apart, and read only where there are any: what may cost much for each row makes PostgreSQL compile the query first, for seconds.
WITH python AS MATERIALIZED (
    SELECT m.member_oid, i.class_oid, i.object_oid, i.privilege, min(l.rolname)::text AS role_name
    FROM sync_roles.python_intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.inherit_option
    JOIN pg_catalog.pg_roles AS l ON l.oid = i.role_oid
    GROUP BY 1, 2, 3, 4
)
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name,
    CASE
        WHEN EXISTS (SELECT FROM sync_roles.pending AS p WHERE p.role_name = g.role_name OR p.role_name IS NULL) OR a.outcome IS NULL
            THEN 'pending'
        WHEN problem.kind IN ('refused', 'blocked') THEN problem.kind
        WHEN through.problems IS NOT NULL THEN 'blocked'
        WHEN found.matches > 0 AND found.missing = 0 THEN 'applied'
        WHEN a.outcome IN ('failed', 'held') OR a.outcome = 'blocked' AND found.matches > 0 THEN a.outcome
        WHEN found.matches = 0 OR problem.kind = 'waiting' THEN 'waiting'
        ELSE 'pending'
    END AS status,
    CASE
        WHEN found.matches = 0 OR found.missing > 0 THEN NULL
        WHEN through.role_name IS NOT NULL OR found.python_role IS NOT NULL THEN 'intermediate'
        ELSE 'direct'
    END AS encoding,
    CASE WHEN found.matches > 0 AND found.missing = 0 THEN coalesce(through.role_name, found.python_role) END AS via,
    found.matches,
    nullif(concat_ws('; ', CASE
        WHEN problem.reason IS NOT NULL THEN problem.reason
        WHEN through.problems IS NOT NULL THEN (
            SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(through.problems) AS p
        )
        WHEN a.outcome = 'failed' AND found.missing > 0 THEN a.error
        -- What PostgreSQL refused is known by its statement.
        WHEN a.outcome = 'blocked' AND found.missing > 0 THEN (
            SELECT string_agg(DISTINCT p ->> 'reason', '; ') FROM jsonb_array_elements(a.problems) AS p WHERE p -> 'grant_id' IS NULL
        )
        WHEN found.matches = 0 THEN 'nothing that exists answers to this name'
        WHEN found.missing > 0 THEN 'not yet granted'
        WHEN g.schema_name IS NOT NULL AND g.privilege <> 'OWNER' AND r.oid IS NOT NULL AND n.oid IS NOT NULL
            AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
            THEN format('granted, but of no use yet: %s has no USAGE on schema %s', g.role_name, g.schema_name)
        WHEN found.readable IS NOT NULL
            THEN format('PostgreSQL knows no exceptions: %s has %s on the whole of table %s by other means', g.role_name, g.privilege,
                found.readable)
    END, nullif(sync_roles.looks_like(g.role_name, g.object_type, g.object_name, g.name_match, found.matches > 0), '')), '') AS reason
FROM sync_roles.desired_grants AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = g.schema_name AND g.schema_match = 'exact'
-- What the row compares names with.
CROSS JOIN LATERAL (
    SELECT coalesce(sync_roles.compared_name(g.schema_name, g.schema_match, g.except_schemas), '') AS schema_name,
        sync_roles.compared_match(g.schema_match, g.except_schemas) AS schema_match,
        sync_roles.compared_name(g.object_name, g.name_match, g.except_names) AS object_name,
        sync_roles.compared_match(g.name_match, g.except_names) AS name_match,
        sync_roles.compared_column(g.column_name, g.name_match, g.except_columns) AS column_name,
        sync_roles.compared_match('exact', g.except_columns) AS column_match
) AS w
LEFT JOIN sync_roles.costly_patterns AS k
    ON g.name_match <> 'exact' AND k.object_name = w.object_name AND k.object_type = g.object_type
    AND k.schema_name = w.schema_name AND k.name_match = w.name_match
LEFT JOIN LATERAL (
    SELECT i.role_name, i.problems
    FROM sync_roles.intermediate_roles AS i
    JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid AND m.member_oid = r.oid AND m.inherit_option
    WHERE i.selector = g.selector AND g.direct IS NOT TRUE AND NOT g.grantable
    LIMIT 1
) AS through ON true
LEFT JOIN LATERAL (
    SELECT a.outcome, a.problems, a.error
    FROM sync_roles.audit AS a
    WHERE a.role_name = g.role_name
    ORDER BY a.id DESC
    LIMIT 1
) AS a ON true
LEFT JOIN LATERAL (
    -- A problem without a privilege is about the role as a whole.
    SELECT p.kind, string_agg(DISTINCT p.reason, '; ') AS reason
    FROM jsonb_to_recordset(a.problems) AS p (grant_id bigint, kind text, reason text, object text, privilege text)
    WHERE p.grant_id = g.id
        OR p.grant_id IS NULL AND p.privilege IS NULL AND p.object = 'role ' || g.role_name AND p.kind IN ('refused', 'blocked')
    GROUP BY p.kind
    ORDER BY array_position('{blocked,refused,waiting}', p.kind)
    LIMIT 1
) AS problem ON true
CROSS JOIN LATERAL (
    SELECT count(DISTINCT o.object_oid) AS matches,
        count(*) FILTER (WHERE NOT h.direct AND through.role_name IS NULL AND h.python_role IS NULL) AS missing,
        min(h.python_role) FILTER (WHERE NOT h.direct) AS python_role,
        min(concat_ws('.', quote_ident(o.schema_name), quote_ident(o.object_name))) FILTER (WHERE h.readable) AS readable
    -- As find_objects. But a function reads as its caller, who may have the view and nothing else.
    FROM (
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match = 'exact' AND g.schema_match = 'exact' AND o.object_type = g.object_type
            AND o.schema_name = coalesce(g.schema_name, '')
            AND o.object_name = sync_roles.own_name(g.object_type, g.object_name)
            AND sync_roles.means(g.object_name, g.name_match, o.object_name, o.signature)
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.name_match <> 'exact' AND g.schema_match = 'exact' AND o.object_type = g.object_type
            AND o.schema_name = coalesce(g.schema_name, '')
            -- A CASE, so that a pattern that costs too much is not compared first.
            AND CASE WHEN k.object_name IS NULL THEN sync_roles.name_matches(o.object_name, w.object_name, w.name_match) END
            -- Not a parameter that only rows name: see sync_roles.parameters.
            AND (o.object_oid <> 0 OR o.acl IS NOT NULL)
        UNION ALL
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.schema_match <> 'exact' AND o.object_type = g.object_type
            AND sync_roles.in_schema(o.schema_name, w.schema_name, w.schema_match)
            AND CASE WHEN k.object_name IS NULL THEN sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature) END
        UNION ALL
        -- As find_partitions.
        SELECT o.*
        FROM sync_roles.objects AS o
        WHERE g.partitions AND k.object_name IS NULL AND o.object_type = 'table' AND o.object_oid IN (
                WITH RECURSIVE below (object_oid) AS (
                    SELECT i.inhrelid
                    FROM sync_roles.objects AS p
                    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.object_oid
                    WHERE p.object_type = 'table' AND sync_roles.in_schema(p.schema_name, w.schema_name, w.schema_match)
                        AND sync_roles.means(w.object_name, w.name_match, p.object_name, p.signature)
                    UNION
                    SELECT i.inhrelid
                    FROM below AS b
                    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.object_oid
                )
                SELECT b.object_oid FROM below AS b
            )
            AND (sync_roles.in_schema(o.schema_name, w.schema_name, w.schema_match)
                AND sync_roles.means(w.object_name, w.name_match, o.object_name, o.signature)) IS NOT TRUE
    ) AS o
    LEFT JOIN pg_catalog.pg_attribute AS c
        ON w.column_name <> '' AND c.attrelid = o.object_oid AND sync_roles.is_column(c.attname, w.column_name, w.column_match)
        AND (w.column_match = 'exact' OR c.attnum > 0) AND NOT c.attisdropped
    LEFT JOIN LATERAL unnest(sync_roles.privileges_of(g.object_type)) AS p (privilege) ON g.privilege IN (p.privilege, 'ALL')
    CROSS JOIN LATERAL (
        SELECT
            CASE g.privilege
                WHEN 'OWNER' THEN o.owner = r.oid
                -- As in missing_memberships.sql and surplus_memberships.sql. What no option asks for is left as it is.
                WHEN 'MEMBER' THEN (
                    SELECT count(*) > 0
                        AND (bool_or(m.admin_option) OR NOT g.grantable)
                        AND (bool_or(m.inherit_option OR m.set_option) OR g.inherit_option IS NOT NULL OR g.set_option IS NOT NULL)
                        AND bool_or(m.inherit_option) = coalesce(g.inherit_option, bool_or(m.inherit_option))
                        AND bool_or(m.set_option) = coalesce(g.set_option, bool_or(m.set_option))
                    FROM sync_roles.memberships AS m
                    WHERE m.role_oid = o.object_oid AND m.member_oid = r.oid
                )
                ELSE g.direct IS NOT FALSE AND EXISTS (
                    SELECT
                    FROM aclexplode(CASE WHEN w.column_name = '' THEN o.acl ELSE sync_roles.unpacked(c.attacl) END) AS a
                    WHERE a.grantee = CASE WHEN g.role_name = 'public' THEN 0 ELSE r.oid END AND a.privilege_type = p.privilege
                        AND (a.is_grantable OR NOT g.grantable)
                )
            END
            OR g.name_match <> 'exact' AND through.role_name IS NULL
                AND sync_roles.patterns_pass_by(o.class_oid, o.object_oid, o.owner, o.acl, coalesce(p.privilege, g.privilege)) AS direct,
            CASE WHEN (SELECT EXISTS (
                SELECT FROM pg_catalog.pg_roles AS l WHERE starts_with(l.rolname, '_pgsr_local_') OR starts_with(l.rolname, '_pgsr_global_')
            )) THEN (
                SELECT y.role_name
                FROM python AS y
                WHERE g.direct IS NOT TRUE AND y.member_oid = r.oid
                    AND y.class_oid = o.class_oid AND y.object_oid = o.object_oid AND y.privilege = p.privilege
            ) END AS python_role,
            CASE WHEN g.except_columns <> '{}' AND r.oid IS NOT NULL THEN
                has_table_privilege(r.oid, o.object_oid, g.privilege)
            END AS readable
    ) AS h
    WHERE w.column_name = '' OR c.attnum IS NOT NULL
) AS found;

-- What nothing reads any more.
DROP FUNCTION sync_roles.scope_problem(sync_roles.my_scopes, text, text, text, text, text, text, boolean, text);
ALTER TABLE sync_roles.desired_grants DROP COLUMN former_selector;
ALTER TABLE sync_roles.withdrawn DROP COLUMN former_selector;
ALTER TABLE sync_roles.intermediate_roles DROP COLUMN former_selector;
DROP FUNCTION sync_roles.selector(text, text, text, text, text, text);

-- After that: what ON CONFLICT excludes has all columns, and the function would depend on the former one.
CREATE FUNCTION sync_roles.grant(
    role_name text, privilege text, object_type text, schema_name text DEFAULT NULL, object_name text DEFAULT NULL,
    name_match text DEFAULT 'exact', column_name text DEFAULT NULL, direct boolean DEFAULT NULL, grantable boolean DEFAULT false,
    create_if_not_exists boolean DEFAULT false, expires_at timestamptz DEFAULT NULL, note text DEFAULT NULL, source text DEFAULT NULL,
    inherit_option boolean DEFAULT NULL, set_option boolean DEFAULT NULL, schema_match text DEFAULT 'exact',
    except_names text[] DEFAULT '{}', except_schemas text[] DEFAULT '{}', except_columns text[] DEFAULT '{}',
    partitions boolean DEFAULT false
) RETURNS bigint
LANGUAGE sql SECURITY INVOKER
BEGIN ATOMIC
    INSERT INTO sync_roles.desired_grants AS g (role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, create_if_not_exists, expires_at, note, source, inherit_option, set_option, schema_match, except_names,
        except_schemas, except_columns, partitions)
    VALUES ("grant".role_name, "grant".privilege, "grant".object_type, "grant".schema_name, "grant".object_name, "grant".name_match,
        "grant".column_name, "grant".direct, "grant".grantable, "grant".create_if_not_exists, "grant".expires_at, "grant".note,
        "grant".source, "grant".inherit_option, "grant".set_option, "grant".schema_match, "grant".except_names, "grant".except_schemas,
        "grant".except_columns, "grant".partitions)
    -- Also where nothing changes: it queues the role again.
    ON CONFLICT (role_name, selector) DO UPDATE
    SET direct = excluded.direct, grantable = excluded.grantable, create_if_not_exists = excluded.create_if_not_exists,
        expires_at = excluded.expires_at, note = coalesce(excluded.note, g.note), source = coalesce(g.source, excluded.source),
        inherit_option = excluded.inherit_option, set_option = excluded.set_option
    RETURNING g.id;
END;

COMMENT ON FUNCTION
    sync_roles.grant(text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text, boolean, boolean, text,
        text[], text[], text[], boolean) IS
    'Writes a row of desired_grants, and returns its id. A row that is there becomes what the call says (without a note it keeps its own, '
    'and a source that it has stays), and its role is queued again. With the rights of the caller.';

UPDATE sync_roles.installation SET schema_version = 22;
