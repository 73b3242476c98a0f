-- What makes a role ours. The registry knows intermediate roles and keepers by OID; a role that merely has the name of one is checked,
-- by the functions here, before anything is given to it.

ALTER TABLE sync_roles.keepers ADD COLUMN locks boolean NOT NULL DEFAULT false, ADD COLUMN slot integer;
UPDATE sync_roles.keepers AS k
SET locks = right(k.role_name, 12) = '_keeper_lock',
    slot = substring(k.role_name FROM '_keeper_([0-9]{1,2})$')::integer;
CREATE UNIQUE INDEX keepers_slot ON sync_roles.keepers (slot);
CREATE UNIQUE INDEX keepers_locks ON sync_roles.keepers (locks) WHERE locks;
COMMENT ON COLUMN sync_roles.keepers.locks IS 'It is the one as which _pgsr_lock is locked.';
COMMENT ON COLUMN sync_roles.keepers.slot IS 'Which share of the intermediate roles it has ADMIN on; NULL for the one that locks.';

CREATE FUNCTION sync_roles.commands(role oid) RETURNS boolean
LANGUAGE sql STABLE
RETURN pg_catalog.pg_has_role(role, (SELECT n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'sync_roles'), 'USAGE');

COMMENT ON FUNCTION sync_roles.commands(oid) IS
'Whether the role has the privileges of this schema''s owner: whatever it could do with an intermediate role or a keeper, it can do '
'without.';

-- What the OID in a name says, and no more: whether the role is what its name says is for serves_elsewhere.
CREATE FUNCTION sync_roles.foreign_database(role_name text) RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.oid
    FROM (
        -- An OID has 32 bits: what does not fit is none.
        SELECT CASE WHEN s.digits::numeric < 4294967296 THEN s.digits::bigint::oid END AS oid
        FROM (SELECT substring(role_name FROM '^_pgsr_(?:local_)?([0-9]{1,10})_') AS digits) AS s
    ) AS n
    JOIN pg_catalog.pg_database AS b ON b.datname = current_database() AND b.oid <> n.oid
    -- The Python library's roles serve on when their database was made anew.
    WHERE NOT starts_with(role_name, '_pgsr_local_') OR EXISTS (SELECT FROM pg_catalog.pg_database AS d WHERE d.oid = n.oid)
$$;

COMMENT ON FUNCTION sync_roles.foreign_database(text) IS
'The OID of the other database, whether it exists or not, that an intermediate role of this name would be for; NULL for all other '
'names.';

CREATE FUNCTION sync_roles.role_attributes(role oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(a.name, ', ' ORDER BY a.name)
    FROM pg_catalog.pg_roles AS r
    CROSS JOIN LATERAL (VALUES
        ('LOGIN', r.rolcanlogin), ('SUPERUSER', r.rolsuper), ('CREATEDB', r.rolcreatedb), ('CREATEROLE', r.rolcreaterole),
        ('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls)
    ) AS a (name, has)
    WHERE r.oid = role AND a.has
$$;

COMMENT ON FUNCTION sync_roles.role_attributes(oid) IS 'The attributes that make a role more than a group; NULL: none.';

CREATE FUNCTION sync_roles.strange_traits(candidate oid, attribute text, trusted oid[]) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'it has ' || sync_roles.role_attributes(candidate)
    WHERE sync_roles.role_attributes(candidate) <> attribute
    UNION ALL
    SELECT format('role %I has ADMIN on it', u.rolname)
    FROM sync_roles.memberships AS m
    JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
    WHERE m.role_oid = candidate AND m.admin_option AND u.oid <> ALL (trusted) AND NOT sync_roles.commands(u.oid)
    GROUP BY u.rolname
    UNION ALL
    SELECT format('%I has no ADMIN option on it', me.rolname)
    FROM pg_catalog.pg_roles AS me
    WHERE me.rolname = current_user
        AND NOT CASE WHEN current_setting('server_version_num')::integer >= 160000
            THEN pg_has_role(candidate, 'MEMBER WITH ADMIN OPTION')
            ELSE me.rolcreaterole OR me.rolsuper
        END
    UNION ALL
    -- Also in other databases; a policy that names it gives something to its members.
    SELECT DISTINCT CASE d.deptype WHEN 'o' THEN 'it owns something' ELSE 'a policy names it' END
    FROM pg_catalog.pg_shdepend AS d
    WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = candidate AND d.deptype IN ('o', 'r')
$$;

COMMENT ON FUNCTION sync_roles.strange_traits(oid, text, oid[]) IS
'What about a role shows that it was not made here: attributes (but for the one given), ADMIN in the hands of roles other than '
'those trusted and those that command this schema, ownership.';

CREATE FUNCTION sync_roles.keeper_problem(candidate oid, locks boolean) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(p.problem, '; ' ORDER BY p.problem)
    FROM (
        SELECT t.trait AS problem
        FROM sync_roles.strange_traits(candidate, CASE WHEN locks THEN 'CREATEROLE' ELSE '' END, '{}') AS t (trait)
        UNION
        SELECT format('role %I is a member of it', u.rolname)
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        WHERE m.role_oid = candidate AND NOT m.admin_option AND NOT sync_roles.commands(u.oid)
        UNION
        -- A keeper has ADMIN on roles that are made here, and inherits from none.
        SELECT format('it is a member of role %I', r.rolname)
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
        WHERE m.member_oid = candidate AND NOT (m.admin_option AND NOT m.inherit_option AND r.rolname ~ '^_pgsr_(?:lock$|[0-9]+_)')
        UNION
        SELECT 'it holds privileges'
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = candidate AND d.deptype = 'a'
            AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
    ) AS p
$$;

COMMENT ON FUNCTION sync_roles.keeper_problem(oid, boolean) IS
'Why an unregistered role cannot be a keeper that was made here, or the one that locks; NULL: it can.';

CREATE FUNCTION sync_roles.intermediate_problem(
    candidate oid, trusted oid[], privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text
) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH keepers AS (
        SELECT k.role_oid AS oid
        FROM sync_roles.keepers AS k
        UNION
        SELECT t.oid
        FROM unnest(trusted) AS t (oid)
    ),
    holds AS MATERIALIZED (
        SELECT d.dbid, d.classid, d.objid
        FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = candidate AND d.deptype NOT IN ('o', 'r')
            -- As the grantor of memberships.
            AND d.classid <> 'pg_catalog.pg_auth_members'::regclass
        GROUP BY 1, 2, 3
    ),
    objects AS MATERIALIZED (
        SELECT h.classid, h.objid, o.object_type AS type, o.schema_name AS schema, o.object_name AS name, o.signature, o.acl
        FROM holds AS h
        CROSS JOIN LATERAL (
            SELECT o.*
            FROM sync_roles.objects AS o
            WHERE o.class_oid = h.classid AND o.object_oid = h.objid
            OFFSET 0
        ) AS o
        WHERE h.dbid = 0 OR h.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = current_database())
    ),
    entries AS (
        SELECT o.type, o.schema, o.name, o.signature, '' AS on_column, a.privilege_type, a.is_grantable
        FROM objects AS o
        CROSS JOIN LATERAL aclexplode(o.acl) AS a
        WHERE a.grantee = candidate
        UNION ALL
        SELECT o.type, o.schema, o.name, o.signature, c.attname::text, a.privilege_type, a.is_grantable
        FROM objects AS o
        JOIN pg_catalog.pg_attribute AS c ON c.attrelid = o.objid AND c.attacl IS NOT NULL AND NOT c.attisdropped
        CROSS JOIN LATERAL aclexplode(sync_roles.unpacked(c.attacl)) AS a
        WHERE o.classid = 'pg_catalog.pg_class'::regclass AND a.grantee = candidate
    ),
    desired AS (
        SELECT g.role_name
        FROM sync_roles.desired_grants AS g
        WHERE g.object_type = $4 AND g.object_name = $6 AND g.privilege = $3 AND coalesce(g.schema_name, '') = coalesce($5, '')
            AND g.name_match = $7 AND coalesce(g.column_name, '') = coalesce($8, '') AND g.direct IS NOT TRUE AND NOT g.grantable
    )
    SELECT string_agg(p.problem, '; ' ORDER BY p.problem)
    FROM (
        SELECT t.trait AS problem
        FROM sync_roles.strange_traits(candidate, '', ARRAY(SELECT k.oid FROM keepers AS k)) AS t (trait)
        UNION
        SELECT 'it lacks the comment of one'
        WHERE starts_with(shobj_description(candidate, 'pg_authid'), 'intermediate role of sync_roles in database ') IS NOT TRUE
        UNION
        SELECT format('it is a member of role %I', r.rolname)
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
        WHERE m.member_oid = candidate
        UNION
        -- Those that the daemon itself, or a keeper, has let in leave with the pass that takes the role.
        SELECT format('role %I is a member of it', u.rolname)
        FROM sync_roles.memberships AS m
        JOIN pg_catalog.pg_roles AS u ON u.oid = m.member_oid
        JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
        WHERE m.role_oid = candidate AND NOT m.admin_option
            AND m.grantor_oid <> me.oid AND m.grantor_oid NOT IN (SELECT k.oid FROM keepers AS k)
            AND u.oid NOT IN (SELECT k.oid FROM keepers AS k) AND NOT sync_roles.commands(u.oid)
            AND u.rolname::text NOT IN (SELECT d.role_name FROM desired AS d)
        UNION
        SELECT 'it holds more than ' || $3 || ' on ' || concat_ws('.', nullif($5, ''), $6)
        WHERE EXISTS (
                SELECT
                FROM entries AS e
                WHERE NOT (
                    e.type = $4 AND e.schema = coalesce($5, '') AND e.on_column = coalesce($8, '') AND NOT e.is_grantable
                    AND $3 IN ('ALL', e.privilege_type)
                    AND (sync_roles.name_matches(e.name, $6, $7) OR $7 = 'exact' AND e.signature = $6)
                )
            )
            -- In other databases, and what rows cannot name.
            OR EXISTS (SELECT FROM holds AS h WHERE NOT EXISTS (SELECT FROM objects AS o WHERE o.classid = h.classid AND o.objid = h.objid))
    ) AS p
$$;

COMMENT ON FUNCTION sync_roles.intermediate_problem(oid, oid[], text, text, text, text, text, text) IS
'Why an unregistered role cannot be an intermediate role that was made here for this selector; NULL: it can. Those trusted are '
'keepers, besides the registered ones.';

CREATE FUNCTION sync_roles.serves_elsewhere(role oid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT
        FROM pg_catalog.pg_roles AS r
        JOIN pg_catalog.pg_database AS b ON b.datname = current_database()
        LEFT JOIN pg_catalog.pg_database AS d ON d.oid = sync_roles.foreign_database(r.rolname)
        CROSS JOIN LATERAL (
            SELECT
                coalesce(bool_or(s.deptype = 'o'), false) AS owns,
                coalesce(bool_or(s.dbid = b.oid), false) AS here,
                coalesce(bool_or(s.dbid = 0 AND NOT (
                    s.classid = 'pg_catalog.pg_database'::regclass AND s.objid <> b.oid AND s.objid = coalesce(d.oid, s.objid)
                )), false) AS shared
            FROM pg_catalog.pg_shdepend AS s
            WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid
                -- As the grantor of memberships.
                AND s.classid <> 'pg_catalog.pg_auth_members'::regclass
        ) AS h
        WHERE r.oid = role
            -- The Python library's roles for CONNECT bear no database's OID.
            AND (d.oid IS NOT NULL OR starts_with(r.rolname::text, '_pgsr_global_'))
            AND sync_roles.role_attributes(r.oid) IS NULL
            AND NOT EXISTS (SELECT FROM sync_roles.memberships AS m WHERE m.member_oid = r.oid)
            AND NOT h.owns AND NOT h.shared
            -- In a copied database, what such a role holds is taken away from the role: its members are needed where it
            -- serves. Where that could not be
            -- done, they have something here by it.
            AND (NOT h.here OR d.oid IS NOT NULL AND (
                SELECT a.outcome
                FROM sync_roles.audit AS a
                WHERE a.role_name = r.rolname
                ORDER BY a.id DESC
                LIMIT 1
            ) IS DISTINCT FROM 'blocked')
    )
$$;

COMMENT ON FUNCTION sync_roles.serves_elsewhere(oid) IS
'Whether a role can be an intermediate role of another database of this cluster, by its name and by all that it is and holds: then '
'its members are that database''s business.';

-- As before, but for what serves another database: a copied database has its ACL entries.
CREATE OR REPLACE VIEW sync_roles.python_intermediate_roles AS
SELECT r.oid AS role_oid, d.classid AS class_oid, d.objid AS object_oid, held.privilege
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_shdepend AS d
    ON d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a' AND d.objsubid = 0
        AND d.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
CROSS JOIN LATERAL (
    SELECT min(a.privilege_type) AS privilege
    FROM sync_roles.objects AS o, aclexplode(o.acl) AS a
    WHERE o.class_oid = d.classid AND o.object_oid = d.objid AND a.grantee = r.oid
    HAVING count(DISTINCT a.privilege_type) = 1 AND NOT bool_or(a.is_grantable)
) AS held
WHERE (starts_with(r.rolname::text, '_pgsr_local_') OR starts_with(r.rolname::text, '_pgsr_global_'))
    AND NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_shdepend AS other
        WHERE other.refclassid = 'pg_catalog.pg_authid'::regclass AND other.refobjid = r.oid
            AND (other.classid, other.objid, other.objsubid, other.deptype) <> (d.classid, d.objid, 0, 'a')
    )
    AND NOT EXISTS (SELECT FROM sync_roles.memberships AS m WHERE m.member_oid = r.oid)
    AND sync_roles.foreign_database(r.rolname) IS NULL;

UPDATE sync_roles.installation SET schema_version = 7;
