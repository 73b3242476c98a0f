package migrations_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A function that is called for each row would cost more than the rest of an INSERT: the rules for rows are part of the one statement that checks them all.
func TestRulesAreInlined(t *testing.T) {
	t.Parallel()
	env := installed(t)
	super := env.Superuser(t)
	execute(t, super, "alter database "+pgx.Identifier{env.Database}.Sanitize()+" set track_functions = 'all'")
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "begin") // pg_stat_xact_user_functions counts the calls of a transaction
	execute(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name)
		select 'r' || i, 'SELECT', 'table', 'app', 't', 'exact', 'c' from generate_series(1, 50) as i
		union all select 'r' || i, 'USAGE', 'schema', null, 's', 'exact', null from generate_series(1, 50) as i
		union all select 'r' || i, 'MEMBER', 'role', null, 'team', 'exact', null from generate_series(1, 50) as i
		union all select 'r' || i, 'EXECUTE', 'routine', 'app', 'f', 'exact', null from generate_series(1, 50) as i
		union all select 'r' || i, 'CONNECT', 'database', null, 'd', 'exact', null from generate_series(1, 50) as i`)
	execute(t, conn, "insert into sync_roles.desired_roles (role_name, login) select 'r' || i, true from generate_series(1, 50) as i")
	const calls = "select funcname || ' ' || calls from pg_stat_xact_user_functions where schemaname = 'sync_roles' "
	if counted := list[string](t, conn, calls); !slices.Contains(counted, "desired_grants_validate 1") {
		t.Fatalf("the calls were not counted: %q", counted)
	}
	// Of small tables, history is kept row by row, so that what replication writes is kept too.
	called := list[string](t, conn, calls+"and calls >= 50 and funcname <> 'keep_versions' order by 1")
	if len(called) > 0 {
		t.Errorf("called for each row: %q", called)
	}
}

// The columns of all tables, compared for each row, made grant_status of 50,000 rows take minutes. Without nested loops the planner joins them that way if it may.
func TestStatusReadsNoColumnsInVain(t *testing.T) {
	t.Parallel()
	env := installed(t)
	super := env.Superuser(t)
	execute(t, super, "alter database "+pgx.Identifier{env.Database}.Sanitize()+" set track_functions = 'all'")
	execute(t, super, "create schema app; create table app.t (c int, d int)")
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "begin; set local enable_nestloop = off")
	compared := func(column any) bool {
		execute(t, conn, "delete from sync_roles.desired_grants")
		execute(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name)
			values ('r1', 'SELECT', 'table', 'app', 't', $1), ('r1', 'UPDATE', 'table', 'app', 't', $1)`, column)
		if matched := list[int64](t, conn, "select matches from sync_roles.grant_status"); !slices.Equal(matched, []int64{1, 1}) {
			t.Fatalf("the rows match %d objects, want one each", matched)
		}
		return len(list[string](t, conn, "select funcname::text from pg_stat_xact_user_functions where schemaname = 'sync_roles' and funcname = 'is_column'")) > 0
	}
	if compared(nil) {
		t.Error("names of columns were compared for rows that name none")
	}
	if !compared("c") {
		t.Error("no names of columns were compared for rows that name one, or the calls are not counted")
	}
}
