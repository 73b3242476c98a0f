-- What a DBA does once, before pg-sync-roles is installed: for database warehouse, on PostgreSQL 14 and 15.
-- Run it as a superuser:
--
--     psql -v ON_ERROR_STOP=1 -d warehouse -f setup.sql
--
-- It is one transaction: an error leaves everything as it was. It can be run again. "pg-sync-roles setup" wrote it, and
-- "pg-sync-roles setup --check" says what is missing.
--
-- Know what you give: before PostgreSQL 16, CREATEROLE lets a role do nearly everything with every role that is no superuser. It can
-- become any of them, and give itself predefined roles such as pg_execute_server_program. Guard this login like a superuser's.

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
DO $setup$
BEGIN
    IF pg_catalog.pg_get_userbyid((SELECT datdba FROM pg_catalog.pg_database WHERE datname = 'warehouse')) <> 'sync_daemon' THEN
        ALTER DATABASE "warehouse" OWNER TO "sync_daemon";
    END IF;
END
$setup$;

-- It grants as the owners of the objects. One line for each role that owns something that rows speak of. (Without it, the daemon makes
-- itself a member for the moment, in every pass that needs it.)
GRANT "sales_owner" TO "sync_daemon";

COMMIT;
