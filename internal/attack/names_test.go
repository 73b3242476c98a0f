package attack_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

// Names are data: a row does what it says to the object and the role that have exactly these names, and nothing to any other.

// TestHostileNames makes objects and roles of all hostile names side by side, and asks for every second one: the others must be left alone. A name of
// an object is asked for in half of the ways to name one, and a name of a role in all, because words behind TO and FROM have meanings of their own.
//
// It looks at all roles of the cluster: no other test may run at the same time.
func TestHostileNames(t *testing.T) {
	n := newNames(t)
	for _, c := range []struct {
		kinds []namedKind // a name can be all of these at the same time
		turns int
	}{
		{[]namedKind{schemaNamed, tableNamed, columnNamed, sequenceNamed, routineNamed, argumentNamed, typeNamed, serverNamed}, 1},
		{[]namedKind{roleNamed}, 2},
		{[]namedKind{memberNamed}, 2},
		{[]namedKind{newRoleNamed}, 2},
		{[]namedKind{newSchemaNamed}, 1},
	} {
		for turn := range c.turns {
			t.Run(fmt.Sprintf("%s %d", c.kinds[0].what, turn), func(t *testing.T) {
				var all []named
				for k, kind := range c.kinds {
					for i, name := range sqllex.Hostile() {
						all = append(all, named{namedKind: kind, name: name, asked: (i+k+turn)%2 == 0, direct: (i+k)/2%8 != 0})
					}
				}
				n.try(t, all)
			})
		}
	}
}

// FuzzNames asks for one name among others that are like it. Its long form is nightly: .ci/run fuzz.
func FuzzNames(f *testing.F) {
	n := newNames(f)
	kinds := []namedKind{
		schemaNamed, tableNamed, columnNamed, sequenceNamed, routineNamed, argumentNamed, typeNamed, serverNamed,
		roleNamed, memberNamed, newRoleNamed, newSchemaNamed,
	}
	hostile := sqllex.Hostile()
	for i := 0; i < len(kinds); i += 4 { // few: TestHostileNames has them all
		f.Add(uint8(i), hostile[i*len(hostile)/len(kinds)], i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, kind uint8, name string, direct bool) {
		k := kinds[int(kind)%len(kinds)]
		all := []named{{namedKind: k, name: name, asked: true, direct: direct}}
		for _, other := range alike(name) {
			all = append(all, named{namedKind: k, name: other})
		}
		n.try(t, all)
	})
}

// alike are the names that a mistake in quoting, folding or cutting off would make of a name.
func alike(name string) []string {
	names := []string{
		strings.ToLower(name), strings.ToUpper(name), strings.TrimSpace(name), `"` + name + `"`, name[:min(len(name), 63)],
		strings.ReplaceAll(name, `"`, `""`), strings.ReplaceAll(name, `\`, `\\`), strings.ReplaceAll(name, `'`, `''`),
		strings.NewReplacer(`"`, "", `'`, "", `\`, "", "\x00", "").Replace(name), strings.ToValidUTF8(name, "\ufffd"),
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(other string) bool { return other == name || !nameable(other) })
}

// nameable reports whether a catalog can hold the name.
func nameable(name string) bool {
	return name != "" && len(name) <= 63 && utf8.ValidString(name) && !strings.Contains(name, "\x00")
}

// A namedKind is something that a row can name.
type namedKind struct {
	what                            string
	privilege, objectType, inSchema string
	// create is what a DBA runs: %1$I is the name, %2$I the owner of objects, %3$I the daemon. Without it, a pass creates what is named.
	create string
	oid    string // SQL that finds it by its name
	// gained is what there is in the world with the row, stays what is left of it without: {o} is the OID of what is named, {n} the name, {g} the
	// grantee's OID, {d} the daemon's, {s} and {t} those of schema shop and table shop.orders.
	gained, stays []string
	reserved      func(name string) bool // no row can have an effect on such a name
}

var (
	schemaNamed = namedKind{
		what: "schema", privilege: "USAGE", objectType: "schema", create: "create schema %1$I authorization %2$I", reserved: reservedSchema,
		oid: "select oid from pg_namespace where nspname = $1", gained: []string{"role {g} may USAGE on schema {o}"},
	}
	tableNamed = namedKind{
		what: "table", privilege: "SELECT", objectType: "table", inSchema: "shop", create: "create table shop.%1$I (); alter table shop.%1$I owner to %2$I",
		oid: "select oid from pg_class where relname = $1 and relnamespace = 'shop'::regnamespace", gained: []string{"role {g} may SELECT on table {o}"},
	}
	columnNamed = namedKind{
		what: "column", privilege: "SELECT", objectType: "table", inSchema: "shop", create: "alter table shop.columns add %1$I int",
		oid: "select attnum::int::oid from pg_attribute where attname = $1 and attrelid = 'shop.columns'::regclass", gained: []string{"role {g} may SELECT on column {o}"},
	}
	sequenceNamed = namedKind{
		what: "sequence", privilege: "USAGE", objectType: "sequence", inSchema: "tickets",
		create: "create sequence tickets.%1$I; alter sequence tickets.%1$I owner to %2$I",
		oid:    "select oid from pg_class where relname = $1 and relnamespace = 'tickets'::regnamespace", gained: []string{"role {g} may USAGE on sequence {o}"},
	}
	routineNamed = namedKind{
		what: "routine", privilege: "EXECUTE", objectType: "routine", inSchema: "shop",
		create: "create function shop.%1$I() returns int language sql as 'select 1'; alter function shop.%1$I() owner to %2$I",
		oid:    "select oid from pg_proc where proname = $1 and pronamespace = 'shop'::regnamespace", gained: []string{"role {g} may EXECUTE on routine {o}"},
		// Behind a parenthesis stand argument types: such a name only a pattern can find.
		reserved: func(name string) bool { return strings.Contains(name, "(") },
	}
	argumentNamed = namedKind{
		what: "argument", privilege: "EXECUTE", objectType: "routine", inSchema: "arguments",
		create: "create domain arguments.%1$I as int; create function arguments.takes(arguments.%1$I) returns int language sql as 'select 1'; alter function arguments.takes(arguments.%1$I) owner to %2$I",
		oid:    "select p.oid from pg_proc p join pg_type t on t.oid = p.proargtypes[0] where t.typname = $1 and p.pronamespace = 'arguments'::regnamespace",
		gained: []string{"role {g} may EXECUTE on routine {o}"},
	}
	typeNamed = namedKind{
		what: "type", privilege: "USAGE", objectType: "type", inSchema: "types", create: "create domain types.%1$I as int; alter type types.%1$I owner to %2$I",
		oid: "select oid from pg_type where typname = $1 and typtype = 'd' and typnamespace = 'types'::regnamespace", gained: []string{"role {g} may USAGE on type {o}"},
	}
	serverNamed = namedKind{
		what: "server", privilege: "USAGE", objectType: "foreign_server",
		create: "create server %1$I foreign data wrapper hostile_names; alter server %1$I owner to %2$I",
		oid:    "select oid from pg_foreign_server where srvname = $1", gained: []string{"role {g} may USAGE on server {o}"},
	}
	roleNamed = namedKind{
		what: "role", privilege: "SELECT", objectType: "table", inSchema: "shop", create: "create role %1$I login", reserved: reservedRole,
		oid: "select oid from pg_roles where rolname = $1", gained: []string{"role {o} may SELECT on table {t}"},
	}
	memberNamed = namedKind{
		what: "member", privilege: "MEMBER", objectType: "role", create: "create role %1$I", reserved: reservedRole,
		oid: "select oid from pg_roles where rolname = $1", gained: []string{"role {g} has what role {o} has"},
	}
	newRoleNamed = namedKind{
		what: "new role", privilege: "SELECT", objectType: "table", inSchema: "shop", reserved: reservedRole,
		oid:    "select oid from pg_roles where rolname = $1",
		gained: []string{"role {o} is named {n}", "role {o} may USAGE on schema {s}", "role {o} may SELECT on table {t}"},
		stays:  []string{"role {o} is named {n}", "role {o} may USAGE on schema {s}"}, // as PUBLIC has it
	}
	newSchemaNamed = namedKind{
		what: "new schema", privilege: "OWNER", objectType: "schema", reserved: reservedSchema,
		oid:    "select oid from pg_namespace where nspname = $1",
		gained: []string{"schema {o} is named {n}", "schema {o} belongs to {g}", "role {g} may USAGE on schema {o}", "role {g} may CREATE on schema {o}"},
		stays:  []string{"schema {o} is named {n}", "schema {o} belongs to {d}", "role {d} may USAGE on schema {o}", "role {d} may CREATE on schema {o}"},
	}
)

// A row for PUBLIC is for no role.
func reservedRole(name string) bool {
	return name == "public" || name == "none" || strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "_pgsr_")
}

func reservedSchema(name string) bool {
	return name == "sync_roles" || name == "information_schema" || strings.HasPrefix(name, "pg_")
}

// grantsTo reports whether the row's name is that of its grantee.
func (k namedKind) grantsTo() bool { return k.what == "role" || k.what == "new role" }

type named struct {
	namedKind
	name   string
	asked  bool // a row names it
	direct bool // on the object itself, or by an intermediate role
}

// names is a database in which names are tried.
type names struct {
	*pgtest.Env
	super, daemon *pgx.Conn
	grantee       string
	roles         []uint32 // that were there before
	failed        bool     // the last trial left something
}

func newNames(tb testing.TB) *names {
	tb.Helper()
	n := &names{Env: pgtest.New(tb)}
	n.grantee = n.Role("grantee")
	n.Exec(tb, fmt.Sprintf(`create role %s login; grant connect on database %s to public;
		alter default privileges revoke execute on functions from public; alter default privileges revoke usage on types from public;
		create foreign data wrapper hostile_names; grant usage on foreign data wrapper hostile_names to %s`, n.grantee, n.Database, n.Owner))
	if r := call(tb.Context(), "migrate", "-d", n.URL(n.Daemon)); r.code != 0 {
		tb.Fatal(r.stderr)
	}
	n.super, n.daemon = n.Superuser(tb), n.Connect(tb, n.Daemon)
	if n.Version >= 16 {
		n.Exec(tb, fmt.Sprintf("grant %s to %s with admin true, inherit false, set false", n.grantee, n.Daemon))
	}
	n.roles = pgtest.One[[]uint32](tb, n.super, "select array_agg(oid) from pg_roles")
	return n
}

// try makes what is named, and compares the world without rows, with rows, and without them again.
func (n *names) try(t *testing.T, all []named) {
	t.Helper()
	n.clear(t)
	n.failed = true
	all = slices.DeleteFunc(all, func(item named) bool { return !n.make(t, item) })
	before := n.world(t)

	accepted := slices.DeleteFunc(slices.Clone(all), func(item named) bool { return !item.asked || !n.write(t, item) })
	n.pass(t, accepted)
	asked := slices.DeleteFunc(accepted, func(item named) bool { return item.reserved != nil && item.reserved(item.name) })
	if want, with := n.expected(t, before, asked, namedKind.whatIsGained), n.world(t); !maps.Equal(want, with) {
		t.Errorf("with the rows, the world is not as they say: %s", pgtest.Differences(want, with))
	}
	n.logins(t, all)

	n.must(t, n.daemon, "delete from sync_roles.desired_grants")
	want := n.expected(t, before, asked, namedKind.whatStays)
	n.pass(t, nil)
	if after := n.world(t); !maps.Equal(want, after) {
		t.Errorf("after the rows, the world is not as it was: %s", pgtest.Differences(want, after))
	}
	n.failed = t.Failed()
}

func (k namedKind) whatIsGained() []string { return k.gained }
func (k namedKind) whatStays() []string    { return k.stays }

// make creates what is named, if it can be. It is false for what was there before: a row would be about something else than is meant here.
func (n *names) make(t *testing.T, item named) bool {
	t.Helper()
	if !nameable(item.name) {
		return true
	}
	if _, exists := n.find(t, item); exists {
		return false
	}
	if item.create == "" {
		return true
	}
	sql := pgtest.One[string](t, n.super, "select format($1, $2::text, $3::text, $4::text)", item.create, item.name, n.Owner, n.Daemon)
	if n.Version >= 16 && strings.HasPrefix(sql, "create role") {
		sql += pgtest.One[string](t, n.super, "select format('; grant %I to %I with admin true, inherit false, set false', $1::text, $2::text)", item.name, n.Daemon)
	}
	_, err := n.super.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil && (item.reserved == nil || !item.reserved(item.name)) {
		t.Fatalf("make %s %q: %v", item.what, item.name, err)
	}
	return true
}

// find returns the OID of what is named.
func (n *names) find(t *testing.T, item named) (oid uint32, exists bool) {
	t.Helper()
	switch err := n.super.QueryRow(t.Context(), item.oid, item.name).Scan(&oid); {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, false
	case err != nil:
		t.Fatalf("look for %s %q: %v", item.what, item.name, err)
	}
	return oid, true
}

// write writes the row, and reports whether it was accepted. Only what cannot be a name, or is reserved, may be refused, and by a message.
func (n *names) write(t *testing.T, item named) bool {
	t.Helper()
	role, object := n.grantee, item.name
	var column, schema *string
	var direct *bool
	switch {
	case item.grantsTo():
		role, object = item.name, "orders"
	case item.what == "column":
		object, column = "columns", &item.name
	case item.what == "argument" && nameable(item.name):
		oid, _ := n.find(t, item)
		object = pgtest.One[string](t, n.daemon, "select signature from sync_roles.objects where object_type = 'routine' and object_oid = $1", oid)
	}
	if item.inSchema != "" {
		schema = &item.inSchema
	}
	if item.privilege != "MEMBER" && item.privilege != "OWNER" {
		direct = &item.direct
	}
	if role == "public" {
		return false // PUBLIC, and no name
	}
	_, err := n.daemon.Exec(t.Context(), `
		insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, direct, create_if_not_exists)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		role, item.privilege, item.objectType, schema, object, column, direct, item.what == "new schema")
	var refusal *pgconn.PgError
	switch possible := nameable(item.name); {
	case err == nil && !possible:
		t.Errorf("a row for %s %q is accepted", item.what, item.name)
	case err != nil && possible && (item.reserved == nil || !item.reserved(item.name)):
		t.Errorf("a row for %s %q is refused: %v", item.what, item.name, err)
	case err != nil && (!errors.As(err, &refusal) || refusal.Code != "23514" && refusal.Code != "22021"): // check_violation, character_not_in_repertoire
		t.Errorf("a row for %s %q is refused by %v", item.what, item.name, err)
	}
	return err == nil
}

// pass runs one, which must do all that is asked.
func (n *names) pass(t *testing.T, accepted []named) {
	t.Helper()
	r := call(t.Context(), "sync", "--max-revokes", "0", "--lock-timeout", "1m", "-d", n.URL(n.Daemon))
	if r.code != 0 && !slices.ContainsFunc(accepted, func(item named) bool { return item.reserved != nil && item.reserved(item.name) }) {
		t.Errorf("sync ended with %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// expected is the world before, and what rows change in it.
func (n *names) expected(t *testing.T, before map[string]bool, asked []named, lines func(namedKind) []string) map[string]bool {
	t.Helper()
	result := maps.Clone(before)
	id := func(sql string, args ...any) string {
		return strconv.FormatUint(uint64(pgtest.One[uint32](t, n.super, sql, args...)), 10)
	}
	grantee, daemon := id("select oid from pg_roles where rolname = $1", n.grantee), id("select oid from pg_roles where rolname = $1", n.Daemon)
	shop, orders := id("select 'shop'::regnamespace::oid"), id("select 'shop.orders'::regclass::oid")
	for _, item := range asked {
		oid, exists := n.find(t, item)
		if !exists {
			t.Errorf("there is no %s %q", item.what, item.name)
			continue
		}
		for _, line := range lines(item.namedKind) {
			replace := strings.NewReplacer("{o}", strconv.FormatUint(uint64(oid), 10), "{n}", strconv.Quote(item.name), "{g}", grantee, "{d}", daemon, "{s}", shop, "{t}", orders)
			result[replace.Replace(line)] = true
		}
	}
	return result
}

// logins logs in as each role that was made, and tries.
func (n *names) logins(t *testing.T, all []named) {
	t.Helper()
	for _, item := range all {
		if item.what != "role" || !nameable(item.name) || item.reserved(item.name) {
			continue
		}
		config, err := pgx.ParseConfig(n.URL(n.Daemon))
		if err != nil {
			t.Fatal(err)
		}
		config.User = item.name
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Errorf("log in as %q: %v", item.name, err)
			continue
		}
		_, err = conn.Exec(t.Context(), "select from shop.orders")
		var refusal *pgconn.PgError
		if can := err == nil; can != item.asked || !can && (!errors.As(err, &refusal) || refusal.Code != "42501") {
			t.Errorf("%q has a row: %t; what it may read: %v", item.name, item.asked, err)
		}
		_ = conn.Close(t.Context())
	}
}

// world is what there is, and who can do what with it, by OIDs. What holds privileges for others is left out: what counts is what those can do.
func (n *names) world(t *testing.T) map[string]bool {
	t.Helper()
	result := map[string]bool{}
	rows, err := n.super.Query(t.Context(), `
		select 'role ' || oid, rolname::text from pg_temp.hostile_roles
		union all select 'schema ' || oid, nspname::text from pg_temp.hostile_schemas
		union all select 'relation ' || c.oid, c.relname::text from pg_class c join pg_temp.hostile_schemas s on s.oid = c.relnamespace
		union all select 'column ' || a.attnum::int::oid, a.attname::text from pg_attribute a where a.attrelid = 'shop.columns'::regclass
		union all select 'routine ' || p.oid, p.proname::text from pg_proc p join pg_temp.hostile_schemas s on s.oid = p.pronamespace
		union all select 'type ' || p.oid, p.typname::text from pg_type p join pg_temp.hostile_schemas s on s.oid = p.typnamespace
		union all select 'server ' || oid, srvname::text from pg_foreign_server`)
	if err != nil {
		t.Fatal(err)
	}
	type thing struct{ What, Name string }
	things, err := pgx.CollectRows(rows, pgx.RowToStructByPos[thing])
	if err != nil {
		t.Fatal(err)
	}
	for _, thing := range things {
		result[fmt.Sprintf("%s is named %q", thing.What, thing.Name)] = true
	}
	for _, sql := range []string{
		"select format('role %s has login %s, superuser %s, createrole %s', oid, rolcanlogin, rolsuper, rolcreaterole) from pg_temp.hostile_roles where rolcanlogin or rolsuper or rolcreaterole",
		"select format('role %s has what role %s has', r.oid, g.oid) from pg_temp.hostile_roles r join pg_temp.hostile_roles g on g.oid <> r.oid where not r.rolsuper and pg_has_role(r.oid, g.oid, 'USAGE')",
		"select format('schema %s belongs to %s', oid, nspowner) from pg_temp.hostile_schemas",
		"select format('relation %s belongs to %s', c.oid, c.relowner) from pg_class c join pg_temp.hostile_schemas s on s.oid = c.relnamespace",
		"select format('routine %s belongs to %s', c.oid, c.proowner) from pg_proc c join pg_temp.hostile_schemas s on s.oid = c.pronamespace",
		"select format('type %s belongs to %s', c.oid, c.typowner) from pg_type c join pg_temp.hostile_schemas s on s.oid = c.typnamespace",
		"select format('server %s belongs to %s', oid, srvowner) from pg_foreign_server",
		may("schema", "USAGE,CREATE", "has_schema_privilege(r.oid, o.oid, p)", "pg_temp.hostile_schemas o"),
		may("table", "SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER", "has_table_privilege(r.oid, o.oid, p)", "pg_class o join pg_temp.hostile_schemas s on s.oid = o.relnamespace and o.relkind = 'r'"),
		may("sequence", "USAGE,SELECT,UPDATE", "has_sequence_privilege(r.oid, o.oid, p)", "pg_class o join pg_temp.hostile_schemas s on s.oid = o.relnamespace and o.relkind = 'S'"),
		may("column", "SELECT,INSERT,UPDATE,REFERENCES", "has_column_privilege(r.oid, 'shop.columns'::regclass, o.attnum, p)", "(select attnum, attnum::int::oid as oid from pg_attribute where attrelid = 'shop.columns'::regclass) o"),
		may("routine", "EXECUTE", "has_function_privilege(r.oid, o.oid, p)", "pg_proc o join pg_temp.hostile_schemas s on s.oid = o.pronamespace"),
		may("type", "USAGE", "has_type_privilege(r.oid, o.oid, p)", "pg_type o join pg_temp.hostile_schemas s on s.oid = o.typnamespace and o.typtype = 'd'"),
		may("server", "USAGE", "has_server_privilege(r.oid, o.oid, p)", "pg_foreign_server o"),
	} {
		rows, err := n.super.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, line := range lines {
			result[line] = true
		}
	}
	return result
}

// may is SQL for lines that say which role has which privilege on which object.
func may(what, privileges, has, from string) string {
	return fmt.Sprintf("select format('role %%s may %%s on %s %%s', r.oid, p, o.oid) from pg_temp.hostile_roles r cross join unnest('{%s}'::text[]) p cross join %s where not r.rolsuper and %s",
		what, privileges, from, has)
}

// clear removes what the last trial left, and makes the schemas of the next.
func (n *names) clear(t *testing.T) {
	t.Helper()
	if n.failed {
		n.must(t, n.daemon, "delete from sync_roles.desired_grants")
		_ = call(t.Context(), "sync", "--max-revokes", "0", "--lock-timeout", "1m", "-d", n.URL(n.Daemon))
	}
	n.must(t, n.super, `
		create or replace temp view hostile_schemas as
			select * from pg_namespace where nspname not in ('public', 'information_schema', 'sync_roles') and oid >= 16384 and nspname !~ '^pg_';
		create or replace temp view hostile_roles as
			select * from pg_roles where oid >= 16384 and rolname <> '_pgsr_lock'
				and oid not in (select role_oid from sync_roles.intermediate_roles union all select role_oid from sync_roles.keepers)`)
	rows, err := n.super.Query(t.Context(), `
		select format('drop schema %I cascade', nspname) from hostile_schemas
		union all select format('drop server %I', srvname) from pg_foreign_server
		union all select format('drop role %I', rolname) from hostile_roles where oid <> all ($1)`, n.roles)
	if err != nil {
		t.Fatal(err)
	}
	drops, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, drop := range drops {
		n.must(t, n.super, drop)
	}
	n.must(t, n.super, fmt.Sprintf(`
		create schema shop authorization %[1]s; create schema tickets authorization %[1]s; create schema types authorization %[1]s; create schema arguments authorization %[1]s;
		grant usage on schema shop to public;
		create table shop.orders (); create table shop.columns (); alter table shop.orders owner to %[1]s; alter table shop.columns owner to %[1]s`, n.Owner))
}

func (n *names) must(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
}
