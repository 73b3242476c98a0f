-- Which names rows may not use, each rule once; and the rules for rows in one expression, which PostgreSQL inlines into the statement that
-- checks new rows: a function that is called for each row costs more than the rest of an INSERT.
--
-- To be inlined, a function is "sql" without SET, not less volatile than what it calls (format is STABLE), and has no subquery
-- (inline_function in src/backend/optimizer/util/clauses.c).

CREATE FUNCTION sync_roles.is_ours(role_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN starts_with(role_name, '_pgsr_');

COMMENT ON FUNCTION sync_roles.is_ours(text) IS
    'Whether the name is one that intermediate roles, keepers and the lock have, of whatever database.';

CREATE FUNCTION sync_roles.is_protected_schema(schema_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN schema_name IN ('sync_roles', 'information_schema') OR starts_with(schema_name, 'pg_');

COMMENT ON FUNCTION sync_roles.is_protected_schema(text) IS
    'Whether the schema is PostgreSQL''s or our own: nothing in it can be granted through rows.';

CREATE FUNCTION sync_roles.is_untrusted_language(language_name text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (SELECT FROM pg_catalog.pg_language AS l WHERE l.lanname = language_name AND NOT l.lanpltrusted);

COMMENT ON FUNCTION sync_roles.is_untrusted_language(text) IS 'Whether PostgreSQL lets superusers alone use the language.';

CREATE OR REPLACE FUNCTION sync_roles.name_problem(column_name text, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN name = '' THEN format('%s is empty: a name has 1 to 63 bytes', column_name)
    WHEN octet_length(name) > 63 THEN format('%s %L has %s bytes: a name has at most 63', column_name, name, octet_length(name))
END;

CREATE FUNCTION sync_roles.role_name_problem(role_name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN role_name = 'none' OR starts_with(role_name, 'pg_') OR sync_roles.is_ours(role_name) THEN
        format('role_name %L is reserved: any role but "none", "pg_..." and "_pgsr_..." is allowed', role_name)
    ELSE sync_roles.name_problem('role_name', role_name)
END;

COMMENT ON FUNCTION sync_roles.role_name_problem(text) IS 'Why rows can have no such role_name, or NULL.';

CREATE FUNCTION sync_roles.has_privilege(object_type text, privilege text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE privilege
    WHEN 'ALL' THEN object_type <> 'role'
    WHEN 'OWNER' THEN object_type NOT IN ('role', 'parameter')
    ELSE privilege = ANY (sync_roles.privileges_of(object_type))
END;

COMMENT ON FUNCTION sync_roles.has_privilege(text, text) IS
    'Whether a row can ask for the privilege on objects of the type, on this server.';

-- What is wrong with the name of an object, where it is an exact name.
CREATE FUNCTION sync_roles.object_name_problem(role_name text, object_type text, object_name text) RETURNS text
LANGUAGE sql STABLE
RETURN CASE object_type
    WHEN 'schema' THEN CASE
        WHEN sync_roles.is_protected_schema(object_name) THEN
            format('object_name %L is protected: sync_roles, information_schema and pg_... cannot be granted through rows', object_name)
        ELSE sync_roles.name_problem('object_name', object_name)
    END
    WHEN 'role' THEN CASE
        WHEN sync_roles.is_ours(object_name) THEN
            format('object_name %L is reserved: membership in roles named "_pgsr_..." is not for rows to ask', object_name)
        WHEN object_name IN ('public', 'none') THEN
            format('object_name %L is not a role: PUBLIC has no members, and "none" is reserved', object_name)
        WHEN object_name = role_name THEN
            format('object_name %L is the role itself: a role cannot be a member of itself', object_name)
        ELSE sync_roles.name_problem('object_name', object_name)
    END
    WHEN 'large_object' THEN CASE
        WHEN CASE WHEN object_name ~ '^[1-9][0-9]{0,9}$' THEN object_name::bigint > 4294967295 ELSE true END THEN
            format('object_name %L is not the OID of a large object: a number from 1 to 4294967295 is allowed', object_name)
    END
    WHEN 'parameter' THEN CASE
        WHEN object_name <> lower(object_name) THEN
            format('object_name %L has upper case: PostgreSQL lists parameters in lower case, here %L', object_name, lower(object_name))
        ELSE sync_roles.name_problem('object_name', object_name)
    END
    WHEN 'routine' THEN coalesce(
        sync_roles.name_problem('object_name', split_part(object_name, '(', 1)),
        CASE WHEN object_name LIKE '%(%' THEN sync_roles.signature_problem(object_name) END)
    WHEN 'language' THEN CASE
        WHEN sync_roles.is_untrusted_language(object_name) THEN
            format('object_name %L is an untrusted language: PostgreSQL lets superusers alone use it', object_name)
        ELSE sync_roles.name_problem('object_name', object_name)
    END
    ELSE sync_roles.name_problem('object_name', object_name)
END;

COMMENT ON FUNCTION sync_roles.object_name_problem(text, text, text) IS
    'Why a row can have no such object_name with name_match exact, or NULL.';

CREATE OR REPLACE FUNCTION sync_roles.grant_problem(
    role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    direct boolean, grantable boolean, create_if_not_exists boolean
) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN sync_roles.role_name_problem(role_name) IS NOT NULL THEN sync_roles.role_name_problem(role_name)
    WHEN sync_roles.privileges_of(object_type) IS NULL THEN
        format('object_type %L is unknown: allowed are role, database, schema, table, sequence, routine, type, language, '
            || 'foreign_data_wrapper, foreign_server, tablespace, parameter, large_object', object_type)
            || sync_roles.did_you_mean('object_type', object_type)
    WHEN sync_roles.privileges_of(object_type) = '{}' THEN
        format('privilege %L does not exist for object_type %L on this server, which is too old for it', privilege, object_type)
    WHEN NOT sync_roles.has_privilege(object_type, privilege) THEN
        format('privilege %L does not exist for object_type %L on this server: allowed are %s', privilege, object_type,
            array_to_string(sync_roles.privileges_of(object_type)
                || CASE object_type WHEN 'role' THEN '{}' WHEN 'parameter' THEN '{ALL}' ELSE '{ALL,OWNER}' END::text[], ', '))
            || sync_roles.did_you_mean('privilege', privilege)
    WHEN object_type IN ('table', 'sequence', 'routine', 'type') AND schema_name IS NULL THEN
        format('schema_name is NULL: object_type %L needs the name of a schema', object_type)
    WHEN object_type NOT IN ('table', 'sequence', 'routine', 'type') AND schema_name IS NOT NULL THEN
        format('schema_name %L is not allowed for object_type %L: it must be NULL', schema_name, object_type)
    WHEN sync_roles.name_problem('schema_name', schema_name) IS NOT NULL THEN sync_roles.name_problem('schema_name', schema_name)
    WHEN sync_roles.is_protected_schema(schema_name) THEN
        format('schema_name %L is protected: nothing in sync_roles, information_schema and pg_... can be granted through rows', schema_name)
    WHEN name_match NOT IN ('exact', 'like', 'regex') THEN
        format('name_match %L is unknown: allowed are exact, like, regex', name_match) || sync_roles.did_you_mean('name_match', name_match)
    WHEN name_match = 'exact' AND sync_roles.object_name_problem(role_name, object_type, object_name) IS NOT NULL THEN
        sync_roles.object_name_problem(role_name, object_type, object_name)
    WHEN column_name IS NOT NULL AND (object_type <> 'table' OR privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')) THEN
        format('column_name %L is not allowed for %s of object_type %L: columns have SELECT, INSERT, UPDATE and REFERENCES of a table',
            column_name, privilege, object_type)
    WHEN sync_roles.name_problem('column_name', column_name) IS NOT NULL THEN sync_roles.name_problem('column_name', column_name)
    WHEN create_if_not_exists AND NOT (privilege = 'OWNER' AND object_type = 'schema' AND name_match = 'exact') THEN
        'create_if_not_exists true is allowed only for OWNER of a schema with name_match exact'
    WHEN grantable AND privilege = 'OWNER' THEN
        'grantable true is not allowed for OWNER: an owner always holds the grant option'
    WHEN grantable AND direct = false AND object_type <> 'role' THEN
        'grantable true is not allowed with direct false: a grant option belongs to the grantee, not to an intermediate role'
    WHEN direct = false AND privilege IN ('MEMBER', 'OWNER') THEN
        format('direct false is not allowed for %s: it must be NULL or true', privilege)
    WHEN role_name = 'public' AND (privilege IN ('MEMBER', 'OWNER') OR grantable OR direct = false) THEN
        format('role_name ''public'' is PUBLIC, which cannot have %s',
            CASE WHEN privilege IN ('MEMBER', 'OWNER') THEN privilege WHEN grantable THEN 'grantable true' ELSE 'direct false' END)
END;

-- Where few rows are checked among much else, to plan the inlined rules takes longer than to call them.
CREATE FUNCTION sync_roles.row_problem(
    role_name text, privilege text, object_type text, schema_name text, object_name text, name_match text, column_name text,
    direct boolean, grantable boolean, create_if_not_exists boolean
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN sync_roles.grant_problem(role_name, privilege, object_type, schema_name, object_name, name_match, column_name,
        direct, grantable, create_if_not_exists);
END
$$;

COMMENT ON FUNCTION sync_roles.row_problem(text, text, text, text, text, text, text, boolean, boolean, boolean) IS
    'grant_problem as a call, which is not inlined.';

CREATE OR REPLACE FUNCTION sync_roles.role_problem(
    role_name text, connection_limit integer, password_verifier text, settings jsonb, revoke_other text[], attributes boolean
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN sync_roles.role_name_problem(role_name) IS NOT NULL THEN sync_roles.role_name_problem(role_name)
    WHEN connection_limit < -1 THEN
        format('connection_limit %s is not allowed: it must be -1 (no limit) or more', connection_limit)
    -- The value is a secret, or a password that was taken for one: it must not reach a message.
    WHEN password_verifier <> '' AND NOT sync_roles.is_scram_verifier(password_verifier) THEN
        'password_verifier is not a SCRAM-SHA-256 verifier: allowed are SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, '
            || 'the empty string (no password) and NULL'
    WHEN jsonb_typeof(settings) <> 'object' THEN
        format('settings is a JSON %s: it must be an object of setting names and values', jsonb_typeof(settings))
    WHEN NOT revoke_other <@ sync_roles.revocable_kinds() OR array_position(revoke_other, NULL) IS NOT NULL THEN
        format('revoke_other %L has an unknown kind: allowed are %s',
            revoke_other::text, array_to_string(sync_roles.revocable_kinds(), ', '))
    WHEN role_name = 'public' AND attributes THEN
        'role_name ''public'' is PUBLIC, which has no attributes: only revoke_other, preserve_existing_grants_in_schemas and note '
            || 'are allowed'
    WHEN role_name = 'public' AND revoke_other && '{role_memberships,ownerships}' THEN
        format('revoke_other %L is not allowed for role_name ''public'': PUBLIC has neither memberships nor ownerships', revoke_other::text)
END;

-- With much to check, the server would compile the expression first, which takes longer than the check.
ALTER FUNCTION sync_roles.desired_grants_validate() SET jit = off;
ALTER FUNCTION sync_roles.desired_roles_validate() SET jit = off;

-- Which relations are internal; and how each is described. Literals on consecutive lines are one.

COMMENT ON TABLE sync_roles.applied_passwords IS
    'Internal. The verifier that each role was last given, as a fingerprint: PostgreSQL shows passwords to superusers only. A '
    'change by other means is not seen.';
COMMENT ON TABLE sync_roles.contested IS
    'Internal. Roles whose attributes, memberships or privileges on shared objects something else keeps undoing.';
COMMENT ON TABLE sync_roles.costly_patterns IS
    'Internal. Patterns that take too long to compare with all names. Passes leave out the rows that have them, and report '
    'these; rescans measure them again.';
COMMENT ON TABLE sync_roles.installation IS
    'Internal. Where this schema was installed: the OIDs that resolved_objects, intermediate_roles and applied_passwords '
    'remember mean something only there, and not after a restore into another cluster or database.';
COMMENT ON TABLE sync_roles.keepers IS
    'Internal. Roles that hold ADMIN on intermediate roles, and as which memberships in these are written; and one, with '
    'CREATEROLE, as which _pgsr_lock is locked. Since PostgreSQL 16 what takes ADMIN costs time for every role that the '
    'acting role has it on, and the daemon has it on all roles that it created.';
COMMENT ON TABLE sync_roles.ownership_claims IS
    'Internal. What OWNER rows of desired_grants name, to be locked while one is written. The daemon deletes claims without '
    'such a row.';
COMMENT ON TABLE sync_roles.pending IS
    'Internal. The queue: roles to be reconciled. Triggers insert, and a pass deletes what it has reconciled.';
COMMENT ON TABLE sync_roles.recent_revokes IS
    'Internal. How many privileges passes revoked that count against --max-revokes, for --max-revokes-window. What expired or '
    'was approved is not in it.';
COMMENT ON TABLE sync_roles.resolved_objects IS
    'Internal. The object, or column, that each name in use last stood for: after a rename or a swap no role keeps a '
    'privilege on what no longer has the name.';
COMMENT ON TABLE sync_roles.retries IS 'Internal. Roles whose last pass failed, and when the next attempt is due. Deleted on success.';
COMMENT ON TABLE sync_roles.row_counts IS
    'Internal. How many rows of desired_grants each login had written when they were last counted: they are counted again '
    'after as many ids were drawn as were left to max_rows.';
COMMENT ON TABLE sync_roles.schema_migrations IS
    'Internal. golang-migrate''s record of the installed version; installation.schema_version is the one that counts.';
COMMENT ON TABLE sync_roles.shortened_grants IS
    'Internal. Rows of desired_grants whose expires_at was moved to an earlier time: what they lose by that counts as '
    'deleted, and not as expired.';
COMMENT ON TABLE sync_roles.withdrawn IS
    'Internal. Rows of desired_grants that were deleted or changed, as they were, until a pass has revoked what they gave.';
COMMENT ON VIEW sync_roles.costly_holdings IS
    'Internal. What rows in force, and intermediate roles, ask for by a pattern of costly_patterns: what roles hold there is '
    'not revoked.';
COMMENT ON VIEW sync_roles.desired_holdings IS
    'Internal. What rows in force ask for, and what each intermediate role should hold; without the patterns of '
    'costly_patterns.';
COMMENT ON VIEW sync_roles.grants_in_force IS
    'Internal. Rows of desired_grants that have not expired. An expired row can still be there while another transaction '
    'holds a lock on it.';
COMMENT ON VIEW sync_roles.matchable_grants IS
    'Internal. Rows of desired_grants that have not expired, without the patterns of costly_patterns.';
COMMENT ON VIEW sync_roles.matchable_withdrawn IS 'Internal. Rows of withdrawn, without the patterns of costly_patterns.';
COMMENT ON VIEW sync_roles.managed_roles IS
    'Internal. The managed roles: those that a row names, and those whose last row is gone while what it gave is not yet '
    'revoked.';
COMMENT ON VIEW sync_roles.memberships IS
    'Internal. pg_auth_members with the options that each membership has on this server. A row can be left of a role that was '
    'dropped at the same time: join pg_roles on both ends.';
COMMENT ON VIEW sync_roles.objects IS 'Internal. Everything that can be named in desired_grants, with its owner and its effective ACL.';
COMMENT ON VIEW sync_roles.parameters IS
    'Internal. Configuration parameters (PostgreSQL 15 and later): those that the connected role may see, those with '
    'privileges, and custom ones that rows in force name.';
COMMENT ON VIEW sync_roles.privileged_roles IS
    'Internal. Roles in which rows give no membership unless the daemon is told to allow it, because they have more rights '
    'than an ordinary role can have.';
COMMENT ON VIEW sync_roles.python_intermediate_roles IS
    'Internal. Roles made by the Python library pg-sync-roles that hold exactly one privilege on one object.';
COMMENT ON TABLE sync_roles.desired_grants IS 'What roles should have: INSERT a row to grant, DELETE it to revoke.';
COMMENT ON COLUMN sync_roles.desired_grants.expires_at IS 'When the access is revoked, and the row deleted.';
COMMENT ON TABLE sync_roles.approvals IS
    'Revokes that are held may be done, once: INSERT a row for a role, or one without a role for all. It goes when it was '
    'used, or when other revokes are due by then.';
COMMENT ON TABLE sync_roles.held IS
    'Roles with revokes that wait for an approval, because the same deletion revokes more from all roles than --max-revokes '
    'and --max-revokes-percent allow. Putting the rows back clears it. The role''s other revokes are done.';
COMMENT ON COLUMN sync_roles.held.at_once IS
    'How many revokes the deletion causes in all roles, as compared with --max-revokes: with those of --max-revokes-window. '
    '0: not known.';
COMMENT ON COLUMN sync_roles.held.changes IS 'The held revokes, in words. NULL: all that were due when this program was upgraded.';
COMMENT ON COLUMN sync_roles.held.digest IS 'SHA-256 of the held revokes: an approval is for exactly these.';
COMMENT ON COLUMN sync_roles.audit.cause IS 'What made the pass reconcile the role: notify, rescan, startup, retry, expiry, ddl or manual.';
COMMENT ON COLUMN sync_roles.audit.revoked IS 'How many privileges were revoked, counted as in granted.';
COMMENT ON TABLE sync_roles.rescans IS 'One row for each rescan of all roles.';
COMMENT ON VIEW sync_roles.role_status IS
    'Each managed role, and its state; also roles whose last row is gone, until what it gave is revoked.';
COMMENT ON COLUMN sync_roles.role_status.cause IS 'What made the last pass reconcile the role.';
COMMENT ON COLUMN sync_roles.pending.object_names IS
    'desired_grants.object_name of the rows, where only a few were inserted: the pass inspects these alone. NULL: everything.';
COMMENT ON COLUMN sync_roles.withdrawn.expired IS 'It expired, at a time that was not moved: its revokes are never held.';
COMMENT ON COLUMN sync_roles.withdrawn.transaction IS
    'The transaction that deleted or changed the row, or moved its expires_at: the revokes of one transaction count together '
    'against --max-revokes.';

UPDATE sync_roles.installation SET schema_version = 16;
