package attack_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// askLike writes a row as the daemon role: SELECT on the tables of schema sales that a pattern matches, which takes an intermediate role.
func (f *field) askLike(t *testing.T, role, pattern string) {
	t.Helper()
	f.run(t, f.Daemon, fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match)
		values ('%s', 'SELECT', 'table', 'sales', '%s', 'like')`, role, pattern))
}

// forget deletes all rows of a role.
func (f *field) forget(t *testing.T, role string) {
	t.Helper()
	f.run(t, f.Daemon, "delete from sync_roles.desired_grants where role_name = '"+role+"'")
}

// can asserts what a real login may do.
func (f *field) can(t *testing.T, want bool, role, sql string) {
	t.Helper()
	if got := f.Can(t, role, sql); got != want {
		t.Errorf("%s may %s: %t, want %t", role, sql, got, want)
	}
}

// prefix is how the names of this database's intermediate roles begin.
func (f *field) prefix(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("_pgsr_%d_", pgtest.One[uint32](t, f.Superuser(t), "select oid from pg_database where datname = current_database()"))
}

// intermediate returns the one intermediate role of the registry, by OID.
func (f *field) intermediate(t *testing.T) string {
	t.Helper()
	return pgtest.One[string](t, f.Superuser(t), "select r.rolname from sync_roles.intermediate_roles as i join pg_roles as r on r.oid = i.role_oid and r.rolname = i.role_name")
}

// planned returns the name that the next intermediate role would have.
func (f *field) planned(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`CREATE ROLE "(_pgsr_[0-9]+_[0-9a-f]{24})"`).FindStringSubmatch(f.call(t, "plan").want(t, 2).stdout)
	if found == nil {
		t.Fatal("no intermediate role is planned")
	}
	return found[1]
}

// reported asserts that the audit names a role as refused or blocked, once, with a reason and a fix.
func (f *field) reported(t *testing.T, role string, words ...string) {
	t.Helper()
	conn := f.Superuser(t)
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.audit where role_name = $1 and outcome in ('refused', 'blocked')", role); n != 1 {
		t.Errorf("the audit reports %s %d times, want once", role, n)
		return
	}
	text := pgtest.One[string](t, conn, "select problems::text from sync_roles.audit where role_name = $1 and outcome in ('refused', 'blocked')", role)
	for _, word := range append(words, `"fix"`) {
		if !strings.Contains(text, word) {
			t.Errorf("the audit of %s has no %q: %s", role, word, text)
		}
	}
}

// quiet asserts that all roles are in order and that another pass has nothing to do.
func (f *field) quiet(t *testing.T) {
	t.Helper()
	f.call(t, "sync").want(t, 0)
	before := pgtest.One[int64](t, f.Superuser(t), "select count(*) from sync_roles.audit")
	f.call(t, "plan").want(t, 0)
	f.call(t, "sync").want(t, 0)
	if after := pgtest.One[int64](t, f.Superuser(t), "select count(*) from sync_roles.audit"); after != before {
		t.Errorf("a pass with nothing to do wrote %d rows to the audit", after-before)
	}
}

// A CREATEROLE makes the keepers first, gives the daemon ADMIN, and stays a member: it is never given an intermediate role's members to write.
func TestKeepersMadeBefore(t *testing.T) {
	t.Parallel()
	f := installed(t)
	if f.Version < 16 {
		t.Skip("before 16 there are no keepers")
	}
	alice, prefix := f.user(t, "alice"), f.prefix(t)
	var sql strings.Builder
	for i := range 16 {
		fmt.Fprintf(&sql, "create role %[1]skeeper_%[2]d noinherit admin %[3]s; grant %[1]skeeper_%[2]d to %[4]s with set true, inherit true;", prefix, i, f.Daemon, f.dba)
	}
	f.run(t, f.dba, sql.String())
	f.askLike(t, alice, "o%")
	f.call(t, "sync").want(t, 0)
	f.can(t, true, alice, "select from sales.orders")
	f.can(t, false, f.dba, "select from sales.orders")
	super := f.Superuser(t)
	if n := pgtest.One[int](t, super, `select count(*) from pg_auth_members as m join pg_roles as r on r.oid = m.roleid where r.rolname in (select role_name from sync_roles.intermediate_roles union select role_name from sync_roles.keepers)
		and pg_has_role($1, m.member, 'MEMBER')`, f.dba); n > 0 {
		t.Error("the CREATEROLE reaches an intermediate role")
	}
	f.reported(t, pgtest.One[string](t, super, "select role_name from sync_roles.audit where outcome = 'refused'"), f.dba+" has ADMIN on it")
	f.quiet(t)
	f.forget(t, alice)
	f.quiet(t)
	f.can(t, false, alice, "select from sales.orders")
}

// The same for the keeper of the lock, which would be given CREATEROLE.
func TestLockKeeperMadeBefore(t *testing.T) {
	t.Parallel()
	f := bare(t)
	if f.Version < 16 {
		t.Skip("before 16 there is no keeper of the lock")
	}
	name := f.prefix(t) + "keeper_lock"
	f.run(t, f.dba, fmt.Sprintf("create role %[1]s noinherit admin %[2]s; grant %[1]s to %[3]s with set true", name, f.Daemon, f.dba))
	f.call(t, "migrate").want(t, 0)
	super := f.Superuser(t)
	if pgtest.One[bool](t, super, "select rolcreaterole from pg_roles where rolname = $1", name) {
		t.Error("the stranger was given CREATEROLE")
	}
	if pgtest.One[bool](t, super, "select pg_has_role($1, '_pgsr_lock', 'MEMBER')", name) {
		t.Error("the stranger was given the lock")
	}
	if !pgtest.One[bool](t, super, "select role_name <> $1 from sync_roles.keepers where locks", name) {
		t.Error("the stranger is the keeper of the lock")
	}
	f.call(t, "migrate").want(t, 0)
	alice := f.user(t, "alice")
	f.ask(t, alice, "orders")
	f.quiet(t)
	f.reported(t, name, f.dba+" has ADMIN on it")
	f.can(t, true, alice, "select from sales.orders")
}

// Whoever can guess an intermediate role's name makes it first. It is given nothing, its members get nothing, and the row is served all the same.
func TestIntermediateMadeBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trap string // {x}: the name; {d}: the daemon; {m}: the maker; {o}: the owner
		why  string
	}{
		"members":            {"grant {x} to {m}", "{m} is a member"},
		"ADMIN":              {"grant {x} to {m} with admin option", "{m} has ADMIN on it"},
		"members of members": {"create role {x}_group; grant {x} to {x}_group; grant {x}_group to {m}", "{x}_group is a member"},
		"LOGIN":              {"alter role {x} login password 'x'", "LOGIN"},
		"CREATEROLE":         {"alter role {x} createrole", "CREATEROLE"},
		"a membership":       {"grant {g} to {x}", "it is a member of role"},
		"more than its own":  {"reset session authorization; set role {o}; grant delete on sales.orders to {x}", "it holds more"},
		"a grant option":     {"reset session authorization; set role {o}; grant select on sales.orders to {x} with grant option", "it holds more"},
		"a column":           {"reset session authorization; set role {o}; grant update (id) on sales.orders to {x}", "it holds more"},
		"ownership":          {"reset session authorization; create table sales.mine (id int); alter table sales.mine owner to {x}", "it owns"},
		"no comment":         {"comment on role {x} is null", "comment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			alice, group := f.user(t, "alice"), f.Role("group")
			f.askLike(t, alice, "o%")
			x := f.planned(t)
			words := strings.NewReplacer("{x}", x, "{d}", f.Daemon, "{m}", f.dba, "{o}", f.Owner, "{g}", group)
			// Made by the daemon itself where there would be ADMIN to see, so that each trait is seen alone.
			maker := f.Daemon
			if name == "ADMIN" {
				maker = f.dba
			}
			f.Exec(t, words.Replace("create role {g}; set session authorization "+maker+`;
				create role {x} nologin; comment on role {x} is 'intermediate role of sync_roles in database y: SELECT on table sales.o%';
				reset session authorization; `+c.trap))
			if f.Version >= 16 && maker == f.dba {
				f.run(t, f.dba, words.Replace("grant {x} to {d} with admin true, inherit false, set false"))
			}
			before := pgtest.One[string](t, f.Superuser(t), "select coalesce(relacl::text, '') from pg_class where oid = 'sales.orders'::regclass")
			f.call(t, "sync").want(t, 0)
			f.can(t, true, alice, "select from sales.orders")
			f.can(t, false, f.dba, "select from sales.orders")
			f.reported(t, x, words.Replace(c.why))
			after := pgtest.One[string](t, f.Superuser(t), "select coalesce(relacl::text, '') from pg_class where oid = 'sales.orders'::regclass")
			if strings.Count(after, x+"=r/") > strings.Count(before, x+"=r/") {
				t.Errorf("the stranger was given something: %s, %s", before, after)
			}
			if pgtest.One[bool](t, f.Superuser(t), "select exists (select from pg_auth_members as m where m.roleid = $1::regrole and m.member = $2::regrole)", x, alice) {
				t.Error("alice was made a member of the stranger")
			}
			f.quiet(t)
			f.reported(t, x)
			f.forget(t, alice)
			f.quiet(t)
			f.can(t, false, alice, "select from sales.orders")
		})
	}
}

// What the daemon itself made, and no longer has in its registry, is taken again, without those of its members that no row asks for.
func TestOwnLeftoverIsTakenAgain(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.askLike(t, alice, "o%")
	f.askLike(t, bob, "o%")
	f.call(t, "sync").want(t, 0)
	x := f.intermediate(t)
	f.call(t, "migrate", "down", "--force").want(t, 0)
	f.call(t, "migrate").want(t, 0)
	f.askLike(t, alice, "o%")
	f.call(t, "sync", alice).want(t, 0)
	if again := f.intermediate(t); again != x {
		t.Errorf("the intermediate role is %s, and was %s", again, x)
	}
	f.can(t, true, alice, "select from sales.orders")
	f.can(t, false, bob, "select from sales.orders")
	f.quiet(t)
	f.forget(t, alice)
	f.quiet(t)
	f.can(t, false, alice, "select from sales.orders")
}

// Whoever may rename roles renames an intermediate role, and makes another of its name: the registry goes by OID.
func TestIntermediateRenamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql   string // {x}: the intermediate role; {m}: the maker; {p}: the test's prefix
		decoy bool
	}{
		"away":                      {"alter role {x} rename to {p}gone", false},
		"with a decoy":              {"alter role {x} rename to {p}gone; create role {x}; grant {x} to {m}", true},
		"with a decoy, uncommented": {"alter role {x} rename to {p}gone; comment on role {p}gone is null; create role {x}; grant {x} to {m}", true},
	} {
		for _, look := range []string{"sync", "row"} {
			t.Run(name+" "+look, func(t *testing.T) {
				t.Parallel()
				f := installed(t)
				alice, bob := f.user(t, "alice"), f.user(t, "bob")
				f.askLike(t, alice, "o%")
				f.askLike(t, bob, "o%")
				f.call(t, "sync").want(t, 0)
				x := f.intermediate(t)
				oid := pgtest.One[uint32](t, f.Superuser(t), "select oid from pg_roles where rolname = $1", x)
				sql := strings.NewReplacer("{x}", x, "{m}", f.dba, "{p}", f.Prefix).Replace(c.sql)
				if f.Version >= 16 {
					f.Exec(t, sql)
				} else {
					f.run(t, f.dba, sql)
				}
				if look == "row" { // a pass over one role alone
					f.askLike(t, f.user(t, "carol"), "o%")
					f.call(t, "sync", f.Role("carol")).want(t, 0)
				} else {
					f.call(t, "sync").want(t, 0)
				}
				now := f.intermediate(t)
				if pgtest.One[uint32](t, f.Superuser(t), "select oid from pg_roles where rolname = $1", now) != oid {
					t.Error("another role took its place")
				}
				if c.decoy == (now == x) {
					t.Errorf("it is called %s now, and was %s", now, x)
				}
				f.can(t, true, alice, "select from sales.orders")
				f.can(t, false, f.dba, "select from sales.orders")
				if c.decoy {
					f.reported(t, x)
				}
				f.quiet(t)
				f.forget(t, alice)
				f.call(t, "sync").want(t, 0)
				f.can(t, false, alice, "select from sales.orders")
				f.can(t, true, bob, "select from sales.orders")
				if c.decoy && !pgtest.One[bool](t, f.Superuser(t), "select to_regrole($1) is not null", x) {
					t.Error("the decoy was dropped, which is another's")
				}
			})
		}
	}
}

// Two intermediate roles that have changed names keep what is theirs.
func TestIntermediatesChangeNames(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.askLike(t, alice, "o%")
	f.askLike(t, bob, "c%")
	f.call(t, "sync").want(t, 0)
	super := f.Superuser(t)
	x := pgtest.One[string](t, super, "select role_name from sync_roles.intermediate_roles where object_name = 'o%'")
	y := pgtest.One[string](t, super, "select role_name from sync_roles.intermediate_roles where object_name = 'c%'")
	f.Exec(t, fmt.Sprintf("alter role %[1]s rename to %[3]s; alter role %[2]s rename to %[1]s; alter role %[3]s rename to %[2]s", x, y, f.Role("between")))
	f.call(t, "sync").want(t, 0)
	f.can(t, true, alice, "select from sales.orders")
	f.can(t, false, alice, "select from sales.costs")
	f.can(t, true, bob, "select from sales.costs")
	f.can(t, false, bob, "select from sales.orders")
	f.quiet(t)
	if n := pgtest.One[int](t, super, "select count(*) from sync_roles.audit where outcome in ('refused', 'blocked')"); n > 0 {
		t.Error("one of our own is reported as a stranger")
	}
	f.forget(t, alice)
	f.quiet(t)
	f.can(t, false, alice, "select from sales.orders")
	f.can(t, true, bob, "select from sales.costs")
}

// Keepers are inspected like intermediate roles: attributes, members, memberships, privileges.
func TestKeepersAreKept(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"slot is not null", "locks"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			f := installed(t)
			if f.Version < 16 {
				t.Skip("before 16 there are no keepers")
			}
			alice, prey := f.user(t, "alice"), f.Role("prey")
			f.askLike(t, alice, "o%")
			f.call(t, "sync").want(t, 0)
			k := pgtest.One[string](t, f.Superuser(t), "select role_name from sync_roles.keepers where "+which)
			replacer := strings.NewReplacer("{k}", k, "{m}", f.dba, "{d}", f.Daemon, "{o}", f.Owner, "{p}", prey)
			f.Exec(t, replacer.Replace(`create role {p}; grant {p} to {d} with admin true, inherit false, set false;
				alter role {k} login;
				set role {o}; grant select on sales.costs to {k}; reset role;
				set role {d}; grant {p} to {k}; grant {k} to {m}; reset role`))
			f.call(t, "sync").want(t, 0)
			super := f.Superuser(t)
			if got := pgtest.One[string](t, super, `select concat_ws(' ', r.rolcanlogin, pg_has_role($2, r.oid, 'MEMBER'), pg_has_role(r.oid, $3, 'MEMBER'), has_table_privilege(r.oid, 'sales.costs', 'SELECT'), r.rolcreaterole)
				from pg_roles as r where r.rolname = $1`, k, f.dba, prey); got != fmt.Sprintf("f f f f %.1s", fmt.Sprint(which == "locks")) {
				t.Errorf("login, member, membership, privilege, CREATEROLE of the keeper: %s", got)
			}
			f.quiet(t)
			// What only a superuser can put right is reported, with the statement that does.
			f.Exec(t, replacer.Replace("grant {k} to {m}; alter role {k} createdb"))
			f.call(t, "sync").want(t, 0)
			f.reported(t, k, "REVOKE", "GRANTED BY", "NOCREATEDB")
			f.quiet(t)
			for _, fix := range pgtest.One[[]string](t, super, "select array(select p ->> 'fix' from jsonb_array_elements(a.problems) as p) from sync_roles.audit as a where a.role_name = $1 and a.outcome = 'blocked'", k) {
				f.Exec(t, fix)
			}
			f.quiet(t)
			if pgtest.One[bool](t, super, "select pg_has_role($1, $2, 'MEMBER') or (select rolcreatedb from pg_roles where rolname = $2)", f.dba, k) {
				t.Error("what is advised does not help")
			}
			f.can(t, true, alice, "select from sales.orders")
			f.can(t, false, f.dba, "select from sales.orders")
		})
	}
}
