-- A warehouse: an owner of objects, a table, an ETL job that writes desired rows, and the daemon, which is no superuser.
REVOKE CONNECT ON DATABASE warehouse FROM PUBLIC;
CREATE ROLE sales_owner;
CREATE ROLE sync_daemon LOGIN CREATEROLE;
GRANT sales_owner TO sync_daemon;
ALTER DATABASE warehouse OWNER TO sync_daemon;
CREATE SCHEMA sales AUTHORIZATION sales_owner;
SET ROLE sales_owner;
CREATE TABLE sales.orders_2025 AS SELECT n AS id, 10 * n AS price FROM generate_series(1, 3) AS n;
RESET ROLE;
-- For the demonstration the ETL job is the owner of sync_roles. README.md, "Who may write which rows", has how to give it less.
CREATE ROLE etl LOGIN;
GRANT sync_daemon, sales_owner TO etl;
