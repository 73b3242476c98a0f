{#
  dbt replaces a relation by another one, which holds nothing. Those who had a privilege on the old one by a row have it on the new one
  before others see it: dbt grants it, as the owner, to the same role or intermediate role to which the daemon had granted it, so that the
  daemon finds nothing to do. Whoever had nothing gets nothing here.
#}
{% macro keep_access(relation, was_replaced) %}
    {%- set found = run_query(sync_roles.kept_access_sql(relation)).rows -%}
    {%- set statements = [] -%}
    {%- for row in found if row['statement'] -%}
        {%- do statements.append(row['statement']) -%}
    {%- endfor -%}
    {%- if statements -%}
        {%- call statement('sync_roles_keep_access') -%}
            {{ statements | join(';\n') }}
        {%- endcall -%}
    {%- endif -%}
    {#- What only the daemon can know it looks up at once: rows out of sight, columns, what others passed on. -#}
    {%- if found and (found[0]['is_incomplete'] or (was_replaced and not found[0]['had_backup'])) -%}
        {%- do run_query(
            'SELECT sync_roles.touch(' ~ sync_roles.literal(relation.schema) ~ ', ' ~ sync_roles.literal(relation.identifier) ~ ')'
        ) -%}
    {%- endif -%}
{% endmacro %}

{#
  The GRANT statements for a relation that this transaction has made, with one row even if there are none; no row for a relation that was
  there before, which keeps its privileges.

  dbt renames what it replaces, and drops it after the commit: its ACL says what to keep. Where it was dropped before (a seed, a
  materialized view, a view that went with its table), the rows say it that are older than this transaction and have no problem.
#}
{% macro kept_access_sql(relation) %}
{%- set backup = make_backup_relation(relation, relation.type) -%}
{%- set schema_name = sync_roles.literal(relation.schema) -%}
WITH made AS (
    SELECT c.oid, c.relowner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
    WHERE n.nspname = {{ schema_name }}
        AND c.relname = {{ sync_roles.literal(relation.identifier) }}
        -- A GRANT on a relation, or a new column, leaves its type as it is: what changed that has made or renamed the relation.
        AND t.xmin = pg_current_xact_id()::xid
),
backup AS (
    SELECT c.oid, c.relowner, c.relacl
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {{ schema_name }}
        AND c.relname = {{ sync_roles.literal(backup.identifier) }}
),
wanted AS (
    SELECT g.id, g.role_name, p.privilege_type, g.grantable,
        greatest(g.created_at, g.updated_at) < now() AS is_older,
        p.privilege_type || ' on table ' || g.schema_name || '.' || g.object_name
            || CASE WHEN g.name_match <> 'exact' THEN ' [' || g.name_match || ']' ELSE '' END AS holds
    FROM made AS m
    CROSS JOIN LATERAL aclexplode(acldefault('r', m.relowner)) AS p
    JOIN sync_roles.desired_grants AS g ON g.privilege IN (p.privilege_type, 'ALL')
    WHERE g.object_type = 'table'
        AND g.schema_name = {{ schema_name }}
        AND g.column_name IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > now())
        AND CASE g.name_match
            WHEN 'exact' THEN {{ sync_roles.literal(relation.identifier) }} = g.object_name
            WHEN 'like' THEN {{ sync_roles.literal(relation.identifier) }} LIKE g.object_name
            ELSE {{ sync_roles.literal(relation.identifier) }} ~ ('^(?:' || g.object_name || ')$')
        END
),
entry AS (
    SELECT e.grantee, r.rolname::text AS role_name, e.privilege_type, e.is_grantable, e.grantor = b.relowner AS is_the_owners,
        coalesce(r.rolname LIKE '\_pgsr\_%', false) AS is_intermediate
    FROM made
    CROSS JOIN backup AS b
    CROSS JOIN LATERAL aclexplode(b.relacl) AS e
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = e.grantee
    WHERE e.grantee <> b.relowner
),
kept AS (
    SELECT e.grantee, e.privilege_type, e.is_grantable AND (e.is_intermediate OR bool_or(w.grantable)) AS is_grantable
    FROM entry AS e
    LEFT JOIN wanted AS w ON w.role_name = coalesce(e.role_name, 'public') AND w.privilege_type = e.privilege_type
    WHERE e.is_the_owners AND (e.is_intermediate OR w.id IS NOT NULL)
    GROUP BY e.grantee, e.privilege_type, e.is_grantable, e.is_intermediate
    UNION
    SELECT coalesce(i.oid, r.oid, 0::oid), w.privilege_type, w.grantable AND i.oid IS NULL
    FROM wanted AS w
    LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = w.role_name
    LEFT JOIN LATERAL (
        SELECT i.oid
        FROM pg_catalog.pg_shdescription AS d
        JOIN pg_catalog.pg_roles AS i ON i.oid = d.objoid
        WHERE d.classoid = 'pg_catalog.pg_authid'::regclass
            AND d.description = 'intermediate role of sync_roles in database ' || current_database() || ': ' || w.holds
            AND i.rolname LIKE '\_pgsr\_%'
            AND pg_has_role(r.oid, i.oid, 'USAGE')
        LIMIT 1
    ) AS i ON true
    WHERE NOT EXISTS (SELECT FROM backup)
        AND w.is_older
        AND (r.oid IS NOT NULL OR w.role_name = 'public')
        AND NOT EXISTS (SELECT FROM sync_roles.my_problems AS p WHERE p.grant_id = w.id)
),
statements AS (
    SELECT
        format('GRANT %s ON TABLE %I.%I TO %s', k.privilege_type, {{ schema_name }}, {{ sync_roles.literal(relation.identifier) }},
            string_agg(CASE WHEN k.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, ', ' ORDER BY r.rolname))
            || CASE WHEN k.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS statement
    FROM made AS m
    CROSS JOIN kept AS k
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = k.grantee
    WHERE k.grantee <> m.relowner
        AND (k.grantee = 0 OR r.oid IS NOT NULL)
        -- A grant that is there already, by default privileges say, is not made again.
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_class AS c
            CROSS JOIN LATERAL aclexplode(c.relacl) AS a
            WHERE c.oid = m.oid
                AND a.grantee = k.grantee
                AND a.privilege_type = k.privilege_type
                AND (a.is_grantable OR NOT k.is_grantable)
        )
    GROUP BY k.privilege_type, k.is_grantable
)
SELECT
    s.statement,
    EXISTS (SELECT FROM backup) AS had_backup,
    EXISTS (
        SELECT FROM entry AS e WHERE NOT EXISTS (SELECT FROM kept AS k WHERE k.grantee = e.grantee AND k.privilege_type = e.privilege_type)
    )
    OR EXISTS (
        SELECT FROM backup AS b JOIN pg_catalog.pg_attribute AS a ON a.attrelid = b.oid WHERE a.attacl IS NOT NULL
    ) AS is_incomplete
FROM made
LEFT JOIN statements AS s ON true
ORDER BY 1
{% endmacro %}
