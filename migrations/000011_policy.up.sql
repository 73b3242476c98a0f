-- What the one who runs the daemon decides, and rows cannot; and which roles are above what rows say.

CREATE TABLE sync_roles.policy (
    option   text COLLATE "C" PRIMARY KEY,
    value    text[] NOT NULL,
    instance text NOT NULL,
    set_at   timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.policy IS 'The options of the daemon that limit what rows can ask for. Commands such as plan, sync and adopt obey them too, unless they are told otherwise.';
COMMENT ON COLUMN sync_roles.policy.option IS 'The option''s name on the command line, without dashes.';
COMMENT ON COLUMN sync_roles.policy.value IS 'Its value; several where it was given several times.';
COMMENT ON COLUMN sync_roles.policy.instance IS 'Which daemon wrote it: host and process.';
COMMENT ON COLUMN sync_roles.policy.set_at IS 'When it last changed.';

-- The providers' documentation names these. A role of such a name belongs to the provider's own tools, or is what it has in place of a superuser.
CREATE FUNCTION sync_roles.is_provider_role(role_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN role_name ~ '^(rds_.*|rds(admin|repladmin|topmgr|proxyadmin|writeforwarduser)|cloudsql.*|cloud_?admin|alloydb.*|azure_.*|azuresu|supabase_.*|neon_(superuser|service)|doadmin|_?dodb|_doadmin_.*|avnadmin|_aiven)$';

COMMENT ON FUNCTION sync_roles.is_provider_role(text) IS 'Whether the name is one that a managed service (RDS, Cloud SQL, AlloyDB, Azure, Supabase, Neon, DigitalOcean, Aiven) keeps for itself.';

CREATE VIEW sync_roles.privileged_roles AS
SELECT r.oid AS role_oid, r.rolname AS role_name,
    CASE
        WHEN r.rolsuper THEN 'a superuser'
        WHEN pg_catalog.starts_with(r.rolname, 'pg_') THEN 'a predefined role'
        WHEN r.rolname = current_user OR r.oid = n.nspowner THEN 'the role that runs sync_roles'
        WHEN sync_roles.is_provider_role(r.rolname) THEN 'a role of the managed service'
        WHEN r.rolcreaterole THEN 'a role with CREATEROLE'
        WHEN r.rolreplication THEN 'a role with REPLICATION'
        ELSE 'a role with BYPASSRLS'
    END AS reason
FROM pg_catalog.pg_roles AS r
JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'sync_roles'
WHERE r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls OR pg_catalog.starts_with(r.rolname, 'pg_')
    OR r.rolname = current_user OR r.oid = n.nspowner OR sync_roles.is_provider_role(r.rolname);

COMMENT ON VIEW sync_roles.privileged_roles IS 'Roles in which rows give no membership, unless the daemon is told to allow it: with more rights than an ordinary role can have.';
COMMENT ON COLUMN sync_roles.privileged_roles.role_oid IS 'The role.';
COMMENT ON COLUMN sync_roles.privileged_roles.role_name IS 'Its name.';
COMMENT ON COLUMN sync_roles.privileged_roles.reason IS 'Which right.';

-- LATERAL with OFFSET 0: otherwise the planner may read all memberships for each step.
CREATE FUNCTION sync_roles.roles_reaching_privileges(allowed text[]) RETURNS SETOF oid
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH RECURSIVE reaching AS (
        SELECT v.role_oid AS oid
        FROM sync_roles.privileged_roles AS v
        WHERE v.role_name <> ALL (allowed)
        UNION
        SELECT m.member_oid
        FROM reaching AS p
        CROSS JOIN LATERAL (
            SELECT m.member_oid
            FROM sync_roles.memberships AS m
            WHERE m.role_oid = p.oid
            OFFSET 0
        ) AS m
        JOIN pg_catalog.pg_roles AS r ON r.oid = m.member_oid AND r.rolname <> ALL (allowed)
    )
    SELECT p.oid FROM reaching AS p;
END;

COMMENT ON FUNCTION sync_roles.roles_reaching_privileges(text[]) IS 'The privileged roles, and those that are their members through any chain of memberships; but for the roles allowed by name, and what is reached through them.';

UPDATE sync_roles.installation SET schema_version = 11;
