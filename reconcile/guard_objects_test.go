package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Rows that come in without the triggers are held to the rules that the triggers have.
func TestGuardRowsWithoutTriggers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	same := f.untouched(t, "public")
	insert := "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values ($1, $2, $3, nullif($4, ''), $5, $6)"
	for _, r := range [][]any{
		{x, "SELECT", "table", "sync_roles", "desired_grants", "exact"},
		{x, "SELECT", "table", "pg_catalog", "pg_authid", "exact"},
		{x, "SELECT", "table", "pg_catalog", "%", "like"},
		{x, "USAGE", "schema", "", "sync_roles", "exact"},
		{x, "USAGE", "table", "app", "sales", "exact"},
		{x, "SELECT; DROP TABLE app.sales", "table", "app", "sales", "exact"},
		{x, "SELECT", "table; DROP", "app", "sales", "exact"},
		{x, "MEMBER", "role", "", "_pgsr_lock", "exact"},
	} {
		f.smuggle(t, x, insert, r...)
	}
	f.insert(t, x, "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, x, plan.Refused)
	f.can(t, x, "select from app.costs")
	f.cannot(t, x, "select from app.sales")
	f.is(t, false, "has_schema_privilege($1, 'sync_roles', 'USAGE') or has_table_privilege($1, 'pg_catalog.pg_authid', 'SELECT') or has_table_privilege($1, 'sync_roles.desired_grants', 'SELECT')", x)
	f.isMember(t, false, x, "_pgsr_lock")
	f.quiet(t)
	same()
}

// Nothing in sync_roles and PostgreSQL's own schemas is found by a pattern, nor the schemas themselves.
func TestGuardProtectedSchemas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.superuserDaemon(t) // who could do it
	x := f.user(t, "x")
	f.Exec(t, "create schema pgx; create table pgx.t (id int)")
	for _, match := range []string{"%", "pg%", "sync%", "inf%", `pg\_toast%`} {
		f.add(t, row{role: x, privilege: "ALL", objectType: "schema", name: match, match: "like"})
	}
	f.add(t, row{role: x, privilege: "OWNER", objectType: "schema", name: "(sync_roles|pg_catalog|information_schema|pg_toast)", match: "regex"})
	f.pending(t)
	f.is(t, true, "has_schema_privilege($1, 'app', 'CREATE')", x)
	f.is(t, true, "has_schema_privilege($1, 'pgx', 'CREATE')", x)
	f.is(t, false, "bool_or(nspacl::text ~ $1) from pg_namespace where nspname in ('sync_roles', 'pg_catalog', 'information_schema', 'pg_toast')", x)
	f.is(t, false, "bool_or(nspowner::regrole::text = $1) from pg_namespace", x)
	f.is(t, false, "has_schema_privilege($1, 'sync_roles', 'USAGE') or has_schema_privilege($1, 'sync_roles', 'CREATE') or has_schema_privilege($1, 'pg_catalog', 'CREATE')", x)
	f.quiet(t)
	for _, schema := range []string{"sync_roles", "pg_catalog", "information_schema", "pg_toast", "pg_temp_1", "pg_temp"} {
		for _, r := range []row{
			{role: x, privilege: "SELECT", objectType: "table", schema: schema, name: "%", match: "like"},
			{role: x, privilege: "EXECUTE", objectType: "routine", schema: schema, name: "f"},
			{role: x, privilege: "OWNER", objectType: "schema", name: schema},
			{role: x, privilege: "OWNER", objectType: "schema", name: schema, create: true},
			{role: x, privilege: "USAGE", objectType: "schema", name: schema},
		} {
			if _, err := f.tryAdd(t, r); err == nil || sqlstate(t, err) != "23514" {
				t.Errorf("%+v: %v", r, err)
			}
		}
	}
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.is(t, false, "has_schema_privilege($1, 'pgx', 'CREATE') or has_schema_privilege($1, 'app', 'CREATE')", x)
	f.quiet(t)
}
