package reconcile_test

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// texts runs a query with one text column as superuser.
func (f *fixture) texts(t *testing.T, sql string, args ...any) []string {
	t.Helper()
	return textsOf(t, f.super, sql, args...)
}

func textsOf(t *testing.T, conn *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	return list
}

// afterwards runs SQL as superuser when the test has ended, before its database is dropped.
func (f *fixture) afterwards(t *testing.T, sql string) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.ConnectConfig(ctx, f.super.Config())
		if err != nil {
			t.Errorf("clean up: %v", err)
			return
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("clean up: %s: %v", sql, err)
		}
	})
}

// is asserts a boolean that the superuser reads.
func (f *fixture) is(t *testing.T, want bool, sql string, args ...any) {
	t.Helper()
	if got := pgtest.One[*bool](t, f.super, "select "+sql, args...); got == nil || *got != want {
		t.Errorf("want %t: %s %v", want, sql, args)
	}
}

// asDaemon runs statements as the daemon role: what somebody with that login does by hand.
func (f *fixture) asDaemon(t *testing.T, sql string) {
	t.Helper()
	if _, err := f.daemon.Exec(t.Context(), sql); err != nil {
		t.Fatalf("run as the daemon %s: %v", sql, err)
	}
}

// holdingsSQL lists what a role has, read from the catalogs and not from the views under test: each ACL entry with its grantor,
// memberships, ownerships, attributes. The first word is the kind of revoke_other that covers it. $1 is the role's OID, 0 for PUBLIC.
const holdingsSQL = `
	with acls (kind, object, owner, acl) as (
		select case c.relkind when 'S' then 'sequences' else 'tables' end, n.nspname || '.' || c.relname, c.relowner, c.relacl
		from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
		union all
		select 'tables', n.nspname || '.' || c.relname || ' column ' || a.attname, c.relowner, a.attacl
		from pg_attribute as a join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace where not a.attisdropped
		union all
		select 'schemas', nspname, nspowner, nspacl from pg_namespace
		union all
		select 'routines', n.nspname || '.' || p.proname, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
		from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where p.oid >= 16384
		union all
		select 'types', n.nspname || '.' || t.typname, t.typowner, t.typacl from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
		union all
		select 'languages', lanname, lanowner, coalesce(lanacl, acldefault('l', lanowner)) from pg_language
		union all
		select 'foreign_data_wrappers', fdwname, fdwowner, fdwacl from pg_foreign_data_wrapper
		union all
		select 'foreign_servers', srvname, srvowner, srvacl from pg_foreign_server
		union all
		select 'large_objects', oid::text, lomowner, lomacl from pg_largeobject_metadata
		union all
		select 'databases', datname, datdba, coalesce(datacl, acldefault('d', datdba)) from pg_database where $1 <> 0 or datname = current_database()
		union all
		select 'tablespaces', spcname, spcowner, spcacl from pg_tablespace where $1 <> 0
		%s
	)
	select format('%%s %%s %%s from %%s%%s', a.kind, x.privilege_type, a.object, x.grantor::regrole, case when x.is_grantable then ' grantable' end)
	from acls as a, aclexplode(a.acl) as x where x.grantee = $1 and x.grantee <> a.owner
	union all
	select 'role_memberships ' || roleid::regrole || ' from ' || grantor::regrole || ' ' || (to_jsonb(m) - 'oid' - 'roleid' - 'member' - 'grantor')::text
	from pg_auth_members as m where member = $1
	union all
	select 'ownerships ' || pg_describe_object(classid, objid, objsubid)
	from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = $1 and deptype = 'o'
		and dbid in (0, (select oid from pg_database where datname = current_database()))
	union all
	select format('defaults %%s %%s', d.oid, x.privilege_type) from pg_default_acl as d, aclexplode(d.defaclacl) as x where x.grantee = $1
	union all
	select 'attributes ' || (to_jsonb(r) - 'rolpassword' - 'rolconfig')::text from pg_roles as r where oid = $1
	order by 1`

// holdings returns what a role has; "public" is PUBLIC.
func (f *fixture) holdings(t *testing.T, role string) []string {
	t.Helper()
	var oid uint32
	if role != "public" {
		oid = pgtest.One[uint32](t, f.super, "select oid from pg_roles where rolname = $1", role)
	}
	parameters := ""
	if f.Version >= 15 {
		parameters = "union all select 'parameters', parname, 10, paracl from pg_parameter_acl where $1 <> 0"
	}
	return f.texts(t, fmt.Sprintf(holdingsSQL, parameters), oid)
}

// untouched returns an assertion that these roles have what they have now.
func (f *fixture) untouched(t *testing.T, roles ...string) func() {
	t.Helper()
	before := map[string][]string{}
	for _, r := range roles {
		before[r] = f.holdings(t, r)
	}
	return func() {
		t.Helper()
		for _, r := range roles {
			sameList(t, "what "+r+" has", f.holdings(t, r), before[r])
		}
	}
}

func sameList(t *testing.T, what string, got, want []string) {
	t.Helper()
	var diff strings.Builder
	for _, s := range want {
		if !slices.Contains(got, s) {
			diff.WriteString("\n  - " + s)
		}
	}
	for _, s := range got {
		if !slices.Contains(want, s) {
			diff.WriteString("\n  + " + s)
		}
	}
	if diff.Len() > 0 {
		t.Errorf("%s is not as it should be (- missing, + too much):%s", what, diff.String())
	}
}

// daemonMemberships lists what the daemon role is a member of, without the ADMIN that PostgreSQL gives whoever creates a role, and
// without its keepers.
func (f *fixture) daemonMemberships(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(f.holdings(t, f.Daemon), func(s string) bool {
		implicit := strings.Contains(s, `"set_option": false`) && strings.Contains(s, `"admin_option": true`) && strings.Contains(s, `"inherit_option": false`)
		return !strings.HasPrefix(s, "role_memberships ") || implicit || strings.Contains(s, "_keeper_")
	})
}

// nothingBorrowed returns an assertion that the daemon role is a member of what it is now.
func (f *fixture) nothingBorrowed(t *testing.T) func() {
	t.Helper()
	before := f.daemonMemberships(t)
	return func() {
		t.Helper()
		sameList(t, "what the daemon is a member of", f.daemonMemberships(t), before)
	}
}

// role makes a role by hand, which the daemon may manage.
func (f *fixture) role(t *testing.T, name, attributes string) string {
	t.Helper()
	role := f.Role(name)
	f.Exec(t, "create role "+quote(role)+" "+attributes)
	if !strings.Contains(attributes, "superuser") {
		f.manageable(t, role)
	}
	return role
}

// foreignOwner makes a role over which the daemon has no right at all. Before 16 CREATEROLE has a right over all roles but superusers.
func (f *fixture) foreignOwner(t *testing.T) string {
	t.Helper()
	role := f.Role("stranger")
	attributes := ""
	if f.Version < 16 {
		attributes = "superuser"
	}
	f.Exec(t, fmt.Sprintf("create role %s %s; grant create on database %s to %[1]s", quote(role), attributes, f.Database))
	return role
}

// superuserDaemon makes the daemon role a superuser, with an engine that knows it.
func (f *fixture) superuserDaemon(t *testing.T) {
	t.Helper()
	f.Exec(t, "alter role "+quote(f.Daemon)+" superuser")
	f.engine = f.engineWith(t, defaultPolicy)
}

// problem asserts that the last audit row of a role has a problem of this kind with all of these words in what it says.
func (f *fixture) problem(t *testing.T, role string, kind plan.Outcome, words ...string) plan.Problem {
	t.Helper()
	last := f.last(t, role)
	for _, p := range last.Problems {
		text := fmt.Sprintf("%s %s %s %s %s", p.Privilege, p.Object, p.Statement, p.Reason, p.Fix)
		if p.Kind == kind && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			return p
		}
	}
	t.Errorf("the last audit row of %s has no %s problem with %q: %v", role, kind, words, last)
	return plan.Problem{}
}

// fixes runs the statements that the last audit row of a role names, as superuser, and returns them.
func (f *fixture) fixes(t *testing.T, role string) []string {
	t.Helper()
	var list []string
	for _, p := range f.last(t, role).Problems {
		if p.Fix == "" {
			t.Errorf("a problem of %s names no fix: %+v", role, p)
			continue
		}
		if slices.Contains(list, p.Fix) {
			continue
		}
		list = append(list, p.Fix)
		if _, err := f.super.Exec(t.Context(), p.Fix); err != nil {
			t.Errorf("the fix for %s does not run: %s: %v", role, p.Fix, err)
		}
	}
	return list
}

// login tells how a login of a role ends: with an empty string, or with PostgreSQL's code.
func (f *fixture) login(t *testing.T, role string) string {
	t.Helper()
	conn, err := f.TryConnect(t.Context(), role)
	if err != nil {
		return sqlstate(t, err)
	}
	_ = conn.Close(t.Context())
	return ""
}

func sqlstate(t *testing.T, err error) string {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Fatalf("not PostgreSQL's: %v", err)
	}
	return e.Code
}

// scram makes a SCRAM-SHA-256 verifier (RFC 5803) for a password of ASCII characters.
func scram(t *testing.T, password string) string {
	t.Helper()
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	const iterations = 4096
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		_, _ = h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(sign("Server Key")))
}

// cluster is a fixture with a server of its own, for tests whose role names or patterns are the whole cluster's business.
// What goes through Env's own server (Exec, Can, user, …) is done by its own methods.
type cluster struct {
	*fixture
	server *pgserver.Server
}

// newCluster starts a server with sync_roles in database "db", installed by role "daemon"; schema app with table sales belongs to role
// "owner". Roles other than the superuser log in by the method given.
func newCluster(t *testing.T, method string) *cluster {
	t.Helper()
	server, err := pgserver.Start(t.Context(), pgserver.Config{
		BinDir: os.Getenv("TEST_POSTGRES_BIN"), AuthMethod: method, Settings: map[string]string{"fsync": "off", "max_connections": "30"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		_ = server.Stop(ctx)
	})
	c := &cluster{fixture: &fixture{Env: &pgtest.Env{Database: "db", Daemon: "daemon", Owner: "owner"}}, server: server}
	admin := c.connect(t, pgserver.Superuser, "postgres", "")
	c.Version = pgtest.One[int](t, admin, "select current_setting('server_version_num')::int / 10000")
	const password = "daemon's own"
	for _, sql := range []string{
		"create role daemon login createrole; create role owner; create role _pgsr_lock",
		"alter role daemon password '" + scram(t, password) + "'",
		"create database db owner daemon",
		"revoke connect on database db from public; grant connect, create on database db to owner",
	} {
		c.run(t, admin, sql)
	}
	if c.Version < 16 {
		c.run(t, admin, "grant owner to daemon")
	} else {
		c.run(t, admin, "grant owner to daemon with inherit true, set true, admin false; grant _pgsr_lock to daemon with admin true, inherit false, set false")
	}
	c.super = c.connect(t, pgserver.Superuser, "db", "")
	c.daemon = c.connect(t, "daemon", "db", password)
	config := c.daemon.Config()
	if _, err := migrations.Up(t.Context(), config); err != nil {
		t.Fatalf("install sync_roles: %v", err)
	}
	c.Exec(t, "set role owner; create schema app; grant usage on schema app to public; create table app.sales (id int, amount int); create table app.costs (id int)")
	c.engine = c.engineWith(t, defaultPolicy)
	return c
}

func (c *cluster) engineWith(t *testing.T, policy plan.Policy) *reconcile.Engine {
	t.Helper()
	engine, err := reconcile.Open(t.Context(), c.daemon.Config(), reconcile.Config{Policy: policy, Log: zerolog.Nop()})
	if err != nil {
		t.Fatalf("open an engine: %v", err)
	}
	t.Cleanup(func() { _ = engine.Close(context.WithoutCancel(t.Context())) })
	return engine
}

func (c *cluster) run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
}

// Exec runs SQL as superuser; SET ROLE ends with it.
func (c *cluster) Exec(t *testing.T, sql string) {
	t.Helper()
	c.run(t, c.super, sql)
	c.run(t, c.super, "reset role")
}

// try logs in with a password.
func (c *cluster) try(t *testing.T, role, database, password string) (*pgx.Conn, error) {
	t.Helper()
	config, err := pgx.ParseConfig(c.server.URL("somebody", database))
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password = role, password
	return pgx.ConnectConfig(t.Context(), config)
}

func (c *cluster) connect(t *testing.T, role, database, password string) *pgx.Conn {
	t.Helper()
	conn, err := c.try(t, role, database, password)
	if err != nil {
		t.Fatalf("log in as %q: %v", role, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// admits asserts whether a real login with a password works.
func (c *cluster) admits(t *testing.T, role, password string, want bool) {
	t.Helper()
	conn, err := c.try(t, role, "db", password)
	if err == nil {
		_ = conn.Close(t.Context())
	}
	switch {
	case want && err != nil:
		t.Errorf("%s cannot log in: %v", role, err)
	case !want && err == nil:
		t.Errorf("%s can log in with %q", role, password)
	case !want && sqlstate(t, err) != "28P01":
		t.Errorf("%s is refused with %s, want 28P01: %v", role, sqlstate(t, err), err)
	}
}

// may asserts what a role without a password may do, after a real login (method trust).
func (c *cluster) may(t *testing.T, want bool, role, sql string) {
	t.Helper()
	conn, err := c.try(t, role, "db", "")
	if err == nil {
		_, err = conn.Exec(t.Context(), sql)
		_ = conn.Close(t.Context())
	}
	if err != nil && sqlstate(t, err) != "42501" {
		t.Errorf("run %s as %q: %v", sql, role, err)
		return
	}
	if got := err == nil; got != want {
		t.Errorf("%q may run %s: %t, want %t", role, sql, got, want)
	}
}
