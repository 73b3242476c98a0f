package reconcile_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Roles whose names are SQL's own words are ordinary roles.
func TestGuardNamesThatAreWords(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "trust")
	same := c.untouched(t, "public")
	names := []string{"PUBLIC", "Public", "current_user", "session_user", "current_role", "user", "all", "default", "NONE", "PG_x", "12345", "-", "_PGSR_x", "table", "a.b", "%s", "$1", "--", "/*"}
	daemonHas := withoutMemberships(c.holdings(t, "daemon"))
	for _, name := range names {
		c.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", name)
		c.insert(t, name, "CONNECT", "database", "", "db")
		c.insert(t, name, "SELECT", "table", "app", "sales")
		c.add(t, row{role: name, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
		c.insert(t, name, "MEMBER", "role", "", "team of "+name)
		c.insert(t, "team of "+name, "UPDATE", "table", "app", "costs")
		c.add(t, row{role: name, privilege: "OWNER", objectType: "schema", name: "schema of " + name, create: true})
	}
	c.pending(t)
	for _, name := range names {
		c.outcome(t, name, plan.Applied)
		c.may(t, true, name, "select from app.sales, app.costs; update app.costs set id = 1; create table "+pgx.Identifier{"schema of " + name, "t"}.Sanitize()+" (id int)")
		c.may(t, false, name, "insert into app.sales values (1)")
		c.isMember(t, true, name, "team of "+name)
	}
	c.quiet(t)
	same()
	sameList(t, "what the daemon has", withoutMemberships(c.holdings(t, "daemon")), daemonHas)
	c.write(t, "delete from sync_roles.desired_grants where privilege <> 'CONNECT'")
	c.pending(t)
	for _, name := range names {
		c.may(t, false, name, "select from app.sales")
		c.may(t, false, name, "select from app.costs")
		c.isMember(t, false, name, "team of "+name)
	}
	c.quiet(t)
	same()
}

// Names with quotes, newlines, emoji and 63 bytes, of roles as grantees, as groups and as grantors.
func TestGuardOddNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	same := f.untouched(t, neighbour, "public")
	fill := func(name, with string) string {
		for len(f.Role(name))+len(with) <= 63 {
			name += with
		}
		for len(f.Role(name)) < 63 {
			name += "x"
		}
		return name
	}
	long := fill("long", "l")
	names := []string{
		`quo"te`, `quo'te`, "new\nline", "tab\t\r", `back\slash`, `E'\''`, "😀", "naïve", "semi;colon; DROP ROLE x", "Upper", "sp ace ", " lead", "$$", "a,b", "a\x01",
		fill("é", "é"), fill("😀", "😀"), long[:len(long)-1] + "1", long[:len(long)-1] + "2", `a"=r*/"b`, "{}", "\u202eright to left",
	}
	for _, name := range names {
		x, g := f.Role(name), f.Role("g"+name)
		for len(g) > 63 || !utf8.ValidString(g) {
			g = g[:len(g)-1]
		}
		f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", x)
		f.insert(t, x, "CONNECT", "database", "", f.Database)
		f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "sales", grantable: true})
		f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
		if _, err := f.tryAdd(t, row{role: x, privilege: "MEMBER", objectType: "role", name: g}); err != nil {
			t.Errorf("a MEMBER row for %q in %q: %v", x, g, err)
		}
	}
	f.pending(t)
	for _, name := range names {
		x := f.Role(name)
		f.outcome(t, x, plan.Applied)
		f.can(t, x, "select from app.sales, app.costs; grant select on app.sales to "+f.Role("neighbour"))
		f.cannot(t, x, "insert into app.sales values (1)")
		f.is(t, true, "count(*) = 1 from pg_auth_members as m join pg_roles as g on g.oid = m.roleid where m.member = (select oid from pg_roles where rolname = $1) and not starts_with(g.rolname, '_pgsr_')", x)
	}
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_grants where privilege <> 'CONNECT'")
	f.pending(t)
	for _, name := range names {
		x := f.Role(name)
		f.cannot(t, x, "select from app.sales")
		f.cannot(t, x, "select from app.costs")
	}
	f.is(t, false, "exists (select from pg_auth_members as m join pg_roles as g on g.oid = m.roleid join pg_roles as u on u.oid = m.member where starts_with(g.rolname, $1) and u.rolname <> $2)", f.Prefix+"g", f.Daemon)
	f.quiet(t)
	same()

	for _, name := range []string{strings.Repeat("x", 64), strings.Repeat("😀", 16), ""} {
		if _, err := f.tryAdd(t, row{role: name, privilege: "SELECT", objectType: "table", schema: "app", name: "sales"}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("the name %q: %v", name, err)
		}
		if _, err := f.tryAdd(t, row{role: f.Role("x"), privilege: "MEMBER", objectType: "role", name: name}); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("membership in %q: %v", name, err)
		}
		if _, err := f.daemon.Exec(t.Context(), "insert into sync_roles.desired_roles (role_name) values ($1)", name); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("the role %q: %v", name, err)
		}
	}
}
