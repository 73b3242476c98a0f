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
