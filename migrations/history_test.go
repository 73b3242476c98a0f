package migrations_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// versions are those of a table's rows, oldest first: by whom, whether they have ended, and by whom.
func versions(t *testing.T, conn *pgx.Conn, table, column string) []string {
	t.Helper()
	return list[string](t, conn, fmt.Sprintf(`
		select concat_ws(' ', row ->> '%s', written_by, application_name, case when upper_inf(valid) then 'now' else coalesce(ended_by, '?') end)
		from sync_roles.desired_history where table_name = $1 order by lower(valid), upper(valid)`, column), table)
}

func sameVersions(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "; "), strings.Join(want, "; "))
	}
}

// Each version of a row is kept with who wrote it and who ended it: by UPDATE, upsert, DELETE, TRUNCATE, and in transactions that were rolled back in part.
func TestHistoryKeepsEachVersion(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	d := env.Daemon
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role}.mustInsert(t, owner, "writers")
	execute(t, owner, "set application_name = 'psql'")
	execute(t, writer, "set application_name = 'dbt'")
	execute(t, owner, `begin; savepoint a;
		insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, note) values ('`+role+`', 'USAGE', 'schema', 'lost', 'x');
		rollback to a; savepoint b;
		insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, note) values ('`+role+`', 'USAGE', 'schema', 'app', '1');
		release b; commit`)
	sameVersions(t, "new", versions(t, owner, "desired_grants", "note"), "1 "+d+" psql now")
	execute(t, writer, "update sync_roles.desired_grants set note = '2'")
	execute(t, writer, "update sync_roles.desired_grants set note = '2'")
	execute(t, owner, `insert into sync_roles.desired_grants as g (role_name, privilege, object_type, object_name, note) values ('`+role+`', 'USAGE', 'schema', 'app', '3')
		on conflict (role_name, selector) do update set note = excluded.note`)
	sameVersions(t, "changed", versions(t, owner, "desired_grants", "note"), "1 "+d+" psql "+role, "2 "+role+" dbt "+d, "3 "+d+" psql now")
	if n := pgtest.One[int](t, owner, "select count(*) from sync_roles.desired_history as a join sync_roles.desired_history as b using (table_name, row_id) where upper(a.valid) = lower(b.valid)"); n != 2 {
		t.Errorf("%d of 2 versions begin when the one before ends", n)
	}
	execute(t, writer, "delete from sync_roles.desired_grants")
	sameVersions(t, "deleted", versions(t, owner, "desired_grants", "note"), "1 "+d+" psql "+role, "2 "+role+" dbt "+d, "3 "+d+" psql "+role)
	execute(t, owner, "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, note) values ('b', 'USAGE', 'schema', 'app', '4')")
	execute(t, owner, "truncate sync_roles.desired_grants")
	if got := versions(t, owner, "desired_grants", "note"); len(got) != 4 || got[3] != "4 "+d+" psql "+d {
		t.Errorf("TRUNCATE: %v", got)
	}
	if n := pgtest.One[int](t, owner, "select count(*) from sync_roles.desired_history as a join sync_roles.desired_history as b using (table_name, row_id) where lower(a.valid) < lower(b.valid) and a.valid && b.valid"); n != 0 {
		t.Errorf("%d versions overlap", n)
	}

	execute(t, owner, "insert into sync_roles.desired_roles (role_name, note) values ('b', '1')")
	execute(t, owner, "update sync_roles.desired_roles set note = '2'")
	execute(t, owner, "update sync_roles.desired_roles set note = '2'")
	execute(t, owner, "truncate sync_roles.desired_roles")
	sameVersions(t, "desired_roles", versions(t, owner, "desired_roles", "note"), "1 "+d+" psql "+d, "2 "+d+" psql "+d)
	execute(t, owner, "delete from sync_roles.writers")
	sameVersions(t, "writers", versions(t, owner, "writers", "writer_role"), role+" "+d+"  "+d)
}

// What replication writes, without the other triggers, is kept too.
func TestHistoryOfReplicatedRows(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	env.Exec(t, `set session_replication_role = replica;
		insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, note, transaction) values ('b', 'USAGE', 'schema', 'app', '1', '3');
		update sync_roles.desired_grants set note = '2';
		delete from sync_roles.desired_grants;
		insert into sync_roles.desired_roles (role_name, note) values ('b', '1');
		delete from sync_roles.desired_roles`)
	if got := versions(t, owner, "desired_grants", "note"); len(got) != 2 {
		t.Errorf("desired_grants: %v", got)
	}
	if got := versions(t, owner, "desired_roles", "note"); len(got) != 1 || strings.HasSuffix(got[0], " now") {
		t.Errorf("desired_roles: %v", got)
	}
}

// A verifier is in no version, whoever reads.
func TestHistoryHasNoVerifiers(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	verifier := "SCRAM-SHA-256$4096:" + strings.Repeat("A", 22) + "==$" + strings.Repeat("B", 43) + "=:" + strings.Repeat("C", 43) + "="
	execute(t, owner, "insert into sync_roles.desired_roles (role_name, password_verifier) values ('b', $1)", verifier)
	execute(t, owner, "update sync_roles.desired_roles set password_verifier = ''")
	execute(t, owner, "update sync_roles.desired_roles set password_verifier = $1", verifier)
	execute(t, owner, "delete from sync_roles.desired_roles")
	got := list[string](t, owner, "select coalesce(row ->> 'password_verifier', 'null') from sync_roles.desired_history where table_name = 'desired_roles' order by lower(valid)")
	if strings.Join(got, ",") != "redacted,,redacted" {
		t.Errorf("verifiers in history: %v", got)
	}
	if n := pgtest.One[int](t, owner, "select count(*) from sync_roles.row_versions as v where v::text like '%SCRAM%'"); n != 0 {
		t.Errorf("%d versions have a verifier", n)
	}
}

// A scoped writer can neither say which transaction wrote its row nor read or write history, and an auditor reads all of it through the views.
func TestHistoryIsNotForWriters(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role}.mustInsert(t, owner, "writers")
	insert := grantRow(role).with(row{"transaction": "3"})
	if err := insert.try(t, writer, "desired_grants"); sqlState(err) != "42501" {
		t.Errorf("INSERT with a transaction of its own: %v", err)
	}
	grantRow(role).mustInsert(t, writer, "desired_grants")
	execute(t, writer, "update sync_roles.desired_grants set transaction = '3', note = 'x'")
	execute(t, writer, "update sync_roles.desired_grants set transaction = null")
	if n := pgtest.One[int](t, owner, "select count(*) from sync_roles.desired_history where written_by = $1 and transaction > '3' and table_name = 'desired_grants'", role); n != 2 {
		t.Errorf("%d versions of the writer with a true transaction, want 2", n)
	}
	execute(t, owner, "select sync_roles.observe_access('rescan')")
	for _, sql := range []string{
		"select from sync_roles.desired_history", "select from sync_roles.row_versions", "select from sync_roles.writing_transactions",
		"select from sync_roles.access_history", "select from sync_roles.access_changes", "select from sync_roles.hand_changes",
		"select sync_roles.access_as_of(now())", "delete from sync_roles.row_versions", "select sync_roles.observe_access('rescan')",
		"select sync_roles.forget_access('0 s')", "select sync_roles.record_access('rescan', '{1259}', '{1259}', '{}', '{}', '{}')",
	} {
		if env.Can(t, role, sql) {
			t.Errorf("a writer may run %s", sql)
		}
	}
	auditor := env.Role("auditor")
	env.Exec(t, "create role "+auditor+" login; grant connect on database "+env.Database+" to "+auditor+`;
		grant usage on schema sync_roles to `+auditor+"; grant select on sync_roles.desired_history, sync_roles.access_history, sync_roles.hand_changes to "+auditor)
	for _, sql := range []string{
		"select from sync_roles.desired_history", "select from sync_roles.access_history", "select from sync_roles.hand_changes",
		"select from sync_roles.access_as_of(now())",
	} {
		if !env.Can(t, auditor, sql) {
			t.Errorf("an auditor may not run %s", sql)
		}
	}
	for _, table := range []string{"row_versions", "access_changes"} {
		for _, sql := range []string{"delete from sync_roles." + table, "truncate sync_roles." + table, "update sync_roles." + table + " set role_name" + map[string]string{"access_changes": "s = '{}'"}[table] + map[string]string{"row_versions": " = 'x'"}[table]} {
			execute(t, owner, "insert into sync_roles.access_changes (at, given, role_names, privilege, object_type, object_name, grantable, passes_on, cause) values (now(), true, '{x}', 'x', 'x', 'x', false, false, 'rescan')")
			if err := tryExec(t, owner, sql); sqlState(err) != "42501" {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
}

// A moment without an answer is an error that says why.
func TestHistoryOfNoMoment(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	ask := "select from sync_roles.access_as_of($1)"
	wantError(t, tryExec(t, owner, ask, time.Now()), "no history of access yet")
	execute(t, owner, "select sync_roles.observe_access('rescan')")
	begin := pgtest.One[string](t, owner, "select since::text from sync_roles.history_begin")
	wantError(t, tryExec(t, owner, ask, time.Now().Add(-time.Hour)), "begins at "+begin)
	wantError(t, tryExec(t, owner, ask, time.Now().Add(time.Hour)), "in the future")
	wantError(t, tryExec(t, owner, ask, nil), "at is NULL")
	execute(t, owner, "select sync_roles.access_as_of(clock_timestamp())")
}
