package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// exceptRow asks for the tables but for their columns of these names.
const exceptRow = `insert into sync_roles.desired_grants
	(role_name, privilege, object_type, schema_name, schema_match, object_name, name_match, except_columns, direct)
	values ($1, 'SELECT', 'table', $2, $3, $4, $5, $6, $7)`

// Every column but those that the row leaves out, now and later; by a pattern for schemas, by one for tables, and by a table's name.
func TestExceptColumns(t *testing.T) {
	t.Parallel()
	for name, direct := range everyEncoding {
		for i, selector := range [][4]string{{`mart\_%`, "like", "%", "like"}, {"mart_a", "exact", "t.*", "regex"}, {"mart_a", "exact", "t", "exact"}, {"mart_.", "regex", "t", "exact"}} {
			if i > 0 && direct == nil {
				continue // patterns are compared in the same way, whatever the encoding; the engine's choice is one of the others
			}
			t.Run(fmt.Sprint(name, selector), func(t *testing.T) {
				t.Parallel()
				f := newMarts(t)
				alice, bob := f.user(t, "alice"), f.user(t, "bob")
				// Compared as object_name is.
				left := map[string][]string{"exact": {"email", "phone"}, "like": {"e_ail", "phone%"}, "regex": {"e.ail", "phone.*"}}[selector[3]]
				f.asOwner(t, "grant select (email) on mart_a.t to "+bob)
				f.write(t, exceptRow, alice, selector[0], selector[1], selector[2], selector[3], left, direct)
				f.pending(t)
				f.can(t, alice, "select id from mart_a.t")
				f.cannot(t, alice, "select email from mart_a.t")
				f.cannot(t, alice, "select * from mart_a.t")
				f.quiet(t)

				// What comes later.
				f.asOwner(t, "alter table mart_a.t add later int, add phone_2 text")
				f.rescan(t)
				f.can(t, alice, "select later from mart_a.t")
				if selector[3] == "exact" {
					f.can(t, alice, "select phone_2 from mart_a.t")
				} else {
					f.cannot(t, alice, "select phone_2 from mart_a.t")
				}
				f.quiet(t)

				// A column gets the name of one that is left out, and another one loses it.
				f.asOwner(t, "alter table mart_a.t rename phone to fax; alter table mart_a.t rename id to phone")
				f.rescan(t)
				f.can(t, alice, "select fax from mart_a.t")
				f.cannot(t, alice, "select phone from mart_a.t")
				f.quiet(t)

				// A new table takes the name, as dbt has it.
				f.asOwner(t, "create table mart_a.t2 (id int, email text); drop table mart_a.t; alter table mart_a.t2 rename to t; grant select (email) on mart_a.t to "+bob)
				f.rescan(t)
				f.can(t, alice, "select id from mart_a.t")
				f.cannot(t, alice, "select email from mart_a.t")
				f.quiet(t)

				f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
				f.pending(t)
				f.cannot(t, alice, "select id from mart_a.t")
				f.can(t, bob, "select email from mart_a.t")
				f.quiet(t)
			})
		}
	}
}

// What a row leaves out is never readable on the way, from whatever it was before; and what another row gives stays.
func TestExceptColumnsChange(t *testing.T) {
	t.Parallel()
	for name, direct := range everyEncoding {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMarts(t)
			alice := f.user(t, "alice")
			f.write(t, exceptRow, alice, "mart_a", "exact", "t", "exact", []string{"email"}, direct)
			f.insert(t, alice, "SELECT", "table", "mart_b", "t")
			for _, change := range []struct {
				set   string
				reads []string
			}{
				{"except_columns = '{phone}'", []string{"email", "!phone"}},
				{"except_columns = '{}'", []string{"email", "phone"}},
				{"except_columns = '{id,email}'", []string{"!id", "!email", "phone"}},
				{"except_columns = '{}', column_name = 'id'", []string{"id", "!phone"}},
				{"except_columns = '{id}', column_name = null", []string{"!id", "phone"}},
			} {
				f.write(t, "update sync_roles.desired_grants set "+change.set+" where schema_name = 'mart_a'")
				f.pending(t)
				for _, column := range change.reads {
					if bare, denied := strings.CutPrefix(column, "!"); denied {
						f.cannot(t, alice, "select "+bare+" from mart_a.t")
					} else {
						f.can(t, alice, "select "+column+" from mart_a.t")
					}
				}
				f.can(t, alice, "select email from mart_b.t")
				f.quiet(t)
			}
		})
	}
}

// Other privileges, PUBLIC, and the grant option.
func TestExceptColumnsOfOtherPrivileges(t *testing.T) {
	t.Parallel()
	f := newMarts(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, except_columns, grantable) values
		($1, 'INSERT', 'table', 'mart_a', 't', '{email}', false), ($1, 'UPDATE', 'table', 'mart_a', 't', '{email}', true), ($1, 'REFERENCES', 'table', 'mart_a', 't', '{email}', false),
		('public', 'SELECT', 'table', 'mart_a', 't', '{phone}', false)`, alice)
	f.pending(t)
	f.can(t, alice, "insert into mart_a.t (id) values (1)")
	f.cannot(t, alice, "insert into mart_a.t (email) values ('')")
	f.can(t, alice, "grant update (phone) on mart_a.t to "+bob)
	f.is(t, false, "has_column_privilege($1, 'mart_a.t', 'email', 'update') or has_column_privilege($1, 'mart_a.t', 'email', 'references')", alice)
	f.is(t, true, "has_column_privilege($1, 'mart_a.t', 'id', 'references')", alice)
	f.can(t, bob, "select email from mart_a.t")
	f.cannot(t, bob, "select phone from mart_a.t")
	f.quiet(t)
	// The names change places: PUBLIC and the grant option have no intermediate role that would be looked through.
	f.asOwner(t, "alter table mart_a.t rename phone to fax; alter table mart_a.t rename email to phone")
	f.rescan(t)
	f.can(t, bob, "select fax from mart_a.t")
	f.cannot(t, bob, "select phone from mart_a.t")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.cannot(t, bob, "select fax from mart_a.t")
	f.cannot(t, alice, "insert into mart_a.t (id) values (1)")
	f.quiet(t)
}

// PostgreSQL knows no exceptions: what gives the whole table by other means is told.
func TestExceptColumnsAndTheWholeTable(t *testing.T) {
	t.Parallel()
	f := newMarts(t)
	alice := f.user(t, "alice")
	f.write(t, exceptRow, alice, "mart_a", "exact", "t", "exact", []string{"email"}, nil)
	f.asOwner(t, "grant select on mart_a.t to public")
	f.pending(t)
	const reason = "select coalesce(reason, '') from sync_roles.grant_status"
	if got := pgtest.One[string](t, f.daemon, reason); !strings.Contains(got, "on the whole of table mart_a.t by other means") {
		t.Errorf("grant_status says %q", got)
	}
	f.asOwner(t, "revoke select on mart_a.t from public")
	if got := pgtest.One[string](t, f.daemon, reason); got != "" {
		t.Errorf("grant_status says %q", got)
	}
	f.cannot(t, alice, "select email from mart_a.t")
	f.quiet(t)
}

// A table with no column but excepted ones.
func TestExceptAllColumns(t *testing.T) {
	t.Parallel()
	f := newMarts(t)
	alice := f.user(t, "alice")
	f.write(t, exceptRow, alice, "mart_a", "exact", "t", "exact", []string{"id", "email", "phone"}, nil)
	f.pending(t)
	f.problem(t, alice, plan.Waiting, "has no column yet but those that the row leaves out")
	f.cannot(t, alice, "select from mart_a.t")
	f.quiet(t)
	f.asOwner(t, "alter table mart_a.t add later int")
	f.rescan(t)
	f.can(t, alice, "select later from mart_a.t")
	f.quiet(t)
}
