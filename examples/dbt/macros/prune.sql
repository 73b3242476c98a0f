{#
  Deletes this target's rows for relations that the project has no more, and its USAGE of schemas in which a role has no row of this source
  left. What the project has and this run has not selected stays, and so does what other projects and targets wrote.

      dbt run-operation sync_roles_prune
      dbt run-operation sync_roles_prune --args '{dry_run: true}'
#}
{% macro sync_roles_prune(dry_run=false) %}
    {%- if execute and sync_roles.setting('enabled') -%}
        {%- do sync_roles.is_set_up() -%}
        {%- do run_query('SELECT pg_advisory_xact_lock(' ~ sync_roles.prune_lock() ~ ')') -%}
        {%- set told = [] -%}
        {%- for query in [sync_roles.prune_tables_sql(dry_run), sync_roles.pass_on_usage_sql(dry_run), sync_roles.prune_usage_sql(dry_run)] -%}
            {%- for row in run_query(query).rows -%}
                {%- do told.append(row['told']) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do adapter.commit() -%}
        {%- for row in told -%}
            {%- do log('sync_roles: ' ~ ('would have ' if dry_run else '') ~ row, info=true) -%}
        {%- else -%}
            {%- do log('sync_roles: nothing to prune of ' ~ sync_roles.setting('source') ~ ' ' ~ sync_roles.target_mark(), info=true) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{% macro prune_lock() %}
    {{ return('hashtextextended(' ~ sync_roles.literal('sync_roles prune ' ~ sync_roles.setting('source')) ~ ', 0)') }}
{% endmacro %}

{# Whether row g is one that this target wrote. #}
{% macro is_this_targets(g) %}
    {%- set mark = sync_roles.target_mark() -%}
    {{ return(
        g ~ '.source = ' ~ sync_roles.literal(sync_roles.setting('source'))
        ~ ' AND right(' ~ g ~ '.note, ' ~ mark | length ~ ') = ' ~ sync_roles.literal(mark)
    ) }}
{% endmacro %}

{# Whether row g is for a relation that the project has no more: the graph has all nodes that are enabled, selected or not. #}
{% macro is_gone(g) %}
    {%- set relations = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in sync_roles.node_types() and node.config.materialized != 'ephemeral' -%}
        {%- do relations.append([node.schema, node.alias]) -%}
    {%- endfor -%}
    {{ return(
        sync_roles.is_this_targets(g) ~ ' AND ' ~ g ~ ".object_type = 'table' AND " ~ g ~ ".name_match = 'exact'"
        ~ ' AND NOT EXISTS (SELECT FROM ' ~ sync_roles.table_of(['schema_name', 'object_name'], relations)
        ~ ' AS r (schema_name, object_name) WHERE r.schema_name = ' ~ g ~ '.schema_name AND r.object_name = ' ~ g ~ '.object_name)'
    ) }}
{% endmacro %}

{% macro prune_tables_sql(dry_run) %}
{%- set told -%}
format('deleted %s on %s.%s for role %s: %s', g.privilege, g.schema_name, g.object_name, g.role_name, g.note) AS told
{%- endset -%}
{% if dry_run %}SELECT {{ told }} FROM{% else %}DELETE FROM{% endif %} sync_roles.desired_grants AS g
WHERE {{ sync_roles.is_gone('g') }}
{% if not dry_run %}RETURNING {{ told }}{% endif %}
{% endmacro %}

{# Whether row g is the USAGE of a schema in which no row of this source for a relation that is still there needs it. #}
{% macro is_unused(g) %}
    {{ return(
        sync_roles.is_this_targets(g) ~ ' AND ' ~ g ~ ".object_type = 'schema' AND " ~ g ~ ".privilege = 'USAGE' AND " ~ g ~ ".name_match = 'exact'"
        ~ ' AND NOT EXISTS (SELECT FROM sync_roles.desired_grants AS h WHERE h.role_name = ' ~ g ~ '.role_name AND h.schema_name = ' ~ g
        ~ '.object_name AND h.source = ' ~ g ~ '.source AND NOT (' ~ sync_roles.is_gone('h') ~ '))'
    ) }}
{% endmacro %}

{#
  There is one row for the USAGE of a schema, whoever needs it: where another source has rows in the schema, it gets this one. They may be
  without a source.
#}
{% macro pass_on_usage_sql(dry_run) %}
{%- set others -%}
FROM sync_roles.desired_grants AS o
WHERE o.role_name = g.role_name AND o.schema_name = g.object_name AND o.source IS DISTINCT FROM {{ sync_roles.literal(sync_roles.setting('source')) }}
{%- endset -%}
{%- set told -%}
format('passed on USAGE on schema %s for role %s: others have rows in it', g.object_name, g.role_name) AS told
{%- endset -%}
{% if dry_run -%}
SELECT {{ told }}
FROM sync_roles.desired_grants AS g
{%- else -%}
UPDATE sync_roles.desired_grants AS g
SET source = (SELECT min(o.source) {{ others }})
{%- endif %}
WHERE {{ sync_roles.is_unused('g') }}
    AND EXISTS (SELECT {{ others }})
{% if not dry_run %}RETURNING {{ told }}{% endif %}
{% endmacro %}

{% macro prune_usage_sql(dry_run) %}
{%- set told -%}
format('deleted USAGE on schema %s for role %s', g.object_name, g.role_name) AS told
{%- endset -%}
{% if dry_run %}SELECT {{ told }} FROM{% else %}DELETE FROM{% endif %} sync_roles.desired_grants AS g
WHERE {{ sync_roles.is_unused('g') }}
{% if dry_run -%}
    AND NOT EXISTS (
        SELECT
        FROM sync_roles.desired_grants AS o
        WHERE o.role_name = g.role_name AND o.schema_name = g.object_name AND o.source IS DISTINCT FROM g.source
    )
{%- else -%}
RETURNING {{ told }}
{%- endif %}
{% endmacro %}
