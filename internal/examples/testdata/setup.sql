-- Before the package is set up: dbt's login may make schemas, the daemon may grant on what dbt owns, and some roles are there.
CREATE ROLE dbt LOGIN;
CREATE ROLE analysts LOGIN;
CREATE ROLE auditors LOGIN;
CREATE ROLE neighbour LOGIN;
CREATE ROLE guest LOGIN;
CREATE ROLE sync_daemon LOGIN CREATEROLE;
GRANT dbt TO sync_daemon;
CREATE DATABASE warehouse OWNER sync_daemon;
