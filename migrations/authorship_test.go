package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// authors says who wrote and who last changed the row of a role.
func authors(t *testing.T, conn *pgx.Conn, role string) string {
	t.Helper()
	return pgtest.One[string](t, conn, `select created_by || ' ' || coalesce(updated_by, '-') || ' ' || (updated_at is not null)
		from sync_roles.desired_grants where role_name = $1`, role)
}

// Whoever changes a row is noted, and whoever wrote it stays: an upsert in the old manner, which claims it, takes nobody's authorship either.
func TestUpdateKeepsAuthorship(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role}.mustInsert(t, owner, "writers")
	table := grantRow(role)
	table.mustInsert(t, owner, "desired_grants")
	if got := authors(t, owner, role); got != env.Daemon+" - false" {
		t.Errorf("new: %s", got)
	}
	for _, unchanged := range []string{"note = note", "created_by = session_user", "updated_by = 'x', updated_at = now()"} {
		execute(t, writer, "update sync_roles.desired_grants set "+unchanged)
		if got := authors(t, owner, role); got != env.Daemon+" - false" {
			t.Errorf("after SET %s: %s", unchanged, got)
		}
	}
	for _, change := range []string{
		"update sync_roles.desired_grants set note = 'a'",
		"update sync_roles.desired_grants set note = 'b', created_by = session_user, updated_by = 'x', updated_at = null",
		"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note) select role_name, privilege, object_type, schema_name, object_name, 'c' from sync_roles.desired_grants on conflict (role_name, selector) do update set note = excluded.note, created_by = excluded.created_by",
		"update sync_roles.desired_grants set expires_at = now() + interval '1 day'",
		"update sync_roles.desired_grants set source = 'team'",
	} {
		execute(t, owner, "update sync_roles.desired_grants set note = 'the owner''s'")
		execute(t, writer, change)
		if got := authors(t, owner, role); got != env.Daemon+" "+role+" true" {
			t.Errorf("after %s: %s", change, got)
		}
	}
	// The owner may hand a row over.
	execute(t, owner, "update sync_roles.desired_grants set created_by = 'dbt'")
	if got := authors(t, owner, role); got != "dbt "+env.Daemon+" true" {
		t.Errorf("after the owner handed it over: %s", got)
	}
	for column, value := range map[string]any{"updated_by": env.Daemon, "updated_at": "2001-01-01"} {
		wantError(t, table.with(row{"object_name": "other", column: value}).try(t, writer, "desired_grants"), column)
	}
	wantError(t, table.with(row{"object_name": "other", "source": ""}).try(t, owner, "desired_grants"), "source")
}

// A writer cannot spend another's limits by changing its rows, nor pass its own by that.
func TestLimitsFollowChanges(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "max_patterns": 1, "max_direct": 1}.mustInsert(t, owner, "writers")
	for _, name := range []string{"a", "b", "c"} {
		grantRow(role).with(row{"object_name": name}).mustInsert(t, owner, "desired_grants")
	}
	for _, set := range []string{"name_match = 'like', object_name = object_name || '%'", "direct = true"} {
		execute(t, writer, "update sync_roles.desired_grants set "+set+" where object_name = 'a'")
		if err := tryExec(t, writer, "update sync_roles.desired_grants set "+set+" where object_name = 'b'"); sqlState(err) != "54000" {
			t.Errorf("the second with %s: %v", set, err)
		}
		execute(t, writer, "update sync_roles.desired_grants set name_match = 'exact', object_name = 'a', direct = null where object_name like 'a%'")
	}
}

// A session's first small UPDATE must not decide how its large ones are done: its plan is kept, and would pair all old rows with all new.
func TestLargeUpdateAfterSmall(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	for _, sql := range []string{
		"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select 'alice', 'SELECT', 'table', 's', 't' || i from generate_series(1, 30000) as i",
		"update sync_roles.desired_grants set note = 'x' where object_name = 't1'",
		"set statement_timeout = '60s'", // a nested loop takes minutes
		"update sync_roles.desired_grants set note = 'y'",
	} {
		execute(t, conn, sql)
	}
}
