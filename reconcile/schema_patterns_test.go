package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// everyEncoding has the ways in which a role can have what a row asks for.
var everyEncoding = map[string]*bool{"the engine's choice": nil, "direct": ptr(true), "intermediate": ptr(false)}

// newMarts is a fixture with schemas that patterns match, leave out, and do not match; each has tables t and tmp_1.
func newMarts(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	for _, schema := range []string{"mart_a", "mart_b", "mart_b_staging", "other", `"mart_""c"`} {
		f.asOwner(t, strings.ReplaceAll(`
			create schema S; grant usage on schema S to public;
			create table S.t (id int, email text, phone text); create table S.tmp_1 (id int);
			create sequence S.q; create type S.e as enum ('x');
			create function S.f() returns int return 1; revoke execute on function S.f() from public`, "S", schema))
	}
	return f
}

// martRow asks for all tables of the marts but staging's and temporary ones.
const martRow = `insert into sync_roles.desired_grants
	(role_name, privilege, object_type, schema_name, schema_match, except_schemas, object_name, name_match, except_names, direct)
	values ($1, 'SELECT', 'table', 'mart\_%', 'like', '{%\\_staging}', '%', 'like', '{tmp\\_%,"t\"x"}', $2)`

// reads checks which of the tables the role reads; one with ! it does not.
func (f *fixture) reads(t *testing.T, role string, tables ...string) {
	t.Helper()
	for _, table := range tables {
		if name, denied := strings.CutPrefix(table, "!"); denied {
			f.cannot(t, role, "select from "+name)
		} else {
			f.can(t, role, "select from "+table)
		}
	}
}

func TestSchemaPatterns(t *testing.T) {
	t.Parallel()
	for name, direct := range everyEncoding {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMarts(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.insert(t, bob, "SELECT", "table", "mart_a", "t")
			f.write(t, martRow, alice, direct)
			f.pending(t)
			f.reads(t, alice, "mart_a.t", "mart_b.t", `"mart_""c".t`, "!mart_a.tmp_1", "!mart_b_staging.t", "!other.t", "!app.sales")
			f.quiet(t)

			// What comes later: a table, a schema, a name that is left out.
			f.asOwner(t, `create table mart_a.later (id int); create schema mart_d; grant usage on schema mart_d to public; create table mart_d.t (id int);
				create table mart_d."t""x" (id int)`)
			f.rescan(t)
			f.reads(t, alice, "mart_a.later", "mart_d.t", `!mart_d."t""x"`)
			f.quiet(t)
		})
	}
}

// A table, or its schema, gets another name or place: it has the access that its name and place say.
func TestSchemaPatternsFollowNames(t *testing.T) {
	t.Parallel()
	moves := []struct{ away, back, table string }{
		{"alter table mart_a.t rename to tmp_9", "alter table mart_a.tmp_9 rename to t", "mart_a.tmp_9"},
		{"alter table mart_a.t rename to u; alter table mart_a.u set schema other", "alter table other.u set schema mart_a; alter table mart_a.u rename to t", "other.u"},
		{"alter schema mart_a rename to former", "alter schema former rename to mart_a", "former.t"},
		{"alter schema mart_a rename to mart_a_staging", "alter schema mart_a_staging rename to mart_a", "mart_a_staging.t"},
	}
	for name, direct := range everyEncoding {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMarts(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.Exec(t, fmt.Sprintf("grant create on database %s to %s", f.Database, f.Owner))
			f.asOwner(t, "grant select on mart_a.t to "+bob)
			f.write(t, martRow, alice, direct)
			f.pending(t)
			for _, m := range moves {
				f.reads(t, alice, "mart_a.t")
				f.asOwner(t, m.away)
				f.rescan(t)
				f.reads(t, alice, "!"+m.table, "mart_b.t")
				f.reads(t, bob, m.table)
				f.quiet(t)
				f.asOwner(t, m.back)
				f.rescan(t)
				f.reads(t, alice, "mart_a.t")
				f.quiet(t)
			}
			// A row that goes while its objects have other names takes what it gave along.
			f.asOwner(t, "alter schema mart_b rename to former")
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1", alice)
			f.pending(t)
			f.reads(t, alice, "!mart_a.t", "!former.t")
			f.reads(t, bob, "mart_a.t")
			f.quiet(t)
		})
	}
}

// Exceptions are changed by UPDATE, and the row goes: what it gave is revoked, what another row gives is not.
func TestExceptionsChange(t *testing.T) {
	t.Parallel()
	for name, direct := range everyEncoding {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMarts(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.write(t, martRow, alice, direct)
			f.write(t, martRow, bob, nil)
			f.insert(t, alice, "SELECT", "table", "mart_b", "t")
			f.pending(t)
			for _, change := range []struct {
				set   string
				reads []string
			}{
				{`except_names = '{t}'`, []string{"!mart_a.t", "mart_a.tmp_1", "mart_b.t"}},
				{`except_names = '{}', except_schemas = '{mart\\_b%}'`, []string{"mart_a.t", "mart_a.tmp_1", "mart_b.t", "!mart_b.tmp_1", "!mart_b_staging.t"}},
				{`schema_name = 'mart_a', schema_match = 'exact', except_schemas = '{}'`, []string{"mart_a.t", "mart_b.t", "!mart_b.tmp_1", `!"mart_""c".t`}},
				{`schema_name = '(mart|oth).*', schema_match = 'regex', except_schemas = '{.*_staging,"mart_\".*"}'`, []string{"mart_a.t", "mart_b.tmp_1", "other.t", `!"mart_""c".t`, "!mart_b_staging.t"}},
				{`object_name = 't', name_match = 'exact'`, []string{"mart_a.t", "!mart_a.tmp_1", "other.t", "!mart_b_staging.t"}},
			} {
				f.write(t, "update sync_roles.desired_grants set "+change.set+" where role_name = $1 and name_match <> 'exact'", alice)
				f.pending(t)
				f.reads(t, alice, change.reads...)
				f.reads(t, bob, "mart_a.t", "!mart_a.tmp_1")
				f.quiet(t)
			}
			f.write(t, "delete from sync_roles.desired_grants where role_name = $1 and schema_match <> 'exact'", alice)
			f.pending(t)
			f.reads(t, alice, "!mart_a.t", "mart_b.t", "!other.t")
			f.reads(t, bob, "mart_a.t", "!mart_a.tmp_1")
			f.quiet(t)
		})
	}
}

// Each type that lives in a schema, with its privilege; and exceptions of the types that live in none.
func TestSchemaPatternsOfEachType(t *testing.T) {
	t.Parallel()
	f := newMarts(t)
	alice, group, other := f.user(t, "alice"), f.role(t, "g_a", ""), f.role(t, "g_b", "")
	f.asOwner(t, "grant select on mart_a.t to "+group+", "+other)
	f.asOwner(t, "create schema closed_a; create schema closed_b; create table closed_a.t (id int); create table closed_b.t (id int); grant select on closed_a.t, closed_b.t to public")
	const values = `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, schema_match, except_schemas, object_name, name_match, except_names) values `
	f.write(t, values+`($1, 'USAGE', 'sequence', 'mart\_%', 'like', '{%\\_staging}', 'q', 'exact', '{}'),
		($1, 'EXECUTE', 'routine', 'mart\_%', 'like', '{%\\_staging}', 'f()', 'exact', '{}'),
		($1, 'USAGE', 'type', 'mart_.*', 'regex', '{.*_staging}', '.*', 'regex', '{x.*}'),
		($1, 'USAGE', 'schema', null, 'exact', '{}', 'closed%', 'like', '{%\\_b}')`, alice)
	f.write(t, values+`($1, 'MEMBER', 'role', null, 'exact', '{}', $2, 'like', array[$3])`, alice, strings.ReplaceAll(f.Role("g_"), "_", `\_`)+"%", strings.ReplaceAll(other, "_", `\_`))
	f.asOwner(t, `revoke usage on type mart_a.e, mart_b_staging.e from public`)
	f.pending(t)
	for sql, can := range map[string]bool{
		"select nextval('mart_a.q')": true, "select nextval('mart_b_staging.q')": false, "select nextval('other.q')": false,
		"select mart_b.f()": true, "select mart_b_staging.f()": false, "select from closed_a.t": true, "select from closed_b.t": false,
		"set role " + group: true, "set role " + other: false,
		"create temporary table x (e mart_a.e)": true, "create temporary table x (e mart_b_staging.e)": false,
	} {
		if can {
			f.can(t, alice, sql)
		} else {
			f.cannot(t, alice, sql)
		}
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	for _, sql := range []string{"select nextval('mart_a.q')", "select mart_b.f()", "select from closed_a.t", "set role " + group, "create temporary table x (e mart_a.e)"} {
		f.cannot(t, alice, sql)
	}
	f.quiet(t)
}

// An owner by a pattern for schemas gives way to the row that names the object.
func TestOwnersBySchemaPattern(t *testing.T) {
	t.Parallel()
	f := newMarts(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.Exec(t, fmt.Sprintf("grant create on schema mart_a, mart_b to %s, %s", alice, bob))
	f.write(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, schema_match, except_schemas, object_name, name_match, except_names)
		values ($1, 'OWNER', 'table', 'mart\__', 'like', '{mart\\_c}', '%', 'like', '{tmp%}')`, alice)
	f.insert(t, bob, "OWNER", "table", "mart_a", "t")
	f.pending(t)
	f.owns(t, bob, "mart_a.t")
	f.owns(t, alice, "mart_b.t")
	f.owns(t, f.Owner, "mart_b.tmp_1")
	f.owns(t, f.Owner, "mart_b_staging.t")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants where role_name = $1", bob)
	f.pending(t)
	f.rescan(t)
	f.owns(t, alice, "mart_a.t")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants")
	f.pending(t)
	f.owns(t, f.Daemon, "mart_a.t")
	f.owns(t, f.Daemon, "mart_b.t")
	f.quiet(t)
}

// However many roles share a pattern for schemas, a new table takes one GRANT.
func TestNewTableUnderASchemaPattern(t *testing.T) {
	t.Parallel()
	f := newMarts(t)
	for i := range 30 {
		f.write(t, martRow, f.Role(fmt.Sprintf("u%d", i)), nil)
	}
	f.pending(t)
	f.asOwner(t, "create table mart_a.later (id int)")
	if report := f.rescan(t); len(report.Statements) != 1 {
		t.Errorf("a new table took %q", report.Statements)
	}
	f.quiet(t)
}

// Where nothing is found, the row says what it looks for, once; grant_status too.
func TestSchemaPatternWithoutObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.write(t, martRow, alice, nil)
	f.pending(t)
	f.outcome(t, alice, plan.Waiting)
	f.problem(t, alice, plan.Waiting, `nothing matches yet: SELECT on table in like "mart\_%" but schemas "%\_staging" like but "t""x","tmp\_%": %`)
	if problems := f.last(t, alice).Problems; len(problems) != 1 {
		t.Errorf("the problems are %v", problems)
	}
	f.quiet(t)
}
