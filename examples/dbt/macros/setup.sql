{#
  Whether dbt's login can write rows here. If it must be able to, what is missing is an error that says who has to run what, raised before
  anything is written: dbt then rolls the model back, and the old relation stays.
#}
{% macro is_set_up(must_be=true) %}
    {%- set role = target.get('role') or target.user -%}
    {%- set found = run_query(sync_roles.setup_sql()).rows[0] -%}
    {%- set name = adapter.quote(found['role_name']) -%}
    {%- if not found['is_installed'] -%}
        {%- set missing = 'database "' ~ found['database_name'] ~ '" has no schema sync_roles' -%}
        {%- set fix = 'Install it, with pg-sync-roles run or pg-sync-roles migrate, or set the variable sync_roles_enabled to false for this target.' -%}
    {%- elif not found['is_new_enough'] -%}
        {%- set missing = 'the schema sync_roles of database "' ~ found['database_name'] ~ '" is older than this package' -%}
        {%- set fix = 'Upgrade pg-sync-roles, or take an older revision of the package.' -%}
    {%- elif found['lacks'] -%}
        {%- set missing = 'role ' ~ name ~ ' may not write desired grants: it lacks ' ~ found['lacks'] -%}
        {%- set fix = 'The owner of schema sync_roles runs:\n' ~ sync_roles.setup_statements(name, found['role_name']) -%}
    {%- elif found['is_scoped'] and run_query('SELECT count(*) AS scopes FROM sync_roles.my_scopes').rows[0]['scopes'] == 0 -%}
        {%- set missing = 'role ' ~ name ~ ' has no scope in sync_roles.writers, so it may write no row' -%}
        {%- set fix = 'The owner of schema sync_roles runs:\n' ~ sync_roles.setup_statements(name, found['role_name']) -%}
    {%- else -%}
        {{ return(true) }}
    {%- endif -%}
    {%- if must_be -%}
        {%- do exceptions.raise_compiler_error('sync_roles: ' ~ missing ~ '. ' ~ fix) -%}
    {%- endif -%}
    {{ return(false) }}
{% endmacro %}

{# By the catalogs: a name that one may not look up would be an error of PostgreSQL's. #}
{% macro setup_sql() %}
SELECT
    current_user::text AS role_name,
    current_database()::text AS database_name,
    c.oid IS NOT NULL AS is_installed,
    EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'source'
    ) AS is_new_enough,
    concat_ws(', ',
        CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'USAGE on schema sync_roles' END,
        (
            SELECT string_agg(p.privilege, ', ') || ' on sync_roles.desired_grants'
            FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
            WHERE NOT has_table_privilege(c.oid, p.privilege)
        )
    ) AS lacks,
    coalesce(row_security_active(c.oid), false) AS is_scoped
FROM (VALUES (1)) AS one
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'sync_roles'
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'desired_grants'
{% endmacro %}

{% macro setup_statements(name, role_name) %}
    {%- set writer = sync_roles.literal(role_name) | trim -%}
    {%- set schemas = sync_roles.literal(target.schema ~ '%') | trim -%}
    {{ return(
        '  GRANT USAGE ON SCHEMA sync_roles TO ' ~ name ~ ';\n'
        ~ '  GRANT SELECT, INSERT, UPDATE, DELETE ON sync_roles.desired_grants TO ' ~ name ~ ';\n'
        ~ '  INSERT INTO sync_roles.writers (writer_role, object_type, privileges, schema_like, object_like) VALUES\n'
        ~ '    (' ~ writer ~ ", 'table', '{SELECT}', " ~ schemas ~ ', NULL),\n'
        ~ '    (' ~ writer ~ ", 'schema', '{USAGE}', NULL, " ~ schemas ~ ');'
    ) }}
{% endmacro %}
