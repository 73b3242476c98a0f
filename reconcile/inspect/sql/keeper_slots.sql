-- The keepers as which the connected role may act; and how many intermediate roles there are: as many as need all keepers are counted,
-- and no more. One row at least.
SELECT coalesce(k.slot, -1) AS slot, coalesce(k.name, '') AS name, i.intermediates
FROM (
    SELECT count(*) AS intermediates
    FROM (SELECT FROM sync_roles.intermediate_roles LIMIT 1024) AS i
) AS i
LEFT JOIN (
    SELECT k.slot, r.rolname::text AS name
    FROM sync_roles.keepers AS k
    JOIN pg_catalog.pg_roles AS r ON r.oid = k.role_oid
    WHERE k.slot IS NOT NULL AND pg_has_role(r.oid, 'SET')
) AS k ON true;
