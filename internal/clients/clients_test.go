package clients_test

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A client is a tool, and the files of the page that it runs.
type client struct {
	name    string
	files   []string
	command func(f *folder) []string
	hint    string // of an error, as the user sees it; "" if the page says that it is elsewhere
	lists   bool   // a migration: the readers stand in its file
	once    bool   // a migration that runs once, and is taken back
}

var clients = []client{
	{name: "psycopg", files: []string{"grants_psycopg.py"}, command: python, hint: "HINT:  SELECT"},
	{name: "SQLAlchemy", files: []string{"grants_sqlalchemy.py"}, command: python, hint: "HINT:  SELECT"},
	{name: "asyncpg", files: []string{"grants_asyncpg.py"}, command: python, hint: "HINT:  SELECT"},
	{name: "pandas", files: []string{"grants_pandas.py"}, command: python, hint: "HINT:  SELECT"},
	{name: "Django", files: []string{"grants_django.py"}, command: python, hint: "HINT:  SELECT"},
	{name: "Alembic", files: []string{"versions/1a2b_orders_readers.py"}, command: alembic, hint: "HINT:  SELECT", lists: true, once: true},
	{name: "node-postgres", files: []string{"grants_pg.mjs"}, command: node, hint: "hint: 'SELECT"},
	{name: "knex", files: []string{"grants_knex.mjs"}, command: node, hint: "hint: 'SELECT"},
	{name: "Rails", files: []string{"grants_rails.rb"}, command: ruby, hint: "HINT:  SELECT"},
	{name: "JDBC", files: []string{"GrantsJdbc.java"}, command: java, hint: "Hint: SELECT"},
	{name: "Hibernate", files: []string{"GrantsHibernate.java"}, command: java, hint: "Hint: SELECT"},
	{name: "Flyway", files: []string{"R__orders_readers.sql", "afterMigrate.sql"}, command: javaTool("RunFlyway.java"), hint: "Hint: SELECT", lists: true},
	{name: "Liquibase", files: []string{"grants_liquibase.sql"}, command: javaTool("RunLiquibase.java"), hint: "Hint: SELECT", lists: true},
	{name: "Go", files: []string{"grants.go"}, command: goRun},
}

// Each snippet of the page gives and revokes access as a scoped writer, says what is wrong with a row, changes nothing by a second run, and leaves the rows of
// others alone.
func TestClients(t *testing.T) {
	t.Parallel()
	dir, files := tools(t), snippets(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "Rails" && osexec.CommandContext(t.Context(), "ruby", "-r", "active_record", "-r", "pg", "-e", "").Run() != nil {
				t.Skip("there is no Ruby with ActiveRecord and pg (.ci/apt-install ruby-activerecord ruby-pg)")
			}
			w := newWarehouse(t)
			f := newFolder(t, w, dir, c)
			others := f.others(t)

			f.refused(t, files)

			f.write(t, files, nil)
			f.runAndWait(t, "analysts", "auditors", "managers")
			f.can(t, "alice", "carol", "bob")
			const authorship = "role_name, created_by, coalesce(updated_by, '-'), source"
			mine := w.rows(t, "role_name, created_by, coalesce(updated_by, '-')", "object_name = 'orders'")
			if want := strings.Join([]string{"analysts " + w.writer + " -", f.auditors(), "managers " + w.writer + " -"}, "\n"); mine != want {
				t.Errorf("rows:\n%s\nwant:\n%s", mine, want)
			}

			before := w.rows(t, "id, created_at, updated_at, "+authorship, "true")
			const changes = "select count(*) from sync_roles.audit where outcome <> 'unchanged'"
			audited := pgtest.One[int](t, w.owner, changes)
			f.run(t, "analysts", "auditors", "managers")
			if after := w.rows(t, "id, created_at, updated_at, "+authorship, "true"); after != before {
				t.Errorf("the second run makes of the rows\n%s\nthese:\n%s", before, after)
			}
			if n := pgtest.One[int](t, w.owner, changes); n != audited {
				t.Errorf("the second run makes %d changes", n-audited)
			}

			f.without(t, files, "managers")
			if c.once {
				f.can(t, "carol")
			} else {
				f.can(t, "alice", "carol")
			}
			if !c.lists {
				f.run(t) // without any reader
				f.can(t, "carol")
			}
			if rows := w.rows(t, "role_name, object_name, xmin, source, note", "source = 'other' and object_name <> 'orders'"); rows != others {
				t.Errorf("others' rows were\n%s\nand are\n%s", others, rows)
			}
		})
	}
}

// A folder is where a client runs.
type folder struct {
	*warehouse
	client
	dir, tools string
	args       []string // the readers, or what the tool shall do
}

func newFolder(t *testing.T, w *warehouse, tools string, c client) *folder {
	t.Helper()
	f := &folder{warehouse: w, client: c, dir: t.TempDir(), tools: tools}
	if err := os.CopyFS(f.dir, os.DirFS("testdata/alembic")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(tools, "node_modules"), filepath.Join(f.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return f
}

// others writes rows of another source: one that the client will write too, and one that it will not.
func (f *folder) others(t *testing.T) string {
	t.Helper()
	f.exec(t, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note, source) values
		('auditors', 'SELECT', 'table', 'sales', 'orders', 'by hand', 'other'), ('managers', 'SELECT', 'table', 'sales', 'customers', 'by hand', 'other')`)
	f.wait(t)
	return f.rows(t, "role_name, object_name, xmin, source, note", "source = 'other' and object_name <> 'orders'")
}

// auditors is what should be in the row that others wrote before, of whose note the client makes another.
func (f *folder) auditors() string {
	if f.once {
		return "auditors " + f.Daemon + " -" // the migration does not name it
	}
	return "auditors " + f.Daemon + " " + f.writer
}

// refused asks for a role that does not exist, which is out of scope, and sees that the user is told, and that nothing is written.
func (f *folder) refused(t *testing.T, files map[string]string) {
	t.Helper()
	f.write(t, files, strings.NewReplacer("'managers'", "'intern'", `"managers"`, `"intern"`))
	out, err := f.try(t, "analysts", "intern")
	if err == nil {
		t.Errorf("a row out of scope is no error:\n%s", out)
	}
	for _, want := range []string{"role_name 'intern' is out of scope 1: there is no such role, and its may_create_roles is false", f.hint} {
		if !strings.Contains(strings.ReplaceAll(out, `\'`, "'"), want) {
			t.Errorf("the error does not say %q:\n%s", want, out)
		}
	}
	if rows := f.rows(t, "role_name", "created_by = '"+f.writer+"'"); rows != "" {
		t.Errorf("after the error there are rows of %s", rows)
	}
}

// without takes a reader off: the program is called without it, a migration's text is changed or the migration taken back.
func (f *folder) without(t *testing.T, files map[string]string, reader string) {
	t.Helper()
	switch {
	case f.once:
		f.run(t, "down")
	case f.lists:
		f.write(t, files, strings.NewReplacer("    ('"+reader+"'),\n", ""))
		f.run(t)
	default:
		f.run(t, "analysts", "auditors")
	}
}

// write writes the client's files as the page has them, but for what the replacer changes.
func (f *folder) write(t *testing.T, files map[string]string, replacer *strings.Replacer) {
	t.Helper()
	for _, name := range f.files {
		text := files[name]
		if replacer != nil && f.lists {
			text = replacer.Replace(text)
		}
		write(t, filepath.Join(f.dir, name), text)
	}
}

func (f *folder) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := f.try(t, args...); err != nil {
		t.Fatalf("%s: %v\n%s", f.name, err, out)
	}
}

// runAndWait runs the client while the daemon cannot finish, and sees that the client waits for it.
func (f *folder) runAndWait(t *testing.T, args ...string) {
	t.Helper()
	conn := f.Superuser(t)
	lock, err := f.Superuser(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "lock table sync_roles.audit in exclusive mode"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if out, err := f.try(t, args...); err != nil {
			t.Errorf("%s: %v\n%s", f.name, err, out)
		}
	}()
	const waits = "select exists (select from pg_stat_activity where usename = $1 and state = 'active' and query like '%wait_for_sync(%')"
	waitFor(t, func() bool {
		select {
		case <-ended:
			t.Errorf("%s does not wait for the daemon", f.name)
			return true
		default:
			return pgtest.One[bool](t, conn, waits, f.writer)
		}
	})
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func (f *folder) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	f.args = args
	command := f.command(f)
	program := osexec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Dir = f.dir
	program.Env = append(f.environ(t, f.writer), "PYTHONPATH="+filepath.Join(f.tools, "python"), "NO_COLOR=1")
	if command[0] == "go" {
		program.Dir = "" // where go.mod is
	}
	out, err := program.CombinedOutput()
	return string(out), err
}

// can logs in as each reader: these can read sales.orders, and the others cannot.
func (f *folder) can(t *testing.T, logins ...string) {
	t.Helper()
	allowed := strings.Join(logins, " ")
	for _, login := range []string{"alice", "bob", "carol"} {
		if can := f.Can(t, login, "select from sales.orders"); can != strings.Contains(allowed, login) {
			t.Errorf("%s can read: %v; these should: %s", login, can, allowed)
		}
	}
}

func python(f *folder) []string { return append([]string{"python3", f.files[0]}, f.args...) }

func node(f *folder) []string { return append([]string{"node", f.files[0]}, f.args...) }

func ruby(f *folder) []string { return append([]string{"ruby", f.files[0]}, f.args...) }

func goRun(f *folder) []string {
	return append([]string{"go", "run", filepath.Join(f.dir, f.files[0])}, f.args...)
}

func java(f *folder) []string { return f.jvm(f.files[0]) }

// javaTool runs a program of testdata on the folder.
func javaTool(program string) func(f *folder) []string {
	return func(f *folder) []string {
		path, err := filepath.Abs(filepath.Join("testdata", program))
		if err != nil {
			panic(err)
		}
		return f.jvm(path)
	}
}

// jvm compiles a program once: `java FILE` would keep its classes where Hibernate does not find them. The options are for a short life.
func (f *folder) jvm(source string) []string {
	const script = `[ -e "$2.class" ] || javac -J-XX:TieredStopAtLevel=1 -cp "$0" -d . "$1"
		class=$2; shift 2; exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp ".:$0" "$class" "$@"`
	class := strings.TrimSuffix(filepath.Base(source), ".java")
	return append([]string{"sh", "-ec", script, filepath.Join(f.tools, "jars", "*"), source, class}, f.args...)
}

// alembic runs a project that has, besides the page's migration, only what `alembic init` writes.
func alembic(f *folder) []string {
	if len(f.args) > 0 && f.args[0] == "down" {
		return []string{"python3", "-m", "alembic", "downgrade", "base"}
	}
	return []string{"python3", "-m", "alembic", "upgrade", "head"}
}
