package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// An intermediate role is in the registry, says in a comment what it holds, and cannot log in.
func TestIntermediateIsDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	pattern := `s"a'l\_%`
	ids := []int64{
		f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: pattern, match: "like"}),
		f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: pattern, match: "like"}),
	}
	f.asOwner(t, `create table app."s""a'l_x" (id int)`)
	f.pending(t)
	role := f.intermediate(t)
	oid := pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = current_database()")
	if prefix := fmt.Sprintf("_pgsr_%d_", oid); !strings.HasPrefix(role, prefix) {
		t.Errorf("its name is %q, want %s…", role, prefix)
	}
	comment := pgtest.One[string](t, f.super, "select shobj_description(oid, 'pg_authid') from pg_roles where rolname = $1", role)
	for _, want := range []string{f.Database, "SELECT on table app." + pattern, "like"} {
		if !strings.Contains(comment, want) {
			t.Errorf("its comment %q does not say %q", comment, want)
		}
	}
	registered := pgtest.One[string](t, f.daemon, `
		select concat_ws('|', i.privilege, i.object_type, i.schema_name, i.object_name, i.name_match, i.column_name)
		from sync_roles.intermediate_roles as i join pg_roles as r on r.oid = i.role_oid and r.rolname = i.role_name`)
	if want := "SELECT|table|app|" + pattern + "|like"; registered != want {
		t.Errorf("registered as %q, want %q", registered, want)
	}
	if _, err := f.TryConnect(t.Context(), role); err == nil {
		t.Error("it can log in")
	}
	// Members have what it holds, and cannot act as it.
	f.can(t, alice, `select from app."s""a'l_x"`)
	if f.Version >= 16 {
		f.cannot(t, alice, "set role "+role)
	}
	f.quiet(t)
	// It stays while somebody uses it, and goes with the last one.
	f.delete(t, ids[0])
	f.pending(t)
	f.cannot(t, alice, `select from app."s""a'l_x"`)
	f.can(t, bob, `select from app."s""a'l_x"`)
	f.intermediate(t)
	f.delete(t, ids[1])
	f.pending(t)
	f.noIntermediates(t)
	f.quiet(t)
}

// Whatever somebody does to an intermediate role is put right by the next rescan.
func TestIntermediateIsHealed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, try string }{
		{"its privilege revoked", "set role %o; revoke select on app.sales from %i", ""},
		{"another privilege granted to it", "set role %o; grant delete on app.sales to %i", "delete from app.sales"},
		{"a privilege on another object granted to it", "set role %o; grant select on app.costs to %i", "select from app.costs"},
		{"a column granted to it", "set role %o; grant select (id) on app.costs to %i", "select id from app.costs"},
		{"LOGIN set", "alter role %i login", ""},
		{"CREATEDB and CREATEROLE set", "alter role %i createdb createrole", ""},
		{"made a member of another role", "grant %o to %i", "drop table app.costs"},
		{"a rightful member removed by a superuser", "revoke %i from %a", ""},
		{"a rightful member removed by its grantor", "do $$ declare g text; begin select grantor::regrole into g from pg_auth_members where roleid = '%i'::regrole and member = '%a'::regrole; execute format('set role %s', g); execute 'revoke %i from %a'; end $$", ""},
		{"dropped", "drop owned by %i; drop role %i", ""},
		{"renamed", "alter role %i rename to %p_other", ""},
		{"an object given to it", "alter table app.costs owner to %i", "drop table app.costs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			r := row{privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(false)}
			ids := []int64{f.add(t, r.of(alice))}
			ids = append(ids, f.add(t, r.of(bob)))
			f.pending(t)
			f.can(t, alice, "select from app.sales")
			role := f.intermediate(t)
			f.Exec(t, strings.NewReplacer("%i", role, "%o", f.Owner, "%a", alice, "%p", f.Prefix).Replace(c.sql))
			f.rescan(t)
			f.can(t, alice, "select from app.sales")
			f.can(t, bob, "select from app.sales")
			if c.try != "" {
				f.cannot(t, alice, c.try)
			}
			if n := pgtest.One[int](t, f.super, `select count(*) from pg_roles where rolname = any ($1) and (rolcanlogin or rolcreatedb or rolcreaterole)`, f.intermediates(t)); n > 0 {
				t.Error("the intermediate role has attributes")
			}
			if n := pgtest.One[int](t, f.super, `select count(*) from pg_auth_members as m join pg_roles as r on r.oid = m.member where r.rolname = any ($1)`, f.intermediates(t)); n > 0 {
				t.Error("the intermediate role is a member of a role")
			}
			f.quiet(t)
			f.delete(t, ids[0])
			f.pending(t)
			f.cannot(t, alice, "select from app.sales")
			f.can(t, bob, "select from app.sales")
			f.delete(t, ids[1])
			f.pending(t)
			f.cannot(t, bob, "select from app.sales")
			f.noIntermediates(t)
			f.quiet(t)
			if t.Failed() {
				for _, a := range append(f.audit(t, role), f.audit(t, alice)...) {
					t.Log(a)
				}
			}
		})
	}
}

// A member that no row asks for is thrown out, managed or not, whoever let it in and with what options.
func TestIntermediateExtraMember(t *testing.T) {
	t.Parallel()
	for _, managed := range []bool{true, false} {
		for _, options := range []string{"", " with admin option"} {
			t.Run(fmt.Sprintf("managed %t%s", managed, options), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				alice, mallory := f.user(t, "alice"), f.user(t, "mallory")
				id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(false)})
				if managed {
					f.insert(t, mallory, "SELECT", "table", "app", "costs")
				}
				f.pending(t)
				f.Exec(t, "grant "+f.intermediate(t)+" to "+mallory+options)
				f.can(t, mallory, "select from app.sales")
				f.rescan(t)
				f.cannot(t, mallory, "select from app.sales")
				f.can(t, alice, "select from app.sales")
				if managed {
					f.can(t, mallory, "select from app.costs")
				}
				f.quiet(t)
				f.delete(t, id)
				f.pending(t)
				f.cannot(t, alice, "select from app.sales")
				f.noIntermediates(t)
				f.quiet(t)
			})
		}
	}
}

// A rightful member that a superuser made a member by hand, too, loses all of it with its row.
func TestIntermediateMemberGrantedTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	r := row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", direct: ptr(false)}
	id := f.add(t, r)
	f.add(t, r.of(bob))
	f.pending(t)
	f.Exec(t, "grant "+f.intermediate(t)+" to "+alice)
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.can(t, bob, "select from app.sales")
	f.quiet(t)
}

// One whose selector finds nothing any more stays for a while, and sync --prune drops it; it comes back with the object.
func TestIntermediatePrune(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sal.*", match: "regex"})
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.asOwner(t, "drop table app.sales")
	f.rescan(t)
	f.intermediate(t)
	f.quiet(t)
	f.prune(t)
	f.noIntermediates(t)
	f.outcome(t, alice, plan.Waiting)
	f.quiet(t)
	f.asOwner(t, "create table app.sales (id int)")
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.intermediate(t)
	f.prune(t)
	f.intermediate(t) // it is of use again
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.noIntermediates(t)
}

// An empty one is dropped by a rescan when its time has passed.
func TestIntermediateOverdue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "sal.*", match: "regex"})
	f.pending(t)
	f.asOwner(t, "drop table app.sales")
	f.rescan(t)
	f.intermediate(t)
	f.engine = f.engineWith(t, plan.Policy{MaxDirectGrantees: 500, PruneEmptyAfterSecs: 0})
	f.write(t, "update sync_roles.intermediate_roles set empty_since = empty_since - interval '1 s'")
	f.rescan(t)
	f.noIntermediates(t)
	f.quiet(t)
}

// NOINHERIT members gain nothing from an intermediate role before PostgreSQL 16: they get direct grants, or are told why not.
func TestIntermediateNoInherit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.Exec(t, "alter role "+alice+" noinherit; alter role "+bob+" noinherit")
	chosen := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	asked := f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like", direct: ptr(false)})
	f.add(t, row{role: carol, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like", direct: ptr(false)})
	f.pending(t)
	f.can(t, alice, "select from app.sales")
	f.can(t, carol, "select from app.sales")
	f.outcome(t, alice, plan.Applied)
	if f.Version >= 16 {
		f.can(t, bob, "select from app.sales")
		f.outcome(t, bob, plan.Applied)
	} else {
		f.cannot(t, bob, "select from app.sales")
		f.outcome(t, bob, plan.Blocked)
		if p := f.last(t, bob).Problems; len(p) != 1 || !strings.Contains(p[0].Reason, "NOINHERIT") || p[0].Fix != "ALTER ROLE "+quote(bob)+" INHERIT" || p[0].GrantID != asked {
			t.Errorf("problems are %+v", p)
		}
	}
	f.quiet(t)
	// What is advised helps.
	f.Exec(t, "alter role "+bob+" inherit")
	f.rescan(t)
	f.can(t, bob, "select from app.sales")
	f.outcome(t, bob, plan.Applied)
	f.quiet(t)
	f.delete(t, chosen, asked)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	f.cannot(t, bob, "select from app.sales")
	f.can(t, carol, "select from app.sales")
	f.quiet(t)
}

// A member that becomes NOINHERIT keeps its access.
func TestIntermediateMemberBecomesNoInherit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	f.Exec(t, "alter role "+alice+" noinherit")
	f.rescan(t)
	f.can(t, alice, "select from app.sales")
	f.quiet(t)
	f.loses(t, alice, "select from app.sales", id)
	f.noIntermediates(t)
}

// What an intermediate role holds on a table of a managed role, whose privileges the daemon only borrows, goes with the last member.
func TestIntermediateOnManagedOwnersTable(t *testing.T) {
	t.Parallel()
	for encoding, match := range map[string]string{"exact": "sales", "like": "s%"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.insert(t, alice, "OWNER", "table", "app", "sales")
			id := f.add(t, row{role: bob, privilege: "SELECT", objectType: "table", schema: "app", name: match, match: encoding, direct: ptr(false)})
			f.pending(t)
			f.can(t, bob, "select from app.sales")
			f.quiet(t)
			f.delete(t, id)
			f.pending(t)
			f.cannot(t, bob, "select from app.sales")
			f.outcome(t, bob, plan.Applied)
			f.can(t, alice, "drop table app.sales")
			f.noIntermediates(t)
			f.quiet(t)
			if t.Failed() {
				for _, a := range append(f.audit(t, bob), f.audit(t, alice)...) {
					t.Log(a)
				}
				t.Log(pgtest.One[string](t, f.super, `
					select coalesce(string_agg(format('%s has member %s by %s', i.role_name, m.member::regrole, m.grantor::regrole), '; '), 'none is a member')
					from sync_roles.intermediate_roles as i left join pg_auth_members as m on m.roleid = i.role_oid`))
			}
		})
	}
}

// A role may own some of what its own pattern matches.
func TestIntermediatePatternOfAnOwner(t *testing.T) {
	t.Parallel()
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("another match %t", two), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if two {
				f.asOwner(t, "create table app.sums (id int)")
			}
			alice := f.user(t, "alice")
			pattern := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
			owner := f.insert(t, alice, "OWNER", "table", "app", "sales")
			f.pending(t)
			f.outcome(t, alice, plan.Applied)
			f.can(t, alice, "drop table app.sales")
			if two {
				f.can(t, alice, "select from app.sums")
			}
			f.quiet(t)
			f.delete(t, owner)
			f.pending(t)
			f.cannot(t, alice, "drop table app.sales")
			f.can(t, alice, "select from app.sales")
			f.quiet(t)
			f.loses(t, alice, "select from app.sales", pattern)
			f.noIntermediates(t)
		})
	}
}

// Dropping an intermediate role drops no objects, whoever let it own one. Before PostgreSQL 16 its members can SET ROLE to it, and
// so make a table that belongs to it.
func TestIntermediateDropKeepsObjects(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"altered by a superuser", "made by a member"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice := f.user(t, "alice")
			id := f.add(t, row{role: alice, privilege: "CREATE", objectType: "schema", name: "app", direct: ptr(false)})
			f.pending(t)
			role := f.intermediate(t)
			if how == "made by a member" {
				if f.Version >= 16 {
					t.Skip("members cannot SET ROLE to an intermediate role")
				}
				if _, err := f.Connect(t, alice).Exec(t.Context(), "set role "+role+"; create table app.precious as select 1 as id"); err != nil {
					t.Fatal(err)
				}
			} else {
				f.asOwner(t, "create table app.precious as select 1 as id; reset role; alter table app.precious owner to "+role)
			}
			f.rescan(t)
			f.delete(t, id)
			f.pending(t)
			f.rescan(t)
			if !pgtest.One[bool](t, f.super, "select to_regclass('app.precious') is not null") {
				t.Error("a table was dropped")
			}
			f.cannot(t, alice, "create table app.mine (id int)")
		})
	}
}
