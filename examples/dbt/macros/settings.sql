{# A variable of the project, checked: sync_roles_<name>. #}
{% macro setting(name) %}
    {%- set default = {'enabled': true, 'schema_usage': true, 'source': 'dbt:' ~ project_name, 'timeout': 30}[name] -%}
    {%- set value = var('sync_roles_' ~ name, default) -%}
    {%- if name in ['enabled', 'schema_usage'] -%}
        {%- set is_valid, allowed = value is boolean, 'true or false' -%}
    {%- elif name == 'timeout' -%}
        {%- set is_valid, allowed = value is number and value is not boolean and value > 0, 'a number of seconds, more than 0' -%}
    {%- else -%}
        {%- set is_valid, allowed = value is string and value | trim | length > 0, 'a text that is not empty' -%}
    {%- endif -%}
    {%- if not is_valid -%}
        {%- do exceptions.raise_compiler_error(
            'sync_roles: the variable sync_roles_' ~ name ~ ' is ' ~ (value | tojson) ~ ', and must be ' ~ allowed
        ) -%}
    {%- endif -%}
    {{ return(value) }}
{% endmacro %}

{# All of them, so that a wrong one fails before anything is written. #}
{% macro check_settings() %}
    {%- for name in ['enabled', 'schema_usage', 'source', 'timeout'] -%}
        {%- do sync_roles.setting(name) -%}
    {%- endfor -%}
{% endmacro %}

{#
  What the notes of this target's rows end with. Targets of one project that share a database share its source too: by this, pruning one
  leaves the rows of the others alone.
#}
{% macro target_mark() %}
    {{ return('(target ' ~ target.name ~ ', schema ' ~ target.schema ~ ')') }}
{% endmacro %}

{# A string literal, whatever standard_conforming_strings is. #}
{% macro literal(value) %}
    {%- set quoted = "'" ~ (value | string | replace("'", "''")) ~ "'" -%}
    {{ return(' E' ~ (quoted | replace('\\', '\\\\')) if '\\' in quoted else quoted) }}
{% endmacro %}

{# Rows to select from: the rows are lists of values, and may be none. #}
{% macro table_of(columns, rows) %}
    {%- set lines = [] -%}
    {%- for row in rows -%}
        {%- set values = [] -%}
        {%- for value in row -%}
            {%- do values.append(sync_roles.literal(value) ~ '::text') -%}
        {%- endfor -%}
        {%- do lines.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- if not lines -%}
        {%- set nulls = [] -%}
        {%- for column in columns -%}{%- do nulls.append('NULL::text') -%}{%- endfor -%}
        {{ return('(SELECT ' ~ nulls | join(', ') ~ ' WHERE false)') }}
    {%- endif -%}
    {{ return('(VALUES\n        ' ~ lines | join(',\n        ') ~ '\n    )') }}
{% endmacro %}
