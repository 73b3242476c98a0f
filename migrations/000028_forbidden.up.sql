-- Rules about what roles may not have, and the violations of them.

CREATE TABLE sync_roles.forbidden (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    privilege         text COLLATE "C" NOT NULL,
    object_type       text COLLATE "C" NOT NULL,
    schema_name       text COLLATE "C",
    schema_match      text COLLATE "C" NOT NULL DEFAULT 'exact',
    object_name       text COLLATE "C" NOT NULL,
    name_match        text COLLATE "C" NOT NULL DEFAULT 'exact',
    column_name       text COLLATE "C",
    except_roles      text[] COLLATE "C" NOT NULL DEFAULT '{}',
    enforce           boolean NOT NULL DEFAULT false,
    reason            text NOT NULL,
    applies_to        text COLLATE "C" NOT NULL DEFAULT 'everyone',
    with_privilege    text COLLATE "C",
    with_object_type  text COLLATE "C",
    with_schema_name  text COLLATE "C",
    with_schema_match text COLLATE "C" NOT NULL DEFAULT 'exact',
    with_object_name  text COLLATE "C",
    with_name_match   text COLLATE "C" NOT NULL DEFAULT 'exact',
    with_column_name  text COLLATE "C",
    created_by        text COLLATE "C" NOT NULL DEFAULT session_user,
    created_at        timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE sync_roles.forbidden IS
    'Rules: what no role may effectively have, by whatever path, but the roles excepted and their members, the object''s owner, superusers '
    'and the roles of pg-sync-roles. Rows of desired_grants that would break a rule are refused; see violations for what others did. '
    'Only the owner of the schema writes rules.';
COMMENT ON COLUMN sync_roles.forbidden.id IS 'What refusals and violations name.';
COMMENT ON COLUMN sync_roles.forbidden.privilege IS
    'As in desired_grants: one, OWNER, MEMBER, or ALL for each that the object type has. Also WRITE, for a table: INSERT, UPDATE, DELETE '
    'and TRUNCATE.';
COMMENT ON COLUMN sync_roles.forbidden.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.forbidden.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.forbidden.schema_match IS 'How schema_name is compared: exact, like or regex.';
COMMENT ON COLUMN sync_roles.forbidden.object_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.forbidden.name_match IS 'How object_name is compared: exact, like or regex.';
COMMENT ON COLUMN sync_roles.forbidden.column_name IS
    'A column. NULL: the object, and each column of it. A privilege on the whole table is one on each column.';
COMMENT ON COLUMN sync_roles.forbidden.except_roles IS 'The roles that may have it, with their members.';
COMMENT ON COLUMN sync_roles.forbidden.enforce IS
    'Whether the daemon revokes, on the object itself, what breaks the rule: whoever granted it, also from PUBLIC and from roles that no '
    'row names. The limits hold it as they hold other revokes that no deleted row explains.';
COMMENT ON COLUMN sync_roles.forbidden.reason IS 'Why, for whoever is refused: never empty.';
COMMENT ON COLUMN sync_roles.forbidden.applies_to IS
    'everyone; logins: roles that can log in; public: only what is granted to PUBLIC; undeclared: what is granted on the object itself, '
    'and no row of desired_grants asks for: with enforce, the rows say who has the privilege, and no one else keeps it.';
COMMENT ON COLUMN sync_roles.forbidden.with_privilege IS
    'Segregation of duties: only having both this and the privilege of the rule breaks it. NULL: the one alone does.';
COMMENT ON COLUMN sync_roles.forbidden.with_object_type IS 'The type of the other object; with with_privilege.';
COMMENT ON COLUMN sync_roles.forbidden.with_schema_name IS 'The schema of the other object.';
COMMENT ON COLUMN sync_roles.forbidden.with_schema_match IS 'How with_schema_name is compared: exact, like or regex.';
COMMENT ON COLUMN sync_roles.forbidden.with_object_name IS 'The name of the other object; with with_privilege.';
COMMENT ON COLUMN sync_roles.forbidden.with_name_match IS 'How with_object_name is compared: exact, like or regex.';
COMMENT ON COLUMN sync_roles.forbidden.with_column_name IS 'A column of the other object.';
COMMENT ON COLUMN sync_roles.forbidden.created_by IS 'The session_user that inserted the rule.';
COMMENT ON COLUMN sync_roles.forbidden.created_at IS 'When it was inserted.';

CREATE FUNCTION sync_roles.forbidden_privileges(privilege text, object_type text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE privilege
    WHEN 'ALL' THEN sync_roles.privileges_of(object_type)
    WHEN 'WRITE' THEN ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']
    ELSE ARRAY[privilege]
END;

COMMENT ON FUNCTION sync_roles.forbidden_privileges(text, text) IS 'The privileges that a rule is about.';

-- Rules are few. What a rule points at is checked as if a row asked for it.
CREATE FUNCTION sync_roles.pointer_problem(
    privilege text, object_type text, schema_name text, schema_match text, object_name text, name_match text, column_name text
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF privilege = 'WRITE' AND object_type <> 'table' THEN
        RETURN format('privilege ''WRITE'' is not allowed for object_type %s: it stands for INSERT, UPDATE, DELETE and TRUNCATE of a table',
            quote_literal(object_type));
    ELSIF schema_match NOT IN ('exact', 'like', 'regex') THEN
        RETURN format('schema_match %s is unknown: allowed are exact, like, regex', quote_literal(schema_match));
    END IF;
    RETURN coalesce(
        sync_roles.row_problem('a role', CASE privilege WHEN 'WRITE' THEN 'INSERT' ELSE privilege END, object_type,
            CASE WHEN schema_match = 'exact' OR schema_name IS NULL THEN schema_name ELSE '-' END, object_name, name_match, column_name,
            NULL, false, false),
        CASE WHEN schema_match <> 'exact' THEN
            CASE
                WHEN schema_name IS NULL THEN format('schema_match %s is not allowed without schema_name', quote_literal(schema_match))
                ELSE sync_roles.other_pattern_problem('schema_name', schema_name, schema_match)
            END
        END,
        CASE WHEN name_match <> 'exact' THEN sync_roles.other_pattern_problem('object_name', object_name, name_match) END);
END
$$;

COMMENT ON FUNCTION sync_roles.pointer_problem(text, text, text, text, text, text, text) IS
    'Why no rule can point at this, or NULL: the column, its value, and what is allowed.';

-- What the daemon itself has only because PUBLIC has it. Without CONNECT it cannot come back.
CREATE FUNCTION sync_roles.locks_daemon_out(
    privileges text[], object_type text, object_name text, name_match text, except_roles text[]
) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM pg_catalog.pg_database AS d
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'sync_roles'
        JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner AND NOT r.rolsuper
        WHERE 'CONNECT' = ANY (locks_daemon_out.privileges) AND locks_daemon_out.object_type = 'database' AND d.datname = current_database()
            AND sync_roles.means(locks_daemon_out.object_name, locks_daemon_out.name_match, d.datname, NULL)
            AND NOT EXISTS (
                SELECT
                FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
                WHERE a.privilege_type = 'CONNECT' AND a.grantee <> 0 AND pg_has_role(r.oid, a.grantee, 'USAGE')
                    AND (a.grantee IN (r.oid, d.datdba) OR EXISTS (
                        SELECT
                        FROM unnest(locks_daemon_out.except_roles) AS e (name)
                        JOIN pg_catalog.pg_roles AS x ON x.rolname = e.name
                        WHERE pg_has_role(a.grantee, x.oid, 'MEMBER')
                    ))
            )
    );
END;

COMMENT ON FUNCTION sync_roles.locks_daemon_out(text[], text, text, text, text[]) IS
    'Whether revoking this from all but these roles would keep the owner of the schema from connecting.';

CREATE FUNCTION sync_roles.rule_problem(rule sync_roles.forbidden) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text := sync_roles.pointer_problem(rule.privilege, rule.object_type, rule.schema_name, rule.schema_match, rule.object_name,
        rule.name_match, rule.column_name);
BEGIN
    IF wrong IS NOT NULL THEN
        RETURN wrong;
    ELSIF rule.applies_to NOT IN ('everyone', 'logins', 'public', 'undeclared') THEN
        RETURN format('applies_to %s is unknown: allowed are everyone, logins, public, undeclared', quote_literal(rule.applies_to));
    ELSIF btrim(rule.reason) = '' THEN
        RETURN 'reason is empty: say why, for whoever is refused';
    ELSIF array_position(rule.except_roles, NULL) IS NOT NULL OR array_ndims(rule.except_roles) > 1 THEN
        RETURN 'except_roles is no list of names';
    ELSIF 'public' = ANY (rule.except_roles) THEN
        RETURN 'except_roles has ''public'': a rule that excepts PUBLIC binds no role';
    ELSIF (rule.with_privilege IS NULL) <> (rule.with_object_type IS NULL)
        OR (rule.with_privilege IS NULL) <> (rule.with_object_name IS NULL) THEN
        RETURN 'with_privilege, with_object_type and with_object_name belong together: set all of them, or none';
    ELSIF rule.with_privilege IS NULL
        AND (rule.with_schema_name IS NOT NULL OR rule.with_column_name IS NOT NULL
            OR rule.with_schema_match <> 'exact' OR rule.with_name_match <> 'exact') THEN
        RETURN 'with_privilege is NULL: without it, the other columns named with_... must be as they are by default';
    ELSIF rule.applies_to IN ('public', 'undeclared') AND (rule.privilege IN ('OWNER', 'MEMBER') OR rule.with_privilege IS NOT NULL) THEN
        RETURN format('applies_to %s is not allowed %s', quote_literal(rule.applies_to),
            CASE WHEN rule.with_privilege IS NOT NULL THEN 'with with_privilege' ELSE 'for ' || rule.privilege END);
    ELSIF rule.enforce AND rule.with_privilege IS NOT NULL THEN
        RETURN 'enforce true is not allowed with with_privilege: a person decides which of the two is to go';
    ELSIF rule.enforce AND rule.privilege IN ('OWNER', 'MEMBER') THEN
        RETURN format('enforce true is not allowed for %s: it revokes privileges on objects', rule.privilege);
    ELSIF rule.enforce AND rule.applies_to <> 'undeclared' AND sync_roles.locks_daemon_out(
        sync_roles.forbidden_privileges(rule.privilege, rule.object_type), rule.object_type, rule.object_name, rule.name_match,
        rule.except_roles) OR rule.enforce AND rule.applies_to = 'undeclared' AND sync_roles.locks_daemon_out(
        sync_roles.forbidden_privileges(rule.privilege, rule.object_type), rule.object_type, rule.object_name, rule.name_match, '{}') THEN
        RETURN format('enforce true would lock pg-sync-roles out: its role connects to database %s only because PUBLIC may; '
            || 'GRANT CONNECT to it first', quote_literal(current_database()));
    END IF;
    IF rule.with_privilege IS NOT NULL THEN
        wrong := sync_roles.pointer_problem(rule.with_privilege, rule.with_object_type, rule.with_schema_name, rule.with_schema_match,
            rule.with_object_name, rule.with_name_match, rule.with_column_name);
    END IF;
    RETURN 'with_' || wrong;
END
$$;

COMMENT ON FUNCTION sync_roles.rule_problem(sync_roles.forbidden) IS 'Why a rule cannot be kept, or NULL.';

CREATE FUNCTION sync_roles.forbidden_validate() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text := sync_roles.rule_problem(NEW);
    unknown text;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.created_by, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.created_by, OLD.created_at) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'forbidden',
            MESSAGE = 'id, created_by and created_at of a rule stay as they are: delete the rule, and insert another';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', SCHEMA = 'sync_roles', TABLE = 'forbidden', COLUMN = split_part(wrong, ' ', 1),
            MESSAGE = wrong;
    END IF;
    SELECT string_agg(quote_literal(e.name), ', ') INTO unknown
    FROM unnest(NEW.except_roles) AS e (name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = e.name);
    IF unknown IS NOT NULL THEN
        RAISE WARNING USING MESSAGE = format('except_roles names roles that do not exist yet: %s', unknown);
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION sync_roles.forbidden_validate() IS 'Trigger: refuses rules that cannot be kept.';
REVOKE EXECUTE ON FUNCTION sync_roles.forbidden_validate() FROM PUBLIC;

CREATE TRIGGER validate BEFORE INSERT OR UPDATE ON sync_roles.forbidden
    FOR EACH ROW EXECUTE FUNCTION sync_roles.forbidden_validate();

CREATE FUNCTION sync_roles.enqueue_everyone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO sync_roles.pending (requested_by) VALUES (session_user);
    PERFORM sync_roles.wake_daemons();
    -- A look at all roles, which also notes violations.
    PERFORM pg_notify('sync_roles', 'ddl');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_roles.enqueue_everyone() IS 'Trigger: queues every role, as what rows are refused for may have changed.';
REVOKE EXECUTE ON FUNCTION sync_roles.enqueue_everyone() FROM PUBLIC;

CREATE TRIGGER enqueue AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sync_roles.forbidden
    FOR EACH STATEMENT EXECUTE FUNCTION sync_roles.enqueue_everyone();

-- Who breaks a rule. ----------------------------------------------------------------------------------------------------------------------

CREATE VIEW sync_roles.rule_parts AS
SELECT f.id AS forbidden_id, 1 AS part, sync_roles.forbidden_privileges(f.privilege, f.object_type) AS privileges, f.object_type,
    coalesce(f.schema_name, '') AS schema_name, f.schema_match, f.object_name, f.name_match, f.column_name
FROM sync_roles.forbidden AS f
UNION ALL
SELECT f.id, 2, sync_roles.forbidden_privileges(f.with_privilege, f.with_object_type), f.with_object_type,
    coalesce(f.with_schema_name, ''), f.with_schema_match, f.with_object_name, f.with_name_match, f.with_column_name
FROM sync_roles.forbidden AS f
WHERE f.with_privilege IS NOT NULL;

COMMENT ON VIEW sync_roles.rule_parts IS
    'Internal. What each rule points at: one part, or the two that no role may have together.';
COMMENT ON COLUMN sync_roles.rule_parts.forbidden_id IS 'The rule.';
COMMENT ON COLUMN sync_roles.rule_parts.part IS '1, or 2 for the privilege that is forbidden together with it.';
COMMENT ON COLUMN sync_roles.rule_parts.privileges IS 'The privileges.';
COMMENT ON COLUMN sync_roles.rule_parts.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.rule_parts.schema_name IS 'As in desired_grants; empty: none.';
COMMENT ON COLUMN sync_roles.rule_parts.schema_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.rule_parts.object_name IS 'The name of the object.';
COMMENT ON COLUMN sync_roles.rule_parts.name_match IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.rule_parts.column_name IS 'A column; NULL: the object.';

CREATE FUNCTION sync_roles.display_name(schema_name text, object_name text, signature text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN concat_ws('.', nullif(schema_name, ''), coalesce(signature, object_name));

COMMENT ON FUNCTION sync_roles.display_name(text, text, text) IS 'An object''s name, for people.';

CREATE VIEW sync_roles.rule_objects AS
SELECT p.forbidden_id, p.part, p.privileges, p.column_name, o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name,
    o.signature, o.owner
FROM sync_roles.rule_parts AS p
-- As find_objects and find_in_schemas. But a function reads as its caller, who may have the view and nothing else.
CROSS JOIN LATERAL (
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE p.schema_match = 'exact' AND p.name_match = 'exact' AND o.object_type = p.object_type AND o.schema_name = p.schema_name
        AND o.object_name = sync_roles.own_name(p.object_type, p.object_name)
        AND sync_roles.means(p.object_name, p.name_match, o.object_name, o.signature)
    UNION ALL
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE p.schema_match = 'exact' AND p.name_match <> 'exact' AND o.object_type = p.object_type AND o.schema_name = p.schema_name
        AND sync_roles.means(p.object_name, p.name_match, o.object_name, o.signature)
    UNION ALL
    SELECT o.*
    FROM sync_roles.objects AS o
    WHERE p.schema_match <> 'exact' AND o.object_type = p.object_type
        AND sync_roles.in_schema(o.schema_name, p.schema_name, p.schema_match)
        AND sync_roles.means(p.object_name, p.name_match, o.object_name, o.signature)
) AS o;

COMMENT ON VIEW sync_roles.rule_objects IS 'Internal. The objects that the parts of rules point at.';
COMMENT ON COLUMN sync_roles.rule_objects.forbidden_id IS 'The rule.';
COMMENT ON COLUMN sync_roles.rule_objects.part IS '1, or 2 for the privilege that is forbidden together with it.';
COMMENT ON COLUMN sync_roles.rule_objects.privileges IS 'The privileges.';
COMMENT ON COLUMN sync_roles.rule_objects.column_name IS 'A column; NULL: the object.';
COMMENT ON COLUMN sync_roles.rule_objects.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.rule_objects.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.rule_objects.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.rule_objects.schema_name IS 'As in desired_grants; empty: none.';
COMMENT ON COLUMN sync_roles.rule_objects.object_name IS 'The name of the object.';
COMMENT ON COLUMN sync_roles.rule_objects.signature IS 'Of a routine: name(argument types).';
COMMENT ON COLUMN sync_roles.rule_objects.owner IS 'The owner of the object.';

CREATE VIEW sync_roles.rule_holders AS
SELECT o.forbidden_id, o.part, o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name, o.signature, o.owner,
    h.privilege, h.column_name, h.holder_oid, h.through
FROM sync_roles.rule_objects AS o
CROSS JOIN LATERAL (
    SELECT h.privilege, h.column_name, h.holder_oid, h.through
    FROM sync_roles.known_holders AS h
    WHERE h.object_type = o.object_type AND h.class_oid = o.class_oid AND h.object_oid = o.object_oid AND h.privilege = ANY (o.privileges)
        AND NOT h.possible AND NOT h.by_caller AND (o.column_name IS NULL OR h.column_name IS NULL OR h.column_name = o.column_name)
    UNION ALL
    SELECT 'OWNER', NULL, o.owner, NULL
    WHERE 'OWNER' = ANY (o.privileges)
    UNION ALL
    SELECT 'MEMBER', NULL, o.object_oid, NULL
    WHERE o.object_type = 'role'
) AS h;

COMMENT ON VIEW sync_roles.rule_holders IS
    'Internal. The roles (0: PUBLIC) by whose privileges one has what a rule is about.';
COMMENT ON COLUMN sync_roles.rule_holders.forbidden_id IS 'The rule.';
COMMENT ON COLUMN sync_roles.rule_holders.part IS '1, or 2 for the privilege that is forbidden together with it.';
COMMENT ON COLUMN sync_roles.rule_holders.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.rule_holders.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.rule_holders.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.rule_holders.schema_name IS 'As in desired_grants; empty: none.';
COMMENT ON COLUMN sync_roles.rule_holders.object_name IS 'The name of the object.';
COMMENT ON COLUMN sync_roles.rule_holders.signature IS 'Of a routine: name(argument types).';
COMMENT ON COLUMN sync_roles.rule_holders.owner IS 'The owner of the object.';
COMMENT ON COLUMN sync_roles.rule_holders.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.rule_holders.column_name IS 'A column; NULL: the object.';
COMMENT ON COLUMN sync_roles.rule_holders.holder_oid IS 'The role by whose privileges it is had; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.rule_holders.through IS 'As in holders.';

-- Superusers, and roles of ours, are never bound. Roles of PostgreSQL's own are not people; their members are.
CREATE VIEW sync_roles.bound_roles AS
SELECT r.oid AS role_oid, r.rolname::text AS role_name, r.rolcanlogin AS login
FROM pg_catalog.pg_roles AS r
WHERE NOT r.rolsuper AND NOT starts_with(r.rolname, 'pg_')
    AND r.oid <> (SELECT n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'sync_roles')
    AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = r.oid)
    AND NOT EXISTS (SELECT FROM sync_roles.keepers AS k WHERE k.role_oid = r.oid);

COMMENT ON VIEW sync_roles.bound_roles IS 'Internal. The roles that rules bind, where they are not excepted.';
COMMENT ON COLUMN sync_roles.bound_roles.role_oid IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.bound_roles.role_name IS 'Its name; public: PUBLIC.';
COMMENT ON COLUMN sync_roles.bound_roles.login IS 'Whether it can log in.';

-- Memberships through which one has, or by SET ROLE can have, what the role has. An ADMIN option alone gives neither.
CREATE VIEW sync_roles.useful_memberships AS
SELECT m.role_oid, m.member_oid
FROM sync_roles.memberships AS m
WHERE m.inherit_option OR m.set_option
UNION ALL
-- roles_is_member_of in acl.c
SELECT o.oid, d.datdba
FROM pg_catalog.pg_database AS d
JOIN pg_catalog.pg_roles AS o ON o.rolname = 'pg_database_owner'
WHERE d.datname = current_database();

COMMENT ON VIEW sync_roles.useful_memberships IS
    'Internal. The memberships that give a member what the role has, at once or by SET ROLE.';
COMMENT ON COLUMN sync_roles.useful_memberships.role_oid IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.useful_memberships.member_oid IS 'The member.';

CREATE VIEW sync_roles.breaches AS
WITH RECURSIVE
held AS MATERIALIZED (
    SELECT h.*
    FROM sync_roles.rule_holders AS h
    UNION ALL
    -- Whoever can SET ROLE to a superuser has everything.
    SELECT o.forbidden_id, o.part, o.object_type, o.class_oid, o.object_oid, o.schema_name, o.object_name, o.signature, o.owner,
        p.privilege, o.column_name, s.oid, 'a superuser'
    FROM pg_catalog.pg_roles AS s
    CROSS JOIN sync_roles.rule_objects AS o
    CROSS JOIN LATERAL unnest(o.privileges) AS p (privilege)
    WHERE s.rolsuper AND p.privilege NOT IN ('OWNER', 'MEMBER') AND EXISTS (
        SELECT
        FROM sync_roles.memberships AS m
        JOIN sync_roles.bound_roles AS b ON b.role_oid = m.member_oid
        WHERE m.role_oid = s.oid AND m.set_option
    )
),
excepted AS MATERIALIZED (
    SELECT f.id AS forbidden_id, r.oid AS role_oid
    FROM sync_roles.forbidden AS f
    CROSS JOIN LATERAL unnest(f.except_roles) AS e (name)
    JOIN pg_catalog.pg_roles AS r ON r.rolname = e.name
),
-- Each role below a start, once for each number of memberships between them.
below (start_oid, role_oid, depth) AS (
    SELECT h.holder_oid, h.holder_oid, 0 FROM held AS h WHERE h.holder_oid <> 0
    UNION
    SELECT e.role_oid, e.role_oid, 0 FROM excepted AS e
    UNION
    SELECT b.start_oid, m.member_oid, b.depth + 1
    FROM below AS b
    JOIN sync_roles.useful_memberships AS m ON m.role_oid = b.role_oid
),
exempt AS MATERIALIZED (
    SELECT DISTINCT e.forbidden_id, b.role_oid
    FROM excepted AS e
    JOIN below AS b ON b.start_oid = e.role_oid
),
-- Before the objects, which are many: what a role that is exempt holds breaks no rule.
bearers AS MATERIALIZED (
    SELECT s.forbidden_id, s.holder_oid, r.role_oid, r.role_name, min(b.depth) AS depth
    FROM (SELECT DISTINCT h.forbidden_id, h.holder_oid FROM held AS h) AS s
    JOIN sync_roles.forbidden AS f ON f.id = s.forbidden_id
    JOIN below AS b ON b.start_oid = s.holder_oid
    JOIN sync_roles.bound_roles AS r ON r.role_oid = b.role_oid
    WHERE f.applies_to <> 'public' AND (f.applies_to <> 'logins' OR r.login)
        AND (s.forbidden_id, s.holder_oid) NOT IN (SELECT e.forbidden_id, e.role_oid FROM exempt AS e)
        AND (s.forbidden_id, r.role_oid) NOT IN (SELECT e.forbidden_id, e.role_oid FROM exempt AS e)
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT DISTINCT h.forbidden_id, 0::oid, 0::oid, 'public', 0
    FROM held AS h
    WHERE h.holder_oid = 0
)
SELECT h.forbidden_id, h.part, b.role_oid, b.role_name, h.privilege, h.object_type, h.class_oid, h.object_oid, h.schema_name, h.object_name,
    h.signature, h.column_name, h.holder_oid, h.through, b.depth
FROM held AS h
JOIN bearers AS b USING (forbidden_id, holder_oid)
JOIN sync_roles.forbidden AS f ON f.id = h.forbidden_id
WHERE (h.privilege = 'OWNER' OR b.role_oid IS DISTINCT FROM h.owner)
    -- The owner is the one role that owns it, and no role is a member of itself.
    AND (h.privilege <> 'OWNER' OR b.depth = 0)
    AND (h.privilege <> 'MEMBER' OR b.depth > 0)
    AND (f.applies_to <> 'undeclared' OR b.depth = 0 AND h.through IS NULL AND h.holder_oid IS DISTINCT FROM h.owner AND NOT EXISTS (
        SELECT
        FROM sync_roles.all_matchable_grants AS g
        WHERE g.role_name = b.role_name AND g.object_type = h.object_type AND g.privilege IN (h.privilege, 'ALL')
            AND sync_roles.in_schema(h.schema_name, coalesce(g.schema_name, ''), g.schema_match)
            AND sync_roles.means(g.object_name, g.name_match, h.object_name, h.signature)
            AND sync_roles.is_column(coalesce(h.column_name, ''), coalesce(g.column_name, ''), g.column_match)
    ));

COMMENT ON VIEW sync_roles.breaches IS
    'Internal. What roles have of what rules are about; of rules with two parts, each part by itself.';
COMMENT ON COLUMN sync_roles.breaches.forbidden_id IS 'The rule.';
COMMENT ON COLUMN sync_roles.breaches.part IS '1, or 2 for the privilege that is forbidden together with it.';
COMMENT ON COLUMN sync_roles.breaches.role_oid IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.breaches.role_name IS 'Its name; public: PUBLIC.';
COMMENT ON COLUMN sync_roles.breaches.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.breaches.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.breaches.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.breaches.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.breaches.schema_name IS 'As in desired_grants; empty: none.';
COMMENT ON COLUMN sync_roles.breaches.object_name IS 'The name of the object.';
COMMENT ON COLUMN sync_roles.breaches.signature IS 'Of a routine: name(argument types).';
COMMENT ON COLUMN sync_roles.breaches.column_name IS 'A column; NULL: the object.';
COMMENT ON COLUMN sync_roles.breaches.holder_oid IS 'The role by whose privileges it is had; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.breaches.through IS 'As in holders.';
COMMENT ON COLUMN sync_roles.breaches.depth IS 'How many memberships are between the two at least.';

CREATE VIEW sync_roles.enforced_entries AS
SELECT DISTINCT b.holder_oid AS grantee, coalesce(r.rolname::text, 'public') AS role_name, b.object_type, b.class_oid, b.object_oid,
    b.privilege, coalesce(b.column_name, '') AS column_name
FROM sync_roles.breaches AS b
JOIN sync_roles.forbidden AS f ON f.id = b.forbidden_id AND f.enforce
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = b.holder_oid
LEFT JOIN sync_roles.rule_objects AS o
    ON o.forbidden_id = b.forbidden_id AND o.part = b.part AND o.class_oid = b.class_oid AND o.object_oid = b.object_oid
WHERE b.through IS NULL AND b.holder_oid IS DISTINCT FROM o.owner
    -- What a predefined role can do with every object is no entry of this one.
    AND (r.rolname IS NULL OR NOT starts_with(r.rolname, 'pg_'))
    -- See enforced_members.
    AND NOT EXISTS (SELECT FROM sync_roles.intermediate_roles AS i WHERE i.role_oid = b.holder_oid AND i.name_match = 'exact');

COMMENT ON VIEW sync_roles.enforced_entries IS
    'Internal. The entries of ACLs by which rules with enforce are broken, and which the daemon revokes.';
COMMENT ON COLUMN sync_roles.enforced_entries.grantee IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.enforced_entries.role_name IS 'Its name; public: PUBLIC.';
COMMENT ON COLUMN sync_roles.enforced_entries.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.enforced_entries.class_oid IS 'The catalog that the object is in.';
COMMENT ON COLUMN sync_roles.enforced_entries.object_oid IS 'The object.';
COMMENT ON COLUMN sync_roles.enforced_entries.privilege IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.enforced_entries.column_name IS 'A column; NULL: the object.';

-- Members that are excepted keep what they share with those that are not.
CREATE VIEW sync_roles.enforced_members AS
SELECT DISTINCT i.role_oid, m.member_oid, r.rolname::text AS role_name
FROM sync_roles.breaches AS b
JOIN sync_roles.forbidden AS f ON f.id = b.forbidden_id AND f.enforce
JOIN sync_roles.intermediate_roles AS i ON i.role_oid = b.holder_oid AND i.name_match = 'exact'
JOIN sync_roles.memberships AS m ON m.role_oid = i.role_oid
JOIN pg_catalog.pg_roles AS r ON r.oid = m.member_oid
WHERE b.through IS NULL AND pg_has_role(b.role_oid, m.member_oid, 'MEMBER');

COMMENT ON VIEW sync_roles.enforced_members IS
    'Internal. The members of intermediate roles for one name that break a rule with enforce, whose membership the daemon ends.';
COMMENT ON COLUMN sync_roles.enforced_members.role_oid IS 'The role; 0 is PUBLIC.';
COMMENT ON COLUMN sync_roles.enforced_members.member_oid IS 'The member.';
COMMENT ON COLUMN sync_roles.enforced_members.role_name IS 'Its name; public: PUBLIC.';

CREATE TABLE sync_roles.violation_history (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    forbidden_id bigint NOT NULL,
    role_name    text COLLATE "C" NOT NULL,
    privilege    text COLLATE "C" NOT NULL,
    object_type  text COLLATE "C" NOT NULL,
    schema_name  text COLLATE "C",
    object_name  text COLLATE "C" NOT NULL,
    column_name  text COLLATE "C",
    path         text NOT NULL,
    reason       text NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    until        timestamptz,
    culprit      text
);

COMMENT ON TABLE sync_roles.violation_history IS
    'Each violation that the daemon has seen, and until when: as exact as its looks, which follow DDL at once with event triggers.';
COMMENT ON COLUMN sync_roles.violation_history.id IS 'Counts the violations.';
COMMENT ON COLUMN sync_roles.violation_history.forbidden_id IS 'The rule. It may be gone.';
COMMENT ON COLUMN sync_roles.violation_history.role_name IS 'As in violations.';
COMMENT ON COLUMN sync_roles.violation_history.privilege IS 'As in violations.';
COMMENT ON COLUMN sync_roles.violation_history.object_type IS 'As in violations.';
COMMENT ON COLUMN sync_roles.violation_history.schema_name IS 'As in violations.';
COMMENT ON COLUMN sync_roles.violation_history.object_name IS 'As in violations.';
COMMENT ON COLUMN sync_roles.violation_history.column_name IS 'As in violations.';
COMMENT ON COLUMN sync_roles.violation_history.path IS 'As in violations, when it was first seen.';
COMMENT ON COLUMN sync_roles.violation_history.reason IS 'The reason of the rule, when it was first seen.';
COMMENT ON COLUMN sync_roles.violation_history.since IS 'When it was first seen.';
COMMENT ON COLUMN sync_roles.violation_history.culprit IS
    'The likely change by hand that brought it about, of hand_changes: by whom, when, and the statement. NULL: not known.';
COMMENT ON COLUMN sync_roles.violation_history.until IS 'When it was first seen to be over; NULL: it was there at the last look.';

CREATE UNIQUE INDEX violation_history_open ON sync_roles.violation_history
    (forbidden_id, role_name, privilege, object_type, coalesce(schema_name, ''), object_name, coalesce(column_name, ''))
    WHERE until IS NULL;

-- For the retention.
CREATE INDEX violation_history_over ON sync_roles.violation_history (until) WHERE until IS NOT NULL;

CREATE VIEW sync_roles.violations AS
WITH RECURSIVE
breaches AS MATERIALIZED (
    SELECT b.*
    FROM sync_roles.breaches AS b
),
-- Of two parts, the role or PUBLIC has both: then what the role itself has of them is the violation.
paired AS MATERIALIZED (
    SELECT b.forbidden_id, b.role_oid
    FROM breaches AS b
    JOIN sync_roles.forbidden AS f ON f.id = b.forbidden_id AND f.with_privilege IS NOT NULL
    WHERE EXISTS (
        SELECT
        FROM breaches AS o
        WHERE o.forbidden_id = b.forbidden_id AND o.part <> b.part AND o.role_oid IN (b.role_oid, 0)
    )
    GROUP BY 1, 2
),
broken AS MATERIALIZED (
    SELECT DISTINCT ON (b.forbidden_id, b.role_oid, b.object_type, b.class_oid, b.object_oid, b.privilege, b.column_name) b.*, f.reason
    FROM breaches AS b
    JOIN sync_roles.forbidden AS f ON f.id = b.forbidden_id
    WHERE f.with_privilege IS NULL OR (b.forbidden_id, b.role_oid) IN (SELECT p.forbidden_id, p.role_oid FROM paired AS p)
    ORDER BY b.forbidden_id, b.role_oid, b.object_type, b.class_oid, b.object_oid, b.privilege, b.column_name, b.depth,
        b.through NULLS FIRST, b.holder_oid
),
-- As in breaches, for the holders in broken.
below (start_oid, role_oid, depth) AS (
    SELECT DISTINCT b.holder_oid, b.holder_oid, 0 FROM broken AS b WHERE b.depth > 0
    UNION
    SELECT b.start_oid, m.member_oid, b.depth + 1
    FROM below AS b
    JOIN sync_roles.useful_memberships AS m ON m.role_oid = b.role_oid
),
-- Upward, one of the shortest ways.
chains (start_oid, bearer_oid, role_oid, depth, names) AS (
    SELECT DISTINCT b.holder_oid, b.role_oid, b.role_oid, b.depth, ARRAY[b.role_name] FROM broken AS b WHERE b.depth > 0
    UNION ALL
    SELECT c.start_oid, c.bearer_oid, m.role_oid, c.depth - 1, c.names || r.rolname::text
    FROM chains AS c
    CROSS JOIN LATERAL (
        SELECT m.role_oid
        FROM sync_roles.useful_memberships AS m
        JOIN below AS b ON b.start_oid = c.start_oid AND b.role_oid = m.role_oid AND b.depth = c.depth - 1
        WHERE m.member_oid = c.role_oid
        ORDER BY m.role_oid
        LIMIT 1
    ) AS m
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.role_oid
    WHERE c.depth > 0
)
SELECT b.forbidden_id, b.role_name, b.privilege, b.object_type, nullif(b.schema_name, '')::text AS schema_name,
    coalesce(b.signature, b.object_name::text) AS object_name, b.column_name,
    concat_ws(': ', array_to_string(coalesce(c.names, ARRAY[CASE b.role_oid WHEN 0 THEN 'PUBLIC' ELSE b.role_name END]), ' -> '),
        CASE
            WHEN b.through IS NOT NULL THEN b.through
            WHEN b.privilege = 'OWNER' THEN 'owner'
            WHEN b.privilege = 'MEMBER' THEN 'member'
            WHEN b.holder_oid = o.owner THEN 'owner'
            WHEN b.holder_oid <> 0 AND starts_with(r.rolname, 'pg_') THEN 'predefined role'
            ELSE 'granted'
        END) AS path,
    coalesce(h.since, now()) AS since,
    b.reason,
    h.culprit
FROM broken AS b
LEFT JOIN chains AS c ON c.start_oid = b.holder_oid AND c.bearer_oid = b.role_oid AND c.depth = 0
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = b.holder_oid
LEFT JOIN LATERAL (
    SELECT o.owner
    FROM sync_roles.rule_objects AS o
    WHERE o.forbidden_id = b.forbidden_id AND o.part = b.part AND o.class_oid = b.class_oid AND o.object_oid = b.object_oid
    LIMIT 1
) AS o ON true
LEFT JOIN sync_roles.violation_history AS h
    ON h.until IS NULL AND h.forbidden_id = b.forbidden_id AND h.role_name = b.role_name AND h.privilege = b.privilege
    AND h.object_type = b.object_type AND coalesce(h.schema_name, '') = b.schema_name
    AND h.object_name = coalesce(b.signature, b.object_name::text) AND coalesce(h.column_name, '') = coalesce(b.column_name, '');

COMMENT ON VIEW sync_roles.violations IS
    'What breaks the rules of forbidden at this moment, as PostgreSQL''s catalogs have it. A privilege that PUBLIC has is one violation, '
    'of role_name public.';
COMMENT ON COLUMN sync_roles.violations.forbidden_id IS 'The rule.';
COMMENT ON COLUMN sync_roles.violations.role_name IS 'The role that has what it may not have; public: PUBLIC.';
COMMENT ON COLUMN sync_roles.violations.privilege IS 'What it has.';
COMMENT ON COLUMN sync_roles.violations.object_type IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.violations.schema_name IS 'As in desired_grants.';
COMMENT ON COLUMN sync_roles.violations.object_name IS 'As in desired_grants; routines as name(argument types).';
COMMENT ON COLUMN sync_roles.violations.column_name IS 'The column on which alone it has the privilege; NULL: the object.';
COMMENT ON COLUMN sync_roles.violations.path IS
    'A shortest path: the memberships from the role upward, and what gives the last of them the privilege.';
COMMENT ON COLUMN sync_roles.violations.since IS 'When the daemon first saw it; now, where it has not looked yet.';
COMMENT ON COLUMN sync_roles.violations.reason IS 'The reason of the rule.';
COMMENT ON COLUMN sync_roles.violations.culprit IS 'As in violation_history.';

UPDATE sync_roles.installation SET schema_version = 28;
