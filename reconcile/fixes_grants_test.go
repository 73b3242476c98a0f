package reconcile_test

// What a role is to be granted.
var grantFixes = map[string]fixCase{
	"another's table": {
		fix: "memberFix", since: 16, row: table("SELECT"), try: "select from inner_.t",
		setUp: bySuperuser("create role <stranger>;" + innerTable + "grant usage on schema inner_ to public; alter table inner_.t owner to <stranger>"),
	},
	"another's table in a superuser's schema": {
		fix: "usageFix memberFix", since: 16, row: table("SELECT"), try: "select from inner_.t",
		setUp: bySuperuser("create role <stranger>;" + innerTable + "grant usage on schema inner_ to <alice>; alter table inner_.t owner to <stranger>"),
	},
	"a superuser's table": {
		fix: "ownerFix", row: table("SELECT"), try: "select from inner_.t",
		setUp: bySuperuser(innerTable + "alter schema inner_ owner to <owner>; grant usage on schema inner_ to public"),
	},
	"a column of a superuser's table": {
		fix: "ownerFix", row: row{privilege: "UPDATE", objectType: "table", schema: "inner_", name: "t", column: "id"}, try: "update inner_.t set id = 1",
		setUp: bySuperuser(innerTable + "alter schema inner_ owner to <owner>; grant usage on schema inner_ to public"),
	},
	"superusers' tables, by a pattern": {
		fix: "ownerFix", row: row{privilege: "SELECT", objectType: "table", schema: "inner_", name: "%", match: "like"}, try: "select from inner_.t",
		setUp: bySuperuser(innerTable + "alter schema inner_ owner to <owner>; grant usage on schema inner_ to public"),
	},
	"a superuser's table in a superuser's schema": {
		fix: "usageFix ownerFix", row: table("SELECT"), try: "select from inner_.t",
		setUp: bySuperuser(innerTable + "grant usage on schema inner_ to <alice>"),
	},
	"its own table in a superuser's schema": {
		fix: "usageFix", row: table("SELECT"), try: "select from inner_.t",
		setUp: bySuperuser(innerTable + "grant usage on schema inner_ to <alice>; alter table inner_.t owner to <daemon>"),
	},
	"public in another's database": {
		fix: "memberFix", since: 16, row: row{privilege: "CREATE", objectType: "schema", name: "public"}, try: "create table public.mine ()",
		setUp: bySuperuser("create role <stranger>; alter database <db> owner to <stranger>"),
	},
	"public in a superuser's database": {
		fix: "ownerFix", row: row{privilege: "CREATE", objectType: "schema", name: "public"}, try: "create table public.mine ()",
		setUp: bySuperuser("alter database <db> owner to postgres; revoke create on schema public from public"),
	},
	"a superuser's database": {
		fix: "ownerFix", row: row{privilege: "CREATE", objectType: "database", name: "<db>"}, try: "create schema mine",
		setUp: bySuperuser("alter database <db> owner to postgres"),
	},
	"a parameter": {
		fix: "ownerFix", since: 15, row: row{privilege: "SET", objectType: "parameter", name: "log_statement"}, try: "set log_statement = 'all'", setUp: bySuperuser(""),
	},
	"a large object": {
		fix: "ownerFix", row: row{privilege: "SELECT", objectType: "large_object", name: "4242"}, try: "select lo_get(4242)",
		setUp: bySuperuser("select lo_create(4242)"),
	},
	"a type": {
		fix: "ownerFix", row: row{privilege: "USAGE", objectType: "type", schema: "app", name: "mood"}, try: "create table app.moody (m app.mood)",
		setUp: bySuperuser("create type app.mood as enum ('sad'); revoke usage on type app.mood from public; grant create on schema app to <alice>"),
	},
	"a routine": {
		fix: "ownerFix", row: row{privilege: "EXECUTE", objectType: "routine", schema: "app", name: "one"}, try: "select app.one()",
		setUp: bySuperuser("create function app.one() returns int language sql as 'select 1'; revoke execute on function app.one() from public"),
	},
	"through an intermediate role to a NOINHERIT role": {
		fix: "AttributeFix", before: 16, row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "costs", direct: ptr(false)}, try: "select from app.costs",
		setUp: bySuperuser("alter role <alice> noinherit"),
	},
	"no room for a direct grant": {
		fix: "encodingFix", row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "costs", direct: ptr(true)}, try: "select from app.costs",
		setUp: bySuperuser(fullACL),
	},
	"no room for a grant option": {
		fix: "encodingFix", row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "costs", grantable: true}, try: "select from app.costs",
		setUp: bySuperuser(fullACL),
	},
	"no room for a NOINHERIT role": {
		fix: "AttributeFix", before: 16, row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "costs"}, try: "select from app.costs",
		setUp: bySuperuser("alter role <alice> noinherit;" + fullACL),
	},
}

// fullACL leaves room on app.costs for intermediate roles only.
const fullACL = `do $$ begin
	for i in 1..1000 loop
		execute format('create role <full>_%s; grant select on app.costs to <full>_%1$s', i);
	end loop;
end $$`
