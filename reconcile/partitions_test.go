package reconcile_test

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

const partitionsRow = `insert into sync_roles.desired_grants
	(role_name, privilege, object_type, schema_name, schema_match, object_name, name_match, partitions, direct, except_columns)
	values ($1, 'SELECT', 'table', $2, $3, $4, $5, true, $6, $7)`

// newEvents is a fixture with a partitioned table that has partitions in two levels and two schemas, and one that another table inherits from.
func newEvents(t *testing.T) *fixture {
	t.Helper()
	f := newMarts(t)
	f.asOwner(t, `
		create table mart_a.events (id int, email text, day int) partition by range (day);
		create table other.events_1 partition of mart_a.events for values from (0) to (1);
		create table mart_a.events_2 partition of mart_a.events for values from (1) to (2) partition by range (day);
		create table other.leaf partition of mart_a.events_2 default;
		create table mart_a.base (id int, email text, day int);
		create table other.heir (more int) inherits (mart_a.base)`)
	return f
}

// All partitions below, now and later, attached and detached; and nothing beside them.
func TestPartitions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		selector [4]string
		direct   *bool
		except   []string
	}{
		"a table":                   {selector: [4]string{"mart_a", "exact", "events", "exact"}},
		"through an intermediate":   {selector: [4]string{"mart_a", "exact", "events", "exact"}, direct: ptr(false)},
		"a pattern":                 {selector: [4]string{"mart_a", "exact", "event_", "like"}},
		"a pattern for schemas":     {selector: [4]string{"mart_a?", "regex", "events", "exact"}},
		"the columns of the tables": {selector: [4]string{"mart_a", "exact", "events", "exact"}, except: []string{"email"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newEvents(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.insert(t, bob, "SELECT", "table", "mart_a", "events")
			f.asOwner(t, "grant select on other.events_1 to "+bob)
			if c.except == nil {
				c.except = []string{}
			}
			f.write(t, partitionsRow, alice, c.selector[0], c.selector[1], c.selector[2], c.selector[3], c.direct, c.except)
			read := func(tables ...string) {
				t.Helper()
				for _, table := range tables {
					if table[0] == '!' {
						f.cannot(t, alice, "select id from "+table[1:])
						continue
					}
					f.can(t, alice, "select id from "+table)
					if len(c.except) > 0 {
						f.cannot(t, alice, "select email from "+table)
					}
				}
				f.can(t, bob, "select from other.events_1")
				f.cannot(t, bob, "select from mart_a.events_2")
				f.quiet(t)
			}
			f.pending(t)
			read("mart_a.events", "other.events_1", "mart_a.events_2", "other.leaf", "!other.heir", "!mart_a.base", "!other.t")

			f.asOwner(t, `create table other.later (id int, email text, day int); create table other.deeper (like other.later);
				alter table mart_a.events attach partition other.later for values from (7) to (8); alter table mart_a.events_2 detach partition other.leaf`)
			f.rescan(t)
			read("other.later", "!other.leaf", "!other.deeper", "mart_a.events_2")
			f.asOwner(t, "alter table mart_a.events detach partition mart_a.events_2; alter table other.leaf rename to leaf_2; alter table mart_a.events attach partition other.deeper for values from (8) to (9)")
			f.rescan(t)
			read("!mart_a.events_2", "!other.leaf_2", "other.deeper")
			f.asOwner(t, "alter table mart_a.events attach partition mart_a.events_2 for values from (1) to (2); alter table mart_a.events_2 attach partition other.leaf_2 default; alter table other.leaf_2 set schema mart_b")
			f.rescan(t)
			read("mart_a.events_2", "mart_b.leaf_2")

			f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
			f.pending(t)
			read("!mart_a.events", "!other.events_1", "!mart_b.leaf_2", "!other.deeper")
		})
	}
}

// Tables that inherit, with each privilege that rows may give on them; and of rows that overlap, what the other gives stays.
func TestPartitionsByInheritance(t *testing.T) {
	t.Parallel()
	f := newEvents(t)
	alice := f.user(t, "alice")
	f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, partitions) values
		($1, 'ALL', 'table', 'mart_a', 'base', true), ($1, 'INSERT', 'table', 'other', 'heir', false)`, alice)
	f.pending(t)
	for _, sql := range []string{"select from other.heir", "insert into other.heir (id) values (1)", "truncate other.heir"} {
		f.can(t, alice, sql)
	}
	f.quiet(t)
	f.asOwner(t, "alter table other.heir no inherit mart_a.base")
	f.rescan(t)
	f.cannot(t, alice, "select from other.heir")
	f.can(t, alice, "insert into other.heir (id) values (1)")
	f.quiet(t)
	f.asOwner(t, "alter table other.heir inherit mart_a.base")
	f.rescan(t)
	f.can(t, alice, "select from other.heir")
	f.write(t, "update sync_roles.desired_grants set partitions = false where object_name = 'base'")
	f.pending(t)
	f.cannot(t, alice, "select from other.heir")
	f.can(t, alice, "insert into other.heir (id) values (1)")
	f.can(t, alice, "select from mart_a.base")
	f.quiet(t)
}

// An exclusive role keeps on partitions what its rows give there, however it has it.
func TestPartitionsOfAnExclusiveRole(t *testing.T) {
	t.Parallel()
	f := newEvents(t)
	alice := f.user(t, "alice")
	f.asOwner(t, "grant select, update on other.events_1 to "+alice)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{tables}')", alice)
	f.write(t, partitionsRow, alice, "mart_a", "exact", "events", "exact", nil, []string{})
	f.pending(t)
	f.can(t, alice, "select from other.events_1")
	f.is(t, true, "has_table_privilege($1, 'other.events_1', 'select') and not has_table_privilege($1, 'other.events_1', 'update')", alice)
	f.quiet(t)
	f.asOwner(t, "alter table mart_a.events detach partition other.events_1")
	f.rescan(t)
	f.cannot(t, alice, "select from other.events_1")
	f.quiet(t)
}

// Before 16, an intermediate role is of no use to a role without INHERIT.
func TestPartitionsWithoutInherit(t *testing.T) {
	t.Parallel()
	f := newEvents(t)
	if f.Version >= 16 {
		t.Skip("since PostgreSQL 16 a membership has an INHERIT of its own")
	}
	alice := f.user(t, "alice")
	f.Exec(t, "alter role "+alice+" noinherit")
	f.write(t, partitionsRow, alice, "mart_a", "exact", "events", "exact", nil, []string{})
	f.pending(t)
	f.problem(t, alice, plan.Blocked, "NOINHERIT", "partitions true")
	f.cannot(t, alice, "select from mart_a.events")
	f.quiet(t)
}
