package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// A role that is no superuser, and owns nothing yet, can install with CREATEROLE and CREATE on the database.
func TestUpWithoutSuperuser(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	installer := env.Role("installer")
	env.Exec(t, "create role "+installer+" login createrole; grant connect, create on database "+env.Database+" to "+installer)
	if env.Version >= 16 {
		env.Exec(t, "grant _pgsr_lock to "+installer+" with admin true, inherit false, set false")
	}
	version, err := migrations.Up(t.Context(), parse(t, env.URL(installer)))
	if err != nil {
		t.Fatal(err)
	}
	if version != migrations.Latest() {
		t.Errorf("version %d, want %d", version, migrations.Latest())
	}
	owner := pgtest.One[string](t, env.Superuser(t), "select nspowner::regrole::text from pg_namespace where nspname = 'sync_roles'")
	if owner != installer {
		t.Errorf("the schema belongs to %s, want %s", owner, installer)
	}
	others := list[string](t, env.Superuser(t), "select relname from pg_class where relnamespace = 'sync_roles'::regnamespace and relowner <> $1::regrole", installer)
	if len(others) > 0 {
		t.Errorf("%v belong to others", others)
	}
}

// A second Up changes nothing.
func TestUpTwice(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	grantRow(env.Role("alice")).mustInsert(t, conn, "desired_grants")
	before := fingerprint(t, conn)
	up(t, env)
	if after := fingerprint(t, conn); after != before {
		t.Errorf("the second Up changed the schema:\n%s\n%s", before, after)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants"); n != 1 {
		t.Errorf("%d desired grants after a second Up, want 1", n)
	}
}

// fingerprint tells one state of the schema from another.
func fingerprint(tb testing.TB, conn pgtest.Querier) string {
	tb.Helper()
	return pgtest.One[string](tb, conn, `
		select concat_ws(' ',
			(select md5(string_agg(c.oid || ' ' || c.relname || ' ' || c.xmin, ',' order by c.oid)) from pg_class as c where c.relnamespace = 'sync_roles'::regnamespace),
			(select md5(string_agg(p.oid || ' ' || p.xmin, ',' order by p.oid)) from pg_proc as p where p.pronamespace = 'sync_roles'::regnamespace),
			(select string_agg(i::text, ',') from sync_roles.installation as i),
			(select string_agg(m::text, ',') from sync_roles.schema_migrations as m))`)
}

// Any number of processes may install at once.
func TestUpTenAtOnce(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	inParallel(t, 10, func(ctx context.Context, _ int) error {
		version, err := migrations.Up(ctx, parse(t, env.URL(env.Daemon)))
		if err == nil && version != migrations.Latest() {
			err = fmt.Errorf("version %d", version)
		}
		return err
	})
	wantInstalled(t, env)
}

func inParallel(tb testing.TB, n int, do func(ctx context.Context, i int) error) {
	tb.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- do(tb.Context(), i) }()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		tb.Error(err)
	}
}

// wantInstalled checks that all of the newest version is there, and that both records of it agree.
func wantInstalled(tb testing.TB, env *pgtest.Env) {
	tb.Helper()
	conn := env.Connect(tb, env.Daemon)
	if v := pgtest.One[int](tb, conn, "select schema_version from sync_roles.installation"); v != migrations.Latest() {
		tb.Errorf("installation.schema_version is %d, want %d", v, migrations.Latest())
	}
	if v := pgtest.One[string](tb, conn, "select version || ' ' || dirty from sync_roles.schema_migrations"); v != fmt.Sprint(migrations.Latest(), " false") {
		tb.Errorf("golang-migrate has %q, want %d and not dirty", v, migrations.Latest())
	}
	if !pgtest.One[bool](tb, conn, "select to_regprocedure('sync_roles.wait_for_sync(text, interval)') is not null") {
		tb.Error("wait_for_sync is missing")
	}
}

// A cluster where nobody installed before gets its lock role from whoever comes first, even if one installer in each of
// several databases comes at the same moment. A daemon can take the lock in all of them afterwards.
func TestUpInManyDatabasesOfAFreshCluster(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	superuser := connect(t, server.URL(pgserver.Superuser, "postgres"))
	execute(t, superuser, "create role installer login createrole")
	const databases = 6
	for i := range databases {
		execute(t, superuser, fmt.Sprintf("create database db%d owner installer", i))
	}
	inParallel(t, databases, func(ctx context.Context, i int) error {
		if _, err := migrations.Up(ctx, parse(t, server.URL("installer", fmt.Sprintf("db%d", i)))); err != nil {
			return fmt.Errorf("database %d: %w", i, err)
		}
		return nil
	})
	execute(t, connect(t, server.URL("installer", "db0")), "comment on role _pgsr_lock is null")
	if login := pgtest.One[bool](t, superuser, "select rolcanlogin or rolsuper or rolcreaterole from pg_roles where rolname = '_pgsr_lock'"); login {
		t.Error("_pgsr_lock can log in, or more")
	}
}

// A migration that fails says why, in PostgreSQL's words, and not in its own thousand lines; when the reason is gone, the next try goes on from there.
func TestUpThatFails(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	env.Exec(t, `create function public.refuse() returns event_trigger language plpgsql as $$ begin raise 'no views today'; end $$;
		create event trigger refuse on ddl_command_start when tag in ('CREATE VIEW') execute function public.refuse()`)
	_, err := migrations.Up(t.Context(), parse(t, env.URL(env.Daemon)))
	wantError(t, err, env.Database, "migration 2", "no views today")
	if sqlState(err) != "P0001" || strings.Contains(err.Error(), "CREATE VIEW") || len(err.Error()) > 300 {
		t.Errorf("SQLSTATE %q, %d bytes: %v", sqlState(err), len(err.Error()), err)
	}
	env.Exec(t, "drop event trigger refuse")
	up(t, env)
}

// startServer starts a cluster for this test alone.
func startServer(tb testing.TB) *pgserver.Server {
	tb.Helper()
	server, err := pgserver.Start(tb.Context(), pgserver.Config{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = server.Stop(context.WithoutCancel(tb.Context())) })
	return server
}

func connect(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

// Whoever lacks a right is told which statement gives it, and nothing is left behind.
func TestUpWithoutARight(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	installer := env.Role("installer")
	env.Exec(t, "create role "+installer+" login; grant connect on database "+env.Database+" to "+installer)
	install := func() error {
		_, err := migrations.Up(t.Context(), parse(t, env.URL(installer)))
		return err
	}

	wantError(t, install(), "CREATEROLE", "ALTER ROLE "+installer+" CREATEROLE")

	env.Exec(t, "alter role "+installer+" createrole")
	if env.Version >= 16 {
		wantError(t, install(), `GRANT "_pgsr_lock" TO "`+installer+`" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`)
		env.Exec(t, "grant _pgsr_lock to "+installer+" with admin true, inherit false, set false")
	}

	err := install()
	wantError(t, err, "GRANT CREATE ON DATABASE ", env.Database, `TO "`+installer+`"`)
	if sqlState(err) != "42501" {
		t.Errorf("SQLSTATE %q, want 42501", sqlState(err))
	}
	if pgtest.One[bool](t, env.Superuser(t), "select to_regnamespace('sync_roles') is not null") {
		t.Error("the schema is there")
	}

	env.Exec(t, "grant create on database "+env.Database+" to "+installer)
	if err := install(); err != nil {
		t.Errorf("with all rights: %v", err)
	}
}

// A schema that belongs to another role is not touched.
func TestUpIntoAnothersSchema(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	env.Exec(t, "create schema sync_roles")
	_, err := migrations.Up(t.Context(), parse(t, env.URL(env.Daemon)))
	wantError(t, err, `"postgres"`)
}

// A member of the owner's role installs nothing: PostgreSQL would let the owner put other code in the place of what it made.
func TestUpAsAMemberOfTheOwner(t *testing.T) {
	t.Parallel()
	env := installed(t)
	second := env.Role("second")
	env.Exec(t, "create role "+second+" login createrole; grant "+env.Daemon+" to "+second+"; grant connect on database "+env.Database+" to "+second)
	if env.Version >= 16 {
		env.Exec(t, "grant _pgsr_lock to "+second+" with admin true, inherit false, set false")
	}
	_, err := migrations.Up(t.Context(), parse(t, env.URL(second)))
	wantError(t, err, "belongs to role", env.Daemon, "connect as that role")
	if !errors.Is(err, migrations.ErrNotOwner) {
		t.Error("the error is not ErrNotOwner")
	}
}

// What is embedded is what is in the folder, numbered from 1 without a gap, and Latest is the last of them.
func TestFilesAreNumbered(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 || len(paths) != migrations.Latest() {
		t.Errorf("%d files in the folder, and Latest is %d", len(paths), migrations.Latest())
	}
	for i, path := range paths {
		if want := fmt.Sprintf("%06d_", i+1); !strings.HasPrefix(path, want) || !strings.HasSuffix(path, ".up.sql") {
			t.Errorf("file %d is %s, want %s….up.sql", i+1, path, want)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// LATIN1 and EUC_JP have no other characters in common.
		if at := strings.IndexFunc(string(text), func(r rune) bool { return r > unicode.MaxASCII }); at >= 0 {
			t.Errorf("%s has %.10q, which not every database can store", path, text[at:])
		}
		// Recovery after a kill rests on this: the version is part of the migration's own transaction.
		last := fmt.Sprintf("UPDATE sync_roles.installation SET schema_version = %d;", i+1)
		if i > 0 && !strings.HasSuffix(strings.TrimSpace(string(text)), last) {
			t.Errorf("%s does not end with %s", path, last)
		}
	}
}

// Version is 0 before Up, and after Down.
func TestVersion(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	want := func(want int) {
		t.Helper()
		if got, err := migrations.Version(t.Context(), parse(t, env.URL(env.Daemon))); err != nil || got != want {
			t.Errorf("version %d, %v, want %d", got, err, want)
		}
	}
	want(0)
	up(t, env)
	want(migrations.Latest())
	if _, err := migrations.Down(t.Context(), parse(t, env.URL(env.Daemon)), false); err != nil {
		t.Fatal(err)
	}
	want(0)
}

// An older program leaves the schema of a newer one as it is, and says which of the two is to be replaced.
func TestUpOfAnOlderProgram(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	newer := migrations.Latest() + 1
	execute(t, conn, fmt.Sprintf("update sync_roles.installation set schema_version = %d; update sync_roles.schema_migrations set version = %[1]d", newer))
	_, err := migrations.Up(t.Context(), parse(t, env.URL(env.Daemon)))
	want := fmt.Sprintf("schema sync_roles has version %d, which is newer than this program's %d: install a newer pg-sync-roles", newer, migrations.Latest())
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if v := pgtest.One[int](t, conn, "select schema_version from sync_roles.installation"); v != newer {
		t.Errorf("version %d is left, want %d", v, newer)
	}
}

// An OID means nothing in another cluster or database: after a restore the next Up forgets all of them.
func TestUpAfterARestoreElsewhere(t *testing.T) {
	t.Parallel()
	for _, moved := range []string{"database_oid = database_oid::bigint + 1", "system_identifier = system_identifier + 1"} {
		t.Run(moved, func(t *testing.T) {
			t.Parallel()
			env := installed(t)
			conn := env.Connect(t, env.Daemon)
			prefix := fmt.Sprintf("_pgsr_%d_", pgtest.One[uint32](t, conn, "select oid from pg_database where datname = current_database()"))
			kept, keeper := prefix+"kept", prefix+"keeper_3"
			execute(t, conn, "create role "+keeper+"; create role "+kept+"; comment on role "+kept+" is 'intermediate role of sync_roles in database x: SELECT on table s.t'")
			// What merely has the name is not taken.
			for _, stranger := range []string{prefix + "login login", prefix + "mute"} {
				execute(t, conn, "create role "+stranger)
			}
			execute(t, conn, "insert into sync_roles.resolved_objects values (1259, 1, 'table', 's', 't')")
			execute(t, conn, "insert into sync_roles.applied_passwords values (1, 'x')")
			execute(t, conn, "insert into sync_roles.lost_memberships values (1, 2)")
			execute(t, conn, "insert into sync_roles.suspended_roles values (1, 'x')")
			execute(t, conn, `insert into sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match) values
				($1, 1, 'SELECT', 'table', 's', 't', 'exact'), ('_pgsr_1_gone', 2, 'INSERT', 'table', 's', 't', 'exact'),
				($2 || 'login', 3, 'UPDATE', 'table', 's', 't', 'exact'), ($2 || 'mute', 4, 'DELETE', 'table', 's', 't', 'exact')`, kept, prefix)
			execute(t, conn, "insert into sync_roles.keepers (role_oid, role_name, slot) values (1, $1, 3), (2, '_pgsr_1_gone', 4), (3, $2 || 'login', 5)", keeper, prefix)

			// In its own place, nothing is forgotten.
			up(t, env)
			if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.resolved_objects"); n != 1 {
				t.Fatalf("%d remembered objects after an Up in place, want 1", n)
			}

			execute(t, conn, "update sync_roles.installation set "+moved)
			up(t, env)
			for _, table := range []string{"resolved_objects", "applied_passwords", "lost_memberships", "suspended_roles"} {
				if n := pgtest.One[int](t, conn, "select count(*) from sync_roles."+table); n != 0 {
					t.Errorf("%s still has %d rows", table, n)
				}
			}
			for table, want := range map[string]string{"intermediate_roles": kept, "keepers": keeper} {
				got := list[string](t, conn, "select role_name || ' ' || (role_oid = to_regrole(role_name)) from sync_roles."+table+" where role_name !~ '_keeper_lock$'")
				if len(got) != 1 || got[0] != want+" true" {
					t.Errorf("%s has %v, want only %s with its OID of here", table, got, want)
				}
			}
			if !pgtest.One[bool](t, conn, `select i.database_oid = d.oid and i.system_identifier = s.system_identifier
				from sync_roles.installation as i, pg_database as d, pg_control_system() as s where d.datname = current_database()`) {
				t.Error("installation does not say where it is now")
			}
		})
	}
}

// A dump that is restored into another database of the same cluster must not take over the intermediate roles of the
// database that it comes from: that one is still using them.
func TestUpAfterARestoreBesideTheOriginal(t *testing.T) {
	t.Parallel()
	original, copied := installed(t), installed(t)
	originalOID := pgtest.One[uint32](t, original.Connect(t, original.Daemon), "select oid from pg_database where datname = current_database()")
	name := fmt.Sprintf("_pgsr_%d_abc", originalOID)
	original.Exec(t, "create role "+name)

	conn := copied.Connect(t, copied.Daemon)
	execute(t, conn, `insert into sync_roles.intermediate_roles (role_name, role_oid, privilege, object_type, schema_name, object_name, name_match)
		select rolname, oid, 'SELECT', 'table', 's', 't', 'exact' from pg_roles where rolname = $1`, name)
	execute(t, conn, "insert into sync_roles.keepers select oid, rolname from pg_roles where rolname = $1", name)
	execute(t, conn, "update sync_roles.installation set database_oid = $1", originalOID)
	up(t, copied)
	for _, table := range []string{"intermediate_roles", "keepers"} {
		if got := list[string](t, conn, "select role_name from sync_roles."+table+" where role_name !~ '_keeper_lock$'"); len(got) > 0 {
			t.Errorf("%s of the copy has %v, which belongs to the other database", table, got)
		}
	}
}

// After pg_upgrade the views over the catalogs are made anew.
func TestUpAfterPgUpgrade(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "update sync_roles.installation set server_version = 13")
	execute(t, conn, "create or replace view sync_roles.parameters as select null::oid as oid, 'old'::name as name, null::aclitem[] as acl")
	up(t, env)
	if v := pgtest.One[int](t, conn, "select server_version from sync_roles.installation"); v != env.Version {
		t.Errorf("adapted to %d, want %d", v, env.Version)
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.parameters where name = 'old'"); n != 0 {
		t.Error("the view is still the old one")
	}
}

// Rows and scopes of version 4 survive, with what they gave; a scope has from then on what its new columns say.
func TestUpFromVersion4(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "create schema sync_roles; create table sync_roles.schema_migrations (version bigint not null primary key, dirty boolean not null)")
	for _, sql := range migrationFiles(t)[:4] {
		execute(t, conn, sql)
	}
	execute(t, conn, "insert into sync_roles.schema_migrations values (4, false)")
	role, _ := newWriter(t, env, "etl")
	for _, scope := range []row{{}, {"grantee_like": "public"}, {"schema_like": `x\\`}, {"schema_like": `x\`}} {
		row{"writer_role": role}.with(scope).mustInsert(t, conn, "writers")
	}
	for _, r := range []row{
		{"name_match": "like", "object_name": "%%"},
		{"name_match": "regex", "object_name": `(a)\1`},
		{"name_match": "like", "object_name": `a\b`},
		{"privilege": "OWNER"},
		{"role_name": "public"},
		{"created_by": role, "created_at": "2001-01-01", "direct": true},
	} {
		grantRow("alice").with(r).mustInsert(t, conn, "desired_grants")
	}
	rows := func() string {
		return pgtest.One[string](t, conn, "select string_agg((to_jsonb(g) - '{selector,source,updated_by,updated_at,inherit_option,set_option,schema_match,except_names,except_schemas,except_columns,partitions,at_creation,transaction}'::text[])::text, ';' order by id) from sync_roles.desired_grants as g")
	}
	before := rows()
	up(t, env)
	if after := rows(); after != before {
		t.Errorf("the rows were\n%s\nand are\n%s", before, after)
	}
	got := list[string](t, conn, `select concat_ws(' ', grantee_like, schema_like, public, may_create_roles, max_rows, max_patterns, max_direct) from sync_roles.writers order by id`)
	want := []string{"f f 1000000 200 1000", "public t f 1000000 200 1000", `x\\ f f 1000000 200 1000`, `x\\ f f 1000000 200 1000`}
	if !slices.Equal(got, want) {
		t.Errorf("the scopes are %q, want %q", got, want)
	}
	writer := env.Connect(t, role)
	if n := pgtest.One[int](t, writer, "select count(*) from sync_roles.desired_grants where role_name = 'alice'"); n != 5 {
		t.Errorf("the writer sees %d of its rows, want 5", n)
	}
	execute(t, conn, "update sync_roles.desired_grants set note = 'x'")
	grantRow(role).with(row{"privilege": "INSERT"}).mustInsert(t, writer, "desired_grants")
}
