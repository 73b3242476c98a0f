package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// optioned is a fixture with a group that may read, which a member gets by a row with options.
type optioned struct {
	*fixture
	group, member, neighbour string
}

// newOptioned needs PostgreSQL 16: before, memberships have no options.
func newOptioned(t *testing.T) optioned {
	t.Helper()
	f := newFixture(t)
	if f.Version < 16 {
		t.Skip("memberships have options since PostgreSQL 16")
	}
	o := optioned{f, f.role(t, "g", ""), f.user(t, "alice"), f.user(t, "bob")}
	f.asOwner(t, "grant select on app.sales to "+o.group)
	f.insert(t, o.neighbour, "MEMBER", "role", "", o.group)
	f.pending(t)
	return o
}

// want checks what the member can do with the group: read by inheriting it, and SET ROLE to it. The neighbour can both.
func (o optioned) want(t *testing.T, inherit, set bool) {
	t.Helper()
	for role, can := range map[string][2]bool{o.member: {inherit, set}, o.neighbour: {true, true}} {
		for i, sql := range []string{"select from app.sales", "set local role " + o.group} {
			if can[i] {
				o.can(t, role, sql)
			} else {
				o.cannot(t, role, sql)
			}
		}
	}
	o.quiet(t)
}

const optionRow = "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, inherit_option, set_option) values ($1, 'MEMBER', 'role', $2, $3, $4)"

// Options are given, changed, and put right after a change by hand; a row that says nothing of one leaves it as it is.
func TestMembershipOptions(t *testing.T) {
	t.Parallel()
	for _, first := range []struct{ inherit, set *bool }{{nil, nil}, {new(true), nil}, {new(false), nil}, {nil, new(false)}, {new(true), new(false)}, {new(false), new(true)}, {new(false), new(false)}} {
		o := newOptioned(t)
		expect := func(value *bool, otherwise bool) bool {
			if value == nil {
				return otherwise
			}
			return *value
		}
		o.write(t, optionRow, o.member, o.group, first.inherit, first.set)
		o.pending(t)
		inherit, set := expect(first.inherit, true), expect(first.set, true)
		o.want(t, inherit, set)

		// By hand: what rows speak of is put right, the rest is left.
		for _, hand := range []string{"true", "false"} {
			o.Exec(t, "set role "+o.Daemon+"; grant "+o.group+" to "+o.member+" with inherit "+hand)
			o.rescan(t)
			inherit = expect(first.inherit, hand == "true")
			o.want(t, inherit, set)
			if !inherit && first.set == nil && first.inherit == nil {
				continue // without SET it would be of no use, and put right for that
			}
			o.Exec(t, "set role "+o.Daemon+"; grant "+o.group+" to "+o.member+" with set "+hand)
			o.rescan(t)
			set = expect(first.set, hand == "true")
			o.want(t, inherit, set)
		}

		// Another change, and the end.
		o.write(t, "update sync_roles.desired_grants set inherit_option = true, set_option = false where role_name = $1", o.member)
		o.pending(t)
		o.want(t, true, false)
		o.write(t, "update sync_roles.desired_grants set inherit_option = false, set_option = true where role_name = $1", o.member)
		o.pending(t)
		o.want(t, false, true)
		o.write(t, "update sync_roles.desired_grants set inherit_option = null, set_option = null where role_name = $1", o.member)
		o.pending(t)
		o.want(t, false, true)
		o.write(t, "delete from sync_roles.desired_grants where role_name = $1", o.member)
		o.pending(t)
		o.want(t, false, false)
		o.isMember(t, false, o.member, o.group)
	}
}

// An option that another role granted is taken away too, or said to be that role's to take.
func TestMembershipOptionsOfOthers(t *testing.T) {
	t.Parallel()
	o := newOptioned(t)
	near, far := o.role(t, "near", ""), o.Role("far") // of which the daemon has nothing
	o.Exec(t, "create role "+far)
	o.Exec(t, "grant "+o.group+" to "+near+", "+far+" with admin true; grant "+near+" to "+o.Daemon+" with inherit true, set true")
	o.write(t, optionRow, o.member, o.group, false, true)
	o.pending(t)
	o.want(t, false, true)

	o.Exec(t, "grant "+o.group+" to "+o.member+" with inherit true, set true granted by "+near)
	o.rescan(t)
	o.want(t, false, true)

	o.Exec(t, "grant "+o.group+" to "+o.member+" with inherit true, set true granted by "+far)
	o.rescan(t)
	problems := o.last(t, o.member).Problems
	if len(problems) != 1 || problems[0].Code != plan.GrantorOnly || !strings.HasPrefix(problems[0].Fix, "REVOKE INHERIT OPTION FOR ") {
		t.Fatalf("the problems are %+v", problems)
	}
	o.Exec(t, problems[0].Fix)
	o.rescan(t)
	o.want(t, false, true)
}

// Of rows that ask for different options of one membership the exact one is obeyed, else the oldest, and the others are told which.
func TestMembershipOptionsThatContradict(t *testing.T) {
	t.Parallel()
	o := newOptioned(t)
	const patternRow = "insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, name_match, inherit_option) values ($1, 'MEMBER', 'role', $2, $3, $4)"
	pattern := strings.ReplaceAll(o.group, "_", `\_`)
	o.write(t, patternRow, o.member, pattern+"%", "like", false)
	o.write(t, patternRow, o.member, o.group+".*", "regex", true)
	o.pending(t)
	o.cannot(t, o.member, "select from app.sales")
	conflict := func() (ids []int64) {
		t.Helper()
		for _, p := range o.last(t, o.member).Problems {
			if p.Kind != plan.Refused || p.Code != plan.OptionConflict {
				t.Errorf("problem %+v", p)
			}
			ids = append(ids, p.GrantID)
		}
		return ids
	}
	if ids := conflict(); len(ids) != 1 || ids[0] != pgtest.One[int64](t, o.daemon, "select id from sync_roles.desired_grants where name_match = 'regex'") {
		t.Errorf("refused are %v", ids)
	}
	o.write(t, optionRow, o.member, o.group, true, nil)
	o.pending(t)
	o.can(t, o.member, "select from app.sales")
	if ids := conflict(); len(ids) != 1 || ids[0] != pgtest.One[int64](t, o.daemon, "select id from sync_roles.desired_grants where name_match = 'like'") {
		t.Errorf("refused are %v", ids)
	}
	o.write(t, "delete from sync_roles.desired_grants where name_match = 'like'")
	o.pending(t)
	o.want(t, true, true)
}

// Options are refused on other privileges, and on servers that have none; a row of a privilege that is changed keeps none.
func TestMembershipOptionsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	try := func(sql string, args ...any) string {
		t.Helper()
		_, err := f.daemon.Exec(t.Context(), sql, args...)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if got := try("insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, set_option) values ($1, 'USAGE', 'schema', 'app', true)", alice); !strings.Contains(got, "set_option is not allowed for USAGE: only memberships (MEMBER) have it") {
		t.Errorf("the error is %q", got)
	}
	got := try(optionRow, alice, "g", true, nil)
	switch {
	case f.Version >= 16 && got != "":
		t.Errorf("the error is %q", got)
	case f.Version < 16 && !strings.Contains(got, "inherit_option needs PostgreSQL 16 or later"):
		t.Errorf("the error is %q", got)
	}
}

// adopt writes the options that a membership has, and the plan is empty then.
func TestMembershipOptionsAdopted(t *testing.T) {
	t.Parallel()
	o := newOptioned(t)
	byHand := "set role " + o.Daemon + "; grant " + o.group + " to " + o.member + " with inherit %t"
	o.Exec(t, fmt.Sprintf(byHand, false))
	a := o.adopt(t, false, o.member)
	if len(a.Inexpressible) != 0 {
		t.Errorf("not adopted are %+v", a.Inexpressible)
	}
	o.inSyncAfter(t, o.member)
	o.is(t, true, "inherit_option = false and set_option is null from sync_roles.desired_grants where role_name = $1 and privilege = 'MEMBER'", o.member)
	o.want(t, false, true)
	o.Exec(t, fmt.Sprintf(byHand, true))
	o.rescan(t)
	o.want(t, false, true)
}

// The function that finds the rows' options is slow. Called for each membership, it made the revoke of ten thousand take a minute.
func TestMembershipOptionsOfRowsThatHaveThem(t *testing.T) {
	t.Parallel()
	o := newOptioned(t)
	o.Exec(t, "alter database "+quote(o.Database)+" set track_functions = 'all'")
	var rows []int64
	for i := range 5 {
		rows = append(rows, o.insert(t, o.user(t, fmt.Sprint("user", i)), "MEMBER", "role", "", o.group))
	}
	if calls := o.callsOfAPass(t); calls > 0 {
		t.Errorf("no row has options, but they were asked for %d times while giving", calls)
	}
	o.delete(t, rows...)
	if calls := o.callsOfAPass(t); calls > 0 {
		t.Errorf("no row has options, but they were asked for %d times while revoking", calls)
	}
	o.write(t, optionRow, o.member, o.group, true, nil)
	if calls := o.callsOfAPass(t); calls == 0 {
		t.Error("a row has options, but they were not asked for, or the calls are not counted")
	}
	o.quiet(t)
}

// callsOfAPass is how often a pass over what waits calls membership_options.
func (o optioned) callsOfAPass(t *testing.T) (calls int64) {
	t.Helper()
	o.Exec(t, "select pg_stat_reset()")
	engine := o.engineWith(t, defaultPolicy)
	if _, err := engine.ServeQueue(t.Context(), audit.Notify); err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(t.Context()); err != nil { // a session's counts are complete when it has ended
		t.Fatal(err)
	}
	const counts = "select coalesce(sum(calls) filter (where funcname = 'record_access'), 0), coalesce(sum(calls) filter (where funcname = 'membership_options'), 0) from pg_stat_user_functions"
	deadline := time.Now().Add(time.Minute)
	for passes := int64(0); passes == 0; {
		if err := o.super.QueryRow(t.Context(), counts).Scan(&passes, &calls); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the calls of a pass were not counted")
		}
	}
	return calls
}
