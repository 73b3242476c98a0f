{#
  Deletes this target's rows for relations that the project has no more, and its USAGE of schemas in which a role has no row of this source
  left. What the project has and this run has not selected stays, and so does what other projects and targets wrote.

      dbt run-operation sync_roles_prune
      dbt run-operation sync_roles_prune --args '{dry_run: true}'
#}
{% macro sync_roles_prune(dry_run=false) %}
    {%- if execute and sync_roles.setting('enabled') -%}
        {%- do sync_roles.is_set_up() -%}
        {#- Outside of models dbt begins no transaction, and each statement would commit by itself. -#}
        {%- do run_query('BEGIN') -%}
        {%- do run_query('SELECT pg_advisory_xact_lock(' ~ sync_roles.usage_lock() ~ ')') -%}
        {%- set told = [] -%}
        {%- for query in [
            sync_roles.prune_rows_sql(dry_run), sync_roles.pass_on_usage_sql(none, dry_run), sync_roles.delete_usage_sql(none, dry_run)
        ] -%}
            {%- for row in run_query(query).rows -%}
                {%- do told.append(row['told']) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do run_query('COMMIT') -%}
        {%- for row in told -%}
            {%- do log('sync_roles: ' ~ ('would have ' if dry_run else '') ~ row, info=true) -%}
        {%- else -%}
            {%- do log('sync_roles: nothing to prune of ' ~ sync_roles.setting('source') ~ ' ' ~ sync_roles.target_mark(), info=true) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{# Whether row g is one that this target wrote. #}
{% macro is_this_targets(g) %}
    {%- set mark = sync_roles.target_mark() -%}
    {{ return(
        g ~ '.source = ' ~ sync_roles.literal(sync_roles.setting('source'))
        ~ ' AND right(' ~ g ~ '.note, ' ~ mark | length ~ ') = ' ~ sync_roles.literal(mark)
    ) }}
{% endmacro %}

{# Whether row g is of this project, and no other target wrote it. #}
{% macro is_not_anothers(g) %}
    {{ return(
        g ~ '.source = ' ~ sync_roles.literal(sync_roles.setting('source')) ~ ' AND (' ~ sync_roles.is_this_targets(g) ~ ' OR coalesce('
        ~ g ~ ".note, '') !~ '[(]target .*, schema .*[)]$')"
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

{% macro prune_rows_sql(dry_run) %}
{%- set told -%}
format('deleted %s on %s.%s for role %s: %s', g.privilege, g.schema_name, g.object_name, g.role_name, g.note) AS told
{%- endset -%}
{% if dry_run %}SELECT {{ told }} FROM{% else %}DELETE FROM{% endif %} sync_roles.desired_grants AS g
WHERE {{ sync_roles.is_gone('g') }}
{% if not dry_run %}RETURNING {{ told }}{% endif %}
{% endmacro %}
