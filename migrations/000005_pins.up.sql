-- Functions that views, policies and triggers call run in their reader's session. Those without SET clauses get SQL-standard bodies: PostgreSQL looks
-- up what is in them when they are created, here with the installer's search_path, and not when they run; and unlike functions with SET it still
-- inlines them.

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
    WHEN 'large_object' THEN ARRAY['SELECT', 'UPDATE']
    WHEN 'role' THEN ARRAY['MEMBER']
END;

CREATE OR REPLACE FUNCTION sync_roles.unpacked(acl aclitem[]) RETURNS aclitem[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.array_cat(acl, NULL::aclitem[]);

-- format_type leaves out schemas that are in the search_path, and quotes every name where quote_all_identifiers is on.
CREATE OR REPLACE FUNCTION sync_roles.signature(name name, arguments oidvector) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $$
    SELECT name || '(' || coalesce(string_agg(format_type(a.type, NULL), ', ' ORDER BY a.position), '') || ')'
    FROM unnest(arguments::oid[]) WITH ORDINALITY AS a (type, position)
$$;

CREATE OR REPLACE FUNCTION sync_roles.name_problem(column_name text, name text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN name = '' THEN pg_catalog.format('%s is empty: a name has 1 to 63 bytes', column_name)
    WHEN pg_catalog.octet_length(name) > 63 THEN
        pg_catalog.format('%s %s has %s bytes: a name has at most 63', column_name, pg_catalog.quote_literal(name), pg_catalog.octet_length(name))
END;

CREATE OR REPLACE FUNCTION sync_roles.revocable_kinds() RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN '{role_memberships,table_selects,schema_usage,databases,schemas,tables,sequences,routines,types,languages,foreign_data_wrappers,foreign_servers,tablespaces,parameters,large_objects,ownerships,all}'::text[];

CREATE OR REPLACE FUNCTION sync_roles.is_scram_verifier(verifier text) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN verifier ~ '^SCRAM-SHA-256[$][1-9][0-9]{0,8}:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)[$][A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$'
    AND pg_catalog.octet_length(verifier) <= 512;

UPDATE sync_roles.installation SET schema_version = 5;
