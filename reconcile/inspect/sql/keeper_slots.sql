-- The keepers as which the connected role may act.
SELECT k.slot, r.rolname::text AS name
FROM sync_roles.keepers AS k
JOIN pg_catalog.pg_roles AS r ON r.oid = k.role_oid
WHERE k.slot IS NOT NULL AND pg_has_role(r.oid, 'SET');
