package reconcile_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// intermediates lists the intermediate roles of this database: those of the registry, and those of the cluster that look it.
func (f *fixture) intermediates(t *testing.T) []string {
	t.Helper()
	rows, err := f.super.Query(t.Context(), `
		select role_name from sync_roles.intermediate_roles
		union
		select rolname::text from pg_roles, pg_database
		where datname = current_database() and starts_with(rolname, '_pgsr_' || pg_database.oid || '_')
			and rolname not like '%keeper%'
		order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// intermediate returns the one intermediate role of the registry.
func (f *fixture) intermediate(t *testing.T) string {
	t.Helper()
	list := f.intermediates(t)
	if len(list) != 1 {
		t.Fatalf("there are %d intermediate roles, want 1: %v", len(list), list)
	}
	return list[0]
}
