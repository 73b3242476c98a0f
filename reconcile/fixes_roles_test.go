package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// roleIs is true for whoever has this in pg_roles.
func roleIs(condition string) string {
	return fmt.Sprintf(raiseUnless, "(select "+condition+" from pg_roles where rolname = session_user)")
}

// desiredRole is a set-up with a row of desired_roles for alice, after some SQL.
func desiredRole(column, value, sql string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, alice string) {
		t.Helper()
		f.Exec(t, f.filled(sql))
		f.write(t, fmt.Sprintf("insert into sync_roles.desired_roles (role_name, %s) values ($1, %s)", column, value), alice)
	}
}

func allowingAttributes(*fixture) plan.Policy {
	policy := defaultPolicy
	policy.AllowAttribute = []string{"replication", "bypassrls", "createrole"}
	return policy
}

// What roles are to be, and what their sessions start with.
var roleFixes = map[string]fixCase{
	"an attribute": {
		fix: "AdminFix", since: 16, setUp: desiredRole("connection_limit", "7", "revoke <alice> from <daemon>"), try: roleIs("rolconnlimit = 7"),
	},
	"a setting of another's role": {
		fix: "AdminFix", since: 16, setUp: desiredRole("settings", `'{"work_mem": "7MB"}'`, "revoke <alice> from <daemon>"),
		try: fmt.Sprintf(raiseUnless, "current_setting('work_mem') = '7MB'"),
	},
	"CREATEDB":    {fix: "AttributeFix", since: 16, setUp: desiredRole("createdb", "true", ""), try: roleIs("rolcreatedb")},
	"REPLICATION": {fix: "AttributeFix", policy: allowingAttributes, setUp: desiredRole("replication", "true", ""), try: roleIs("rolreplication")},
	"BYPASSRLS":   {fix: "AttributeFix", policy: allowingAttributes, setUp: desiredRole("bypassrls", "true", ""), try: roleIs("rolbypassrls")},
	"NOREPLICATION": {
		fix: "AttributeFix", setUp: desiredRole("replication", "false", "alter role <alice> replication"), taken: true, try: roleIs("rolreplication"),
	},
	"NOBYPASSRLS": {
		fix: "AttributeFix", setUp: desiredRole("bypassrls", "false", "alter role <alice> bypassrls"), taken: true, try: roleIs("rolbypassrls"),
	},
	"a role with REPLICATION": {
		fix: "alterFix", before: 16, try: roleIs("rolconnlimit = 7"),
		setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.Exec(t, f.filled("alter role <alice> replication"))
			f.write(t, "insert into sync_roles.desired_roles (role_name, connection_limit, password_verifier) values ($1, 7, $2)", alice, scram(t, "secret"))
		},
	},
	"a keeper with an attribute": {
		fix: "AttributeFix", since: 16, row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "costs"},
		setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.add(t, row{role: f.Role("carol"), privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
			f.pending(t)
			f.Exec(t, "alter role "+f.keeper(t)+" createdb")
			f.rescan(t)
		},
		about: func(t *testing.T, f *fixture) string { t.Helper(); return f.keeper(t) },
	},
	"a setting": {
		fix: "settingFix", setUp: desiredRole("settings", `'{"log_statement": "all"}'`, ""), try: fmt.Sprintf(raiseUnless, "current_setting('log_statement') = 'all'"),
	},
	"a setting that is nobody's": {
		fix: "settingFix", since: 15, try: fmt.Sprintf(raiseUnless, "coalesce(current_setting('app.user', true), '') = 'x'"),
		setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.write(t, `insert into sync_roles.desired_roles (role_name, settings) values ($1, '{"app.user": "x"}')`, alice)
			f.afterwards(t, "revoke set on parameter \"app\".\"user\" from "+f.Daemon)
		},
	},
	"a stranger with the name of an intermediate role": {
		fix: "conflictFix", row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"},
		setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			id := f.add(t, row{role: f.Role("carol"), privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
			f.pending(t)
			name := f.intermediate(t)
			f.delete(t, id)
			f.pending(t)
			f.prune(t)
			f.Exec(t, "create role "+quote(name)+" login")
		},
		about: stranger,
	},
	"an intermediate role that has become another": {
		fix: "formerFix", row: row{privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"},
		setUp: func(t *testing.T, f *fixture, _ string) {
			t.Helper()
			f.add(t, row{role: f.Role("carol"), privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
			f.pending(t)
			f.Exec(t, fmt.Sprintf("alter role %s rename to %s; alter role %[2]s login; comment on role %[2]s is null; create table app.its (); alter table app.its owner to %[2]s",
				quote(f.intermediate(t)), f.Role("stranger")))
			f.rescan(t)
		},
		about: stranger,
	},
	"a pattern that costs too much": {
		fix: "forgetFix",
		setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.insert(t, alice, "INSERT", "table", "app", "sales")
			id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "cost.*", match: "regex", direct: ptr(true)})
			f.pending(t)
			f.Exec(t, "insert into sync_roles.costly_patterns (object_type, schema_name, object_name, name_match) values ('table', 'app', 'cost.*', 'regex')")
			f.delete(t, id)
			f.pending(t)
			f.can(t, alice, "select from app.costs")
			f.asOwner(t, "revoke select on app.costs from "+alice) // as the reason says
		},
	},
}

// keeper is the name of the one that keeps intermediate roles.
func (f *fixture) keeper(t *testing.T) string {
	t.Helper()
	list := f.texts(t, "select r.rolname from sync_roles.keepers as k join pg_roles as r on r.oid = k.role_oid where k.slot is not null")
	if len(list) != 1 {
		t.Fatalf("the keepers are %v", list)
	}
	return list[0]
}

// stranger is the role that is not ours and has, or had, a name of ours.
func stranger(t *testing.T, f *fixture) string {
	t.Helper()
	return pgtest.One[string](t, f.super, "select role_name from sync_roles.audit where problems::text like '%DROP ROLE%' order by id desc limit 1")
}
