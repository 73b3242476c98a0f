package migrations_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// newWriter makes a role that has every privilege that one may be given on the tables of desired rows.
func newWriter(tb testing.TB, env *pgtest.Env, name string) (role string, conn *pgx.Conn) {
	tb.Helper()
	role = env.Role(name)
	env.Exec(tb, "create role "+role+" login; grant connect on database "+env.Database+" to "+role+
		"; grant usage on schema sync_roles to "+role+
		"; grant select, insert, update, delete on sync_roles.desired_grants, sync_roles.desired_roles to "+role)
	return role, env.Connect(tb, role)
}

// A privilege on the table gives nothing: what a writer may touch is in writers.
func TestWriterWithoutScope(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	grantRow("alice").mustInsert(t, owner, "desired_grants")
	row{"role_name": "alice"}.mustInsert(t, owner, "desired_roles")
	role, writer := newWriter(t, env, "etl")

	if err := grantRow("bob").try(t, writer, "desired_grants"); sqlState(err) != "42501" {
		t.Errorf("INSERT: %v", err)
	}
	for _, sql := range []string{"update sync_roles.desired_grants set note = 'x'", "delete from sync_roles.desired_grants", "select from sync_roles.desired_grants"} {
		tag, err := writer.Exec(t.Context(), sql)
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("%s: %v, %v, want no rows", sql, tag, err)
		}
	}

	// Nor may it write its own scope, or do anything with the tables behind.
	for _, table := range []string{"writers", "pending", "withdrawn", "audit", "rescans", "installation", "intermediate_roles", "role_status", "grant_status", "actual_grants", "desired_holdings"} {
		if env.Can(t, role, "select from sync_roles."+table) {
			t.Errorf("a writer may read %s", table)
		}
	}
	if env.Can(t, role, "insert into sync_roles.writers (writer_role) values ('"+role+"')") {
		t.Error("a writer may write its own scope")
	}
	if env.Can(t, role, "insert into sync_roles.pending (role_name) values (null)") {
		t.Error("a writer may write into the queue")
	}
}

// TRUNCATE knows no rows, so no row of writers can allow it.
func TestWriterCannotTruncate(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, _ := newWriter(t, env, "etl")
	env.Exec(t, "grant all on sync_roles.desired_grants, sync_roles.desired_roles to "+role)
	row{"writer_role": role, "object_type": "schema"}.mustInsert(t, owner, "writers")
	for _, table := range []string{"desired_grants", "desired_roles"} {
		if env.Can(t, role, "truncate sync_roles."+table) {
			t.Errorf("a scoped writer may TRUNCATE %s, all rows of all others included", table)
		}
	}
	if !env.Can(t, env.Daemon, "truncate sync_roles.desired_grants, sync_roles.desired_roles") {
		t.Error("the owner may not TRUNCATE")
	}
}

// A writer may do exactly what all columns of one of its rows allow.
func TestWriterScope(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	table := grantRow("analyst_1").with(row{"schema_name": "sales", "object_name": "orders"})
	schema := row{"role_name": "analyst_1", "privilege": "USAGE", "object_type": "schema", "object_name": "sales"}
	pattern := table.with(row{"name_match": "like", "object_name": "orders%"})

	for _, c := range []struct {
		name    string
		scope   row
		row     row
		allowed bool
	}{
		{"everything", row{}, table, true},
		{"everything: OWNER", row{}, table.with(row{"privilege": "OWNER"}), true},
		{"everything: ALL", row{}, table.with(row{"privilege": "ALL"}), true},
		{"everything: a pattern", row{}, pattern, true},
		{"everything: membership", row{}, memberRow, true},
		{"everything: PUBLIC", row{}, table.with(row{"role_name": "public"}), true},
		{"everything but the grant option", row{}, table.with(row{"grantable": true}), false},
		{"everything with the grant option", row{"grantable": true}, table.with(row{"grantable": true}), true},
		{"everything with the grant option: without", row{"grantable": true}, table, true},
		{"another writer's scope", row{"writer_role": env.Daemon}, table, false},
		{"the scope of a role that is not", row{"writer_role": "nobody"}, table, false},

		{"grantee: inside", row{"grantee_like": `analyst\_%`}, table, true},
		{"grantee: outside", row{"grantee_like": `analyst\_%`}, table.with(row{"role_name": "analystx1"}), false},
		{"grantee: the case counts", row{"grantee_like": `analyst\_%`}, table.with(row{"role_name": "Analyst_1"}), false},
		{"grantee: PUBLIC", row{"grantee_like": `analyst\_%`}, table.with(row{"role_name": "public"}), false},
		{"grantee: a name around a newline", row{"grantee_like": "analyst"}, table.with(row{"role_name": "analyst\nx"}), false},

		{"type: inside", row{"object_type": "table"}, table, true},
		{"type: outside", row{"object_type": "sequence"}, table, false},

		{"privileges: inside", row{"privileges": []string{"INSERT", "SELECT"}}, table, true},
		{"privileges: outside", row{"privileges": []string{"INSERT"}}, table, false},
		{"privileges: none", row{"privileges": []string{}}, table, false},
		{"privileges: ALL must be named", row{"privileges": []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}}, table.with(row{"privilege": "ALL"}), false},
		{"privileges: ALL is named", row{"privileges": []string{"ALL"}}, table.with(row{"privilege": "ALL"}), true},
		{"privileges: ALL is not each", row{"privileges": []string{"ALL"}}, table, false},
		{"privileges: ALL is not OWNER", row{"privileges": []string{"ALL"}}, table.with(row{"privilege": "OWNER"}), false},
		{"privileges: OWNER is named", row{"privileges": []string{"OWNER"}}, table.with(row{"privilege": "OWNER"}), true},
		{"privileges: MEMBER is not named", row{"privileges": []string{"SELECT"}}, memberRow, false},

		{"schema: inside", row{"schema_like": "sales%"}, table, true},
		{"schema: outside", row{"schema_like": "finance%"}, table, false},
		{"schema: a row without schema", row{"schema_like": "sales%"}, schema, false},
		{"schema: a row without schema, whatever", row{"schema_like": "%"}, memberRow, false},
		{"schema: no scope", row{"schema_like": nil}, schema, true},
		{"schema: a pattern inside", row{"schema_like": "sales"}, pattern, true},

		{"object: inside", row{"object_like": "orders%"}, table, true},
		{"object: outside", row{"object_like": "invoices%"}, table, false},
		{"object: a pattern", row{"object_like": "orders%"}, pattern, false},
		{"object: a pattern, whatever", row{"object_like": "%"}, pattern, false},
		{"object: a regex, whatever", row{"object_like": "%"}, pattern.with(row{"name_match": "regex"}), false},
		{"object: a role", row{"object_like": "staff"}, memberRow, true},

		{"all columns: inside", row{"grantee_like": "an%", "object_type": "table", "privileges": []string{"SELECT"}, "schema_like": "sales", "object_like": "orders"}, table, true},
		{"all columns: one outside", row{"grantee_like": "an%", "object_type": "table", "privileges": []string{"SELECT"}, "schema_like": "sales", "object_like": "orders"}, table.with(row{"object_name": "orders2"}), false},
	} {
		execute(t, owner, "truncate sync_roles.writers")
		row{"writer_role": role}.with(c.scope).mustInsert(t, owner, "writers")
		err := c.row.try(t, writer, "desired_grants")
		if c.allowed && err != nil || !c.allowed && sqlState(err) != "42501" {
			t.Errorf("%s: allowed %t, want %t: %v", c.name, err == nil, c.allowed, err)
		}
	}

	// One row must allow all of it: two halves do not add up.
	execute(t, owner, "truncate sync_roles.writers")
	row{"writer_role": role, "schema_like": "sales", "privileges": []string{"INSERT"}}.mustInsert(t, owner, "writers")
	row{"writer_role": role, "schema_like": "finance", "privileges": []string{"SELECT"}}.mustInsert(t, owner, "writers")
	if err := table.try(t, writer, "desired_grants"); sqlState(err) != "42501" {
		t.Errorf("two scopes added up: %v", err)
	}
}

// A writer may be a group; who does not inherit from it has nothing of it.
func TestWriterThroughAGroup(t *testing.T) {
	t.Parallel()
	env := installed(t)
	group := env.Role("writers")
	env.Exec(t, "create role "+group)
	row{"writer_role": group, "object_type": "table"}.mustInsert(t, env.Connect(t, env.Daemon), "writers")
	member, memberConn := newWriter(t, env, "member")
	heir, heirConn := newWriter(t, env, "noheir")
	env.Exec(t, "grant "+group+" to "+member+"; alter role "+heir+" noinherit; grant "+group+" to "+heir)

	if err := grantRow("alice").try(t, memberConn, "desired_grants"); err != nil {
		t.Errorf("a member: %v", err)
	}
	if err := grantRow("alice").try(t, heirConn, "desired_grants"); sqlState(err) != "42501" {
		t.Errorf("a member that does not inherit: %v", err)
	}
}

// Rows outside of its scope are not there for a writer, neither to see nor to change; nor can it move one out.
func TestWriterSeesItsScope(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "schema_like": "sales", "privileges": []string{"SELECT", "INSERT"}}.mustInsert(t, owner, "writers")
	inside, outside := grantRow("alice").with(row{"schema_name": "sales"}), grantRow("alice").with(row{"schema_name": "finance"})
	inside.mustInsert(t, owner, "desired_grants")
	outside.mustInsert(t, owner, "desired_grants")
	inside.with(row{"role_name": "bob"}).mustInsert(t, writer, "desired_grants")

	if got := list[string](t, writer, "select distinct schema_name from sync_roles.desired_grants"); !slices.Equal(got, []string{"sales"}) {
		t.Errorf("a writer sees schemas %v, want sales", got)
	}
	for _, set := range []string{"schema_name = 'finance'", "privilege = 'DELETE'", "grantable = true", "object_type = 'schema', schema_name = null, privilege = 'USAGE'"} {
		if err := tryExec(t, writer, "update sync_roles.desired_grants set "+set+" where role_name = 'bob'"); sqlState(err) != "42501" {
			t.Errorf("UPDATE … SET %s: %v", set, err)
		}
	}
	if err := tryExec(t, writer, "update sync_roles.desired_grants set privilege = 'INSERT' where role_name = 'bob'"); err != nil {
		t.Errorf("UPDATE inside of the scope: %v", err)
	}
	// An INSERT that would meet a row out of sight does not change it.
	sql, args := outside.insert("desired_grants")
	if err := tryExec(t, writer, sql+" on conflict do nothing", args...); sqlState(err) != "42501" {
		t.Errorf("INSERT … ON CONFLICT DO NOTHING outside of the scope: %v", err)
	}
	sql, args = inside.insert("desired_grants")
	execute(t, writer, sql+" on conflict do nothing", args...)

	execute(t, writer, "delete from sync_roles.desired_grants")
	if got := list[string](t, owner, "select schema_name from sync_roles.desired_grants"); !slices.Equal(got, []string{"finance"}) {
		t.Errorf("after a writer's DELETE of all there is left %v, want finance", got)
	}
	if got := pgtest.One[string](t, owner, "select string_agg(distinct requested_by, ',' order by requested_by) from sync_roles.pending"); got != env.Daemon+","+role {
		t.Errorf("the requests are from %q, want from both", got)
	}
}

// A row says who wrote it: a writer cannot claim another's name, nor another time, nor a place in the line.
func TestWriterCannotPretend(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role}.mustInsert(t, owner, "writers")
	table := grantRow("alice")
	for name, r := range map[string]row{
		"another's name": table.with(row{"created_by": env.Daemon}),
		"no name":        table.with(row{"created_by": ""}),
		"another time":   table.with(row{"created_at": "2001-01-01"}),
	} {
		if err := r.try(t, writer, "desired_grants"); sqlState(err) != "42501" {
			t.Errorf("INSERT with %s: %v", name, err)
		}
	}
	if err := table.with(row{"created_by": role}).try(t, writer, "desired_grants"); err != nil {
		t.Errorf("its own name: %v", err)
	}
	table.mustInsert(t, writer, "desired_grants")
	for _, set := range []string{"created_by = '" + env.Daemon + "'", "created_by = ''"} {
		if err := tryExec(t, writer, "update sync_roles.desired_grants set "+set); sqlState(err) != "42501" {
			t.Errorf("UPDATE … SET %s: %v", set, err)
		}
	}
	// Among OWNER patterns that overlap, the lowest id wins.
	err := tryExec(t, writer, `insert into sync_roles.desired_grants (id, role_name, privilege, object_type, schema_name, object_name, name_match)
		overriding system value values (-1, 'mallory', 'OWNER', 'table', 's', '%', 'like')`)
	if sqlState(err) == "" {
		t.Error("a writer may choose the id of its row, and so be the oldest")
	}
	// The owner is not bound.
	if err := table.with(row{"role_name": "bob", "created_by": "dbt", "created_at": "2001-01-01"}).try(t, owner, "desired_grants"); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// What roles are is not for writers, whatever their scope.
func TestWriterCannotTouchRoles(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "grantable": true}.mustInsert(t, owner, "writers")
	row{"role_name": "alice", "password_verifier": verifier}.mustInsert(t, owner, "desired_roles")
	if err := (row{"role_name": "bob", "login": true}).try(t, writer, "desired_roles"); sqlState(err) != "42501" {
		t.Errorf("INSERT: %v", err)
	}
	for _, sql := range []string{"update sync_roles.desired_roles set login = true", "delete from sync_roles.desired_roles", "select from sync_roles.desired_roles"} {
		tag, err := writer.Exec(t.Context(), sql)
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("%s: %v, %v, want no rows", sql, tag, err)
		}
	}
}

// A writer needs nothing but its privileges on desired_grants: no right on the queue behind it, and it can wait.
func TestWriterNeedsNothingElse(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role := env.Role("etl")
	env.Exec(t, "create role "+role+" login; grant connect on database "+env.Database+" to "+role+
		"; grant usage on schema sync_roles to "+role+"; grant insert, select, delete on sync_roles.desired_grants to "+role)
	row{"writer_role": role}.mustInsert(t, owner, "writers")
	writer := env.Connect(t, role)
	alice := env.Role("alice")
	row{"role_name": alice, "privilege": "CONNECT", "object_type": "database", "object_name": env.Database}.mustInsert(t, writer, "desired_grants")
	if got := list[string](t, owner, "select role_name || ' ' || requested_by from sync_roles.pending"); !slices.Equal(got, []string{alice + " " + role}) {
		t.Errorf("the queue has %v", got)
	}
	syncAll(t, engine(t, env))
	execute(t, writer, "select sync_roles.wait_for_sync($1)", alice)
	execute(t, writer, "delete from sync_roles.desired_grants")
	if n := pgtest.One[int](t, owner, "select count(*) from sync_roles.withdrawn"); n != 1 {
		t.Errorf("%d withdrawn rows after a writer's DELETE, want 1", n)
	}
}

// A mistake in one row of writers does not keep the others from working.
func TestBadScopes(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role}.mustInsert(t, owner, "writers")
	for _, column := range []string{"grantee_like", "schema_like", "object_like"} {
		bad := row{"writer_role": role, column: `x\`}
		sql, args := bad.insert("writers")
		if _, err := owner.Exec(t.Context(), sql, args...); err != nil {
			continue // refused: that is good too
		}
		if err := grantRow("xyz").with(row{"schema_name": "xyz", "object_name": "xyz"}).try(t, writer, "desired_grants"); err != nil {
			t.Errorf("a %s that ends in a lone backslash stops a writer: %v", column, err)
		}
		execute(t, owner, "delete from sync_roles.writers where "+fmt.Sprintf("%s is not null", column))
	}
}
