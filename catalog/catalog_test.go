package catalog_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// ReadServer says where we are, and who.
func TestReadServer(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	for _, role := range []string{env.Daemon, pgserver.Superuser} {
		conn := env.Connect(t, role)
		s, err := catalog.ReadServer(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		want := catalog.Server{
			Version: env.Version, Database: env.Database, Role: role, Inherit: true,
			Superuser: role == pgserver.Superuser, CreateDB: role == pgserver.Superuser, CreateRole: true, Replication: role == pgserver.Superuser, BypassRLS: role == pgserver.Superuser,
			DatabaseOID: pgtest.One[uint32](t, conn, "select oid from pg_database where datname = $1", env.Database),
			RoleOID:     pgtest.One[uint32](t, conn, "select oid from pg_roles where rolname = $1", role),
		}
		if s != want {
			t.Errorf("%s: %+v, want %+v", role, s, want)
		}
		if s.MembershipOptions() != (env.Version >= 16) {
			t.Errorf("membership options on %d: %t", env.Version, s.MembershipOptions())
		}
	}
}

// What ReadRights says is what the server lets the daemon do.
func TestReadRights(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	roles := map[string]string{ // and how the daemon comes to them
		"stranger": "",
		"member":   "grant {r} to {d}",
		"admin":    "grant {r} to {d} with admin option",
		"super":    "alter role {r} superuser",
		"superset": "alter role {r} superuser; grant {r} to {d}",
		"group":    "create role {g}; grant {r} to {g} with admin option; grant {g} to {d}",
	}
	if env.Version >= 16 {
		roles["only admin"] = "grant {r} to {d} with admin true, inherit false, set false"
		roles["only set"] = "grant {r} to {d} with admin false, inherit false, set true"
		roles["only inherit"] = "grant {r} to {d} with admin false, inherit true, set false"
	}
	conn := env.Connect(t, env.Daemon)
	server, err := catalog.ReadServer(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	roles["itself"] = ""
	oids := []catalog.OID{1, server.RoleOID} // no role has the first
	for name, how := range roles {
		if name == "itself" {
			continue
		}
		quoted := catalog.Quote(env.Role(name))
		env.Exec(t, "create role "+quoted+"; "+strings.NewReplacer("{r}", quoted, "{d}", env.Daemon, "{g}", env.Role("the_group")).Replace(how))
		oids = append(oids, pgtest.One[uint32](t, conn, "select oid from pg_roles where rolname = $1", env.Role(name)))
	}
	rights, err := catalog.ReadRights(t.Context(), conn, server, oids)
	if err != nil {
		t.Fatal(err)
	}
	if len(rights) != len(roles) {
		t.Errorf("rights over %d roles, want %d", len(rights), len(roles))
	}
	for oid, r := range rights {
		quoted := catalog.Quote(r.Name)
		env.Exec(t, "create table if not exists public.owned (id int); alter table public.owned owner to "+quoted)
		for what, c := range map[string]struct {
			said bool
			sql  string
		}{
			"use":   {r.Usage, "select from public.owned"},
			"set":   {r.Set, "set local role " + quoted},
			"admin": {r.Admin, "alter role " + quoted + " connection limit 3"},
			"grant": {r.Admin, "create role " + env.Role("x") + "; grant " + quoted + " to " + env.Role("x")},
		} {
			if can := env.Can(t, env.Daemon, c.sql); can != c.said {
				t.Errorf("%s: the daemon can %s: %t, and ReadRights says %t", r.Name, what, can, c.said)
			}
		}
		if want := pgtest.One[bool](t, conn, "select rolsuper from pg_roles where oid = $1", oid); r.Superuser != want || r.OID != oid {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
	if none, err := catalog.ReadRights(t.Context(), conn, server, nil); err != nil || len(none) != 0 {
		t.Errorf("rights over nobody: %v, %v", none, err)
	}
}

// Whatever a name holds, quoted it is that name; only PUBLIC is a keyword.
func TestQuotedNames(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := env.Superuser(t)
	for _, name := range []string{"plain", "Upper", `qu"ote`, `two""quotes`, "a.b", "new\nline", "tab\t", `back\slash`, "semi;colon--", "current_user", "session_user", "user", "ünïcode", "$1", "'", "PUBLIC", " "} {
		role := env.Role(name)
		if _, err := conn.Exec(t.Context(), "create role "+catalog.Grantee(role)); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if !pgtest.One[bool](t, conn, "select exists (select from pg_roles where rolname = $1)", role) {
			t.Errorf("%q became another role", name)
		}
		if got := pgtest.One[string](t, conn, "select 1::text as "+catalog.Quote(name)); got != "1" {
			t.Errorf("%q: %s", name, got)
		}
	}
	for name, want := range map[string]string{"public": "PUBLIC", "PUBLIC": `"PUBLIC"`, "Public": `"Public"`, "current_user": `"current_user"`} {
		if got := catalog.Grantee(name); got != want {
			t.Errorf("grantee %q is %s, want %s", name, got, want)
		}
	}
}

// An object's SQL is a name that the server finds the object by, in GRANT and in ALTER … OWNER.
func TestObjectSQL(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := env.Superuser(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	exec(`create schema "S"".s"; create table "S"".s"."T t" (id int); create sequence "S"".s"."Q"; create type "S"".s"."E e" as enum ('a');
		create function "S"".s"."F(x)"("S"".s"."E e", integer[], character varying) returns int language sql as 'select 1';
		create procedure "S"".s"."P"() language sql as 'select 1'; create foreign data wrapper "W w"; create server "V v" foreign data wrapper "W w"; select lo_create(4711)`)
	const schema = `S".s`
	for _, c := range []struct {
		object    catalog.Object
		privilege string
		shown     string
	}{
		{catalog.Object{Type: catalog.Schema, Name: schema}, "usage", `schema S".s`},
		{catalog.Object{Type: catalog.Table, Schema: schema, Name: "T t"}, "select", `table S".s.T t`},
		{catalog.Object{Type: "sequence", Schema: schema, Name: "Q"}, "usage", `sequence S".s.Q`},
		{catalog.Object{Type: "type", Schema: schema, Name: "E e"}, "usage", `type S".s.E e`},
		{catalog.Object{Type: catalog.Routine, Schema: schema, Name: "F(x)", Signature: `F(x)("S"".s"."E e", integer[], character varying)`}, "execute", `routine S".s.F(x)("S"".s"."E e", integer[], character varying)`},
		{catalog.Object{Type: catalog.Routine, Schema: schema, Name: "P", Signature: "P()"}, "execute", `routine S".s.P()`},
		{catalog.Object{Type: "foreign_data_wrapper", Name: "W w"}, "usage", "foreign_data_wrapper W w"},
		{catalog.Object{Type: "foreign_server", Name: "V v"}, "usage", "foreign_server V v"},
		{catalog.Object{Type: "large_object", Name: "4711"}, "select", "large_object 4711"},
		{catalog.Object{Type: "language", Name: "plpgsql"}, "usage", "language plpgsql"},
		{catalog.Object{Type: "tablespace", Name: "pg_default"}, "create", "tablespace pg_default"},
		{catalog.Object{Type: catalog.Database, Name: env.Database}, "connect", "database " + env.Database},
	} {
		keywords, ok := c.object.Type.Keywords()
		if !ok {
			t.Errorf("%s has no keywords", c.object.Type)
			continue
		}
		exec("grant " + c.privilege + " on " + keywords.Grant + " " + c.object.SQL() + " to " + env.Owner)
		if t, d := c.object.Type, catalog.Database; t != "tablespace" && t != "language" && t != d && t != "foreign_data_wrapper" {
			exec("alter " + keywords.Alter + " " + c.object.SQL() + " owner to " + env.Owner)
		}
		if got := c.object.String(); got != c.shown {
			t.Errorf("shown as %s, want %s", got, c.shown)
		}
	}
	if env.Version >= 15 {
		keywords, _ := catalog.ObjectType("parameter").Keywords()
		exec("grant set on " + keywords.Grant + " " + catalog.Object{Type: "parameter", Name: "work_mem"}.SQL() + " to " + env.Owner)
		exec("revoke set on parameter work_mem from " + env.Owner)
		if keywords.Alter != "" {
			t.Error("a parameter has no owner")
		}
	}
	exec("revoke create on tablespace pg_default from " + env.Owner)
	if _, ok := catalog.Role.Keywords(); ok {
		t.Error("GRANT treats roles in its own way")
	}
}
