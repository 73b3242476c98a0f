package migrations_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A writer is told which column is out of which of its scopes, and what that scope allows; and nothing about the scopes of others.
func TestOutOfScope(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": "other", "schema_like": "secret"}.mustInsert(t, owner, "writers")
	table := grantRow(role).with(row{"schema_name": "sales", "object_name": "orders"})
	for _, c := range []struct {
		scope, row row
		column     string
		message    string // without the scope's id
	}{
		{row{"privileges": []string{"SELECT", "INSERT"}}, table.with(row{"privilege": "DELETE"}), "privilege", "privilege 'DELETE' is out of scope #: its privileges are SELECT, INSERT"},
		{row{"privileges": []string{}}, table, "privilege", "privilege 'SELECT' is out of scope #: its privileges are none"},
		{row{"object_type": "sequence"}, table, "object_type", "object_type 'table' is out of scope #: its object_type is 'sequence'"},
		{row{"schema_like": "sa%"}, table.with(row{"schema_name": "finance"}), "schema_name", "schema_name 'finance' is out of scope #: its schema_like is 'sa%'"},
		{row{"schema_like": "sa%"}, schemaRow.with(row{"role_name": role}), "schema_name", "schema_name NULL is out of scope #: its schema_like is 'sa%'"},
		{row{"object_like": "o%"}, table.with(row{"object_name": "it's"}), "object_name", "object_name 'it''s' is out of scope #: its object_like is 'o%'"},
		{row{"object_like": "o%"}, table.with(row{"object_name": "o%", "name_match": "like"}), "name_match", "name_match 'like' is out of scope #: its object_like is 'o%', and so it allows exact names alone"},
		{row{"grantee_like": "x%"}, table, "role_name", "role_name '" + role + "' is out of scope #: its grantee_like is 'x%'"},
		{row{}, table.with(row{"role_name": "public"}), "role_name", "role_name 'public' is out of scope #: its public is false"},
		{row{}, table.with(row{"grantable": true}), "grantable", "grantable true is out of scope #: its grantable is false"},
		{row{}, table.with(row{"role_name": "newbie"}), "role_name", "role_name 'newbie' is out of scope #: there is no such role, and its may_create_roles is false"},
		{row{}, memberRow.with(row{"role_name": role, "object_name": "newbies"}), "object_name", "object_name 'newbies' is out of scope #: there is no such role, and its may_create_roles is false"},
		{row{}, table.with(row{"created_by": "dbt"}), "created_by", "created_by 'dbt' is not the login of this session, '" + role + "': a writer's rows bear its own name"},
	} {
		execute(t, owner, "delete from sync_roles.writers where writer_role = $1", role)
		row{"writer_role": role}.with(c.scope).mustInsert(t, owner, "writers")
		id := pgtest.One[string](t, owner, "select id::text from sync_roles.writers where writer_role = $1", role)
		err := c.row.try(t, writer, "desired_grants")
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != "42501" || refusal.ColumnName != c.column || refusal.Message != strings.ReplaceAll(c.message, "#", id) {
			t.Errorf("%s: %s", c.message, everything(err))
		}
		if strings.Contains(everything(err), "secret") {
			t.Errorf("the error tells of another's scope: %s", everything(err))
		}
	}

	// Of several scopes, the one that comes nearest is named, and the others in the detail.
	execute(t, owner, "delete from sync_roles.writers where writer_role = $1", role)
	row{"writer_role": role, "object_type": "schema"}.mustInsert(t, owner, "writers")
	row{"writer_role": role, "object_type": "table", "schema_like": "sales"}.mustInsert(t, owner, "writers")
	err := table.with(row{"schema_name": "finance"}).try(t, writer, "desired_grants")
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Message, "schema_name 'finance' is out of scope ") || !strings.HasPrefix(refusal.Detail, "object_type 'table' is out of scope ") {
		t.Errorf("two scopes: %s", everything(err))
	}
	execute(t, owner, "delete from sync_roles.writers where writer_role = $1", role)
	wantError(t, table.try(t, writer, "desired_grants"), "out of scope", role+" has no scope")
}

// An UPDATE is refused with the same words.
func TestUpdateOutOfScope(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "schema_like": "s", "privileges": []string{"SELECT"}}.mustInsert(t, owner, "writers")
	grantRow(role).mustInsert(t, writer, "desired_grants")
	grantRow(env.Daemon).mustInsert(t, owner, "desired_grants")
	for set, words := range map[string][]string{
		"schema_name = 'finance'":               {"schema_name 'finance'", "schema_like is 's'"},
		"privilege = 'DELETE'":                  {"privilege 'DELETE'", "privileges are SELECT"},
		"grantable = true":                      {"grantable true"},
		"role_name = 'newbie'":                  {"role_name 'newbie'", "may_create_roles"},
		"created_by = '" + env.Daemon + "'":     {"created_by '" + env.Daemon + "'"},
		"privilege = 'select'":                  {"privilege 'select' does not exist", "allowed are SELECT"},
		"object_type = 'schema'":                {"privilege 'SELECT' does not exist for object_type 'schema'"},
		"name_match = 'like', object_name='%%'": {"object_name '%%'", "write '%'"},
	} {
		wantError(t, tryExec(t, writer, "update sync_roles.desired_grants set "+set+" where role_name = $1", role), words...)
	}
	// In scope, also the owner's row.
	execute(t, writer, "update sync_roles.desired_grants set note = 'x' where role_name = $1", env.Daemon)
}

// A row that nobody may write is refused to a writer as to the owner, be it in scope or not.
func TestWritersGetTheOwnersMessages(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	table := grantRow(role).with(row{"schema_name": "sales"})
	rows := map[string]row{
		"select":                table.with(row{"privilege": "select"}),
		"view":                  table.with(row{"object_type": "view"}),
		"without schema":        table.without("schema_name"),
		"a protected schema":    table.with(row{"schema_name": "pg_catalog"}),
		"a reserved grantee":    table.with(row{"role_name": "pg_monitor"}),
		"an unknown match":      table.with(row{"name_match": "glob"}),
		"no regex":              table.with(row{"name_match": "regex", "object_name": "("}),
		"a back-reference":      table.with(row{"name_match": "regex", "object_name": `(.*)\1`}),
		"a like of two %":       table.with(row{"name_match": "like", "object_name": "%%"}),
		"a lone backslash":      table.with(row{"name_match": "like", "object_name": `x\`}),
		"a long name":           table.with(row{"object_name": long}),
		"no role":               table.without("role_name"),
		"no privilege":          table.without("privilege"),
		"an alias in a routine": {"role_name": role, "privilege": "EXECUTE", "object_type": "routine", "schema_name": "sales", "object_name": "f(int)"},
	}
	for name, scope := range map[string]row{"in scope": {}, "out of scope": {"schema_like": "finance"}, "of no scope": nil} {
		execute(t, owner, "truncate sync_roles.writers")
		if scope != nil {
			row{"writer_role": role}.with(scope).mustInsert(t, owner, "writers")
		}
		for what, r := range rows {
			want, got := message(r.try(t, owner, "desired_grants")), message(r.try(t, writer, "desired_grants"))
			if got != want || !strings.HasPrefix(got, "23") {
				t.Errorf("%s, %s: the writer is told %q, the owner %q", what, name, got, want)
			}
		}
	}
}

// message is what an error says to a program and to people.
func message(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return strings.Join([]string{e.Code, e.ColumnName, e.Message}, " ")
}

// Whatever a writer may not see, no conflict with it tells. What it may see and not write is left as it is.
func TestNoConflictTells(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "grantee_like": role, "object_type": "table", "privileges": []string{"SELECT"}, "schema_like": "sales", "object_like": "o%"}.mustInsert(t, owner, "writers")
	table := grantRow(role).with(row{"schema_name": "sales", "object_name": "orders"})
	outside := []row{
		table.with(row{"role_name": env.Daemon}), table.with(row{"role_name": "public"}), table.with(row{"privilege": "INSERT"}),
		table.with(row{"object_type": "sequence"}), table.with(row{"schema_name": "finance"}), table.with(row{"object_name": "costs"}),
		table.with(row{"object_name": "o%", "name_match": "like"}), table.with(row{"role_name": "newbie"}), table.with(row{"grantable": true, "object_name": "o2", "role_name": env.Daemon}),
	}
	attempts := func(r row) (told []string) {
		sql, args := r.insert("desired_grants")
		for _, end := range []string{"", " on conflict do nothing", ` on conflict (role_name, selector)
			do update set note = 'x'`} {
			told = append(told, everything(tryExec(t, writer, sql+end, args...)))
		}
		return told
	}
	for _, r := range outside {
		without := attempts(r)
		r.mustInsert(t, owner, "desired_grants")
		with := attempts(r)
		for i := range with {
			if with[i] != without[i] || with[i] == "<nil>" {
				t.Errorf("%v: there is such a row: %s\nthere is none: %s", r, with[i], without[i])
			}
		}
	}
	if n := pgtest.One[int](t, writer, "select count(*) from sync_roles.desired_grants"); n != 0 {
		t.Errorf("the writer sees %d rows", n)
	}

	// A grantable row is in sight of a scope without grantable, which can neither change nor delete it.
	table.with(row{"grantable": true}).mustInsert(t, owner, "desired_grants")
	if n := pgtest.One[int](t, writer, "select count(*) from sync_roles.desired_grants"); n != 1 {
		t.Errorf("the writer sees %d grantable rows, want 1", n)
	}
	for _, sql := range []string{"delete from sync_roles.desired_grants", "update sync_roles.desired_grants set grantable = false, created_by = session_user"} {
		if tag, err := writer.Exec(t.Context(), sql); err != nil || tag.RowsAffected() != 0 {
			t.Errorf("%s: %v, %v", sql, tag, err)
		}
	}
	if got := attempts(table); !strings.Contains(got[0], "23505") || got[1] != "<nil>" || !strings.Contains(got[2], "42501") {
		t.Errorf("a conflict with a row in sight: %q", got)
	}
}

// A writer of OWNER rows is told which row is in its way only if it may see that.
func TestRivalOutOfSight(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	insertOnly := env.Role("insert_only")
	env.Exec(t, "create role "+insertOnly+" login; grant connect on database "+env.Database+" to "+insertOnly+
		"; grant usage on schema sync_roles to "+insertOnly+"; grant insert on sync_roles.desired_grants to "+insertOnly)
	own := grantRow(role).with(row{"privilege": "OWNER"})
	row{"writer_role": role, "grantee_like": role}.mustInsert(t, owner, "writers")
	row{"writer_role": insertOnly, "may_create_roles": true}.mustInsert(t, owner, "writers")
	own.with(row{"role_name": "fired"}).mustInsert(t, owner, "desired_grants")
	for name, conn := range map[string]*pgx.Conn{role: writer, insertOnly: env.Connect(t, insertOnly)} {
		err := own.with(row{"role_name": name}).try(t, conn, "desired_grants")
		if sqlState(err) != "23505" || strings.Contains(everything(err), "fired") || strings.Contains(err.Error(), "id 1") {
			t.Errorf("%s: %s", name, everything(err))
		}
		wantError(t, err, "another role", "one owner")
	}
	execute(t, owner, "update sync_roles.writers set grantee_like = null")
	wantError(t, own.try(t, writer, "desired_grants"), "'fired' (id 1)")
}
