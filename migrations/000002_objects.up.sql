-- What there is to grant on: one view over the catalogs, in the words of desired_grants.

-- The privileges that exist on an object type, on this server. ALL stands for these.
CREATE FUNCTION sync_roles.privileges_of(object_type text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE object_type
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
        WHEN 'large_object' THEN ARRAY['SELECT', 'UPDATE']
        WHEN 'role' THEN ARRAY['MEMBER']
    END
$$;

COMMENT ON FUNCTION sync_roles.privileges_of(text) IS 'The privileges of an object type on this server, for which ALL stands; NULL for an unknown type.';

-- Some catalogs differ between major versions. Their views are made by this function: when the schema is installed, and
-- again by "migrate" and "run" when they find that the server has another major version (pg_upgrade keeps old views).
CREATE FUNCTION sync_roles.adapt_to_server() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version constant integer := current_setting('server_version_num')::integer / 10000;
BEGIN
    -- Since 16 each membership has its own options; before, a member inherits from all of its roles or from none.
    IF version >= 16 THEN
        CREATE OR REPLACE VIEW sync_roles.memberships AS
        SELECT m.roleid AS role_oid, m.member AS member_oid, m.grantor AS grantor_oid,
            m.admin_option, m.inherit_option, m.set_option
        FROM pg_catalog.pg_auth_members AS m;
    ELSE
        CREATE OR REPLACE VIEW sync_roles.memberships AS
        SELECT m.roleid AS role_oid, m.member AS member_oid, m.grantor AS grantor_oid,
            m.admin_option, u.rolinherit AS inherit_option, true AS set_option
        FROM pg_catalog.pg_auth_members AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member;
    END IF;
    COMMENT ON VIEW sync_roles.memberships IS 'pg_auth_members with the options that each membership has on this server. A row can be left of a role that was dropped at the same time: join pg_roles on both ends.';
    COMMENT ON COLUMN sync_roles.memberships.role_oid IS 'The granted role.';
    COMMENT ON COLUMN sync_roles.memberships.member_oid IS 'The member.';
    COMMENT ON COLUMN sync_roles.memberships.grantor_oid IS 'Who granted it.';
    COMMENT ON COLUMN sync_roles.memberships.admin_option IS 'The member may grant the role to others.';
    COMMENT ON COLUMN sync_roles.memberships.inherit_option IS 'The member has the role''s privileges without SET ROLE.';
    COMMENT ON COLUMN sync_roles.memberships.set_option IS 'The member may SET ROLE to the role.';

    IF version >= 15 THEN
        CREATE OR REPLACE VIEW sync_roles.parameters AS
        SELECT coalesce(p.oid, 0::oid) AS oid, coalesce(p.parname, lower(s.name))::name AS name, coalesce(p.paracl, acldefault('p', 10)) AS acl
        FROM pg_catalog.pg_settings AS s
        FULL JOIN pg_catalog.pg_parameter_acl AS p ON p.parname = lower(s.name);
    ELSE
        CREATE OR REPLACE VIEW sync_roles.parameters AS
        SELECT NULL::oid AS oid, NULL::name AS name, NULL::aclitem[] AS acl
        WHERE false;
    END IF;
    COMMENT ON VIEW sync_roles.parameters IS 'Configuration parameters (PostgreSQL 15 and later): those that this role may see, and all on which privileges were granted.';
    COMMENT ON COLUMN sync_roles.parameters.oid IS 'pg_parameter_acl.oid; 0 while no privilege was ever granted on it, and so it is not listed there';
    COMMENT ON COLUMN sync_roles.parameters.name IS 'The parameter.';
    COMMENT ON COLUMN sync_roles.parameters.acl IS 'pg_parameter_acl.paracl';

    UPDATE sync_roles.installation SET server_version = version;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_roles.adapt_to_server() FROM PUBLIC;
COMMENT ON FUNCTION sync_roles.adapt_to_server() IS 'Makes the views over catalogs that differ between major versions of PostgreSQL.';

SELECT sync_roles.adapt_to_server();

-- aclexplode unpacks a compressed ACL anew for each entry (aclexplode in acl.c), which makes a long one slow.
CREATE FUNCTION sync_roles.unpacked(acl aclitem[]) RETURNS aclitem[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_cat(acl, NULL) $$;

COMMENT ON FUNCTION sync_roles.unpacked(aclitem[]) IS 'The same ACL, so that aclexplode reads it in time linear to its length.';

-- With a search_path of its own: format_type leaves out schemas that are in the caller's.
CREATE FUNCTION sync_roles.signature(name name, arguments oidvector) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT name || '(' || coalesce(string_agg(format_type(a.type, NULL), ', ' ORDER BY a.position), '') || ')'
    FROM unnest(arguments::oid[]) WITH ORDINALITY AS a (type, position)
$$;

COMMENT ON FUNCTION sync_roles.signature(name, oidvector) IS 'A routine''s name with its argument types, as desired_grants.object_name has it.';

-- A NULL ACL in a catalog means the default, which acldefault gives. (Only roles have none.)
-- Schemas that are PostgreSQL's or this project's are left out, so that nothing in them can be granted through rows or revoked as "other".
-- Names stay of type name, so that comparing them can use the catalogs' indexes.
CREATE VIEW sync_roles.objects AS
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

COMMENT ON VIEW sync_roles.objects IS 'Everything that can be named in desired_grants, with its owner and its effective ACL.';
COMMENT ON COLUMN sync_roles.objects.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.objects.class_oid IS 'The catalog, as pg_shdepend.classid has it.';
COMMENT ON COLUMN sync_roles.objects.object_oid IS 'The object''s OID.';
COMMENT ON COLUMN sync_roles.objects.schema_name IS 'The schema; empty for types that live in none.';
COMMENT ON COLUMN sync_roles.objects.object_name IS 'The object''s own name.';
COMMENT ON COLUMN sync_roles.objects.signature IS 'A routine''s name with its argument types.';
COMMENT ON COLUMN sync_roles.objects.owner IS 'OID of the owner; NULL for roles.';
COMMENT ON COLUMN sync_roles.objects.acl IS 'The ACL in force: the default one where none is stored; NULL for roles.';

CREATE FUNCTION sync_roles.name_matches(name text, pattern text, name_match text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE name_match
        WHEN 'exact' THEN name = pattern
        WHEN 'like' THEN name LIKE pattern
        ELSE name ~ ('^(?:' || pattern || ')$')
    END
$$;

COMMENT ON FUNCTION sync_roles.name_matches(text, text, text) IS 'Whether an object''s own name is what object_name and name_match ask for.';

CREATE VIEW sync_roles.desired_holdings AS
SELECT g.id, g.role_name, g.privilege, g.object_type, coalesce(g.schema_name, '') AS schema_name, g.object_name,
    g.name_match, coalesce(g.column_name, '') AS column_name, g.direct, g.grantable
FROM sync_roles.desired_grants AS g
WHERE g.expires_at IS NULL OR g.expires_at > now()
UNION ALL
SELECT NULL, i.role_name, i.privilege, i.object_type, coalesce(i.schema_name, ''), i.object_name,
    i.name_match, coalesce(i.column_name, ''), true, false
FROM sync_roles.intermediate_roles AS i;

COMMENT ON VIEW sync_roles.desired_holdings IS 'desired_grants that have not expired, and what each intermediate role should hold.';
COMMENT ON COLUMN sync_roles.desired_holdings.id IS 'desired_grants.id; NULL for an intermediate role.';
COMMENT ON COLUMN sync_roles.desired_holdings.role_name IS 'The role that should hold it.';
COMMENT ON COLUMN sync_roles.desired_holdings.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.desired_holdings.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.desired_holdings.schema_name IS 'As in desired_grants; empty instead of NULL.';
COMMENT ON COLUMN sync_roles.desired_holdings.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.desired_holdings.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.desired_holdings.column_name IS 'As in desired_grants; empty instead of NULL.';
COMMENT ON COLUMN sync_roles.desired_holdings.direct IS 'As in desired_grants; true for an intermediate role.';
COMMENT ON COLUMN sync_roles.desired_holdings.grantable IS 'As in desired_grants.';

-- The Python library pg-sync-roles makes one role for each privilege on one object. Those that hold exactly that satisfy a
-- row for it, so that taking over a database changes nobody's access.
CREATE VIEW sync_roles.python_intermediate_roles AS
SELECT r.oid AS role_oid, d.classid AS class_oid, d.objid AS object_oid, held.privilege
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a' AND d.objsubid = 0
        AND d.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
CROSS JOIN LATERAL (
    SELECT min(a.privilege_type) AS privilege
    FROM sync_roles.objects AS o, aclexplode(o.acl) AS a
    WHERE o.class_oid = d.classid AND o.object_oid = d.objid AND a.grantee = r.oid
    HAVING count(DISTINCT a.privilege_type) = 1 AND NOT bool_or(a.is_grantable)
) AS held
WHERE (r.rolname LIKE '\_pgsr\_local\_%' OR r.rolname LIKE '\_pgsr\_global\_%')
    AND NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_shdepend AS other
        WHERE other.refclassid = 'pg_catalog.pg_authid'::regclass AND other.refobjid = r.oid
            AND (other.classid, other.objid, other.objsubid, other.deptype) <> (d.classid, d.objid, 0, 'a')
    )
    AND NOT EXISTS (SELECT FROM sync_roles.memberships AS m WHERE m.member_oid = r.oid);

COMMENT ON VIEW sync_roles.python_intermediate_roles IS 'Roles made by the Python library pg-sync-roles that hold exactly one privilege on one object.';
COMMENT ON COLUMN sync_roles.python_intermediate_roles.role_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.python_intermediate_roles.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.python_intermediate_roles.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.python_intermediate_roles.privilege IS 'The one privilege.';

UPDATE sync_roles.installation SET schema_version = 2;
