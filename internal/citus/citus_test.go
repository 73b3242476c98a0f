package citus_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// rows give alice exact names, and bob a pattern by a group.
const rows = `
	insert into sync_roles.desired_roles (role_name, login) values ('alice', true), ('bob', true), ('analysts', false);
	insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
		('alice', 'CONNECT', 'database', null, 'warehouse', 'exact'),
		('alice', 'USAGE', 'schema', null, 'sales', 'exact'),
		('alice', 'SELECT', 'table', 'sales', 'orders', 'exact'),
		('bob', 'CONNECT', 'database', null, 'warehouse', 'exact'),
		('bob', 'MEMBER', 'role', null, 'analysts', 'exact'),
		('analysts', 'USAGE', 'schema', null, 'sales', 'exact'),
		('analysts', 'SELECT', 'table', 'sales', '%', 'like')`

const (
	orders    = "select count(*) from sales.orders"
	countries = "select count(*) from sales.countries"
	local     = "select count(*) from sales.local"
)

// What rows give is there on every node, and goes from every node; so also where an object is dropped, and where a node is added later.
func TestAccess(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.call(t, 0, "migrate")
	for node := 1; node <= 2; node++ {
		if got := c.text(t, node, "select count(*)::text from pg_catalog.pg_roles as r, pg_catalog.pg_namespace as n where starts_with(r.rolname, '_pgsr') or n.nspname = 'sync_roles'"); got != "0" {
			t.Errorf("something of the installation is on node %d", node)
		}
	}
	c.exec(t, 0, daemon, rows)
	c.call(t, 0, "sync")
	c.access(t, true, "alice", orders, 0, 1, 2)
	c.access(t, false, "alice", countries, 0, 1, 2)
	c.access(t, true, "bob", orders, 0, 1, 2)
	c.access(t, true, "bob", countries, 0, 1, 2)
	c.access(t, true, "bob", local, 0)
	if got := c.text(t, 0, "select coalesce(string_agg(statements::text, ' '), '') from sync_roles.audit"); strings.Contains(got, "countries_1") {
		t.Errorf("the pattern matches a shard: %s", got)
	}
	c.nothingToDo(t)

	// What an exclusive role has on a table's shards is not too much.
	c.exec(t, 0, daemon, `
		insert into sync_roles.desired_roles (role_name, login, revoke_other) values ('dave', true, '{tables,schemas}');
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values
			('dave', 'USAGE', 'schema', null, 'sales'), ('dave', 'SELECT', 'table', 'sales', 'countries')`)
	c.call(t, 0, "sync")
	c.exec(t, 0, pgserver.Superuser, "grant select on sales.orders to dave")
	c.call(t, 0, "sync")
	c.access(t, true, "dave", countries, 0, 1, 2)
	c.access(t, false, "dave", orders, 0, 1, 2)
	c.nothingToDo(t)

	c.startNode(t, nil)
	c.addLater(t, 3)
	c.access(t, true, "alice", orders, 3)
	c.access(t, false, "alice", countries, 3)
	c.access(t, true, "bob", countries, 3)
	c.call(t, 0, "sync") // Citus has not given the new node the privileges on the database
	for _, role := range []string{"alice", "bob"} {
		if got := c.text(t, 3, "select (datacl::text ~ '"+role+"=c')::text from pg_database where datname = current_database()"); got != "true" {
			t.Errorf("%s has no CONNECT of its own on node 3", role)
		}
	}
	c.nothingToDo(t)

	c.exec(t, 0, daemon, `
		delete from sync_roles.desired_grants where role_name = 'alice' and object_type = 'table' or role_name = 'bob' and object_type = 'role';
		insert into sync_roles.desired_roles (role_name, login) values ('carol', true);
		insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('carol', 'MEMBER', 'role', 'analysts')`)
	c.call(t, 0, "sync")
	for _, sql := range []string{orders, countries} {
		c.access(t, false, "alice", sql, 0, 1, 2, 3)
		c.access(t, false, "bob", sql, 0, 1, 2, 3)
		c.access(t, true, "carol", sql, 0, 1, 2, 3)
	}
	c.nothingToDo(t)
}

// The schema is installed, and rows are obeyed, where every new schema becomes a tenant of its own.
func TestSchemaBasedSharding(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{"citus.enable_schema_based_sharding": "on", "citus.use_citus_managed_tables": "on"})
	c.call(t, 0, "migrate")
	if got := c.text(t, 0, "select count(*)::text from pg_catalog.pg_dist_partition as p join pg_catalog.pg_class as c on c.oid = p.logicalrelid where c.relnamespace = 'sync_roles'::regnamespace"); got != "0" {
		t.Errorf("%s tables of schema sync_roles are Citus's", got)
	}
	c.exec(t, 0, pgserver.Superuser, "create schema tenant authorization sales_owner")
	c.exec(t, 0, pgserver.Superuser, "create table tenant.orders (id int)")
	c.exec(t, 0, pgserver.Superuser, "alter table tenant.orders owner to sales_owner")
	c.exec(t, 0, daemon, `
		insert into sync_roles.desired_roles (role_name, login) values ('alice', true);
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
			('alice', 'USAGE', 'schema', null, 'tenant', 'exact'), ('alice', 'SELECT', 'table', 'tenant', '%', 'like')`)
	c.call(t, 0, "sync")
	c.access(t, true, "alice", "select count(*) from tenant.orders", 0, 1, 2)
	c.access(t, false, "alice", "insert into tenant.orders values (1)", 0, 1, 2)
	c.nothingToDo(t)
	c.exec(t, 0, daemon, "delete from sync_roles.desired_grants where object_type = 'table'")
	c.call(t, 0, "sync")
	c.access(t, false, "alice", "select count(*) from tenant.orders", 0, 1, 2)
	c.call(t, 0, "migrate", "down", "--force")
}

// A worker that is down fails the roles that need it, and no others.
func TestWorkerDown(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.call(t, 0, "migrate")
	c.exec(t, 0, daemon, rows)
	c.call(t, 0, "sync")
	if err := c.nodes[2].Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.nothingToDo(t)
	c.exec(t, 0, daemon, `
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values
			('alice', 'SELECT', 'table', 'sales', 'local'), ('analysts', 'UPDATE', 'table', 'sales', 'orders')`)
	c.call(t, 1, "sync")
	c.access(t, true, "alice", local, 0)
	if got := c.text(t, 0, "select string_agg(role_name, ' ') from sync_roles.role_status where status <> 'in_sync'"); got != "analysts" {
		t.Errorf("not in sync: %s", got)
	}
	c.exec(t, 0, daemon, "delete from sync_roles.desired_grants where role_name = 'alice' and object_name = 'local'")
	c.call(t, 1, "sync")
	c.access(t, false, "alice", local, 0)

	if err := c.nodes[2].Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	c.call(t, 0, "sync")
	c.access(t, true, "bob", "update sales.orders set price = 0 where id = 1", 0, 1, 2)
	c.nothingToDo(t)
}

// Owners of distributed tables are changed on every node, several at once.
func TestOwnership(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.call(t, 0, "migrate")
	c.exec(t, 0, daemon, `
		insert into sync_roles.desired_roles (role_name, login) values ('keeper', true);
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values
			('keeper', 'USAGE', 'schema', null, 'sales'), ('keeper', 'CREATE', 'schema', null, 'sales'),
			('keeper', 'OWNER', 'table', 'sales', 'orders'), ('keeper', 'OWNER', 'table', 'sales', 'countries'), ('keeper', 'OWNER', 'table', 'sales', 'local')`)
	c.call(t, 0, "sync")
	c.nothingToDo(t)
	for node := range c.nodes {
		const owners = "select string_agg(pg_get_userbyid(c.relowner), ' ') from pg_class as c where c.relkind = 'r' and c.relnamespace = 'sales'::regnamespace"
		if got := strings.Fields(c.text(t, node, owners)); strings.Count(strings.Join(got, " "), "keeper") != len(got) {
			t.Errorf("on node %d, the tables belong to %s", node, got)
		}
	}
	c.access(t, true, "keeper", "insert into sales.orders values (1000, 1)", 0)
	c.access(t, true, "keeper", orders, 0, 1, 2)
}

// What another node has differently is put right there, and what a role has by hand on all nodes stays.
func TestNodeDrift(t *testing.T) {
	t.Parallel()
	c := start(t, nil)
	c.call(t, 0, "migrate")
	c.exec(t, 0, daemon, rows)
	c.call(t, 0, "sync")
	c.exec(t, 0, pgserver.Superuser, "grant update on sales.orders to alice")
	c.nothingToDo(t)
	c.exec(t, 1, pgserver.Superuser, `
		set citus.enable_ddl_propagation = off;
		revoke select on sales.orders from alice;
		grant select on sales.countries to alice;
		grant insert (id) on sales.countries to alice;
		revoke usage on schema sales from analysts;
		revoke connect on database warehouse from bob;
		revoke analysts from bob`)
	c.access(t, false, "alice", orders, 1)
	c.access(t, false, "bob", countries, 1)
	c.exec(t, 2, pgserver.Superuser, `
		set citus.enable_ddl_propagation = off;
		set citus.show_shards_for_app_name_prefixes = '*';
		do $$
		declare
			shard text;
		begin
			select min(c.oid::regclass::text) into shard from pg_class as c where c.relname ~ '^orders_[0-9]+$';
			execute 'revoke select on ' || shard || ' from alice';
		end $$`)
	c.exec(t, 1, daemon, "set citus.enable_ddl_propagation = off; grant analysts to alice")
	c.call(t, 0, "sync")
	c.access(t, true, "alice", orders, 0, 1, 2)
	c.access(t, false, "alice", countries, 0, 1, 2)
	c.access(t, false, "alice", "insert into sales.countries (id) values (1)", 0, 1, 2)
	c.access(t, true, "alice", "update sales.orders set price = 0 where id = 1", 0, 1, 2)
	c.access(t, true, "bob", countries, 0, 1, 2)
	if got := c.text(t, 1, "select (datacl::text ~ 'bob=c')::text || ' ' || pg_has_role('alice', 'analysts', 'MEMBER') from pg_database where datname = current_database()"); got != "true false" {
		t.Errorf("bob has CONNECT of his own, and alice is a member, on node 1: %s", got)
	}
	if got := c.text(t, 0, "select string_agg(role_name, ' ') from sync_roles.role_status where status <> 'in_sync' having count(*) > 0 union all select '' limit 1"); got != "" {
		t.Errorf("not in sync: %s", got)
	}
	c.nothingToDo(t)
}
