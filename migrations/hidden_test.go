package migrations_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// An upgrade that would not see all rows fails, and says what helps; it forgets nothing.
func TestUpWhereRowsAreHidden(t *testing.T) {
	t.Parallel()
	env := installed(t)
	super := env.Superuser(t)
	env.Exec(t, `insert into sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match)
		values ('gone', 1, 'SELECT', 'table', 'app', 't', 'exact')`)
	// As a copy of the database would be: what the registry says is looked through.
	env.Exec(t, "update sync_roles.installation set database_oid = 1")
	for _, force := range []string{"force", "no force"} {
		env.Exec(t, "alter table sync_roles.intermediate_roles enable row level security; alter table sync_roles.intermediate_roles "+force+" row level security")
		_, err := migrations.Up(t.Context(), parse(t, env.URL(env.Daemon)))
		switch {
		case force == "no force" && err != nil:
			t.Errorf("when all rows can be seen: %v", err)
		case force == "force" && (err == nil || !strings.Contains(err.Error(), "NO FORCE ROW LEVEL SECURITY") || !strings.Contains(err.Error(), `"intermediate_roles"`)):
			t.Errorf("where rows are hidden: %v", err)
		case force == "force" && pgtest.One[int](t, super, "select count(*) from sync_roles.intermediate_roles") != 1:
			t.Error("where rows are hidden, it forgot some")
		}
	}
}
