-- What a DBA does once, before pg-sync-roles is installed, on PostgreSQL 14 and 15. Run it as a superuser in the database that is to
-- be looked after:
--
--     psql -d warehouse -f setup-14-15.sql
--
-- Put your own names in place of
--     warehouse     the database
--     sync_daemon   the role as which the daemon logs in
--     sales_owner   a role that owns schemas and tables
--
-- Know what you give: before PostgreSQL 16, CREATEROLE lets a role do nearly everything with every role that is no superuser. It can
-- become any of them, and give itself predefined roles such as pg_execute_server_program. Guard this login like a superuser's.

-- The daemon. Give it a password afterwards, in psql:  \password sync_daemon
CREATE ROLE sync_daemon LOGIN CREATEROLE;

-- As the database's owner it can make its schema, and rows can grant CONNECT, and take it away from PUBLIC. If the database must stay
-- somebody else's, use these two lines instead; then rows can grant CONNECT, but PUBLIC keeps its own:
--     GRANT CREATE ON DATABASE warehouse TO sync_daemon;
--     GRANT CONNECT ON DATABASE warehouse TO sync_daemon WITH GRANT OPTION;
ALTER DATABASE warehouse OWNER TO sync_daemon;

-- It grants as the owners of the objects. One line for each role that owns something that rows speak of. (Without it, the daemon makes
-- itself a member for the moment, in every pass that needs it.)
GRANT sales_owner TO sync_daemon;
