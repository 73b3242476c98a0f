package migrations_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// upTo installs the schema as a program of an earlier version left it.
func upTo(tb testing.TB, env *pgtest.Env, version int) *pgx.Conn {
	tb.Helper()
	conn := env.Connect(tb, env.Daemon)
	execute(tb, conn, "create schema sync_roles; create table sync_roles.schema_migrations (version bigint not null primary key, dirty boolean not null)")
	for _, sql := range migrationFiles(tb)[:version] {
		execute(tb, conn, sql)
	}
	execute(tb, conn, fmt.Sprintf("insert into sync_roles.schema_migrations values (%d, false)", version))
	return conn
}

// Rows, deleted rows that wait, the queue and the registry are after the upgrade what they were before, and have their selectors.
func TestSelectorOfWhatIsThere(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := upTo(t, env, 14)
	rows := `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name) values
		('alice', 'SELECT', 'table', 'app', 'sales', 'exact', null),
		('alice', 'SELECT', 'table', 'app', 'sales', 'like', null),
		('alice', 'SELECT', 'table', 'app', 'sales', 'exact', 'a "b"'),
		('alice', 'EXECUTE', 'routine', 'a "quoted" one', 'f(integer)', 'exact', null),
		('alice', 'CONNECT', 'database', null, ': like: ', 'exact', null),
		('alice', 'CONNECT', 'database', null, ' like: ', 'like', null)`
	execute(t, conn, rows)
	execute(t, conn, "delete from sync_roles.desired_grants where object_name = 'sales' and name_match = 'like'")
	execute(t, conn, `insert into sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match)
		values ('_pgsr_1', 1, 'SELECT', 'table', 'app', 'sales', 'exact')`)
	const all = `select to_jsonb(g) - '{selector,source,updated_by,updated_at,inherit_option,set_option,schema_match,except_names,except_schemas,except_columns,partitions,at_creation,transaction}'::text[] from sync_roles.%s as g order by 1`
	tables := []string{"desired_grants", "withdrawn", "intermediate_roles", "pending"}
	before := map[string][]string{}
	for _, table := range tables {
		before[table] = list[string](t, conn, fmt.Sprintf(all, table))
	}
	up(t, env)
	for _, table := range tables {
		if got := list[string](t, conn, fmt.Sprintf(all, table)); !slices.Equal(got, before[table]) {
			t.Errorf("%s was %q, is %q", table, before[table], got)
		}
	}
	want := []string{
		`CONNECT on database like:  like: `,
		`CONNECT on database: : like: `,
		`EXECUTE on routine in "a ""quoted"" one": f(integer)`,
		`SELECT ("a ""b""") on table in "app": sales`,
		`SELECT on table in "app": sales`,
	}
	if got := list[string](t, conn, `select selector from sync_roles.desired_grants order by selector collate "C"`); !slices.Equal(got, want) {
		t.Errorf("the selectors are\n%q, want\n%q", got, want)
	}
	if got := list[string](t, conn, "select selector from sync_roles.withdrawn"); !slices.Equal(got, []string{`SELECT on table in "app" like: sales`}) {
		t.Errorf("the selectors of deleted rows are %q", got)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.intermediate_roles as i join sync_roles.desired_grants as g using (selector)"); n != 1 {
		t.Errorf("%d rows have the selector of the intermediate role", n)
	}
	for _, target := range []string{"", "(role_name, selector)"} {
		execute(t, conn, rows+" on conflict "+target+" do nothing")
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 6 {
		t.Errorf("there are %d rows, want 6", n)
	}
}
