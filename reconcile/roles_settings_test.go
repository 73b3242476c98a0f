package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// starts asserts what a setting is when a role logs in.
func (f *fixture) starts(t *testing.T, role, setting, want string) {
	t.Helper()
	conn := f.Connect(t, role)
	if got := pgtest.One[string](t, conn, "select coalesce(current_setting($1, true), '')", setting); got != want {
		t.Errorf("%s of %s is %q at login, want %q", setting, role, got, want)
	}
}

// What a row says about settings is all that the role has of them in this database; what it has elsewhere, and what others have, stays.
func TestRolesSettings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf("alter role %s in database %s set work_mem = '9MB'; alter role %[3]s set lock_timeout = 77; alter role %[3]s in database %[2]s set idle_in_transaction_session_timeout = 5",
		neighbour, f.Database, x))
	f.insert(t, neighbour, "SELECT", "table", "app", "costs")
	f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values
		($1, '{"work_mem": "7MB", "search_path": ["app", "Odd, \"name", "it''s"], "statement_timeout": 5000, "application_name": 12345678901234567890, "enable_sort": false, "DateStyle": "SQL, DMY"}')`, x)
	f.pending(t)
	f.starts(t, x, "work_mem", "7MB")
	f.starts(t, x, "search_path", `app, "Odd, ""name", "it's"`)
	f.starts(t, x, "statement_timeout", "5s")
	f.starts(t, x, "enable_sort", "off")
	f.starts(t, x, "datestyle", "SQL, DMY")
	f.starts(t, x, "application_name", "12345678901234567890")
	f.starts(t, x, "lock_timeout", "77ms")
	f.starts(t, x, "idle_in_transaction_session_timeout", "0")
	f.starts(t, neighbour, "work_mem", "9MB")
	f.outcome(t, x, plan.Applied)
	f.quiet(t)

	f.Exec(t, fmt.Sprintf("alter role %s in database %s set work_mem = '1GB'", x, f.Database))
	f.rescan(t)
	f.starts(t, x, "work_mem", "7MB")

	f.write(t, `update sync_roles.desired_roles set settings = '{"search_path": "app, public", "statement_timeout": null}' where role_name = $1`, x)
	f.pending(t)
	f.starts(t, x, "search_path", "app, public")
	f.starts(t, x, "work_mem", "4MB")
	f.starts(t, x, "statement_timeout", "0")
	f.starts(t, x, "datestyle", "ISO, MDY")
	f.quiet(t)

	f.write(t, "update sync_roles.desired_roles set settings = null where role_name = $1", x)
	f.pending(t)
	f.starts(t, x, "search_path", "app, public")
	f.write(t, "update sync_roles.desired_roles set settings = '{}' where role_name = $1", x)
	f.pending(t)
	f.starts(t, x, "search_path", `"$user", public`)
	f.starts(t, x, "lock_timeout", "77ms")
	f.starts(t, neighbour, "work_mem", "9MB")
	f.quiet(t)
}

// A setting that PostgreSQL refuses is reported, and keeps nothing else from being done.
func TestRolesSettingsRefused(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		`"no_such_setting": "1"`:               "no_such_setting",
		`"work_mem": "much"`:                   "work_mem",
		`"log_statement": "all"`:               "log_statement",
		`"my.flag": "1"`:                       "my", // only superusers make new ones
		`"search_path": "my schema"`:           "search_path",
		`"search_path": "\"open"`:              "search_path",
		`"work_mem": "1MB", "WORK_MEM": "2MB"`: "spelling",
		`"work_mem": {"a": 1}`:                 "work_mem",
		`"search_path": [1]`:                   "search_path",
		`"no such; drop table x": ""`:          "no such; drop table x",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
			f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values ($1, ('{"enable_sort": false, ' || $2 || '}')::jsonb)`, x, setting)
			f.insert(t, x, "SELECT", "table", "app", "sales")
			f.insert(t, neighbour, "SELECT", "table", "app", "sales")
			f.pending(t)
			f.can(t, x, "select from app.sales")
			f.can(t, neighbour, "select from app.sales")
			f.starts(t, x, "enable_sort", "off")
			last := f.last(t, x)
			if len(last.Problems) == 0 || !strings.Contains(fmt.Sprint(last.Problems[0]), want) {
				t.Errorf("the audit says: %v", last)
			}
			f.outcome(t, neighbour, plan.Applied)
		})
	}
}

// A role that is made by its row has the settings from its first login.
func TestRolesSettingsOfANewRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.Role("new")
	f.write(t, `insert into sync_roles.desired_roles (role_name, login, settings) values ($1, true, '{"work_mem": "7MB"}')`, x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.starts(t, x, "work_mem", "7MB")
	f.quiet(t)
}
