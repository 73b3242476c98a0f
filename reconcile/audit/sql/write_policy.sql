-- Writes down the options with which the daemon runs.
-- $1 jsonb: the values of each option, by name
-- $2 text: the instance
WITH given AS (
    SELECT o.option, ARRAY(SELECT jsonb_array_elements_text(o.value)) AS value
    FROM jsonb_each($1::jsonb) AS o (option, value)
),
gone AS (
    DELETE FROM sync_roles.policy WHERE option NOT IN (SELECT g.option FROM given AS g)
)
INSERT INTO sync_roles.policy (option, value, instance)
SELECT g.option, g.value, $2
FROM given AS g
ON CONFLICT (option) DO UPDATE SET value = excluded.value, instance = excluded.instance, set_at = now()
WHERE policy.value IS DISTINCT FROM excluded.value;
