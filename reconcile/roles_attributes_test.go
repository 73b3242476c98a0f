package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

func TestRolesLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.user(t, "neighbour")
	same := f.untouched(t, neighbour, "public")
	x := f.Role("x")

	f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, x, plan.Applied)
	if code := f.login(t, x); code != "" {
		t.Errorf("%s cannot log in: %s", x, code)
	}
	f.quiet(t)

	f.write(t, "update sync_roles.desired_roles set login = false where role_name = $1", x)
	f.pending(t)
	if code := f.login(t, x); code != "28000" {
		t.Errorf("after login false the login ends with %q, want 28000", code)
	}
	f.quiet(t)

	// By hand it comes back, and a rescan takes it away.
	f.Exec(t, "alter role "+x+" login")
	f.rescan(t)
	f.outcome(t, x, plan.Applied)
	if code := f.login(t, x); code != "28000" {
		t.Errorf("after a rescan the login ends with %q, want 28000", code)
	}

	f.write(t, "update sync_roles.desired_roles set login = null where role_name = $1", x)
	f.pending(t)
	f.Exec(t, "alter role "+x+" login")
	f.quiet(t)
	if code := f.login(t, x); code != "" {
		t.Errorf("null does not leave LOGIN alone: %s", code)
	}
	same()
}

// A role that only a row names is created: without login, and with nothing.
func TestRolesCreated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.Role("x")
	f.write(t, "insert into sync_roles.desired_roles (role_name) values ($1)", x)
	f.pending(t)
	f.is(t, true, "not rolcanlogin and rolinherit and not (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls) from pg_roles where rolname = $1", x)
	f.quiet(t)
	// It is created again if somebody drops it.
	f.Exec(t, "drop role "+x)
	f.rescan(t)
	f.is(t, true, "exists (select from pg_roles where rolname = $1)", x)
	f.quiet(t)
}

func TestRolesValidUntil(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.role(t, "neighbour", "valid until '2031-01-01'")
	same := f.untouched(t, neighbour)
	x := f.Role("x")
	f.write(t, "insert into sync_roles.desired_roles (role_name, valid_until) values ($1, '2030-02-03 04:05:06.789012+02')", x)
	f.pending(t)
	for _, until := range []string{
		"2030-02-03 04:05:06.789012+02", "infinity", "1999-12-31 23:59:59-11", "-infinity", "2000-01-01 00:00:00+00", "0099-03-04 00:00:00+00",
		"9999-12-31 23:59:59.999999+00", "12345-01-02 00:00:00+00", "2030-07-01 12:00:00.1+05:30", "infinity",
	} {
		f.write(t, "update sync_roles.desired_roles set valid_until = $2::text::timestamptz where role_name = $1", x, until)
		f.pending(t)
		f.is(t, true, "rolvaliduntil = $2::text::timestamptz from pg_roles where rolname = $1", x, until)
		f.quiet(t)
	}

	f.write(t, "update sync_roles.desired_roles set valid_until = null where role_name = $1", x)
	f.pending(t)
	f.Exec(t, "alter role "+x+" valid until '2040-01-01 00:00:00+00'")
	f.quiet(t)
	f.is(t, true, "rolvaliduntil = '2040-01-01 00:00:00+00' from pg_roles where rolname = $1", x)
	same()
}

// No limit and infinity are the same: PostgreSQL cannot set a limit back to none.
func TestRolesValidUntilInfinityOfANewRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.role(t, "x", "")
	f.write(t, "insert into sync_roles.desired_roles (role_name, valid_until) values ($1, 'infinity')", x)
	f.pending(t)
	f.outcome(t, x, plan.Unchanged)
	f.is(t, true, "coalesce(rolvaliduntil, 'infinity') = 'infinity' from pg_roles where rolname = $1", x)
	f.quiet(t)
}

func TestRolesConnectionLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.Role("x")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login, connection_limit) values ($1, true, 1)", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	_ = f.Connect(t, x)
	if code := f.login(t, x); code != "53300" {
		t.Errorf("the second login ends with %q, want 53300", code)
	}
	f.quiet(t)
	f.write(t, "update sync_roles.desired_roles set connection_limit = -1 where role_name = $1", x)
	f.pending(t)
	if code := f.login(t, x); code != "" {
		t.Errorf("without a limit the login ends with %q", code)
	}
	f.quiet(t)
	f.write(t, "update sync_roles.desired_roles set connection_limit = 0 where role_name = $1", x)
	f.pending(t)
	if code := f.login(t, x); code != "53300" {
		t.Errorf("with limit 0 the login ends with %q, want 53300", code)
	}
	f.write(t, "update sync_roles.desired_roles set connection_limit = null where role_name = $1", x)
	f.pending(t)
	f.Exec(t, "alter role "+x+" connection limit 7")
	f.quiet(t)
	f.is(t, true, "rolconnlimit = 7 from pg_roles where rolname = $1", x)
}

func TestRolesInherit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := f.role(t, "g", "")
	f.asOwner(t, "grant select on app.sales to "+g)
	x := f.user(t, "x")
	f.write(t, "insert into sync_roles.desired_roles (role_name, inherit) values ($1, false)", x)
	f.insert(t, x, "MEMBER", "role", "", g)
	f.pending(t)
	f.is(t, false, "rolinherit from pg_roles where rolname = $1", x)
	f.cannot(t, x, "select from app.sales")
	f.can(t, x, "set local role "+g+"; select from app.sales")
	f.quiet(t)

	f.write(t, "update sync_roles.desired_roles set inherit = true where role_name = $1", x)
	f.pending(t)
	f.quiet(t)
	f.is(t, true, "rolinherit from pg_roles where rolname = $1", x)
	f.can(t, x, "select from app.sales")

	f.write(t, "update sync_roles.desired_roles set inherit = false where role_name = $1", x)
	f.pending(t)
	f.quiet(t)
	f.cannot(t, x, "select from app.sales")
	f.can(t, x, "set local role "+g+"; select from app.sales")

	f.write(t, "update sync_roles.desired_roles set inherit = null where role_name = $1", x)
	f.pending(t)
	f.Exec(t, "alter role "+x+" inherit")
	f.rescan(t)
	if f.Version >= 16 { // the membership has an option of its own, of which no row says anything now
		f.cannot(t, x, "select from app.sales")
	} else {
		f.can(t, x, "select from app.sales")
	}
	f.quiet(t)
	f.is(t, true, "rolinherit from pg_roles where rolname = $1", x)
}

// A role that becomes NOINHERIT loses what it had through intermediate roles on 14 and 15: the engine sees to it.
func TestRolesNoinheritKeepsPatterns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "%", match: "like"})
	f.pending(t)
	f.can(t, x, "select from app.sales, app.costs")
	f.write(t, "insert into sync_roles.desired_roles (role_name, inherit) values ($1, false)", x)
	f.pending(t)
	f.quiet(t)
	f.can(t, x, "select from app.sales, app.costs")
	f.delete(t, id)
	f.pending(t)
	f.quiet(t)
	f.cannot(t, x, "select from app.sales")
	f.cannot(t, x, "select from app.costs")
}

// Since 16 the daemon can give CREATEDB only if it has it. The rest is done, and what is missing is named.
func TestRolesCreatedb(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.Role("x"), f.Role("neighbour")
	f.write(t, "insert into sync_roles.desired_roles (role_name, login, createdb) values ($1, true, true), ($2, true, null)", x, neighbour)
	f.insert(t, x, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.is(t, true, "rolcanlogin from pg_roles where rolname = $1", neighbour)
	if f.Version >= 16 {
		f.outcome(t, x, plan.Blocked)
		f.is(t, true, "exists (select from pg_roles where rolname = $1 and rolcanlogin)", x)
		f.is(t, true, "has_table_privilege((select oid from pg_roles where rolname = $1), 'app.sales', 'SELECT')", x)
		p := f.problem(t, x, plan.Blocked, "CREATEDB")
		if want := fmt.Sprintf("ALTER ROLE %s CREATEDB", quote(f.Daemon)); p.Fix != want {
			t.Errorf("the fix is %q, want %q", p.Fix, want)
		}
		f.Exec(t, fmt.Sprintf("alter role %s createdb", quote(f.Daemon)))
		f.sync(t, x)
	}
	f.outcome(t, x, plan.Applied)
	f.is(t, true, "rolcreatedb and rolcanlogin from pg_roles where rolname = $1", x)
	f.quiet(t)
	f.write(t, "update sync_roles.desired_roles set createdb = false where role_name = $1", x)
	f.pending(t)
	f.is(t, false, "rolcreatedb from pg_roles where rolname = $1", x)
	f.quiet(t)
}

// createrole, replication and bypassrls are the policy's to allow.
func TestRolesGuardedAttributes(t *testing.T) {
	t.Parallel()
	for _, attribute := range []string{"createrole", "replication", "bypassrls"} {
		t.Run(attribute, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.superuserDaemon(t)
			x, old := f.Role("x"), f.role(t, "old", attribute+" login")
			has := "rol" + attribute + " from pg_roles where rolname = $1"
			f.write(t, "insert into sync_roles.desired_roles (role_name, connection_limit, "+attribute+") values ($1, 5, true), ($2, 5, true)", x, old)
			f.pending(t)
			f.outcome(t, x, plan.Refused)
			f.problem(t, x, plan.Refused, attribute, "--allow-attribute "+attribute)
			f.is(t, false, has, x)
			f.is(t, true, has, old) // not revoked: that was not asked
			f.is(t, true, "rolconnlimit = 5 from pg_roles where rolname = $1", x)
			f.quiet(t)

			others := []string{"createrole", "replication", "bypassrls"}
			for _, other := range others {
				policy := defaultPolicy
				policy.AllowAttribute = []string{other}
				f.engine = f.engineWith(t, policy)
				f.sync(t)
				f.is(t, other == attribute, has, x)
				f.quiet(t)
				f.Exec(t, "alter role "+x+" no"+attribute)
			}
			f.engine = f.engineWith(t, defaultPolicy)
			f.Exec(t, "alter role "+x+" "+attribute)
			f.write(t, "update sync_roles.desired_roles set "+attribute+" = false")
			f.pending(t)
			f.is(t, false, has, x)
			f.is(t, false, has, old)
			f.quiet(t)
		})
	}
}

// An allowed attribute that the daemon has no right to give: blocked, and why; the rest is done.
func TestRolesAllowedAttributeWithoutTheRight(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := defaultPolicy
	policy.AllowAttribute = []string{"createrole", "replication", "bypassrls"}
	f.engine = f.engineWith(t, policy)
	x, y, neighbour := f.Role("x"), f.Role("y"), f.Role("neighbour")
	f.write(t, `insert into sync_roles.desired_roles (role_name, connection_limit, createrole, replication)
		values ($1, 3, true, null), ($2, 3, null, true), ($3, 3, null, null)`, x, y, neighbour)
	f.insert(t, y, "SELECT", "table", "app", "sales")
	f.pending(t)
	f.is(t, true, "rolcreaterole from pg_roles where rolname = $1", x)
	f.is(t, true, "rolconnlimit = 3 from pg_roles where rolname = $1", neighbour)
	f.outcome(t, x, plan.Applied)
	f.outcome(t, neighbour, plan.Applied)
	f.outcome(t, y, plan.Blocked)
	f.problem(t, y, plan.Blocked, "REPLICATION")
	f.is(t, true, "exists (select from pg_roles where rolname = $1 and rolconnlimit = 3 and not rolreplication)", y)
	f.is(t, true, "has_table_privilege((select oid from pg_roles where rolname = $1), 'app.sales', 'SELECT')", y)
	f.quiet(t)
}

func TestRolesDeletedRowLeavesAttributes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.Role("x")
	f.write(t, `insert into sync_roles.desired_roles (role_name, login, connection_limit, inherit, valid_until, password_verifier)
		values ($1, true, 4, false, '2035-01-01 00:00:00+00', $2)`, x, scram(t, "secret"))
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.quiet(t)
	same := f.untouched(t, x)
	password := pgtest.One[string](t, f.super, "select rolpassword from pg_authid where rolname = $1", x)
	f.write(t, "delete from sync_roles.desired_roles where role_name = $1", x)
	f.pending(t)
	same()
	if got := pgtest.One[string](t, f.super, "select coalesce(rolpassword, '') from pg_authid where rolname = $1", x); got != password {
		t.Error("the password did not stay")
	}
	f.quiet(t)
	f.write(t, "truncate sync_roles.desired_roles, sync_roles.desired_grants")
	f.pending(t)
	f.is(t, true, "rolcanlogin and rolconnlimit = 4 from pg_roles where rolname = $1", x)
	if code := f.login(t, x); code != "42501" {
		t.Errorf("CONNECT was not revoked: the login ends with %q", code)
	}
	f.quiet(t)
}

// A role that the daemon may not alter: the exact GRANT is named, and with it the next rescan does the rest.
func TestRolesWithoutAdmin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.Role("x")
	attributes := ""
	if f.Version < 16 {
		attributes = "replication" // before 16 CREATEROLE is enough for all but superusers and replication
	}
	f.Exec(t, "create role "+x+" "+attributes)
	f.write(t, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, x, plan.Blocked)
	f.is(t, false, "rolcanlogin from pg_roles where rolname = $1", x)
	// The rest of the role is done.
	f.is(t, true, "has_database_privilege($1, current_database(), 'CONNECT')", x)
	f.quiet(t)
	if f.Version < 16 {
		return
	}
	want := fmt.Sprintf(`GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`, quote(x), quote(f.Daemon))
	if fixes := f.fixes(t, x); strings.Join(fixes, "; ") != want {
		t.Errorf("the fixes are %q, want %q", fixes, want)
	}
	f.rescan(t)
	f.outcome(t, x, plan.Applied)
	if code := f.login(t, x); code != "" {
		t.Errorf("the login ends with %q", code)
	}
	f.quiet(t)
}
