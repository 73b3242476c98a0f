{#
  What dbt calls after it has built a model, before it commits. It writes what the model's `grants:` config says as rows of
  sync_roles.desired_grants, and the daemon grants. dbt itself grants on the new relation only, which no other session sees yet,
  and only what the one that it replaces had.
#}
{% macro postgres__apply_grants(relation, grant_config, should_revoke=True) %}
    {%- if not sync_roles.setting('enabled') or model.resource_type not in sync_roles.node_types() -%}
        {{ return(dbt.default__apply_grants(relation, grant_config, should_revoke)) }}
    {%- endif -%}
    {%- set wanted = sync_roles.configured_grants(grant_config) -%}
    {%- if sync_roles.is_set_up(must_be=wanted | length > 0) -%}
        {%- do sync_roles.write_rows(relation, wanted) -%}
        {%- do sync_roles.keep_access(relation, should_revoke) -%}
    {%- endif -%}
{% endmacro %}

{# The kinds of nodes whose grants are privileges on a table. dbt 1.11 grants on functions too. #}
{% macro node_types() %}
    {{ return(['model', 'seed', 'snapshot']) }}
{% endmacro %}

{#
  The config as a list of role and privilege. dbt writes names into SQL as they stand, so there an odd one must be quoted; a row holds the
  name itself.
#}
{% macro configured_grants(grant_config) %}
    {%- set wanted = [] -%}
    {%- for privilege, grantees in (grant_config or {}).items() -%}
        {%- set words = privilege | upper | trim -%}
        {%- for grantee in ([grantees] if grantees is string else grantees or []) -%}
            {%- set name = grantee | string | trim -%}
            {%- if name | length > 1 and name[0] == '"' and name[-1] == '"' -%}
                {%- set name = name[1:-1] | replace('""', '"') -%}
            {%- elif name | lower == 'public' -%}
                {%- set name = 'public' -%}
            {%- endif -%}
            {%- do wanted.append({'role_name': name, 'privilege': 'ALL' if words == 'ALL PRIVILEGES' else words}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(wanted) }}
{% endmacro %}
