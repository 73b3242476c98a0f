package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// What a role is to own, or to own no more.
var ownerFixes = map[string]fixCase{
	"another's table to own": {
		fix: "memberFix", since: 16, row: table("OWNER"), try: "drop table inner_.t",
		setUp: bySuperuser("create role <stranger>;" + innerTable + "alter schema inner_ owner to <owner>; grant usage on schema inner_ to public; alter table inner_.t owner to <stranger>"),
	},
	"a superuser's table to own": {
		fix: "ownFix", row: table("OWNER"), try: "drop table inner_.t",
		setUp: bySuperuser(innerTable + "alter schema inner_ owner to <owner>; grant usage on schema inner_ to public"),
	},
	"a table to own in a superuser's schema, with CREATE": {
		fix: "usageFix", row: table("OWNER"), try: "drop table inner_.t",
		setUp: bySuperuser(innerTable + "grant usage, create on schema inner_ to <alice>; alter table inner_.t owner to <daemon>"),
	},
	"a table to own in a superuser's schema, with USAGE": {
		fix: "createFix", row: table("OWNER"), try: "drop table inner_.t",
		setUp: bySuperuser(innerTable + "grant usage on schema inner_ to public; alter table inner_.t owner to <daemon>"),
	},
	"another's table to own in a superuser's schema": {
		fix: "memberFix usageFix createFix", since: 16, row: table("OWNER"), try: "drop table inner_.t",
		setUp: bySuperuser("create role <stranger>;" + innerTable + "grant usage on schema inner_ to <alice>; alter table inner_.t owner to <stranger>"),
	},
	"a schema to own": {
		fix: "databaseFix", row: row{privilege: "OWNER", objectType: "schema", name: "inner_"}, try: "drop schema inner_",
		setUp: bySuperuser("create schema inner_; alter schema inner_ owner to <owner>; alter database <db> owner to postgres; revoke create on database <db> from <owner>"),
	},
	"a schema to make": {
		fix: "databaseFix", row: row{privilege: "OWNER", objectType: "schema", name: "inner_", create: true},
		try:   fmt.Sprintf(raiseUnless, "exists (select from pg_namespace where nspname = 'inner_' and nspowner = session_user::regrole)"),
		setUp: bySuperuser("alter database <db> owner to postgres; revoke create on database <db> from <owner>"),
	},
	"a database to own": {
		fix: "AttributeFix", row: row{privilege: "OWNER", objectType: "database", name: "<db>"}, try: "create schema mine", setUp: bySuperuser(""),
	},
	"nobody to take a table over": {
		fix: "createOwnerFix", policy: withHeir, setUp: owning(""), taken: true, try: "drop table inner_.t",
	},
	"nobody to take a superuser's schema's table over": {
		fix: "createOwnerFix createFix", policy: withHeir, taken: true, try: "drop table inner_.t",
		setUp: owning("alter schema inner_ owner to postgres; grant usage on schema inner_ to public"),
	},
	"a stranger to take a table over": {
		fix: "memberFix", since: 16, policy: withHeir, setUp: owning("create role <heir>"), taken: true, try: "drop table inner_.t",
	},
	"a superuser to take a table over": {
		fix: "ownFix", policy: withHeir, setUp: owning("create role <heir> superuser"), taken: true, try: "drop table inner_.t",
	},
}

func withHeir(f *fixture) plan.Policy {
	policy := defaultPolicy
	policy.FallbackOwner = f.Role("heir")
	return policy
}

// owning is a set-up in which alice owns the table, and should not any more.
func owning(sql string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, alice string) {
		t.Helper()
		f.owned(t, f.Owner, f.Daemon)
		f.Exec(t, f.filled("grant usage on schema inner_ to <alice>"))
		id := f.add(t, table("OWNER").of(alice))
		f.pending(t)
		f.inOrder(t, alice)
		f.Exec(t, f.filled(sql))
		f.delete(t, id)
	}
}
