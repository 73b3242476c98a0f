package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// revocable is a database with something of every kind that revoke_other knows. All but what superusers alone can own belongs to the
// owner; on that, the daemon has the grant option, and by its hand the grants are made.
type revocable struct {
	*fixture
	space, fdw, server, language, group, parameter string
	large                                          uint32
}

func newRevocable(t *testing.T) *revocable {
	t.Helper()
	f := newFixture(t)
	r := &revocable{
		fixture: f, fdw: f.Role("fdw"), server: f.Role("srv"), language: f.Role("lang"), parameter: f.Prefix + "a.b",
		space: f.tablespace(t, "space", f.Owner), group: f.role(t, "group", ""),
	}
	f.Exec(t, fmt.Sprintf(`
		create foreign data wrapper %[1]s;
		grant usage on foreign data wrapper %[1]s to %[2]s;
		grant usage on foreign data wrapper %[1]s to %[5]s with grant option;
		create server %[3]s foreign data wrapper %[1]s;
		alter server %[3]s owner to %[2]s;
		create trusted language %[4]s handler plpgsql_call_handler;
		revoke usage on language %[4]s from public;
		alter language %[4]s owner to %[2]s`, r.fdw, f.Owner, r.server, r.language, f.Daemon))
	if f.Version >= 15 {
		f.Exec(t, fmt.Sprintf("grant set, alter system on parameter %s to %s with grant option", r.parameter, f.Daemon))
	}
	f.asOwner(t, `
		create schema kept;
		grant usage on schema kept to public;
		create table kept.t (id int);
		create sequence app.seq;
		create function app.fn() returns int language sql as 'select 1';
		revoke execute on function app.fn() from public;
		create type app.color as enum ('red');
		revoke usage on type app.color from public`)
	r.large = pgtest.One[uint32](t, f.super, "select lo_create(0)")
	f.Exec(t, fmt.Sprintf("alter large object %d owner to %s", r.large, f.Owner))
	return r
}

// give grants a role something of every kind, by hand.
func (r *revocable) give(t *testing.T, role string) {
	t.Helper()
	q := quote(role)
	r.asOwner(t, fmt.Sprintf(`
		grant select, insert on app.sales to %[1]s;
		grant update (id), references (id) on app.costs to %[1]s;
		grant select, delete on kept.t to %[1]s;
		grant usage, create on schema app to %[1]s;
		grant usage on schema kept to %[1]s;
		grant usage, select on sequence app.seq to %[1]s;
		grant execute on function app.fn() to %[1]s;
		grant usage on type app.color to %[1]s;
		grant usage on foreign server %[2]s to %[1]s;
		grant usage on language %[3]s to %[1]s;
		grant create on tablespace %[4]s to %[1]s;
		grant select on large object %[5]d to %[1]s;
		alter default privileges in schema app grant select on tables to %[1]s`, q, r.server, r.language, r.space, r.large))
	r.asDaemon(t, fmt.Sprintf(`
		grant usage on foreign data wrapper %[2]s to %[1]s;
		grant connect, temporary on database %[3]s to %[1]s;
		grant %[4]s to %[1]s`, q, r.fdw, r.Database, r.group))
	if r.Version >= 15 {
		r.asDaemon(t, fmt.Sprintf("grant set, alter system on parameter %s to %s", r.parameter, q))
	}
	r.Exec(t, fmt.Sprintf(`
		create table app.%[2]s (id serial);
		create table kept.%[2]s (id int);
		create schema %[2]s;
		create sequence app.%[3]s;
		create function app.%[2]s() returns int language sql as 'select 1';
		revoke execute on function app.%[2]s() from public;
		create type app.%[4]s as enum ('x');
		alter table app.%[2]s owner to %[1]s;
		alter table kept.%[2]s owner to %[1]s;
		alter schema %[2]s owner to %[1]s;
		alter sequence app.%[3]s owner to %[1]s;
		alter function app.%[2]s() owner to %[1]s;
		alter type app.%[4]s owner to %[1]s`, q, quote("o_"+role), quote("s_"+role), quote("t_"+role)))
}

// kindOf tells if revoke_other with this kind takes a line of holdings away.
func kindOf(kind, line string) bool {
	word, _, _ := strings.Cut(line, " ")
	switch kind {
	case "all":
		return word != "attributes" && word != "defaults"
	case "table_selects":
		return strings.HasPrefix(line, "tables SELECT ")
	case "schema_usage":
		return strings.HasPrefix(line, "schemas USAGE ")
	default:
		return word == kind
	}
}

func revocableKinds(version int) []string {
	kinds := []string{
		"role_memberships", "table_selects", "schema_usage", "databases", "schemas", "tables", "sequences", "routines", "types", "languages",
		"foreign_data_wrappers", "foreign_servers", "tablespaces", "large_objects", "ownerships", "all",
	}
	if version >= 15 {
		kinds = append(kinds, "parameters")
	}
	return kinds
}

// Each kind alone: what the role has of it by hand goes, when the row is written and when it is granted again; all else stays, and
// nobody else has less.
func TestRevokeEachKind(t *testing.T) { //nolint:tparallel // its subtests share a database, and the queue in it
	t.Parallel()
	r := newRevocable(t)
	neighbour, additive := r.role(t, "neighbour", ""), r.role(t, "additive", "")
	r.give(t, neighbour)
	r.give(t, additive)
	r.write(t, "insert into sync_roles.desired_roles (role_name, connection_limit) values ($1, -1)", additive)
	granted := r.insert(t, additive, "TRUNCATE", "table", "app", "sales")
	r.pending(t)
	r.delete(t, granted)
	r.pending(t)
	// What follows its table (the serial's sequence) and the row type is not listed in pg_shdepend for its owner's sake.
	same := r.untouched(t, neighbour, additive, "public")
	for _, kind := range revocableKinds(r.Version) {
		t.Run(kind, func(t *testing.T) {
			x := r.role(t, "x_"+kind, "")
			bare := r.holdings(t, x)
			r.give(t, x)
			before := r.holdings(t, x)
			want := slices.DeleteFunc(slices.Clone(before), func(line string) bool { return kindOf(kind, line) && !slices.Contains(bare, line) })
			if len(want) == len(before) {
				t.Fatalf("the role has nothing of kind %s: %v", kind, before)
			}
			nothing := r.nothingBorrowed(t)
			r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, array[$2])", x, kind)
			r.pending(t)
			r.outcome(t, x, reconcile.Applied)
			sameList(t, "what the role has left", r.holdings(t, x), want)
			if got, want := r.last(t, x).Revoked, len(before)-len(want); kind != "ownerships" && kind != "all" && got != want {
				t.Errorf("the audit has %d revoked, want %d: %v", got, want, r.last(t, x))
			}
			nothing()
			r.quiet(t)

			// By hand it comes back, and a rescan takes it.
			r.giveAgain(t, x, kind)
			r.rescan(t)
			sameList(t, "what the role has left after a rescan", r.holdings(t, x), want)
			r.quiet(t)
			nothing()

			// Without the row nothing more is taken, and nothing comes back.
			r.write(t, "delete from sync_roles.desired_roles where role_name = $1", x)
			r.pending(t)
			r.giveAgain(t, x, kind)
			again := r.holdings(t, x)
			r.quiet(t)
			sameList(t, "what the role has without the row", r.holdings(t, x), again)
			r.Exec(t, fmt.Sprintf("set role %s; revoke usage on schema app from %s", r.Owner, quote(x)))
		})
	}
	same()
}

// giveAgain grants something of a kind once more.
func (r *revocable) giveAgain(t *testing.T, role, kind string) {
	t.Helper()
	q := quote(role)
	switch kind {
	case "role_memberships":
		r.asDaemon(t, "grant "+r.group+" to "+q)
	case "table_selects", "tables", "all":
		r.asOwner(t, "grant select on app.sales to "+q)
	case "schema_usage", "schemas":
		r.asOwner(t, "grant usage on schema app to "+q)
	case "databases":
		r.asDaemon(t, "grant temporary on database "+r.Database+" to "+q)
	case "sequences":
		r.asOwner(t, "grant usage on sequence app.seq to "+q)
	case "routines":
		r.asOwner(t, "grant execute on function app.fn() to "+q)
	case "types":
		r.asOwner(t, "grant usage on type app.color to "+q)
	case "languages":
		r.asOwner(t, "grant usage on language "+r.language+" to "+q)
	case "foreign_data_wrappers":
		r.asDaemon(t, "grant usage on foreign data wrapper "+r.fdw+" to "+q)
	case "foreign_servers":
		r.asOwner(t, "grant usage on foreign server "+r.server+" to "+q)
	case "tablespaces":
		r.asOwner(t, "grant create on tablespace "+r.space+" to "+q)
	case "large_objects":
		r.asOwner(t, fmt.Sprintf("grant select on large object %d to %s", r.large, q))
	case "parameters":
		r.asDaemon(t, fmt.Sprintf("grant set on parameter %s to %s", r.parameter, q))
	case "ownerships":
		r.Exec(t, fmt.Sprintf("alter table app.%s owner to %s", quote("o_"+role), q))
	}
}

// What rows ask for stays, whatever the kind, and however it is held.
func TestRevokeKeepsWhatRowsAskFor(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	x := r.user(t, "x")
	r.give(t, x)
	o := "o_" + x
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	r.insert(t, x, "SELECT", "table", "app", "sales")
	r.add(t, row{role: x, privilege: "UPDATE", objectType: "table", schema: "app", name: "costs", column: "id"})
	r.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "kept", name: "%", match: "like"})
	r.insert(t, x, "CREATE", "schema", "", "app")
	r.insert(t, x, "USAGE", "sequence", "app", "seq")
	r.insert(t, x, "EXECUTE", "routine", "app", "fn")
	r.insert(t, x, "USAGE", "type", "app", "color")
	r.insert(t, x, "USAGE", "foreign_data_wrapper", "", r.fdw)
	r.insert(t, x, "USAGE", "foreign_server", "", r.server)
	r.insert(t, x, "USAGE", "language", "", r.language)
	r.insert(t, x, "CREATE", "tablespace", "", r.space)
	r.insert(t, x, "SELECT", "large_object", "", fmt.Sprint(r.large))
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	r.insert(t, x, "MEMBER", "role", "", r.group)
	r.insert(t, x, "OWNER", "table", "app", o)
	if r.Version >= 15 {
		r.insert(t, x, "SET", "parameter", "", r.parameter)
	}
	r.pending(t)
	r.outcome(t, x, reconcile.Applied)
	var got []string
	for _, line := range r.holdings(t, x) {
		line, _, _ = strings.Cut(line, " from ")
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") {
			got = append(got, line)
		}
	}
	want := []string{
		"tables SELECT app.sales", "tables UPDATE app.costs column id", "tables SELECT kept.t", "schemas CREATE app",
		"sequences USAGE app.seq", "routines EXECUTE app.fn", "types USAGE app.color", "foreign_data_wrappers USAGE " + r.fdw,
		"foreign_servers USAGE " + r.server, "languages USAGE " + r.language, "tablespaces CREATE " + r.space,
		fmt.Sprintf("large_objects SELECT %d", r.large), "databases CONNECT " + r.Database, "role_memberships " + r.group,
		"ownerships table app." + o, "ownerships sequence app." + o + "_id_seq",
	}
	if r.Version >= 15 {
		want = append(want, "parameters SET "+r.parameter)
	}
	// kept.% is held through an intermediate role as well, and its table of x's own went to the daemon.
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "role_memberships _pgsr_") })
	sameList(t, "what the role has", got, want)
	r.can(t, x, "select from app.sales, kept.t; update app.costs set id = 1; create table app.mine (id int)")
	r.cannot(t, x, "insert into app.sales values (1)")
	r.cannot(t, x, "delete from kept.t")
	r.quiet(t)

	// The rows go: nothing is left.
	r.write(t, "delete from sync_roles.desired_grants")
	r.pending(t)
	var left []string
	for _, line := range r.holdings(t, x) {
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") {
			left = append(left, line)
		}
	}
	sameList(t, "what the role has left", left, nil)
	r.quiet(t)
}

func TestRevokePreservesSchemas(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	x, neighbour := r.user(t, "x"), r.user(t, "neighbour")
	r.give(t, x)
	r.give(t, neighbour)
	same := r.untouched(t, neighbour, "public")
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	granted := r.insert(t, x, "SELECT", "table", "kept", "t")
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other, preserve_existing_grants_in_schemas) values ($1, '{all}', '{kept,nowhere}')", x)
	r.pending(t)
	r.outcome(t, x, reconcile.Applied)
	r.can(t, x, "select from kept.t; delete from kept.t; drop table kept."+quote("o_"+x))
	r.cannot(t, x, "select from app.sales")
	r.cannot(t, x, "select app.fn()")
	// The schema's own privileges are not preserved.
	r.is(t, false, "nspacl::text ~ $1 from pg_namespace where nspname = 'kept'", x+"=")
	r.owns(t, r.Daemon, "app.o_"+x)
	r.owns(t, x, "kept.o_"+x)
	r.quiet(t)

	// The row that spoke of kept.t goes: that is no "other".
	r.delete(t, granted)
	r.pending(t)
	r.cannot(t, x, "select from kept.t")
	r.can(t, x, "delete from kept.t")
	r.quiet(t)

	r.write(t, "update sync_roles.desired_roles set preserve_existing_grants_in_schemas = '{}'")
	r.pending(t)
	r.cannot(t, x, "delete from kept.t")
	r.owns(t, r.Daemon, "kept.o_"+x)
	r.quiet(t)
	same()
}

// databases covers the current database only, and role_memberships nothing of other databases' intermediate roles.
func TestRevokeOtherDatabases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	other := f.Role("other")
	f.Exec(t, "create database "+other+" template template0")
	f.afterwards(t, "drop database if exists "+other+" with (force)")
	f.Exec(t, fmt.Sprintf("alter database %[1]s owner to %[2]s; grant connect, create on database %[1]s to %[3]s; grant temporary on database %[4]s to %[3]s, %[5]s",
		other, f.Daemon, x, f.Database, neighbour))
	oid := pgtest.One[uint32](t, f.super, "select oid from pg_database where datname = $1", other)
	foreign := []string{
		fmt.Sprintf("_pgsr_%d_%s", oid, x), fmt.Sprintf("_pgsr_local_%d_table_select_%s", oid, x),
	}
	gone := []string{fmt.Sprintf("_pgsr_4294967295_%s", x), fmt.Sprintf("_pgsr_%dx_%s", oid, x), fmt.Sprintf("_pgsr_x%d_%s", oid, x)}
	for _, g := range append(slices.Clone(foreign), gone...) {
		f.Exec(t, "create role "+g)
		f.afterwards(t, "drop role "+g)
		f.manageable(t, g)
		f.asDaemon(t, "grant "+g+" to "+x)
	}
	same := f.untouched(t, neighbour, "public")
	nothing := f.nothingBorrowed(t)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{databases,role_memberships}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	f.is(t, true, "has_database_privilege($1, $2, 'CONNECT') and has_database_privilege($1, $2, 'CREATE')", x, other)
	for _, g := range foreign {
		if !f.member(t, x, g) {
			t.Errorf("the membership in %s is gone", g)
		}
	}
	for _, g := range gone {
		if f.member(t, x, g) {
			t.Errorf("the membership in %s is left", g)
		}
	}
	f.quiet(t)
	nothing()
	same()
	f.is(t, false, "datacl::text ~ ($1 || '=[A-Zc]*T') from pg_database where datname = current_database()", x)
}

// Owning the current database is an ownership, too; owning another one is not this database's business.
func TestRevokeOwnershipOfDatabases(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	other := f.Role("other")
	f.Exec(t, "create database "+other+" template template0")
	f.afterwards(t, "drop database if exists "+other+" with (force)")
	f.Exec(t, fmt.Sprintf("alter database %[1]s owner to %[2]s; alter database %[3]s owner to %[2]s; alter role %[4]s createdb; grant create on database %[3]s to %[4]s", other, x, f.Database, f.Daemon))
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", x)
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	f.is(t, true, "datdba::regrole::text = $1 from pg_database where datname = current_database()", f.Daemon)
	f.is(t, true, "datdba::regrole::text = $1 from pg_database where datname = $2", x, other)
	f.quiet(t)
}

// Serial and identity sequences belong to a column: they follow their table, and cannot be given away alone.
func TestRevokeOwnedSequences(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, "grant usage, create on schema app to "+x)
	f.Exec(t, "set role "+x+`; create table app.s (id serial, b bigint generated always as identity, c int default 1);
		create sequence app.free; create sequence app.tied owned by app.s.c; create table app.wanted (id serial); create index on app.wanted (id)`)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", x)
	f.insert(t, x, "OWNER", "table", "app", "wanted")
	f.pending(t)
	f.outcome(t, x, reconcile.Applied)
	for _, s := range []string{"app.s", "app.s_id_seq", "app.s_b_seq", "app.free", "app.tied"} {
		f.owns(t, f.Daemon, s)
	}
	for _, s := range []string{"app.wanted", "app.wanted_id_seq"} {
		f.owns(t, x, s)
	}
	f.quiet(t)
	f.delete(t, pgtest.One[int64](t, f.daemon, "select id from sync_roles.desired_grants"))
	f.pending(t)
	f.owns(t, f.Daemon, "app.wanted_id_seq")
	f.quiet(t)
}

// What another owner's role has granted to an exclusive role, and the daemon cannot revoke: blocked, and the rest goes.
func TestRevokeWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	x := r.user(t, "x")
	r.give(t, x)
	stranger := r.foreignOwner(t)
	r.Exec(t, fmt.Sprintf(`create table app.strange (id int); alter table app.strange owner to %s; set role %[1]s; grant select on app.strange to %[2]s; reset role;
		grant usage on foreign data wrapper %[3]s to %[2]s`, stranger, x, r.fdw))
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	r.pending(t)
	r.outcome(t, x, reconcile.Blocked)
	r.problem(t, x, reconcile.Blocked, "app.strange", stranger)
	r.problem(t, x, reconcile.Blocked, r.fdw, "postgres")
	r.cannot(t, x, "select from app.sales")
	r.can(t, x, "select from app.strange")
	var left []string
	for _, line := range r.holdings(t, x) {
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") && !strings.HasPrefix(line, "databases CONNECT") {
			left = append(left, line)
		}
	}
	sameList(t, "what the role has left", left, []string{"tables SELECT app.strange from " + stranger, "foreign_data_wrappers USAGE " + r.fdw + " from postgres"})
	r.quiet(t)
	r.fixes(t, x)
	r.rescan(t)
	r.cannot(t, x, "select from app.strange")
	r.is(t, false, "has_foreign_data_wrapper_privilege($1, $2, 'USAGE')", x, r.fdw)
	r.quiet(t)
}

// A superuser's daemon reaches everything.
func TestRevokeAsSuperuser(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	r.superuserDaemon(t)
	x, neighbour := r.user(t, "x"), r.user(t, "neighbour")
	r.give(t, x)
	r.give(t, neighbour)
	g := r.grantor(t, x)
	r.Exec(t, fmt.Sprintf("grant usage on foreign data wrapper %s to %s; create role %s; grant %[3]s to %[2]s; grant select on pg_authid to %[2]s; grant execute on function pg_read_file(text) to %[2]s",
		r.fdw, x, r.Role("g2")))
	same := r.untouched(t, neighbour, "public", g)
	r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	r.insert(t, x, "CONNECT", "database", "", r.Database)
	r.pending(t)
	r.outcome(t, x, reconcile.Applied)
	var left []string
	for _, line := range r.holdings(t, x) {
		if !strings.HasPrefix(line, "attributes") && !strings.HasPrefix(line, "defaults") {
			left = append(left, line)
		}
	}
	sameList(t, "what the role has left", left, []string{
		"databases CONNECT " + r.Database + " from " + r.Daemon,
		// pg_catalog is not the rows' business, in either direction.
		"tables SELECT pg_catalog.pg_authid from postgres",
	})
	r.quiet(t)
	same()
}

// What sync_roles itself granted (to writers) is not "other".
func TestRevokeSparesItsOwnSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asDaemon(t, fmt.Sprintf("grant usage on schema sync_roles to %[1]s; grant select, insert on sync_roles.desired_grants to %[1]s", x))
	f.write(t, "insert into sync_roles.writers (writer_role, grantee_like) values ($1, null)", x)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.can(t, x, "select from sync_roles.desired_grants")
	f.quiet(t)
}

// PUBLIC is touched only where a row names it; then it keeps nothing else of the kind, and no role of the same letters is meant.
func TestRevokeFromPublic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, `grant select on app.sales, app.costs to public; grant update (id) on app.sales to public; create function app.fn() returns int language sql as 'select 1'; grant select on app.sales to `+x)
	f.Exec(t, "grant connect on database "+f.Database+" to public")
	stranger := f.role(t, "stranger", "login")
	f.can(t, stranger, "create temporary table x (id int); select app.fn(); select from app.sales")
	same := f.untouched(t, x, stranger)

	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{databases,tables}')")
	kept := f.insert(t, "public", "SELECT", "table", "app", "costs")
	f.pending(t)
	f.outcome(t, "public", reconcile.Applied)
	if code := f.login(t, stranger); code != "42501" {
		t.Errorf("PUBLIC still has CONNECT: %q", code)
	}
	f.can(t, x, "select from app.sales; select from app.costs; select app.fn()") // its own, and what rows leave to PUBLIC
	f.cannot(t, x, "update app.sales set id = 1")
	f.cannot(t, x, "create temporary table x (id int)")
	f.is(t, true, "has_schema_privilege($1, 'app', 'USAGE')", stranger)
	f.quiet(t)

	f.asOwner(t, "grant select on app.sales to public")
	f.rescan(t)
	f.is(t, false, "has_table_privilege($1, 'app.sales', 'SELECT')", stranger)
	f.delete(t, kept)
	f.pending(t)
	f.cannot(t, x, "select from app.costs")
	f.quiet(t)
	f.write(t, "delete from sync_roles.desired_roles")
	f.pending(t)
	if code := f.login(t, stranger); code != "42501" {
		t.Errorf("deleting the row gave CONNECT back: %q", code)
	}
	f.quiet(t)
	same()
}

// EXECUTE on new functions is PUBLIC's by default, and the default is stored nowhere.
func TestRevokeRoutinesFromPublic(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x := f.user(t, "x")
	f.asOwner(t, "create function app.fn() returns int language sql as 'select 1'; create procedure app.pr(int) language sql as 'select 1'; create type app.color as enum ('red')")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{routines,types}')")
	allowed := f.insert(t, "public", "EXECUTE", "routine", "app", "pr(integer)")
	f.pending(t)
	f.cannot(t, x, "select app.fn()")
	f.cannot(t, x, "create temporary table c (c app.color)")
	f.can(t, x, "call app.pr(1)")
	f.can(t, x, "select pg_catalog.now()")
	f.quiet(t)
	f.asOwner(t, "create function app.fn2() returns int language sql as 'select 1'")
	f.can(t, x, "select app.fn2()")
	f.rescan(t)
	f.cannot(t, x, "select app.fn2()")
	f.delete(t, allowed)
	f.pending(t)
	f.cannot(t, x, "call app.pr(1)")
	f.quiet(t)
}

// What PUBLIC alone may be told, and nothing else.
func TestRevokeFromPublicRefusedAtInsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, sql := range []string{
		"insert into sync_roles.desired_roles (role_name, login) values ('public', true)",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{role_memberships}')",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('public', '{ownerships}')",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('x', '{everything}')",
		"insert into sync_roles.desired_roles (role_name, revoke_other) values ('x', '{tables,null}')",
	} {
		if _, err := f.daemon.Exec(t.Context(), sql); err == nil || sqlstate(t, err) != "23514" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// A role that is exclusive and in a pattern's intermediate role keeps that, and loses the one whose row is gone.
func TestRevokeAndIntermediateRoles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	id := f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.add(t, row{role: x, privilege: "SELECT", objectType: "table", schema: "app", name: "c%", match: "like"})
	f.add(t, row{role: neighbour, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	f.can(t, x, "select from app.sales, app.costs")
	f.quiet(t)
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, x, "select from app.sales")
	f.can(t, x, "select from app.costs")
	f.can(t, neighbour, "select from app.sales")
	f.quiet(t)
	// By hand it gets into the neighbour's intermediate role.
	via := f.texts(t, "select role_name from sync_roles.intermediate_roles where object_name = 's%'")
	f.Exec(t, "grant "+quote(via[0])+" to "+x)
	f.rescan(t)
	f.cannot(t, x, "select from app.sales")
	f.can(t, neighbour, "select from app.sales")
	f.quiet(t)
}

// An ownership alone that is taken away takes the privileges it implied, and leaves those of others on the object.
func TestRevokeOwnershipsKeepsOthersAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, neighbour := f.user(t, "x"), f.user(t, "neighbour")
	f.Exec(t, fmt.Sprintf("create table app.t (id int); alter table app.t owner to %s; set role %[1]s; grant select on app.t to %s", x, neighbour))
	nothing := f.nothingBorrowed(t)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{ownerships}')", x)
	f.pending(t)
	f.owns(t, f.Daemon, "app.t")
	f.cannot(t, x, "select from app.t")
	f.can(t, neighbour, "select from app.t")
	nothing()
	f.quiet(t)
}

// By hand an exclusive role got into a superuser, out of which only a superuser can take it: that is said, and the rest goes.
func TestRevokeMembershipInASuperuser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, boss, g := f.user(t, "x"), f.role(t, "boss", "superuser"), f.role(t, "g", "")
	f.asDaemon(t, "grant "+g+" to "+x)
	f.Exec(t, "grant "+boss+" to "+x)
	f.asOwner(t, "grant select on app.sales to "+x)
	f.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, '{all}')", x)
	f.insert(t, x, "CONNECT", "database", "", f.Database)
	f.pending(t)
	f.outcome(t, x, reconcile.Blocked)
	f.problem(t, x, reconcile.Blocked, boss)
	if f.member(t, x, g) {
		t.Errorf("%s is still a member of %s", x, g)
	}
	f.is(t, false, "relacl::text ~ $1 from pg_class where oid = 'app.sales'::regclass", x+"=")
	f.quiet(t)
	f.fixes(t, x)
	f.rescan(t)
	if f.member(t, x, boss) {
		t.Errorf("%s is still a member of %s", x, boss)
	}
	f.quiet(t)
}
