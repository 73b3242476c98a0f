{#
  Fails unless the daemon has done all that is in the queue, and each row of this project is in sync. For the end of a run:

      on-run-end: "{ { sync_roles.sync_roles_verify() } }"

  or by itself: dbt run-operation sync_roles_verify. Rows of others, of the same role even, do not fail it. Nor does a row that waits for
  an object, such as a model that was never built.
#}
{% macro sync_roles_verify() %}
    {%- if execute and sync_roles.setting('enabled') and sync_roles.is_set_up() -%}
        {%- do run_query(sync_roles.verify_sql()) -%}
        {%- for row in run_query(sync_roles.waiting_sql()).rows -%}
            {%- do log('sync_roles: ' ~ row['told'], info=true) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#
  wait_for_sync judges the rows that this login wrote, whatever their source: its verdict is passed by, and its waiting is what counts.
  The reason is in my_problems, unless it is one of the role as a whole.
#}
{% macro verify_sql() %}
{%- set source = sync_roles.literal(sync_roles.setting('source')) -%}
{%- set timeout = sync_roles.setting('timeout') -%}
DO $verify$
DECLARE
    deadline constant timestamptz := clock_timestamp() + make_interval(secs => {{ timeout }});
    problem record;
BEGIN
    LOOP
        BEGIN
            PERFORM sync_roles.wait_for_sync(timeout => greatest(deadline - clock_timestamp(), interval '0'));
        EXCEPTION
            WHEN object_not_in_prerequisite_state THEN
                NULL;
            WHEN query_canceled THEN
                RAISE EXCEPTION USING ERRCODE = 'query_canceled',
                    MESSAGE = {{ sync_roles.literal('sync_roles: after ' ~ timeout ~ ' s not all that was asked for is done') }},
                    DETAIL = SQLERRM,
                    HINT = 'Does the daemon run, on this database? The variable sync_roles_timeout says how long to wait for it.';
        END;
        WITH bad AS (
            SELECT g.*, b.status, coalesce(p.reason, 'no reason that this login may see: SELECT * FROM sync_roles.role_status says more') AS reason
            FROM sync_roles.rows_out_of_sync(ARRAY(
                SELECT g.id FROM sync_roles.desired_grants AS g WHERE g.source = {{ source }}
            )) AS b
            JOIN sync_roles.desired_grants AS g ON g.id = b.grant_id
            LEFT JOIN LATERAL (
                SELECT string_agg(DISTINCT p.reason || coalesce('; ' || p.fix, ''), '; ') AS reason
                FROM sync_roles.my_problems AS p
                WHERE p.grant_id = g.id
            ) AS p ON true
        )
        SELECT count(*) AS rows, coalesce(bool_and(b.status IN ('failed', 'pending')), true) AS is_retried,
            string_agg(format(E'\n  %s on %s for role %s is %s: %s (%s)', b.privilege, concat_ws('.', b.schema_name, b.object_name),
                b.role_name, b.status, b.reason, b.note), '' ORDER BY b.schema_name, b.object_name, b.role_name, b.privilege) AS told
        INTO problem
        FROM bad AS b;
        EXIT WHEN problem.rows = 0;
        IF NOT problem.is_retried OR clock_timestamp() >= deadline THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('sync_roles: %s of the desired grants of %s are not in sync:%s', problem.rows, {{ source }}, problem.told);
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$verify$
{% endmacro %}

{% macro waiting_sql() %}
SELECT format('%s on %s for role %s is waiting: %s (%s)', g.privilege, concat_ws('.', g.schema_name, g.object_name), g.role_name, p.reason,
    g.note) AS told
FROM sync_roles.desired_grants AS g
JOIN sync_roles.my_problems AS p ON p.grant_id = g.id
WHERE g.source = {{ sync_roles.literal(sync_roles.setting('source')) }}
    AND p.kind = 'waiting'
ORDER BY 1
LIMIT 20
{% endmacro %}
