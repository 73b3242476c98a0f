-- Access to objects in the moment in which they are created: by default privileges of whoever creates objects in the schemas.

ALTER TABLE sync_roles.desired_grants ADD COLUMN at_creation boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN sync_roles.desired_grants.at_creation IS
    'For rows that ask for all tables, sequences, routines or types of schemas (like %): also by default privileges of whoever creates '
    'objects there, so that a new object has it in the moment in which it is created.';

CREATE INDEX desired_grants_at_creation ON sync_roles.desired_grants (selector) WHERE at_creation;

CREATE FUNCTION sync_roles.refuse_at_creation(problem text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'desired_grants', COLUMN = 'at_creation',
        MESSAGE = 'at_creation true ' || problem;
END
$$;

COMMENT ON FUNCTION sync_roles.refuse_at_creation(text) IS 'Refuses a row of desired_grants.';

ALTER TABLE sync_roles.desired_grants ADD CONSTRAINT at_creation CHECK (NOT at_creation OR CASE
    WHEN object_type NOT IN ('table', 'sequence', 'routine', 'type') THEN
        sync_roles.refuse_at_creation('is allowed for tables, sequences, routines and types, which have default privileges in a schema')
    WHEN privilege = 'OWNER' THEN sync_roles.refuse_at_creation('is not allowed for OWNER: who creates an object owns it')
    WHEN object_name <> '%' OR name_match <> 'like' THEN
        sync_roles.refuse_at_creation('is allowed only with object_name % and name_match like: default privileges know no names')
    WHEN except_names <> '{}' OR except_schemas <> '{}' OR except_columns <> '{}' OR column_name IS NOT NULL THEN
        sync_roles.refuse_at_creation('is not allowed with exceptions, or for a column: default privileges know none')
    WHEN direct OR grantable OR role_name = 'public' THEN
        sync_roles.refuse_at_creation('is not allowed with direct true, grantable true or role_name public: the intermediate role gets it')
    ELSE true
END);

CREATE OR REPLACE VIEW sync_roles.grants_in_force AS
SELECT g.id, g.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name, g.direct, g.grantable,
    g.create_if_not_exists, g.expires_at, g.created_at, g.selector, g.schema_match, g.except_names, g.except_schemas, g.except_columns,
    g.partitions, g.at_creation
FROM sync_roles.desired_grants AS g
WHERE g.expires_at IS NULL OR g.expires_at > now();

COMMENT ON COLUMN sync_roles.grants_in_force.at_creation IS 'As in desired_grants.';

CREATE OR REPLACE FUNCTION sync_roles.revocable_kinds() RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN ('{role_memberships,table_selects,schema_usage,databases,schemas,tables,sequences,routines,types,languages,foreign_data_wrappers,'
    || 'foreign_servers,tablespaces,parameters,large_objects,property_graphs,ownerships,default_privileges,all}')::text[];

COMMENT ON COLUMN sync_roles.desired_roles.revoke_other IS
    'Kinds of which the role keeps nothing but what desired_grants says: role_memberships, table_selects, schema_usage, databases, '
    'schemas, tables, sequences, routines, types, languages, foreign_data_wrappers, foreign_servers, tablespaces, parameters, '
    'large_objects, property_graphs, ownerships, or all of these; and default_privileges, which are not among all.';

-- Creators are roles that own objects there, but for what belongs to an extension; the schema's owner; and whoever has CREATE by a name of
-- its own or by a membership: not by PUBLIC, by which all have it.
CREATE VIEW sync_roles.creators AS
WITH RECURSIVE owners AS MATERIALIZED (
    SELECT c.relnamespace AS schema_oid, c.relowner AS creator_oid, 'pg_catalog.pg_class'::regclass AS class_oid, c.oid
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT p.pronamespace, p.proowner, 'pg_catalog.pg_proc'::regclass, p.oid
    FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT t.typnamespace, t.typowner, 'pg_catalog.pg_type'::regclass, t.oid
    FROM pg_catalog.pg_type AS t
    WHERE t.typrelid = 0 AND t.typelem = 0
),
allowed AS (
    SELECT n.oid AS schema_oid, a.grantee AS creator_oid
    FROM pg_catalog.pg_namespace AS n
    CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
    WHERE a.privilege_type = 'CREATE' AND a.grantee <> 0
    UNION
    SELECT n.oid, n.nspowner
    FROM pg_catalog.pg_namespace AS n
    UNION
    -- The one member of pg_database_owner.
    SELECT n.oid, d.datdba
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner AND r.rolname = 'pg_database_owner'
    JOIN pg_catalog.pg_database AS d ON d.datname = current_database()
    UNION
    SELECT a.schema_oid, m.member_oid
    FROM allowed AS a
    JOIN sync_roles.memberships AS m ON m.role_oid = a.creator_oid AND m.inherit_option
),
found AS (
    SELECT o.schema_oid, o.creator_oid
    FROM owners AS o
    WHERE NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = o.class_oid AND d.objid = o.oid AND d.deptype = 'e'
    )
    UNION
    SELECT a.schema_oid, a.creator_oid
    FROM allowed AS a
    JOIN pg_catalog.pg_roles AS r ON r.oid = a.creator_oid AND NOT r.rolsuper
)
SELECT f.schema_oid, n.nspname::text AS schema_name, f.creator_oid, r.rolname::text AS creator_name
FROM found AS f
JOIN pg_catalog.pg_namespace AS n ON n.oid = f.schema_oid
JOIN pg_catalog.pg_roles AS r ON r.oid = f.creator_oid
WHERE NOT sync_roles.is_protected_schema(n.nspname) AND NOT starts_with(r.rolname, 'pg_') AND NOT sync_roles.is_ours(r.rolname)
    -- Its default privileges go, with all else of it.
    AND NOT EXISTS (SELECT FROM sync_roles.desired_roles AS d WHERE d.role_name = r.rolname AND d.state = 'retired');

COMMENT ON VIEW sync_roles.creators IS
    'Internal. Who creates objects in which schemas: roles that own some there, and roles with CREATE on the schema, but for superusers.';
COMMENT ON COLUMN sync_roles.creators.schema_oid IS 'The schema.';
COMMENT ON COLUMN sync_roles.creators.schema_name IS 'Its name.';
COMMENT ON COLUMN sync_roles.creators.creator_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.creators.creator_name IS 'Its name.';

CREATE VIEW sync_roles.default_privileges AS
SELECT d.oid, d.defaclrole AS creator_oid, c.rolname::text AS creator_name, d.defaclnamespace AS schema_oid, n.nspname::text AS schema_name,
    t.object_type, a.grantee AS grantee_oid, a.privilege_type AS privilege, a.is_grantable AS grantable
FROM pg_catalog.pg_default_acl AS d
JOIN pg_catalog.pg_roles AS c ON c.oid = d.defaclrole
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
JOIN (VALUES ('r'::"char", 'table'), ('S', 'sequence'), ('f', 'routine'), ('T', 'type'), ('n', 'schema'), ('L', 'large_object'))
    AS t (kind, object_type) ON t.kind = d.defaclobjtype
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a;

COMMENT ON VIEW sync_roles.default_privileges IS 'Internal. pg_default_acl: what whoever has on each new object of a creator.';
COMMENT ON COLUMN sync_roles.default_privileges.oid IS 'As in pg_default_acl.';
COMMENT ON COLUMN sync_roles.default_privileges.creator_oid IS 'Whose new objects.';
COMMENT ON COLUMN sync_roles.default_privileges.creator_name IS 'Its name.';
COMMENT ON COLUMN sync_roles.default_privileges.schema_oid IS 'In which schema; 0: in all.';
COMMENT ON COLUMN sync_roles.default_privileges.schema_name IS 'Its name.';
COMMENT ON COLUMN sync_roles.default_privileges.object_type IS 'The type of objects.';
COMMENT ON COLUMN sync_roles.default_privileges.grantee_oid IS 'Who has it; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.default_privileges.privilege IS 'The privilege.';
COMMENT ON COLUMN sync_roles.default_privileges.grantable IS 'With the grant option.';

DROP FUNCTION sync_roles.grant(
    text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text, boolean, boolean, text, text[], text[],
    text[], boolean);

CREATE FUNCTION sync_roles.grant(
    role_name text, privilege text, object_type text, schema_name text DEFAULT NULL, object_name text DEFAULT NULL,
    name_match text DEFAULT 'exact', column_name text DEFAULT NULL, direct boolean DEFAULT NULL, grantable boolean DEFAULT false,
    create_if_not_exists boolean DEFAULT false, expires_at timestamptz DEFAULT NULL, note text DEFAULT NULL, source text DEFAULT NULL,
    inherit_option boolean DEFAULT NULL, set_option boolean DEFAULT NULL, schema_match text DEFAULT 'exact',
    except_names text[] DEFAULT '{}', except_schemas text[] DEFAULT '{}', except_columns text[] DEFAULT '{}',
    partitions boolean DEFAULT false, at_creation boolean DEFAULT false
) RETURNS bigint
LANGUAGE sql SECURITY INVOKER
BEGIN ATOMIC
    INSERT INTO sync_roles.desired_grants AS g (role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, create_if_not_exists, expires_at, note, source, inherit_option, set_option, schema_match, except_names,
        except_schemas, except_columns, partitions, at_creation)
    VALUES ("grant".role_name, "grant".privilege, "grant".object_type, "grant".schema_name, "grant".object_name, "grant".name_match,
        "grant".column_name, "grant".direct, "grant".grantable, "grant".create_if_not_exists, "grant".expires_at, "grant".note,
        "grant".source, "grant".inherit_option, "grant".set_option, "grant".schema_match, "grant".except_names, "grant".except_schemas,
        "grant".except_columns, "grant".partitions, "grant".at_creation)
    -- Also where nothing changes: it queues the role again.
    ON CONFLICT (role_name, selector) DO UPDATE
    SET direct = excluded.direct, grantable = excluded.grantable, create_if_not_exists = excluded.create_if_not_exists,
        expires_at = excluded.expires_at, note = coalesce(excluded.note, g.note), source = coalesce(g.source, excluded.source),
        inherit_option = excluded.inherit_option, set_option = excluded.set_option, at_creation = excluded.at_creation
    RETURNING g.id;
END;

COMMENT ON FUNCTION
    sync_roles.grant(text, text, text, text, text, text, text, boolean, boolean, boolean, timestamptz, text, text, boolean, boolean, text,
        text[], text[], text[], boolean, boolean) IS
    'Writes a row of desired_grants, and returns its id. A row that is there becomes what the call says (without a note it keeps its own, '
    'and a source that it has stays), and its role is queued again. With the rights of the caller.';

UPDATE sync_roles.installation SET schema_version = 26;
