package boundary

// step is one change, with what follows from it. Lines of access are as accessSQL has them; {…} stands for the lane's names.
type step struct {
	name    string
	as      string   // who changes something: rows (the default), owner, or superuser
	sql     string   // one transaction
	gains   []string // of access
	loses   []string
	through int // how many intermediate roles there are afterwards, if not as many as before: more, or fewer
	status  map[string]string
	prune   bool // it is for sync --prune
}

// setUp is what there is before any row.
const setUp = `
	create role {zoe} login;
	grant connect on database {db} to {zoe};
	create schema app authorization {owner};
	set role {owner};
	create table app.orders (a int, b int);
	create table app.items (a int, b int);
	create table app.deed (a int);
	create table app.t_one (a int);
	create table app.t_two (a int);
	grant usage on schema app to {zoe};
	grant select on app.orders, app.t_one to {zoe};
	reset role`

// restore is after the last step, so that the first finds what it found before.
const restore = `
	drop schema {own} cascade;
	drop owned by {ann}, {bob}, {staff};
	drop role {ann}, {bob}, {staff};
	set role {owner};
	create table app.t_one (a int);
	create table app.t_two (a int);
	grant select on app.t_one to {zoe};
	reset role`

// script is played again and again.
var script = []step{
	{
		name: "first grants",
		sql: `
			insert into sync_roles.desired_roles (role_name, login, connection_limit, settings) values ('{ann}', true, 5, '{"work_mem": "8MB"}'), ('{staff}', false, null, null);
			insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name) values
				('{ann}', 'CONNECT', 'database', null, '{db}', null),
				('{ann}', 'USAGE', 'schema', null, 'app', null),
				('{ann}', 'SELECT', 'table', 'app', 'orders', null),
				('{ann}', 'UPDATE', 'table', 'app', 'items', 'a'),
				('{bob}', 'USAGE', 'schema', null, 'app', null),
				('{bob}', 'MEMBER', 'role', null, '{staff}', null),
				('{staff}', 'INSERT', 'table', 'app', 'items', null)`,
		gains: []string{
			"{ann} LOGIN", "{ann} LIMIT 5", "{ann} work_mem=8MB", "{ann} CONNECT database {db}", "{ann} USAGE schema app", "{ann} SELECT table app.orders", "{ann} DIRECT app.orders", "{ann} UPDATE column app.items.a",
			"{bob} USAGE schema app", "{bob} MEMBER role {staff}", "{bob} INSERT table app.items", "{staff} INSERT table app.items",
		},
	},
	{
		name: "a pattern",
		sql: `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
			select r, 'SELECT', 'table', 'app', 't\_%', 'like' from unnest(array['{ann}', '{bob}']) as r`,
		gains: []string{
			"{ann} SELECT table app.t_one", "{ann} SELECT table app.t_two",
			"{bob} SELECT table app.t_one", "{bob} SELECT table app.t_two",
		},
		through: 1,
	},
	{
		name: "ownership",
		sql: `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, create_if_not_exists) values
			('{bob}', 'OWNER', 'table', 'app', 'deed', false), ('{cat}', 'OWNER', 'schema', null, '{own}', true)`,
		gains: []string{"{bob} OWNER table app.deed", "{cat} OWNER schema {own}"},
		loses: []string{"{owner} OWNER table app.deed"},
	},
	{
		name:    "an intermediate role in place of a direct grant",
		sql:     `update sync_roles.desired_grants set direct = false where role_name = '{ann}' and object_name = 'orders'`,
		gains:   []string{"{ann} THROUGH app.orders"},
		loses:   []string{"{ann} DIRECT app.orders"},
		through: 1,
	},
	{
		name:    "a direct grant in place of an intermediate role",
		sql:     `update sync_roles.desired_grants set direct = true where role_name = '{ann}' and object_name = 'orders'`,
		gains:   []string{"{ann} DIRECT app.orders"},
		loses:   []string{"{ann} THROUGH app.orders"},
		through: -1,
	},
	{
		name:  "attributes",
		sql:   `update sync_roles.desired_roles set login = false, connection_limit = 7, settings = '{"work_mem": "9MB"}' where role_name = '{ann}'`,
		gains: []string{"{ann} LIMIT 7", "{ann} work_mem=9MB"},
		loses: []string{"{ann} LOGIN", "{ann} LIMIT 5", "{ann} work_mem=8MB"},
	},
	{
		name: "a revoke",
		sql: `
			delete from sync_roles.desired_grants where role_name = '{ann}' and object_name = 'orders';
			delete from sync_roles.desired_grants where role_name = '{bob}' and privilege = 'MEMBER'`,
		loses: []string{"{ann} SELECT table app.orders", "{ann} DIRECT app.orders", "{bob} MEMBER role {staff}", "{bob} INSERT table app.items"},
	},
	{
		name:  "an expiry",
		sql:   `update sync_roles.desired_grants set expires_at = now() where role_name = '{ann}' and name_match = 'like'`,
		loses: []string{"{ann} SELECT table app.t_one", "{ann} SELECT table app.t_two"},
	},
	{
		name:  "a new object",
		as:    "owner",
		sql:   "create table app.t_three (a int)",
		gains: []string{"{owner} OWNER table app.t_three", "{bob} SELECT table app.t_three"},
	},
	{
		name: "drift",
		as:   "owner",
		sql:  "revoke update (a) on app.items from {ann}; revoke insert on app.items from {staff}",
	},
	{
		name: "more than may be revoked at once",
		sql: `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
			select '{cat}', p, 'table', 'app', o from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as p, unnest(array['orders', 'items']) as o`,
		gains: []string{
			"{cat} SELECT table app.orders", "{cat} INSERT table app.orders", "{cat} UPDATE table app.orders", "{cat} DELETE table app.orders", "{cat} DIRECT app.orders",
			"{cat} SELECT table app.items", "{cat} INSERT table app.items", "{cat} UPDATE table app.items", "{cat} DELETE table app.items",
		},
	},
	{
		name:   "a hold",
		sql:    "delete from sync_roles.desired_grants where role_name = '{cat}' and object_type = 'table'",
		status: map[string]string{"{cat}": "held"},
	},
	{
		name: "an approval",
		sql:  "insert into sync_roles.approvals (note) values ('the team is dissolved')",
		loses: []string{
			"{cat} SELECT table app.orders", "{cat} INSERT table app.orders", "{cat} UPDATE table app.orders", "{cat} DELETE table app.orders", "{cat} DIRECT app.orders",
			"{cat} SELECT table app.items", "{cat} INSERT table app.items", "{cat} UPDATE table app.items", "{cat} DELETE table app.items",
		},
	},
	{
		name: "objects that go",
		as:   "owner",
		sql:  "drop table app.t_one, app.t_two, app.t_three",
		loses: []string{
			"{bob} SELECT table app.t_one", "{bob} SELECT table app.t_two", "{bob} SELECT table app.t_three",
			"{owner} OWNER table app.t_one", "{owner} OWNER table app.t_two", "{owner} OWNER table app.t_three", "{zoe} SELECT table app.t_one",
		},
		status:  map[string]string{"{bob}": "waiting"},
		through: -1,
		prune:   true,
	},
	{
		name:   "a login",
		status: map[string]string{"{bob}": "waiting"},
		sql:    `update sync_roles.desired_roles set login = true where role_name = '{ann}'`,
		gains:  []string{"{ann} LOGIN"},
	},
	{
		name:   "a suspension",
		status: map[string]string{"{bob}": "waiting"},
		sql:    `update sync_roles.desired_roles set state = 'suspended', login = null where role_name = '{ann}'`,
		loses:  []string{"{ann} LOGIN"},
	},
	{
		name:   "the end of a suspension",
		status: map[string]string{"{bob}": "waiting"},
		sql:    `update sync_roles.desired_roles set state = 'active' where role_name = '{ann}'`,
		gains:  []string{"{ann} LOGIN"},
	},
	{
		name:   "a retirement",
		status: map[string]string{"{bob}": "waiting"},
		sql: `
			delete from sync_roles.desired_grants where role_name = '{cat}';
			insert into sync_roles.desired_roles (role_name, state) values ('{cat}', 'retired')`,
		loses: []string{"{cat} OWNER schema {own}"},
		gains: []string{"{owner} OWNER schema {own}"},
	},
	{
		name: "the end of all rows",
		sql:  "delete from sync_roles.desired_grants; delete from sync_roles.desired_roles",
		loses: []string{
			"{ann} CONNECT database {db}", "{ann} USAGE schema app", "{ann} UPDATE column app.items.a", "{bob} USAGE schema app", "{bob} OWNER table app.deed",
			"{staff} INSERT table app.items",
		},
		gains: []string{"{owner} OWNER table app.deed"},
	},
}
