-- What a DBA does once, before pg-sync-roles is installed, on PostgreSQL 16 and later. Run it in the database that is to be looked
-- after, as a superuser, or as the database's owner with CREATEROLE, CREATEDB and ADMIN on the roles named here:
--
--     psql -d warehouse -f setup-16.sql
--
-- Put your own names in place of
--     warehouse     the database
--     sync_daemon   the role as which the daemon logs in
--     sales_owner   a role that owns schemas and tables
--     bob           a role that was there before

-- The daemon. Give it a password afterwards, in psql:  \password sync_daemon
CREATE ROLE sync_daemon LOGIN CREATEROLE;

-- As the database's owner it can make its schema, and rows can grant CONNECT, and take it away from PUBLIC. If the database must stay
-- somebody else's, use these two lines instead; then rows can grant CONNECT, but PUBLIC keeps its own:
--     GRANT CREATE ON DATABASE warehouse TO sync_daemon;
--     GRANT CONNECT ON DATABASE warehouse TO sync_daemon WITH GRANT OPTION;
-- Whoever is no superuser must be able to become the new owner, for the moment. (By name: the keyword CURRENT_USER as a role crashes some
-- servers.)
DO $$
BEGIN
    EXECUTE format('GRANT sync_daemon TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    ALTER DATABASE warehouse OWNER TO sync_daemon;
    EXECUTE format('REVOKE sync_daemon FROM %I', current_user);
END
$$;

-- It grants as the owners of the objects. One line for each role that owns something that rows speak of.
-- SET TRUE lets OWNER rows give objects to that role; without such rows, SET FALSE is enough.
GRANT sales_owner TO sync_daemon WITH INHERIT TRUE, SET TRUE;

-- Roles that were there before: one line for each whose attributes desired_roles sets, or in which MEMBER rows give membership. Roles
-- that only get privileges need no line. Roles that the daemon creates need none either.
GRANT bob TO sync_daemon WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;

-- All daemons of a cluster take turns by locking one role, on which each of them needs ADMIN. The first daemon creates it, and has it.
-- Only for a second daemon role, in another database of the same cluster, run also, as a superuser or as the first daemon:
--     GRANT _pgsr_lock TO sync_daemon WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
