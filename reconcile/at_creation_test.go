package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const atCreationRow = `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, schema_match, object_name, name_match, at_creation)
	values ($1, $2, $3, $4, $5, '%', 'like', true)`

// creating is a fixture whose schemas have three kinds of creators: their owner, a role with CREATE, and a member of one.
type creating struct {
	*fixture
	creators []string
}

func newCreating(t *testing.T) creating {
	t.Helper()
	f := newMarts(t)
	etl, dbt := f.user(t, "etl"), f.user(t, "dbt")
	group := f.role(t, "builders", "")
	f.Exec(t, fmt.Sprintf("grant %s to %s; grant create, usage on schema mart_a, mart_b to %[1]s, %[3]s; grant usage on schema mart_a, mart_b to %[2]s", group, dbt, etl))
	return creating{f, []string{f.Owner, etl, dbt}}
}

// create makes a table as a role, in a session of its own, and returns its name.
func (c creating) create(t *testing.T, creator, table string) string {
	t.Helper()
	c.Exec(t, "set role "+creator+"; create table "+table+" (id int)")
	return table
}

func (c creating) defaults(t *testing.T) int {
	t.Helper()
	return pgtest.One[int](t, c.super, "select count(*) from pg_default_acl")
}

// A new table is readable in the moment in which it exists, whoever of the creators makes it; and not any more once the row is gone.
func TestAtCreation(t *testing.T) {
	t.Parallel()
	for _, selector := range [][2]string{{"mart_a", "exact"}, {`mart\__`, "like"}} {
		t.Run(selector[1], func(t *testing.T) {
			t.Parallel()
			c := newCreating(t)
			alice, bob, carol := c.user(t, "alice"), c.user(t, "bob"), c.user(t, "carol")
			c.write(t, atCreationRow, alice, "SELECT", "table", selector[0], selector[1])
			c.write(t, atCreationRow, bob, "SELECT", "table", selector[0], selector[1])
			c.pending(t)
			c.quiet(t)
			for i, creator := range c.creators {
				table := c.create(t, creator, fmt.Sprintf("mart_a.new_%d", i))
				c.can(t, alice, "select from "+table)
				c.can(t, bob, "select from "+table)
				c.cannot(t, carol, "select from "+table)
				c.cannot(t, alice, "insert into "+table+" values (1)")
			}
			// What was granted at creation is what the row gives, and nothing is left to do.
			c.quiet(t)

			// One member less, and the other keeps it.
			c.write(t, "delete from sync_roles.desired_grants where role_name = $1", bob)
			c.pending(t)
			c.cannot(t, bob, "select from "+c.create(t, c.creators[1], "mart_a.later"))
			c.can(t, alice, "select from mart_a.later")
			c.quiet(t)

			// Without at_creation, new tables wait for the next look.
			c.write(t, "update sync_roles.desired_grants set at_creation = false")
			c.pending(t)
			c.cannot(t, alice, "select from "+c.create(t, c.creators[0], "mart_a.waits"))
			if n := c.defaults(t); n != 0 {
				t.Errorf("there are %d default ACLs", n)
			}
			c.rescan(t)
			c.can(t, alice, "select from mart_a.waits")
			c.quiet(t)
			c.write(t, "update sync_roles.desired_grants set at_creation = true")
			c.pending(t)
			c.can(t, alice, "select from "+c.create(t, c.creators[2], "mart_a.again"))

			c.write(t, "delete from sync_roles.desired_grants")
			c.pending(t)
			c.cannot(t, alice, "select from mart_a.again")
			c.cannot(t, alice, "select from "+c.create(t, c.creators[0], "mart_a.after"))
			if n := c.defaults(t); n != 0 {
				t.Errorf("there are %d default ACLs", n)
			}
			c.quiet(t)
		})
	}
}

// Default privileges are kept in step as creators and schemas come and go, and when they are changed by hand.
func TestAtCreationFollowsCreators(t *testing.T) {
	t.Parallel()
	c := newCreating(t)
	alice, newcomer := c.user(t, "alice"), c.user(t, "newcomer")
	c.write(t, atCreationRow, alice, "SELECT", "table", `mart\__`, "like")
	c.pending(t)
	c.Exec(t, "grant create on schema mart_a to "+newcomer)
	c.rescan(t)
	c.can(t, alice, "select from "+c.create(t, newcomer, "mart_a.new"))
	c.quiet(t)
	c.asOwner(t, "create schema mart_c; grant usage on schema mart_c to public")
	c.rescan(t)
	c.can(t, alice, "select from "+c.create(t, c.creators[0], "mart_c.new"))
	c.quiet(t)
	// It owns something there still; then nothing.
	c.Exec(t, "revoke create on schema mart_a from "+newcomer)
	c.rescan(t)
	before := c.defaults(t)
	c.Exec(t, "drop table mart_a.new")
	c.rescan(t)
	if now := c.defaults(t); now != before-1 {
		t.Errorf("%d default ACLs are left of %d", now, before)
	}
	c.quiet(t)
	// By hand, a privilege more and one less.
	holder := c.intermediate(t)
	c.Exec(t, fmt.Sprintf("alter default privileges for role %s in schema mart_a grant insert on tables to %s; alter default privileges for role %[1]s in schema mart_b revoke select on tables from %[2]s", c.Owner, quote(holder)))
	c.rescan(t)
	c.cannot(t, alice, "insert into "+c.create(t, c.creators[0], "mart_a.by_hand")+" values (1)")
	c.can(t, alice, "select from "+c.create(t, c.creators[0], "mart_b.by_hand"))
	c.quiet(t)
}

// Sequences, routines and types, and ALL.
func TestAtCreationOfEachType(t *testing.T) {
	t.Parallel()
	c := newCreating(t)
	alice := c.user(t, "alice")
	c.asOwner(t, "alter default privileges revoke execute on routines from public; alter default privileges revoke usage on types from public")
	for objectType, privilege := range map[string]string{"sequence": "USAGE", "routine": "EXECUTE", "type": "USAGE", "table": "ALL"} {
		c.write(t, atCreationRow, alice, privilege, objectType, "mart_a", "exact")
	}
	c.pending(t)
	c.asOwner(t, "create sequence mart_a.s; create function mart_a.g() returns int return 1; create type mart_a.new as enum ('x'); create table mart_a.new_table (id int)")
	uses := []string{"select nextval('mart_a.s')", "select mart_a.g()", "create temporary table x (e mart_a.new)", "truncate mart_a.new_table"}
	for _, sql := range uses {
		c.can(t, alice, sql)
	}
	c.quiet(t)
	c.write(t, "delete from sync_roles.desired_grants")
	c.pending(t)
	for _, sql := range uses {
		c.cannot(t, alice, sql)
	}
	c.quiet(t)
}

// A creator over which the daemon has no right is told of, with what helps; the others are served.
func TestAtCreationWithoutRights(t *testing.T) {
	t.Parallel()
	c := newCreating(t)
	alice, stranger := c.user(t, "alice"), c.foreignOwner(t)
	c.Exec(t, "grant create, usage on schema mart_a to "+stranger)
	c.create(t, stranger, "mart_a.owned") // or a superuser, as it is before 16, would be no creator
	c.write(t, atCreationRow, alice, "SELECT", "table", "mart_a", "exact")
	c.pending(t)
	holder := c.intermediate(t)
	fix := c.problem(t, holder, plan.Blocked, "default privileges of role "+stranger).Fix
	if status := pgtest.One[string](t, c.daemon, "select status from sync_roles.role_status where role_name = $1", alice); status != "blocked" {
		t.Errorf("alice is %s", status)
	}
	for i, creator := range c.creators {
		c.can(t, alice, "select from "+c.create(t, creator, fmt.Sprintf("mart_a.new_%d", i)))
	}
	c.quiet(t)
	c.Exec(t, fix)
	c.rescan(t)
	c.can(t, alice, "select from "+c.create(t, stranger, "mart_a.strange"))
	c.quiet(t)
}

// A role with CREATE that has thousands of members stops no pass: it is told, and the rest is done.
func TestAtCreationWithManyCreators(t *testing.T) {
	t.Parallel()
	c := newCreating(t)
	alice, group := c.user(t, "alice"), c.Role("builders")
	c.Exec(t, fmt.Sprintf("do $$ begin for i in 1..1001 loop execute format('create role %%I in role %s', '%[1]s_' || i); end loop; end $$", group))
	defer c.Exec(t, fmt.Sprintf("do $$ begin for i in 1..1001 loop execute format('drop role %%I', '%s_' || i); end loop; end $$", group))
	c.write(t, atCreationRow, alice, "SELECT", "table", "mart_a", "exact")
	c.pending(t)
	c.problem(t, c.intermediate(t), plan.Blocked, "at_creation asks for 10", "1000 are given at most")
	c.can(t, alice, "select from mart_a.t")
	if n := c.defaults(t); n != 0 {
		t.Errorf("there are %d default ACLs", n)
	}
	c.quiet(t)
}

// An exclusive role keeps no default privileges, in its own name or PUBLIC's; others keep theirs. adopt says what it leaves.
func TestRevokeOtherDefaultPrivileges(t *testing.T) {
	t.Parallel()
	c := newCreating(t)
	alice, bob := c.user(t, "alice"), c.user(t, "bob")
	c.asOwner(t, fmt.Sprintf("alter default privileges in schema mart_a grant select on tables to %s, %s, public; alter default privileges grant update on tables to %[1]s; alter default privileges in schema mart_b grant select on tables to %[1]s", alice, bob))
	adoption := c.adopt(t, false, alice)
	if text := fmt.Sprint(adoption.Defaults); !strings.Contains(text, "SELECT on each new table of role "+c.Owner+" in schema mart_a") || !strings.Contains(text, "UPDATE on each new table of role "+c.Owner) {
		t.Errorf("adopt leaves %s", text)
	}
	c.write(t, `insert into sync_roles.desired_roles (role_name, revoke_other, preserve_existing_grants_in_schemas) values ($1, '{default_privileges}', '{mart_b}'), ('public', '{default_privileges}', '{}')
		on conflict (role_name) do update set revoke_other = excluded.revoke_other, preserve_existing_grants_in_schemas = excluded.preserve_existing_grants_in_schemas`, alice)
	c.pending(t)
	c.create(t, c.Owner, "mart_a.new")
	c.create(t, c.Owner, "mart_b.new")
	c.is(t, true, "not has_table_privilege($1, 'mart_a.new', 'select') and not has_table_privilege($1, 'mart_a.new', 'update')", alice)
	c.is(t, true, "has_table_privilege($1, 'mart_a.new', 'select')", bob)
	c.is(t, true, "has_table_privilege($1, 'mart_b.new', 'select')", alice)
	c.quiet(t)
}
