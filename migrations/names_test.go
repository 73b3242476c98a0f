package migrations_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// version11 installs the last version that was released. Its files had an ellipsis where they have three periods now.
func version11(tb testing.TB, env *pgtest.Env) *pgx.Conn {
	tb.Helper()
	conn := env.Connect(tb, env.Daemon)
	execute(tb, conn, "create schema sync_roles; create table sync_roles.schema_migrations (version bigint not null primary key, dirty boolean not null)")
	for _, sql := range migrationFiles(tb)[:11] {
		execute(tb, conn, strings.ReplaceAll(sql, "...", "…"))
	}
	execute(tb, conn, "insert into sync_roles.schema_migrations values (11, false)")
	return conn
}

// What was installed by a release and upgraded is what is installed now, to the letter.
func TestUpgradeEndsAsAnInstallation(t *testing.T) {
	t.Parallel()
	upgraded, fresh := pgtest.New(t), installed(t)
	definitions := func(conn pgtest.Querier) []string {
		t.Helper()
		return list[string](t, conn, `
			select 'function ' || oid::regprocedure || ': ' || pg_get_functiondef(oid) from pg_proc where pronamespace = 'sync_roles'::regnamespace
			union all
			select 'relation ' || relname || ': ' || relkind::text || relreplident::text || coalesce(pg_get_viewdef(oid), '') from pg_class
			where relnamespace = 'sync_roles'::regnamespace and relkind in ('r', 'v')
			union all
			select 'column ' || c.relname || '.' || a.attname || ': ' || a.attnum || format_type(a.atttypid, a.atttypmod) || a.attnotnull || a.attcollation::regcollation
			from pg_attribute as a join pg_class as c on c.oid = a.attrelid
			where c.relnamespace = 'sync_roles'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0
			union all
			select 'index ' || pg_get_indexdef(i.indexrelid) from pg_index as i join pg_class as c on c.oid = i.indexrelid
			where c.relnamespace = 'sync_roles'::regnamespace
			union all
			select 'constraint ' || n.conname || ' of ' || n.conrelid::regclass || ': ' || pg_get_constraintdef(n.oid) from pg_constraint as n
			where n.connamespace = 'sync_roles'::regnamespace
			union all
			select 'comment on ' || i.identity || ': ' || d.description
			from pg_description as d
			cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as i
			where i.schema = 'sync_roles' or i.identity like 'sync\_roles.%'
			order by 1`)
	}
	conn := version11(t, upgraded)
	before := definitions(conn)
	if !slices.ContainsFunc(before, func(text string) bool { return strings.Contains(text, "…") }) {
		t.Fatal("version 11 is not as it was released")
	}
	up(t, upgraded)
	got, want := definitions(conn), definitions(fresh.Connect(t, fresh.Daemon))
	for what, texts := range map[string][2][]string{"the upgraded one alone": {got, want}, "the fresh one alone": {want, got}} {
		for _, text := range texts[0] {
			if !slices.Contains(texts[1], text) {
				t.Errorf("%s has %s", what, text)
			}
		}
	}
}

// longFunction makes a function of as many arguments as there can be, whose types have names as long as they can be.
func longFunction(tb testing.TB, env *pgtest.Env) (oid uint32, signature string) {
	tb.Helper()
	sql := "create schema app authorization " + env.Owner + "; set role " + env.Owner + "; grant usage on schema app to public; "
	var types []string
	for range 100 {
		name := strings.ToLower("t" + rand.Text() + rand.Text() + rand.Text())[:63]
		types = append(types, "app."+name)
		sql += "create domain app." + name + " as int; "
	}
	signature = "long(" + strings.Join(types, ", ") + ")"
	env.Exec(tb, sql+"create function app."+signature+" returns int language sql return 1; revoke execute on function app."+signature+" from public")
	return pgtest.One[uint32](tb, env.Superuser(tb), "select oid from pg_proc where proname = 'long'"), signature
}

// A signature can be longer than what an index can hold: the pass that meets it remembers it all the same.
func TestASignatureLongerThanAnIndexCanHold(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"installed", "upgraded"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			oid, signature := longFunction(t, env)
			alice := env.Role("alice")
			pattern := row{"role_name": alice, "privilege": "EXECUTE", "object_type": "routine", "schema_name": "app", "object_name": "lo%", "name_match": "like"}
			remembered := func(conn pgtest.Querier) []string {
				return list[string](t, conn, "select signature from sync_roles.resolved_objects where object_oid = $1", oid)
			}
			var conn *pgx.Conn
			if from == "upgraded" {
				conn = version11(t, env)
				pattern.mustInsert(t, conn, "desired_grants")
				execute(t, conn, "insert into sync_roles.resolved_objects values ('pg_proc'::regclass, $1, 'routine', 'app', 'long')", oid)
				up(t, env)
				if got := remembered(conn); len(got) != 1 || got[0] != signature {
					t.Errorf("after the upgrade it remembers %q", got)
				}
			} else {
				up(t, env)
				conn = env.Connect(t, env.Daemon)
				pattern.mustInsert(t, conn, "desired_grants")
			}
			e := engine(t, env)
			has := func() bool {
				return pgtest.One[bool](t, env.Superuser(t), "select has_function_privilege($1, $2::oid, 'EXECUTE')", alice, oid)
			}
			syncAll(t, e)
			syncAll(t, e)
			if !has() {
				t.Fatal("the pattern gave nothing")
			}
			if got := remembered(conn); len(got) != 1 || got[0] != signature {
				t.Errorf("it remembers %q", got)
			}

			// By its name, it is lost when a type in the signature is renamed, and when its row goes.
			env.Exec(t, "alter domain "+strings.TrimSuffix(signature[strings.LastIndex(signature, " ")+1:], ")")+" rename to short")
			syncAll(t, e)
			if !has() {
				t.Error("a pattern depends on a type's name")
			}
			execute(t, conn, "delete from sync_roles.desired_grants")
			syncAll(t, e)
			if has() {
				t.Error("the row has gone, and what it gave is still there")
			}
		})
	}
}

// A row with such a signature is refused in words.
func TestRowsThatNoIndexCanHold(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	_, signature := longFunction(t, env)
	good := row{"role_name": env.Role("alice"), "privilege": "EXECUTE", "object_type": "routine", "schema_name": "app", "object_name": "long"}
	role, writer := newWriter(t, env, "etl")
	row{"writer_role": role, "may_create_roles": true}.mustInsert(t, conn, "writers")
	random := func(n int) (text string) {
		for len(text) < n {
			text += rand.Text()
		}
		return text[:n]
	}
	for name, r := range map[string]row{
		"signature": good.with(row{"object_name": signature}),
		"table":     grantRow("alice").with(row{"object_name": random(5000)}),
		"parameter": {"role_name": env.Role("alice"), "privilege": "SET", "object_type": "parameter", "object_name": random(2001)},
	} {
		for who, conn := range map[string]*pgx.Conn{"the owner": conn, "a writer": writer} {
			err := r.try(t, conn, "desired_grants")
			if wantError(t, err, fmt.Sprintf("object_name has %d bytes", len(r["object_name"].(string)))); sqlState(err) != "23514" {
				t.Errorf("%s by %s: SQLSTATE %q, want 23514: %v", name, who, sqlState(err), err)
			}
		}
	}
	// The longest that is allowed fits, with the longest of all else.
	longest := random(63)
	most := good.with(row{"role_name": longest, "schema_name": longest, "object_name": "f(" + strings.TrimSuffix(strings.Repeat("integer, ", 100), ", ") + ")"})
	if err := most.try(t, conn, "desired_grants"); err != nil {
		t.Error(err)
	}
	var types []string
	for range 29 {
		types = append(types, "a."+strings.ToLower("t"+random(62)))
	}
	name := "f(" + strings.Join(types, ", ") + ")"
	most["object_name"] = name
	if err := most.try(t, conn, "desired_grants"); err != nil {
		t.Errorf("%d bytes: %v", len(name), err)
	}
	most["privilege"] = "OWNER"
	if err := most.try(t, conn, "desired_grants"); err != nil {
		t.Errorf("%d bytes, OWNER: %v", len(name), err)
	}
}
