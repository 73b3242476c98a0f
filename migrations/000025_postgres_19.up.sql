-- PostgreSQL 19: property graphs; no line breaks in the names of roles, databases and tablespaces; pg_read_all_data and pg_write_all_data
-- reach large objects.

CREATE OR REPLACE FUNCTION sync_roles.privileges_of(object_type text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE object_type
    WHEN 'table' THEN
        CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 170000
            THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN']
            ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
        END
    WHEN 'database' THEN ARRAY['CONNECT', 'CREATE', 'TEMPORARY']
    WHEN 'schema' THEN ARRAY['USAGE', 'CREATE']
    WHEN 'sequence' THEN ARRAY['USAGE', 'SELECT', 'UPDATE']
    WHEN 'routine' THEN ARRAY['EXECUTE']
    WHEN 'type' THEN ARRAY['USAGE']
    WHEN 'language' THEN ARRAY['USAGE']
    WHEN 'foreign_data_wrapper' THEN ARRAY['USAGE']
    WHEN 'foreign_server' THEN ARRAY['USAGE']
    WHEN 'tablespace' THEN ARRAY['CREATE']
    WHEN 'parameter' THEN
        CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 150000
            THEN ARRAY['SET', 'ALTER SYSTEM']
            ELSE ARRAY[]::text[]
        END
    WHEN 'property_graph' THEN
        CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 190000
            THEN ARRAY['SELECT']
            ELSE ARRAY[]::text[]
        END
    WHEN 'large_object' THEN ARRAY['SELECT', 'UPDATE']
    WHEN 'role' THEN ARRAY['MEMBER']
END;

CREATE OR REPLACE FUNCTION sync_roles.revocable_kinds() RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN ('{role_memberships,table_selects,schema_usage,databases,schemas,tables,sequences,routines,types,languages,foreign_data_wrappers,'
    || 'foreign_servers,tablespaces,parameters,large_objects,property_graphs,ownerships,all}')::text[];

CREATE OR REPLACE VIEW sync_roles.objects AS
SELECT 'table'::text AS object_type, 'pg_catalog.pg_class'::regclass::oid AS class_oid, c.oid AS object_oid,
    n.nspname AS schema_name, c.relname AS object_name, NULL::text AS signature,
    c.relowner AS owner, sync_roles.unpacked(coalesce(c.relacl, acldefault('r', c.relowner))) AS acl
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'sequence', 'pg_catalog.pg_class'::regclass::oid, c.oid,
    n.nspname, c.relname, NULL,
    c.relowner, sync_roles.unpacked(coalesce(c.relacl, acldefault('s', c.relowner)))
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S'
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
-- The version is compared once: on servers before 19, nothing is read for this.
SELECT 'property_graph', 'pg_catalog.pg_class'::regclass::oid, c.oid,
    n.nspname, c.relname, NULL,
    c.relowner, sync_roles.unpacked(coalesce(c.relacl, acldefault('g', c.relowner)))
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'g' AND current_setting('server_version_num')::integer >= 190000
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'routine', 'pg_catalog.pg_proc'::regclass::oid, p.oid,
    n.nspname, p.proname,
    sync_roles.signature(p.proname, p.proargtypes),
    p.proowner, sync_roles.unpacked(coalesce(p.proacl, acldefault('f', p.proowner)))
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
-- Not the row types of tables, nor arrays, nor (since 17, where PostgreSQL says so) multiranges: they have no privileges of their own.
-- An array is what another type names as its array type: a domain over an array is a type like others.
SELECT 'type', 'pg_catalog.pg_type'::regclass::oid, t.oid,
    n.nspname, t.typname, NULL,
    t.typowner, sync_roles.unpacked(coalesce(t.typacl, acldefault('T', t.typowner)))
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
WHERE (t.typrelid = 0 OR c.relkind = 'c')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid)
    AND (t.typtype <> 'm' OR current_setting('server_version_num')::integer < 170000)
    AND n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'schema', 'pg_catalog.pg_namespace'::regclass::oid, n.oid,
    ''::name, n.nspname, NULL,
    n.nspowner, sync_roles.unpacked(coalesce(n.nspacl, acldefault('n', n.nspowner)))
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname <> ALL ('{pg_catalog,information_schema,sync_roles}') AND NOT starts_with(n.nspname::text, 'pg_')
UNION ALL
SELECT 'database', 'pg_catalog.pg_database'::regclass::oid, d.oid,
    ''::name, d.datname, NULL,
    d.datdba, sync_roles.unpacked(coalesce(d.datacl, acldefault('d', d.datdba)))
FROM pg_catalog.pg_database AS d
UNION ALL
-- Not the untrusted languages: privileges cannot be granted on them.
SELECT 'language', 'pg_catalog.pg_language'::regclass::oid, l.oid,
    ''::name, l.lanname, NULL,
    l.lanowner, sync_roles.unpacked(coalesce(l.lanacl, acldefault('l', l.lanowner)))
FROM pg_catalog.pg_language AS l
WHERE l.lanpltrusted
UNION ALL
SELECT 'foreign_data_wrapper', 'pg_catalog.pg_foreign_data_wrapper'::regclass::oid, w.oid,
    ''::name, w.fdwname, NULL,
    w.fdwowner, sync_roles.unpacked(coalesce(w.fdwacl, acldefault('F', w.fdwowner)))
FROM pg_catalog.pg_foreign_data_wrapper AS w
UNION ALL
SELECT 'foreign_server', 'pg_catalog.pg_foreign_server'::regclass::oid, s.oid,
    ''::name, s.srvname, NULL,
    s.srvowner, sync_roles.unpacked(coalesce(s.srvacl, acldefault('S', s.srvowner)))
FROM pg_catalog.pg_foreign_server AS s
UNION ALL
SELECT 'tablespace', 'pg_catalog.pg_tablespace'::regclass::oid, t.oid,
    ''::name, t.spcname, NULL,
    t.spcowner, sync_roles.unpacked(coalesce(t.spcacl, acldefault('t', t.spcowner)))
FROM pg_catalog.pg_tablespace AS t
UNION ALL
-- A parameter belongs to nobody: the bootstrap superuser is the grantor.
SELECT 'parameter', to_regclass('pg_catalog.pg_parameter_acl')::oid, p.oid,
    ''::name, p.name, NULL,
    10::oid, sync_roles.unpacked(p.acl)
FROM sync_roles.parameters AS p
UNION ALL
SELECT 'large_object', 'pg_catalog.pg_largeobject'::regclass::oid, l.oid,
    ''::name, l.oid::text::name, NULL,
    l.lomowner, sync_roles.unpacked(coalesce(l.lomacl, acldefault('L', l.lomowner)))
FROM pg_catalog.pg_largeobject_metadata AS l
UNION ALL
SELECT 'role', 'pg_catalog.pg_authid'::regclass::oid, r.oid,
    ''::name, r.rolname, NULL,
    NULL, NULL
FROM pg_catalog.pg_roles AS r;

CREATE OR REPLACE VIEW sync_roles.effective_grants AS
SELECT r.rolname::text AS role_name, p.privilege, o.object_type, nullif(o.schema_name, '')::text AS schema_name,
    coalesce(o.signature, o.object_name::text) AS object_name, NULL::text AS column_name
FROM sync_roles.objects AS o
CROSS JOIN LATERAL unnest(sync_roles.privileges_of(o.object_type)) AS p (privilege)
CROSS JOIN pg_catalog.pg_roles AS r
WHERE o.object_type <> 'role'
    AND (
        r.rolsuper
        OR EXISTS (
            SELECT
            FROM aclexplode(o.acl) AS a
            WHERE a.privilege_type = p.privilege AND (a.grantee = 0 OR pg_has_role(r.oid, a.grantee, 'USAGE'))
                -- A parameter on which nothing was ever granted has no ACL, not even an owner's.
                AND o.object_oid <> 0
        )
        -- What predefined roles have on everything: pg_class_aclmask_ext and pg_namespace_aclmask_ext in aclchk.c.
        OR o.object_type IN ('table', 'sequence', 'property_graph') AND p.privilege = 'SELECT'
            AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')
        OR o.object_type IN ('table', 'sequence') AND p.privilege IN ('INSERT', 'UPDATE', 'DELETE')
            AND pg_has_role(r.oid, 'pg_write_all_data', 'USAGE')
        OR o.object_type = 'table' AND p.privilege = 'MAINTAIN' AND pg_has_role(r.oid, to_regrole('pg_maintain'), 'USAGE')
        -- Since 19: pg_largeobject_aclmask_snapshot.
        OR o.object_type = 'large_object' AND current_setting('server_version_num')::integer >= 190000
            AND (p.privilege = 'SELECT' AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')
                OR p.privilege = 'UPDATE' AND pg_has_role(r.oid, 'pg_write_all_data', 'USAGE'))
        OR o.object_type = 'schema' AND p.privilege = 'USAGE'
            AND (pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') OR pg_has_role(r.oid, 'pg_write_all_data', 'USAGE'))
    )
UNION ALL
SELECT r.rolname::text, a.privilege_type, o.object_type, o.schema_name::text, o.object_name::text, c.attname::text
FROM sync_roles.objects AS o
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.object_oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
CROSS JOIN LATERAL (
    SELECT DISTINCT a.privilege_type, a.grantee
    FROM aclexplode(sync_roles.unpacked(c.attacl)) AS a
) AS a
JOIN pg_catalog.pg_roles AS r ON a.grantee = 0 OR pg_has_role(r.oid, a.grantee, 'USAGE')
WHERE o.object_type = 'table'
GROUP BY 1, 2, 3, 4, 5, 6;

CREATE FUNCTION sync_roles.has_line_break(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN strpos(name, chr(10)) > 0 OR strpos(name, chr(13)) > 0;

COMMENT ON FUNCTION sync_roles.has_line_break(text) IS 'Whether the name has a line feed or a carriage return.';

CREATE FUNCTION sync_roles.line_break_problem(column_name text, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN current_setting('server_version_num')::integer >= 190000 THEN
    format('%s %L has a line break: since PostgreSQL 19, names of roles, databases and tablespaces have none', column_name, name)
ELSE sync_roles.name_problem(column_name, name)
END;

COMMENT ON FUNCTION sync_roles.line_break_problem(text, text) IS
    'What is wrong with the name of a role, database or tablespace that has a line break, or NULL.';

CREATE OR REPLACE FUNCTION sync_roles.role_name_problem(role_name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN role_name = 'none' OR starts_with(role_name, 'pg_') OR sync_roles.is_ours(role_name) THEN
        format('role_name %L is reserved: any role but "none", "pg_..." and "_pgsr_..." is allowed', role_name)
    WHEN sync_roles.has_line_break(role_name) THEN sync_roles.line_break_problem('role_name', role_name)
    ELSE sync_roles.name_problem('role_name', role_name)
END;

CREATE OR REPLACE FUNCTION sync_roles.object_name_problem(role_name text, object_type text, object_name text) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN object_type IN ('role', 'database', 'tablespace') AND sync_roles.has_line_break(object_name) THEN
        sync_roles.line_break_problem('object_name', object_name)
    ELSE CASE object_type
        WHEN 'schema' THEN CASE
            WHEN sync_roles.is_protected_schema(object_name) THEN
                format('object_name %L is protected: sync_roles, information_schema and pg_... cannot be granted through rows', object_name)
            ELSE sync_roles.name_problem('object_name', object_name)
        END
        WHEN 'role' THEN CASE
            WHEN sync_roles.is_ours(object_name) THEN
                format('object_name %L is reserved: membership in roles named "_pgsr_..." is not for rows to ask', object_name)
            WHEN object_name IN ('public', 'none') THEN
                format('object_name %L is not a role: PUBLIC has no members, and "none" is reserved', object_name)
            WHEN object_name = role_name THEN
                format('object_name %L is the role itself: a role cannot be a member of itself', object_name)
            ELSE sync_roles.name_problem('object_name', object_name)
        END
        WHEN 'large_object' THEN CASE
            WHEN CASE WHEN object_name ~ '^[1-9][0-9]{0,9}$' THEN object_name::bigint > 4294967295 ELSE true END THEN
                format('object_name %L is not the OID of a large object: a number from 1 to 4294967295 is allowed', object_name)
        END
        WHEN 'parameter' THEN CASE
            WHEN object_name <> lower(object_name) THEN
                format('object_name %L has upper case: PostgreSQL lists parameters in lower case, here %L', object_name, lower(object_name))
            ELSE sync_roles.name_problem('object_name', object_name)
        END
        WHEN 'routine' THEN coalesce(
            sync_roles.name_problem('object_name', split_part(object_name, '(', 1)),
            CASE WHEN object_name LIKE '%(%' THEN sync_roles.signature_problem(object_name) END)
        WHEN 'language' THEN CASE
            WHEN sync_roles.is_untrusted_language(object_name) THEN
                format('object_name %L is an untrusted language: PostgreSQL lets superusers alone use it', object_name)
            ELSE sync_roles.name_problem('object_name', object_name)
        END
        ELSE sync_roles.name_problem('object_name', object_name)
    END
END;

CREATE OR REPLACE FUNCTION sync_roles.grant_problem(
    role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    direct boolean, grantable boolean, create_if_not_exists boolean
) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN sync_roles.role_name_problem(role_name) IS NOT NULL THEN sync_roles.role_name_problem(role_name)
    WHEN sync_roles.privileges_of(object_type) IS NULL THEN
        format('object_type %L is unknown: allowed are role, database, schema, table, sequence, routine, type, language, '
            || 'foreign_data_wrapper, foreign_server, tablespace, parameter, large_object, property_graph', object_type)
            || sync_roles.did_you_mean('object_type', object_type)
    WHEN sync_roles.privileges_of(object_type) = '{}' THEN
        format('privilege %L does not exist for object_type %L on this server, which is too old for it', privilege, object_type)
    WHEN NOT sync_roles.has_privilege(object_type, privilege) THEN
        format('privilege %L does not exist for object_type %L on this server: allowed are %s', privilege, object_type,
            array_to_string(sync_roles.privileges_of(object_type)
                || CASE object_type WHEN 'role' THEN '{}' WHEN 'parameter' THEN '{ALL}' ELSE '{ALL,OWNER}' END::text[], ', '))
            || sync_roles.did_you_mean('privilege', privilege)
    WHEN object_type IN ('table', 'sequence', 'routine', 'type', 'property_graph') AND schema_name IS NULL THEN
        format('schema_name is NULL: object_type %L needs the name of a schema', object_type)
    WHEN object_type NOT IN ('table', 'sequence', 'routine', 'type', 'property_graph') AND schema_name IS NOT NULL THEN
        format('schema_name %L is not allowed for object_type %L: it must be NULL', schema_name, object_type)
    WHEN sync_roles.name_problem('schema_name', schema_name) IS NOT NULL THEN sync_roles.name_problem('schema_name', schema_name)
    WHEN sync_roles.is_protected_schema(schema_name) THEN
        format('schema_name %L is protected: nothing in sync_roles, information_schema and pg_... can be granted through rows', schema_name)
    WHEN name_match NOT IN ('exact', 'like', 'regex') THEN
        format('name_match %L is unknown: allowed are exact, like, regex', name_match) || sync_roles.did_you_mean('name_match', name_match)
    WHEN name_match = 'exact' AND sync_roles.object_name_problem(role_name, object_type, object_name) IS NOT NULL THEN
        sync_roles.object_name_problem(role_name, object_type, object_name)
    WHEN column_name IS NOT NULL AND (object_type <> 'table' OR privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')) THEN
        format('column_name %L is not allowed for %s of object_type %L: columns have SELECT, INSERT, UPDATE and REFERENCES of a table',
            column_name, privilege, object_type)
    WHEN sync_roles.name_problem('column_name', column_name) IS NOT NULL THEN sync_roles.name_problem('column_name', column_name)
    WHEN create_if_not_exists AND NOT (privilege = 'OWNER' AND object_type = 'schema' AND name_match = 'exact') THEN
        'create_if_not_exists true is allowed only for OWNER of a schema with name_match exact'
    WHEN grantable AND privilege = 'OWNER' THEN
        'grantable true is not allowed for OWNER: an owner always holds the grant option'
    WHEN grantable AND direct = false AND object_type <> 'role' THEN
        'grantable true is not allowed with direct false: a grant option belongs to the grantee, not to an intermediate role'
    WHEN direct = false AND privilege IN ('MEMBER', 'OWNER') THEN
        format('direct false is not allowed for %s: it must be NULL or true', privilege)
    WHEN role_name = 'public' AND (privilege IN ('MEMBER', 'OWNER') OR grantable OR direct = false) THEN
        format('role_name ''public'' is PUBLIC, which cannot have %s',
            CASE WHEN privilege IN ('MEMBER', 'OWNER') THEN privilege WHEN grantable THEN 'grantable true' ELSE 'direct false' END)
END;

CREATE OR REPLACE FUNCTION sync_roles.did_you_mean(column_name text, value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given constant text := replace(btrim(lower(value)), '_', ' ');
    singular constant text := regexp_replace(given, 's$', '');
    words constant jsonb := CASE column_name
        WHEN 'privilege' THEN jsonb_build_object('read', 'SELECT', 'temp', 'TEMPORARY', 'all privileges', 'ALL', 'membership', 'MEMBER',
            'ownership', 'OWNER',
            'exec', 'EXECUTE', 'alter', 'OWNER', 'drop', 'OWNER')
        WHEN 'object_type' THEN jsonb_build_object('view', 'table', 'materialized view', 'table', 'matview', 'table', 'foreign table',
            'table', 'partitioned table', 'table', 'relation', 'table', 'column', 'table', 'function', 'routine', 'procedure', 'routine',
            'aggregate', 'routine',
            'user', 'role', 'group', 'role', 'domain', 'type', 'enum', 'type', 'fdw', 'foreign_data_wrapper', 'server', 'foreign_server',
            'setting', 'parameter', 'guc', 'parameter', 'lo', 'large_object', 'graph', 'property_graph')
        ELSE jsonb_build_object('=', 'exact', 'equal', 'exact', 'ilike', 'like', 'glob', 'like', 'regexp', 'regex', '~', 'regex')
    END;
    known constant text[] := string_to_array(CASE column_name
        WHEN 'privilege' THEN 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN,USAGE,CREATE,CONNECT,TEMPORARY,EXECUTE,SET,'
            || 'ALTER SYSTEM,MEMBER,OWNER,ALL'
        WHEN 'object_type' THEN 'role,database,schema,table,sequence,routine,type,language,foreign_data_wrapper,foreign_server,tablespace,'
            || 'parameter,large_object,property_graph'
        ELSE 'exact,like,regex'
    END, ',');
    meant text := coalesce(words ->> given, words ->> singular);
BEGIN
    IF meant IS NULL THEN
        SELECT k INTO meant FROM unnest(known) AS k WHERE replace(lower(k), '_', ' ') IN (given, singular) LIMIT 1;
    END IF;
    -- Another column's value can be what is wrong: then this is spelled right.
    RETURN CASE WHEN meant IS NULL OR meant = value THEN '' ELSE format('; did you mean %L?', meant) END;
END
$$;

UPDATE sync_roles.installation SET schema_version = 25;
