{#
  Fails unless the daemon has done all that is in the queue, and each row of this project is in sync. For the end of a run, which then fails
  as by a failing test; or by itself, as dbt run-operation sync_roles_verify. Rows of others, of the same role even, and of other targets
  do not fail it. Nor does a row that waits for an object, such as a model that was never built.
#}
{% macro sync_roles_verify() %}
    {%- if execute and sync_roles.setting('enabled') -%}
        {%- do sync_roles.check_settings() -%}
        {%- set problem = sync_roles.setup_problem() -%}
        {%- set statement = sync_roles.raise_sql(problem) if problem else sync_roles.verify_sql() -%}
        {#- What a hook returns dbt runs, and reports its error in the summary. -#}
        {%- if flags.WHICH != 'run-operation' -%}
            {{ return(statement) }}
        {%- endif -%}
        {%- do run_query(statement) -%}
    {%- endif -%}
{% endmacro %}

{% macro raise_sql(message) %}
DO $raise$
BEGIN
    RAISE EXCEPTION USING MESSAGE = {{ sync_roles.literal(message) }};
END
$raise$
{% endmacro %}

{#
  wait_for_sync judges the rows that this login wrote, whatever their source: its verdict is passed by, and its waiting is what counts.
  A scoped login sees why in my_problems, unless the reason is one of the role as a whole.
#}
{% macro verify_sql() %}
{%- set source = sync_roles.literal(sync_roles.setting('source')) -%}
{%- set timeout = sync_roles.setting('timeout') -%}
DO $verify$
DECLARE
    deadline CONSTANT timestamptz := clock_timestamp() + make_interval(secs => {{ timeout }});
    bad jsonb;
    is_retried boolean;
    reasons jsonb;
    told text;
BEGIN
    LOOP
        BEGIN
            PERFORM sync_roles.wait_for_sync(timeout => greatest(deadline - clock_timestamp(), interval '0'));
        EXCEPTION
            WHEN object_not_in_prerequisite_state THEN
                NULL;
            WHEN query_canceled THEN
                RAISE EXCEPTION USING ERRCODE = 'query_canceled',
                    MESSAGE = 'sync_roles: within {{ timeout }} s the daemon has not done all that is in its queue: '
                        'does it run, on this database?',
                    DETAIL = SQLERRM,
                    HINT = 'The variable sync_roles_timeout says how many seconds to wait.';
        END;
        SELECT jsonb_object_agg(b.grant_id, b.status), bool_and(b.status IN ('failed', 'pending')) INTO bad, is_retried
        FROM sync_roles.rows_out_of_sync(ARRAY(
            SELECT g.id FROM sync_roles.desired_grants AS g WHERE {{ sync_roles.is_not_anothers('g') }}
        )) AS b;
        EXIT WHEN bad IS NULL;
        EXIT WHEN NOT is_retried OR clock_timestamp() >= deadline;
        PERFORM pg_sleep(0.1);
    END LOOP;
    IF bad IS NULL THEN
        RETURN;
    ELSIF has_table_privilege('sync_roles.grant_status', 'SELECT') THEN
        SELECT jsonb_object_agg(s.id, s.reason) INTO reasons
        FROM sync_roles.grant_status AS s
        WHERE s.id = ANY (ARRAY(SELECT k.id::bigint FROM jsonb_object_keys(bad) AS k (id)));
    ELSE
        SELECT jsonb_object_agg(p.grant_id, p.reason) INTO reasons
        FROM (
            SELECT p.grant_id, string_agg(DISTINCT concat_ws('; to mend it: ', p.reason, p.fix), '; ') AS reason
            FROM sync_roles.my_problems AS p
            WHERE bad ? p.grant_id::text
            GROUP BY p.grant_id
        ) AS p;
    END IF;
    SELECT string_agg(
        format(E'\n  %s on %s for role %s is %s: %s [%s]', g.privilege, concat_ws('.', g.schema_name, g.object_name), g.role_name,
            bad ->> g.id::text,
            coalesce(
                reasons ->> g.id::text,
                format('the reason is not for this login to see, unless the owner of schema sync_roles runs '
                    'GRANT SELECT ON sync_roles.grant_status TO %I', current_user)
            ),
            g.note),
        '' ORDER BY g.schema_name, g.object_name, g.role_name, g.privilege)
    INTO told
    FROM sync_roles.desired_grants AS g
    WHERE bad ? g.id::text;
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('sync_roles: what %s asks for is not in sync:%s', {{ source }}, told);
END
$verify$
{% endmacro %}
