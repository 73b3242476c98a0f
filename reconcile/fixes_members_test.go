package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// givesGroup lets group g read app.costs.
const givesGroup = "create role <g>; grant select on app.costs to <g>;"

var (
	member    = row{privilege: "MEMBER", objectType: "role", name: "<g>"}
	grantable = row{privilege: "MEMBER", objectType: "role", name: "<g>", grantable: true}
)

// Whose member a role is to be, or to be no more.
var membershipFixes = map[string]fixCase{
	"a membership": {
		fix: "AdminFix", since: 16, row: member, try: "select from app.costs", setUp: bySuperuser(givesGroup),
	},
	"a membership in a superuser": {
		fix: "joinFix", policy: allowingGroup, row: member, try: "select from app.costs", setUp: bySuperuser(givesGroup + "alter role <g> superuser"),
	},
	"a membership in a superuser with the ADMIN option": {
		fix: "joinFix", policy: allowingGroup, row: grantable, try: fmt.Sprintf(raiseUnless, "pg_has_role('<g>', 'MEMBER WITH ADMIN OPTION')"), setUp: bySuperuser(givesGroup + "alter role <g> superuser"),
	},
	"a membership in a superuser to be lost": {
		fix: "leaveFix", policy: allowingGroup, taken: true, try: "select from app.costs",
		setUp: withdrawn(member, givesGroup+"alter role <g> superuser; grant <g> to <alice>"),
	},
	"a membership given by another": {
		fix: "leaveFix", since: 16, taken: true, try: "select from app.costs",
		setUp: withdrawn(member, givesGroup+"create role <near>; grant <g> to <near> with admin option; set role <near>; grant <g> to <alice>"),
	},
	"a membership given by another, and passed on": {
		fix: "leaveFix", since: 16, taken: true, try: "select from app.costs",
		setUp: withdrawn(grantable, givesGroup+"create role <near>; create role <carol>; grant <g> to <near> with admin option; set role <near>; grant <g> to <alice> with admin option; reset role; set role <alice>; grant <g> to <carol>"),
	},
	"the ADMIN option given by another": {
		fix: "leaveFix", since: 16, taken: true, try: "grant <g> to <bob>",
		setUp: func(t *testing.T, f *fixture, alice string) {
			t.Helper()
			f.Exec(t, f.filled(givesGroup+"create role <near>; grant <g> to <near> with admin option; set role <near>; grant <g> to <alice> with admin option"))
			r := grantable.of(alice)
			r.name = f.Role("g")
			id := f.add(t, r)
			f.pending(t)
			f.write(t, "update sync_roles.desired_grants set grantable = false where id = $1", id)
		},
	},
	"a membership passed on to a protected role": {
		fix: "rejoinFix", policy: protectingCarol, taken: true, try: "select from app.costs",
		setUp: passedOnMembership("grant <g> to <carol>"),
	},
	"a membership passed on to a protected role with the ADMIN option": {
		fix: "rejoinFix", policy: protectingCarol, taken: true, try: "select from app.costs",
		setUp: passedOnMembership("grant <g> to <carol> with admin option"),
	},
	"a membership passed on to a role with a row": {
		fix: "AdminFix leaveFix", since: 16, taken: true, try: "select from app.costs",
		setUp: withdrawn(grantable, givesGroup+`revoke <alice> from <daemon>; create role <near>; create role <carol>; grant <g> to <near> with admin option; set role <near>; grant <g> to <alice> with admin option; reset role;
			set role <alice>; grant <g> to <carol>; reset role; insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('<carol>', 'MEMBER', 'role', '<g>')`),
	},
}

// passedOnMembership is a set-up in which alice has a membership by the daemon, and does what the SQL says, before her row is deleted.
func passedOnMembership(sql string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, alice string) {
		t.Helper()
		f.Exec(t, f.filled(givesGroup+"create role <carol>"))
		f.manageable(t, f.Role("g"))
		r := grantable.of(alice)
		r.name = f.Role("g")
		id := f.add(t, r)
		f.pending(t)
		f.Exec(t, f.filled("set role <alice>;"+sql))
		f.delete(t, id)
	}
}

func allowingGroup(f *fixture) plan.Policy {
	policy := defaultPolicy
	policy.AllowMembershipIn = []string{f.Role("g")}
	return policy
}
