-- Keeps of the registered intermediate roles, with their OIDs of here, those that were made for this database, or for one that is no
-- more. Those of an existing other database are that one's: this one is its copy.
WITH found AS MATERIALIZED (
    SELECT i.role_name, r.oid
    FROM sync_roles.intermediate_roles AS i
    JOIN pg_catalog.pg_roles AS r ON r.rolname = i.role_name
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = sync_roles.foreign_database(i.role_name)
    WHERE i.role_name ~ '^_pgsr_[0-9]+_' AND d.oid IS NULL
        AND starts_with(shobj_description(r.oid, 'pg_authid'), 'intermediate role of sync_roles in database ')
        -- After an upgrade from PostgreSQL 15 or older there is no ADMIN option on what was made before, in whoever's hands. Such a role
        -- is one of ours all
        -- the same, and replaced by another when its members change: what it holds would otherwise be nobody's to revoke.
        AND NOT EXISTS (
            SELECT
            FROM sync_roles.strange_traits(r.oid, '', ARRAY(SELECT k.role_oid FROM sync_roles.keepers AS k)) AS t (trait)
            WHERE t.trait <> format('%I has no ADMIN option on it', current_user)
        )
        -- Members and privileges that it has too many would have been revoked by the next rescan there, and are here.
        AND NOT EXISTS (SELECT FROM sync_roles.memberships AS m WHERE m.member_oid = r.oid)
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_shdepend AS s
            WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid
                AND s.dbid NOT IN (0, (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database()))
        )
),
kept AS (
    UPDATE sync_roles.intermediate_roles AS i
    SET role_oid = f.oid
    FROM found AS f
    WHERE f.role_name = i.role_name
)
DELETE FROM sync_roles.intermediate_roles AS i
WHERE NOT EXISTS (SELECT FROM found AS f WHERE f.role_name = i.role_name);
