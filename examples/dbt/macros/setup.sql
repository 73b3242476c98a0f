{#
  Whether dbt's login can write rows here. If it must be able to, what is missing is an error that says who has to run what, raised before
  anything is written: dbt then rolls the model back, and the old relation stays.
#}
{% macro is_set_up(must_be=true) %}
    {%- do sync_roles.check_settings() -%}
    {%- set problem = sync_roles.setup_problem() -%}
    {%- if problem and must_be -%}
        {%- do exceptions.raise_compiler_error(problem) -%}
    {%- endif -%}
    {{ return(not problem) }}
{% endmacro %}

{# What is missing, and what to do; empty: nothing. #}
{% macro setup_problem() %}
    {%- set found = run_query(sync_roles.setup_sql()).rows[0] -%}
    {%- set database = 'database "' ~ found['database_name'] ~ '"' -%}
    {%- set role = 'role ' ~ adapter.quote(found['role_name']) -%}
    {%- set owner_runs = '. The owner of schema sync_roles runs:\n' -%}
    {%- set grants = sync_roles.grant_statements(found['role_name']) -%}
    {%- set scopes = sync_roles.scope_statements(found['role_name']) -%}
    {%- if not found['is_installed'] -%}
        {%- set problem = database ~ ' has no schema sync_roles. Install it, with pg-sync-roles run or pg-sync-roles migrate,'
            ~ ' or set the variable sync_roles_enabled to false for this target.' -%}
    {%- elif not found['is_new_enough'] -%}
        {%- set problem = 'the schema sync_roles of ' ~ database ~ ' is older than this package.'
            ~ ' Upgrade pg-sync-roles, or take an older revision of the package.' -%}
    {%- elif found['lacks'] -%}
        {%- set problem = role ~ ' may not write desired grants: it lacks ' ~ found['lacks'] ~ owner_runs ~ grants
            ~ '\nand, unless it has a scope already:\n' ~ scopes -%}
    {%- elif found['is_scoped'] and run_query('SELECT count(*) AS scopes FROM sync_roles.my_scopes').rows[0]['scopes'] == 0 -%}
        {%- set problem = role ~ ' has no scope in sync_roles.writers, so it may write no row' ~ owner_runs ~ scopes -%}
    {%- endif -%}
    {{ return('sync_roles: ' ~ problem if problem else '') }}
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

{% macro grant_statements(role_name) %}
    {%- set name = adapter.quote(role_name) -%}
    {{ return(
        '  GRANT USAGE ON SCHEMA sync_roles TO ' ~ name ~ ';\n'
        ~ '  GRANT SELECT, INSERT, UPDATE, DELETE ON sync_roles.desired_grants TO ' ~ name ~ ';'
    ) }}
{% endmacro %}

{# dbt makes the schemas of a target by putting more words behind its name. #}
{% macro scope_statements(role_name) %}
    {%- set writer = sync_roles.literal(role_name) -%}
    {%- set schemas = sync_roles.literal(target.schema ~ '%') -%}
    {{ return(
        '  INSERT INTO sync_roles.writers (writer_role, object_type, privileges, schema_like, object_like) VALUES\n'
        ~ '    (' ~ writer ~ ", 'table', '{SELECT}', " ~ schemas ~ ', NULL),\n'
        ~ '    (' ~ writer ~ ", 'schema', '{USAGE}', NULL, " ~ schemas ~ ');'
    ) }}
{% endmacro %}
