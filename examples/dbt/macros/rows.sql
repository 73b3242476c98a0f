{#
  Makes this project's rows for a relation equal to what is configured. Where nothing differs nothing is written, so a run that changes no
  grants wakes nobody, and models that are built side by side do not wait for one another's row of their schema.
#}
{% macro write_rows(relation, wanted) %}
    {%- set surplus = sync_roles.surplus_rows_sql(relation, wanted) -%}
    {%- set has_surplus = run_query('SELECT count(*) AS rows ' ~ surplus).rows[0]['rows'] > 0 -%}
    {#- Whoever deletes the USAGE of a schema looks which rows are in it, and must not miss those of a model that is built beside. -#}
    {%- do run_query('SELECT pg_advisory_xact_lock' ~ ('' if has_surplus else '_shared') ~ '(' ~ sync_roles.usage_lock() ~ ')') -%}
    {%- if has_surplus -%}
        {%- do run_query('DELETE ' ~ surplus) -%}
    {%- endif -%}
    {%- if wanted -%}
        {%- do run_query(sync_roles.upsert_rows_sql(relation, wanted)) -%}
    {%- endif -%}
    {%- if has_surplus -%}
        {%- do run_query(sync_roles.pass_on_usage_sql(relation.schema)) -%}
        {%- do run_query(sync_roles.delete_usage_sql(relation.schema)) -%}
    {%- endif -%}
{% endmacro %}

{% macro surplus_rows_sql(relation, wanted) %}
{%- set pairs = [] -%}
{%- for grant in wanted -%}
    {%- do pairs.append([grant.role_name, grant.privilege]) -%}
{%- endfor -%}
FROM sync_roles.desired_grants AS g
WHERE g.source = {{ sync_roles.literal(sync_roles.setting('source')) }}
    AND g.object_type = 'table'
    AND g.schema_name = {{ sync_roles.literal(relation.schema) }}
    AND g.object_name = {{ sync_roles.literal(relation.identifier) }}
    AND g.name_match = 'exact'
    AND g.column_name IS NULL
    AND NOT EXISTS (
        SELECT
        FROM {{ sync_roles.table_of(['role_name', 'privilege'], pairs) }} AS w (role_name, privilege)
        WHERE w.role_name = g.role_name AND w.privilege = g.privilege
    )
{% endmacro %}

{#
  A row that is there without a source becomes this project's, as with pg-sync-roles apply; one of another source stays as it is, and does
  what this one would. For the USAGE of a schema any row will do. In order of their names: two models that write the same new rows must
  not wait for each other.
#}
{% macro upsert_rows_sql(relation, wanted) %}
{%- set note = 'dbt ' ~ model.resource_type ~ ' ' ~ model.package_name ~ '.' ~ model.name ~ ' ' ~ sync_roles.target_mark() -%}
{%- set schema_note = 'dbt schema ' ~ relation.schema ~ ' ' ~ sync_roles.target_mark() -%}
{%- set rows = [] -%}
{%- for grant in wanted -%}
    {%- do rows.append([grant.role_name, grant.privilege, 'table', relation.schema, relation.identifier, note]) -%}
    {%- if sync_roles.setting('schema_usage') -%}
        {%- do rows.append([grant.role_name, 'USAGE', 'schema', '', relation.schema, schema_note]) -%}
    {%- endif -%}
{%- endfor -%}
INSERT INTO sync_roles.desired_grants AS g (role_name, privilege, object_type, schema_name, object_name, source, note)
SELECT DISTINCT w.role_name, w.privilege, w.object_type, nullif(w.schema_name, ''), w.object_name, w.source, w.note
FROM (
    SELECT v.*, {{ sync_roles.literal(sync_roles.setting('source')) }}::text AS source
    FROM {{ sync_roles.table_of(['role_name', 'privilege', 'object_type', 'schema_name', 'object_name', 'note'], rows) }}
        AS v (role_name, privilege, object_type, schema_name, object_name, note)
) AS w
WHERE NOT EXISTS (
    SELECT
    FROM sync_roles.desired_grants AS h
    WHERE h.role_name = w.role_name
        AND h.privilege = w.privilege
        AND h.object_type = w.object_type
        AND h.schema_name IS NOT DISTINCT FROM nullif(w.schema_name, '')
        AND h.object_name = w.object_name
        AND h.name_match = 'exact'
        AND h.column_name IS NULL
        AND (
            h.object_type = 'schema'
            OR h.source <> w.source
            OR h.source = w.source AND h.note IS NOT DISTINCT FROM w.note AND h.expires_at IS NULL
        )
)
ORDER BY 1, 3, 2
ON CONFLICT (role_name, selector) DO UPDATE
SET source = excluded.source, note = excluded.note, expires_at = NULL
WHERE g.object_type = 'table' AND (g.source IS NULL OR g.source = excluded.source)
{% endmacro %}
