package migrations_test

import (
	"fmt"
	"slices"
	"strings"
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
	anything := row{"may_create_roles": true, "public": true}
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
		{"everything but PUBLIC", row{"public": false}, table.with(row{"role_name": "public"}), false},
		{"PUBLIC by name, but not allowed", row{"public": false, "grantee_like": "public"}, table.with(row{"role_name": "public"}), false},
		{"PUBLIC and a grantee_like", row{"grantee_like": "a%"}, table.with(row{"role_name": "public"}), false},
		{"not PUBLIC: a name in upper case", row{"public": false}, table.with(row{"role_name": "PUBLIC"}), true},
		{"a role that is not", row{"may_create_roles": false}, table, false},
		{"a role that is", row{"may_create_roles": false}, table.with(row{"role_name": role}), true},
		{"PUBLIC is no role to be made", row{"may_create_roles": false}, table.with(row{"role_name": "public"}), true},
		{"a name that is cut to that of a role", row{"may_create_roles": false}, table.with(row{"role_name": role + strings.Repeat(" ", 63)}), false},
		{"membership in a role that is not", row{"may_create_roles": false}, memberRow.with(row{"role_name": role}), false},
		{"membership in a role that is", row{"may_create_roles": false}, memberRow.with(row{"role_name": role, "object_name": env.Daemon}), true},
		{"membership in what a pattern finds", row{"may_create_roles": false}, memberRow.with(row{"role_name": role, "object_name": "staff%", "name_match": "like"}), true},
		{"a table named like no role", row{"may_create_roles": false}, table.with(row{"role_name": role, "object_name": "staff"}), true},
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
		{"privileges: one that is NULL", row{"privileges": []*string{nil}}, table, false},
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
		anything.with(row{"writer_role": role}).with(c.scope).mustInsert(t, owner, "writers")
		err := c.row.try(t, writer, "desired_grants")
		if c.allowed && err != nil || !c.allowed && sqlState(err) != "42501" && sqlState(err) != "23514" {
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
	row{"writer_role": group, "object_type": "table", "may_create_roles": true}.mustInsert(t, env.Connect(t, env.Daemon), "writers")
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
	row{"writer_role": role, "schema_like": "sales", "privileges": []string{"SELECT", "INSERT"}, "may_create_roles": true}.mustInsert(t, owner, "writers")
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
	row{"writer_role": role, "may_create_roles": true}.mustInsert(t, owner, "writers")
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
	// The owner is not bound.
	if err := table.with(row{"role_name": "bob", "created_by": "dbt", "created_at": "2001-01-01"}).try(t, owner, "desired_grants"); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// Audit rows and problems name rows by id: a writer cannot give its row that of another, be it there or deleted, nor one that is yet to be drawn.
func TestWriterCannotChooseAnID(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "may_create_roles": true}.mustInsert(t, owner, "writers")
	grantRow("alice").mustInsert(t, owner, "desired_grants")
	execute(t, owner, "delete from sync_roles.desired_grants")
	insert := `insert into sync_roles.desired_grants (id, role_name, privilege, object_type, schema_name, object_name) overriding system value `
	fresh := env.Connect(t, role) // has drawn no id
	grantRow("bob").mustInsert(t, writer, "desired_grants")
	for name, id := range map[string]string{
		"of a deleted row": "1",
		"of its own row":   "2",
		"less than all":    "-1",
		"yet to be drawn":  "100",
	} {
		for _, conn := range []*pgx.Conn{writer, fresh} {
			if err := tryExec(t, conn, insert+"values ("+id+", 'carol', 'SELECT', 'table', 's', 't')"); sqlState(err) != "42501" {
				t.Errorf("the id %s: %v", name, err)
			}
		}
		// Among rows whose ids are drawn.
		if err := tryExec(t, writer, insert+"values (default, 'carol', 'SELECT', 'table', 's', 't'), ("+id+", 'carol', 'SELECT', 'table', 's', 't2')"); sqlState(err) != "42501" {
			t.Errorf("the id %s, after another row: %v", name, err)
		}
	}
	// That of a row which the session has just written and deleted.
	id := pgtest.One[int](t, writer, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('carol', 'SELECT', 'table', 's', 't') returning id")
	execute(t, writer, "delete from sync_roles.desired_grants where role_name = 'carol'")
	if err := tryExec(t, writer, fmt.Sprintf("%s values (%d, 'carol', 'SELECT', 'table', 's', 't')", insert, id)); sqlState(err) != "42501" {
		t.Errorf("the id of the row that this session inserted last, and deleted: %v", err)
	}
	if err := tryExec(t, writer, insert+"select 1, 'carol', 'SELECT', 'table', 's', 't' on conflict do nothing"); sqlState(err) != "42501" {
		t.Errorf("ON CONFLICT DO NOTHING: %v", err)
	}

	// An UPDATE keeps what identifies the row.
	before := pgtest.One[string](t, writer, "select id || ' ' || created_at from sync_roles.desired_grants")
	execute(t, writer, "update sync_roles.desired_grants set id = default, created_at = '2001-01-01', note = 'x'")
	execute(t, writer, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('bob', 'SELECT', 'table', 's', 't')
		on conflict (role_name, selector)
		do update set created_at = '2001-01-01', note = excluded.note || 'y'`)
	if after := pgtest.One[string](t, writer, "select id || ' ' || created_at from sync_roles.desired_grants"); after != before {
		t.Errorf("a writer's UPDATE made %s of %s", after, before)
	}
	execute(t, owner, "update sync_roles.desired_grants set created_at = '2001-01-01'")
	if !pgtest.One[bool](t, owner, "select created_at < '2002-01-01' from sync_roles.desired_grants") {
		t.Error("the owner is bound")
	}
	// In bulk, in any order, and where conflicts use ids up.
	execute(t, writer, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
		select 'bob', 'SELECT', 'table', 's', 't' || i % 700 from generate_series(1, 1000) as i order by i desc on conflict do nothing`)
	if n := pgtest.One[int](t, owner, "select count(distinct id) from sync_roles.desired_grants"); n != 701 {
		t.Errorf("%d rows, want 701", n)
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
	err := (row{"role_name": "bob", "login": true}).try(t, writer, "desired_roles")
	wantError(t, err, "desired_roles is for the owner", role)
	if sqlState(err) != "42501" {
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
	row{"writer_role": role, "may_create_roles": true}.mustInsert(t, owner, "writers")
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

// A pattern that every comparison fails for is refused.
func TestBadScopes(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	for _, column := range []string{"grantee_like", "schema_like", "object_like"} {
		for pattern, bad := range map[string]bool{`x\`: true, `x\\\`: true, `x\\`: false, `x\%`: false, ``: false} {
			err := row{"writer_role": "etl", column: pattern}.try(t, owner, "writers")
			if bad != (sqlState(err) == "23514") {
				t.Errorf("%s %q: %v", column, pattern, err)
			}
		}
	}
}

// A name of 64 bytes is not cut to that of a role.
func TestScopeOfALongName(t *testing.T) {
	t.Parallel()
	env := installed(t)
	name := env.Role(strings.Repeat("x", 63-len(env.Role(""))))
	env.Exec(t, "create role "+name+" login; grant connect on database "+env.Database+" to "+name+"; grant usage on schema sync_roles to "+name)
	row{"writer_role": name + "y"}.mustInsert(t, env.Connect(t, env.Daemon), "writers")
	if n := pgtest.One[int](t, env.Connect(t, name), "select count(*) from sync_roles.my_scopes"); n != 0 {
		t.Error("a role has the scope of a longer name")
	}
}

// Nobody learns of others' scopes: not by the view, nor by what a condition of one's own is evaluated on.
func TestScopesOfOthers(t *testing.T) {
	t.Parallel()
	env := installed(t)
	owner := env.Connect(t, env.Daemon)
	role, writer := newWriter(t, env, "etl")
	other, _ := newWriter(t, env, "other")
	row{"writer_role": role, "schema_like": "sales"}.mustInsert(t, owner, "writers")
	row{"writer_role": other, "schema_like": "secret"}.mustInsert(t, owner, "writers")
	env.Exec(t, "create schema mine authorization "+role)
	execute(t, writer, `create function mine.leak(text) returns boolean cost 0.0001 language plpgsql as
		$$ begin if $1 = 'secret' then raise exception 'leaked'; end if; return true; end $$`)
	if got := list[string](t, writer, "select schema_like from sync_roles.my_scopes where mine.leak(schema_like)"); !slices.Equal(got, []string{"sales"}) {
		t.Errorf("a writer sees the scopes %v", got)
	}
	// A function with the rights of its owner sees its owner's, and not its caller's.
	execute(t, writer, `create function mine.scopes() returns setof text security definer language sql as 'select schema_like from sync_roles.my_scopes'`)
	execute(t, writer, "grant usage on schema mine to public")
	if got := list[string](t, env.Connect(t, other), "select mine.scopes()"); !slices.Equal(got, []string{"sales"}) {
		t.Errorf("in a function of etl's, called by another, are the scopes %v", got)
	}
	// There is no function left that can be asked for others.
	if n := pgtest.One[int](t, owner, "select count(*) from pg_proc where pronamespace = 'sync_roles'::regnamespace and proname = 'may_write'"); n != 0 {
		t.Error("may_write is there")
	}
}
