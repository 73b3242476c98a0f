{#
  The USAGE of a schema is one row for a role, whoever needs it: the first model that needs it writes it, and it goes with the last row of
  this source in the schema. Where another source has rows there, or somebody who names none, the row becomes theirs.

  The macros are for one schema, or for all of them when a target is pruned: rows for what the project has no more do not count then.
#}
{% macro usage_lock() %}
    {{ return('hashtextextended(' ~ sync_roles.literal('sync_roles usage ' ~ sync_roles.setting('source')) ~ ', 0)') }}
{% endmacro %}

{% macro is_unused(g, schema_name) %}
    {%- set row = g ~ '.source = ' ~ sync_roles.literal(sync_roles.setting('source')) ~ ' AND ' ~ g ~ ".object_type = 'schema' AND "
        ~ g ~ ".privilege = 'USAGE' AND " ~ g ~ ".name_match = 'exact'" -%}
    {%- set place = g ~ '.object_name = ' ~ sync_roles.literal(schema_name) if schema_name else sync_roles.is_this_targets(g) -%}
    {%- set counts = '' if schema_name else ' AND (' ~ sync_roles.is_gone('h') ~ ') IS NOT TRUE' -%}
    {{ return(
        row ~ ' AND ' ~ place ~ ' AND NOT EXISTS (SELECT FROM sync_roles.desired_grants AS h WHERE h.role_name = ' ~ g
        ~ '.role_name AND h.schema_name = ' ~ g ~ '.object_name AND h.source = ' ~ g ~ '.source' ~ counts ~ ')'
    ) }}
{% endmacro %}

{% macro pass_on_usage_sql(schema_name, dry_run=false) %}
{%- set others -%}
FROM sync_roles.desired_grants AS o
    WHERE o.role_name = g.role_name
        AND o.schema_name = g.object_name
        AND o.source IS DISTINCT FROM {{ sync_roles.literal(sync_roles.setting('source')) }}
{%- endset -%}
{%- set told -%}
format('passed on USAGE on schema %s for role %s: others have rows in it', g.object_name, g.role_name) AS told
{%- endset -%}
{% if dry_run -%}
SELECT {{ told }}
FROM sync_roles.desired_grants AS g
{%- else -%}
UPDATE sync_roles.desired_grants AS g
SET source = (
        SELECT min(o.source)
        {{ others }}
    )
{%- endif %}
WHERE {{ sync_roles.is_unused('g', schema_name) }}
    AND EXISTS (
        SELECT
        {{ others }}
    )
{% if not dry_run %}RETURNING {{ told }}{% endif %}
{% endmacro %}

{# After passing on: what still is of this source nobody needs. #}
{% macro delete_usage_sql(schema_name, dry_run=false) %}
{%- set told -%}
format('deleted USAGE on schema %s for role %s', g.object_name, g.role_name) AS told
{%- endset -%}
{% if dry_run %}SELECT {{ told }} FROM{% else %}DELETE FROM{% endif %} sync_roles.desired_grants AS g
WHERE {{ sync_roles.is_unused('g', schema_name) }}
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
