package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const (
	innerTableForAll = innerTable + "alter schema inner_ owner to <owner>; grant usage on schema inner_ to public; create role <carol> login; grant connect on database <db> to <carol>;"
	makesGrantor     = "create role <g>; grant select, update on inner_.t to <g> with grant option; set role <g>; grant select, update (id) on inner_.t to <alice>;"
	passesOn         = "grant select on inner_.t to <alice> with grant option; reset role; set role <alice>; grant select on inner_.t to <carol> with grant option; reset role;"
)

// What a role was granted and is to lose.
var revokeFixes = map[string]fixCase{
	"granted by another": {
		fix: "revokeFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+makesGrantor),
	},
	"a column granted by another": {
		fix: "revokeFix", since: 16, taken: true, try: "update inner_.t set id = 1",
		setUp: withdrawn(row{privilege: "UPDATE", objectType: "table", schema: "inner_", name: "t", column: "id"}, innerTableForAll+makesGrantor),
	},
	"granted by another, and passed on": {
		fix: "revokeFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+makesGrantor+passesOn),
	},
	"granted by another that has no USAGE": {
		fix: "revokeFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+makesGrantor+"reset role; alter schema inner_ owner to postgres; revoke usage on schema inner_ from public; grant usage on schema inner_ to <alice>"),
	},
	"the grant option from another": {
		fix: "revokeFix", since: 16, taken: true, try: fmt.Sprintf(raiseUnless, "has_table_privilege('inner_.t', 'SELECT WITH GRANT OPTION')"),
		setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.Exec(t, f.filled(innerTableForAll+makesGrantor+"grant select on inner_.t to <alice> with grant option"))
			r := table("SELECT").of(alice)
			r.grantable = true
			id := f.add(t, r)
			f.pending(t)
			f.write(t, "update sync_roles.desired_grants set grantable = false where id = $1", id)
		},
	},
	"granted by a superuser that owns the table": {
		fix: "revokeFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+"grant select on inner_.t to <alice>"),
	},
	"granted by a superuser that owns table and schema": {
		fix: "revokeFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTable+"grant usage on schema inner_ to <alice>; grant select on inner_.t to <alice>"),
	},
	"granted by its owner": {
		fix: "memberFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+"create role <stranger>; alter table inner_.t owner to <stranger>; grant select on inner_.t to <alice>"),
	},
	"granted by its owner, in a superuser's schema": {
		fix: "memberFix usageFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTable+"create role <stranger>; alter table inner_.t owner to <stranger>; grant usage on schema inner_ to <alice>; grant select on inner_.t to <alice>"),
	},
	"granted by its owner, and the daemon has the grant option": {
		fix: "memberFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+`create role <stranger>; alter table inner_.t owner to <stranger>; grant select on inner_.t to <alice>;
			grant select on inner_.t to <daemon> with grant option`),
	},
	"granted by its owner, in a superuser's schema, and the daemon has the grant option": {
		fix: "memberFix usageFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTable+`create role <stranger>; alter table inner_.t owner to <stranger>; grant usage on schema inner_ to <alice>; grant select on inner_.t to <alice>;
			grant select on inner_.t to <daemon> with grant option`),
	},
	"granted by the daemon, in a superuser's schema": {
		fix: "usageFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTable+"alter table inner_.t owner to <daemon>; grant usage on schema inner_ to <alice>; grant select on inner_.t to <alice>"),
	},
	"granted with the daemon's grant option, in a superuser's schema": {
		fix: "usageFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTable+`grant select on inner_.t to <daemon> with grant option; grant usage on schema inner_ to <alice>, <daemon>;
			set role <daemon>; grant select on inner_.t to <alice>; reset role; revoke usage on schema inner_ from <daemon>`),
	},
	"granted by a role that the daemon may be, in a superuser's schema": {
		fix: "usageFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+makesGrantor+`reset role; grant <g> to <daemon>; alter schema inner_ owner to postgres; revoke usage on schema inner_ from public;
			grant usage on schema inner_ to <alice>`),
	},
	"granted by one that is a superuser now": {
		fix: "formerGrantorFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+makesGrantor+"reset role; alter role <g> superuser"),
	},
	"a column granted by one that is a superuser now": {
		fix: "formerGrantorFix", taken: true, try: "update inner_.t set id = 1",
		setUp: withdrawn(row{privilege: "UPDATE", objectType: "table", schema: "inner_", name: "t", column: "id"}, innerTableForAll+makesGrantor+"reset role; alter role <g> superuser"),
	},
	"passed on to a protected role": {
		fix: "regrantFix", policy: protectingCarol, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+"alter table inner_.t owner to <owner>; grant select on inner_.t to <alice> with grant option; set role <alice>; grant select on inner_.t to <carol>"),
	},
	"passed on to a protected role with the grant option": {
		fix: "regrantFix", policy: protectingCarol, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+"alter table inner_.t owner to <owner>;"+passesOn),
	},
	"passed on to a role with a row, on a superuser's table": {
		fix: "regrantFix", taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+makesGrantor+passesOn+"grant <g> to <daemon>; insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('<carol>', 'SELECT', 'table', 'inner_', 't')"),
	},
	"passed on to a role with a row, on another's table": {
		fix: "memberFix", since: 16, taken: true, try: "select from inner_.t",
		setUp: withdrawn(table("SELECT"), innerTableForAll+"create role <stranger>; alter table inner_.t owner to <stranger>;"+makesGrantor+passesOn+
			"grant <g> to <daemon>; insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('<carol>', 'SELECT', 'table', 'inner_', 't')"),
	},
}

func protectingCarol(f *fixture) plan.Policy {
	policy := defaultPolicy
	policy.Protect = []string{f.Role("carol")}
	return policy
}
