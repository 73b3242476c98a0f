package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// settle rescans until a rescan has found nothing to do, and the next need only ask whether anything has changed.
func (c *cluster) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); { // what was renamed a moment ago is left alone for another
		c.rescan(t)
		if c.engine.Settled() {
			return
		}
	}
	t.Fatalf("the rescans of a minute did not settle; the last audit rows are %v", c.texts(t, "select role_name || ' ' || outcome || ' ' || problems from sync_roles.audit order by id desc limit 5"))
}

// After a rescan that found nothing to do, the next one inspects no role; but it finds whatever changes, be it a row or what a role holds, whoever changed it,
// and however: no trigger and no notification tells of these.
func TestRescanFindsWhateverChanged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	c.Exec(t, `create role alice login; create role bob login; create role team; create role boss;
		grant alice, bob, team, boss to daemon`+map[bool]string{true: " with admin true, inherit false, set true", false: " with admin option"}[c.Version >= 16]+`;
		set role owner;
		create sequence app.numbers; create type app.color as enum ('red'); create table app.mart_a (id int);
		create function app.total() returns int language sql as 'select 1'; revoke execute on function app.total() from public;
		revoke usage on type app.color from public; revoke usage on schema app from public`)
	for _, r := range []row{
		{privilege: "CONNECT", objectType: "database", name: "db"},
		{privilege: "USAGE", objectType: "schema", name: "app"},
		{privilege: "SELECT", objectType: "table", schema: "app", name: "sales"},
		{privilege: "UPDATE", objectType: "table", schema: "app", name: "sales", column: "id"},
		{privilege: "SELECT", objectType: "table", schema: "app", name: "mart_%", match: "like"},
		{privilege: "USAGE", objectType: "sequence", schema: "app", name: "numbers"},
		{privilege: "USAGE", objectType: "type", schema: "app", name: "color"},
		{privilege: "EXECUTE", objectType: "routine", schema: "app", name: "total"},
		{privilege: "MEMBER", objectType: "role", name: "team"},
	} {
		c.add(t, r.of("alice"))
	}
	c.add(t, row{role: "bob", privilege: "SELECT", objectType: "table", schema: "app", name: "mart_%", match: "like"})
	c.write(t, "insert into sync_roles.desired_roles (role_name, login, settings, revoke_other) values ('alice', true, '{\"work_mem\": \"5MB\"}', '{tables,role_memberships}')")
	c.pending(t)
	c.settle(t)
	before := c.newestAudit(t)
	roles := c.rescan(t).Roles
	c.quiet(t)
	if got := pgtest.One[int](t, c.daemon, "select roles from sync_roles.rescans order by at desc limit 1"); roles == 0 || got != roles {
		t.Errorf("a rescan without a change was of %d roles, and says %d", roles, got)
	}
	if now := c.newestAudit(t); now != before {
		t.Errorf("rescans without a change wrote %d audit rows", now-before)
	}

	hidden := "set session_replication_role = replica; %s; reset session_replication_role"
	for _, change := range []struct{ what, sql string }{
		{"a privilege on a table", "revoke select on app.sales from alice"},
		{"a privilege on a column", "revoke update (id) on app.sales from alice"},
		{"a privilege on a schema", "revoke usage on schema app from alice"},
		{"a privilege on a database", "revoke connect on database db from alice"},
		{"a privilege on a sequence", "revoke usage on sequence app.numbers from alice"},
		{"a privilege on a type", "revoke usage on type app.color from alice"},
		{"a privilege on a routine", "revoke execute on function app.total() from alice"},
		{"a membership", "drop role team; create role team; grant team to daemon with admin option"},
		{"an attribute", "alter role alice nologin"},
		{"a setting", "alter role alice in database db set work_mem = '6MB'"},
		{"a privilege too many", "grant insert on app.costs to alice"},
		{"a membership too many", "set role daemon; grant boss to alice"},
		{"a table", "set role owner; create table app.mart_b (id int)"},
		{"a table of another name", "alter table app.costs rename to mart_c"},
		{"a swap", "set role owner; alter table app.sales rename to old_sales; create table app.sales (id int)"},
		{"a table dropped and made", "set role owner; drop table app.mart_a; create table app.mart_a (id int)"},
		{"a member of our role", "do $$ begin execute format('grant %I to boss', (select role_name from sync_roles.intermediate_roles limit 1)); end $$"},
		{"a privilege of our role", "do $$ begin execute format('grant insert on app.mart_c to %I', (select role_name from sync_roles.intermediate_roles limit 1)); end $$"},
		{"a row without a trigger", fmt.Sprintf(hidden, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('bob', 'SELECT', 'table', 'app', 'sales')")},
		{"a role without a trigger", fmt.Sprintf(hidden, "update sync_roles.desired_roles set login = not login")},
		{"a deleted row, and a trigger", "delete from sync_roles.desired_grants where object_name = 'numbers'"},
	} {
		c.settle(t)
		newest := c.newestAudit(t)
		c.Exec(t, change.sql)
		c.rescan(t)
		c.pending(t)
		if c.newestAudit(t) == newest {
			t.Errorf("%s changed, and no pass found it", change.what)
		}
	}
}
