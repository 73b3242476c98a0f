-- What a DBA does once, before pg-sync-roles is installed: for database warehouse, on PostgreSQL 16 and later.
-- Run it as a superuser, or as the database's owner with CREATEROLE, CREATEDB and ADMIN on the roles named here:
--
--     psql -v ON_ERROR_STOP=1 -d warehouse -f setup.sql
--
-- It is one transaction: an error leaves everything as it was. It can be run again. "pg-sync-roles setup" wrote it, and
-- "pg-sync-roles setup --check" says what is missing.

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp; -- so that nothing of others' runs with your rights

-- The daemon. Give it a password afterwards, in psql:  \password "sync_daemon"
DO $setup$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sync_daemon') THEN
        CREATE ROLE "sync_daemon" LOGIN CREATEROLE;
    ELSIF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sync_daemon' AND rolcanlogin AND rolcreaterole) THEN
        ALTER ROLE "sync_daemon" LOGIN CREATEROLE;
    END IF;
END
$setup$;

-- As the database's owner it can make its schema, and rows can grant CONNECT, and take it away from PUBLIC. If the database must keep its
-- owner, use these two lines instead (setup --keep-database-owner); then rows can grant CONNECT, but PUBLIC keeps its own:
--     GRANT CREATE ON DATABASE "warehouse" TO "sync_daemon";
--     GRANT CONNECT ON DATABASE "warehouse" TO "sync_daemon" WITH GRANT OPTION;
-- Whoever is no superuser must be able to become the new owner, for the moment. (By name: the keyword CURRENT_USER as a role crashes some
-- servers.)
DO $setup$
BEGIN
    IF pg_catalog.pg_get_userbyid((SELECT datdba FROM pg_catalog.pg_database WHERE datname = 'warehouse')) <> 'sync_daemon' THEN
        EXECUTE pg_catalog.format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', 'sync_daemon', current_user);
        ALTER DATABASE "warehouse" OWNER TO "sync_daemon";
        EXECUTE pg_catalog.format('REVOKE %I FROM %I', 'sync_daemon', current_user);
    END IF;
END
$setup$;

-- It grants as the owners of the objects. One line for each role that owns something that rows speak of.
-- SET TRUE lets OWNER rows give objects to that role; without such rows, SET FALSE is enough.
GRANT "sales_owner" TO "sync_daemon" WITH INHERIT TRUE, SET TRUE;

-- Roles that were there before: one line for each whose attributes desired_roles sets, or in which MEMBER rows give membership. Roles
-- that only get privileges need no line. Roles that the daemon creates need none either.
GRANT "bob" TO "sync_daemon" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;

-- All daemons of a cluster take turns by locking one role, on which each of them needs ADMIN. The first daemon creates it, and has it.
-- Another daemon role, in another database of the same cluster, needs this, by a superuser or the first daemon.
DO $setup$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '_pgsr_lock')
            AND NOT pg_catalog.pg_has_role('sync_daemon', '_pgsr_lock', 'MEMBER WITH ADMIN OPTION') THEN
        GRANT _pgsr_lock TO "sync_daemon" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
    END IF;
END
$setup$;

COMMIT;
