{% snapshot customers %}
{{ config(target_schema="marts", unique_key="code", strategy="check", check_cols="all") }}

SELECT * FROM {{ ref("countries") }}
{% endsnapshot %}
