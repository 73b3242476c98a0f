package migrations_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// Each way to change desired rows queues the roles of the old rows and of the new ones, and keeps old grants in withdrawn
// until they are dealt with.
func TestEveryChangeIsQueued(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	reset := func() {
		t.Helper()
		execute(t, conn, "truncate sync_roles.desired_grants, sync_roles.desired_roles")
		for _, r := range []string{"alice", "alice", "bob"} {
			n := pgtest.One[int](t, conn, "select count(*) from sync_roles.desired_grants")
			grantRow(r).with(row{"object_name": "t" + string(rune('0'+n))}).mustInsert(t, conn, "desired_grants")
		}
		row{"role_name": "alice"}.mustInsert(t, conn, "desired_roles")
		execute(t, conn, "delete from sync_roles.pending")
		execute(t, conn, "delete from sync_roles.withdrawn")
	}
	const conflict = "on conflict (role_name, selector)"
	const source = "(values ('alice', 't0', 'SELECT'), ('dave', 't9', 'SELECT')) as s (role_name, object_name, privilege)"
	type change struct {
		sql       string
		pending   string // roles
		withdrawn string // role and object
	}
	changes := map[string]change{
		"INSERT":                {"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('carol', 'SELECT', 'table', 's', 'a'), ('carol', 'SELECT', 'table', 's', 'b')", "carol", ""},
		"INSERT of nothing":     {"insert into sync_roles.desired_grants (role_name, privilege, object_type) select 'x', 'x', 'x' where false", "", ""},
		"UPDATE of the role":    {"update sync_roles.desired_grants set role_name = 'carol' where role_name = 'bob'", "bob carol", "bob t2"},
		"UPDATE of the object":  {"update sync_roles.desired_grants set object_name = 'u' where role_name = 'bob'", "bob", "bob t2"},
		"UPDATE of direct":      {"update sync_roles.desired_grants set direct = true where role_name = 'bob'", "bob", "bob t2"},
		"UPDATE of grantable":   {"update sync_roles.desired_grants set grantable = true where role_name = 'bob'", "bob", "bob t2"},
		"UPDATE of the note":    {"update sync_roles.desired_grants set note = 'x' where role_name = 'bob'", "bob", ""},
		"UPDATE of the id":      {"update sync_roles.desired_grants set id = default where role_name = 'bob'", "bob", "bob t2"},
		"UPDATE of nothing":     {"update sync_roles.desired_grants set note = 'x' where false", "", ""},
		"DELETE":                {"delete from sync_roles.desired_grants where role_name = 'alice'", "alice", "alice t0,alice t1"},
		"DELETE of nothing":     {"delete from sync_roles.desired_grants where false", "", ""},
		"TRUNCATE":              {"truncate sync_roles.desired_grants", "alice bob", "alice t0,alice t1,bob t2"},
		"ON CONFLICT DO UPDATE": {"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 's', 't0'), ('carol', 'SELECT', 'table', 's', 't0') " + conflict + " do update set grantable = true", "alice carol", "alice t0"},
		"INSERT into roles":     {"insert into sync_roles.desired_roles (role_name) values ('carol'), ('dave')", "carol dave", ""},
		"UPDATE of roles":       {"update sync_roles.desired_roles set role_name = 'carol'", "alice carol", ""},
		"DELETE from roles":     {"delete from sync_roles.desired_roles", "alice", ""},
		"TRUNCATE of roles":     {"truncate sync_roles.desired_roles", "alice", ""},
	}
	if env.Version >= 15 {
		changes["MERGE"] = change{"merge into sync_roles.desired_grants as g using " + source + ` on g.role_name = s.role_name and g.object_name = s.object_name
			when matched then delete
			when not matched then insert (role_name, privilege, object_type, schema_name, object_name) values (s.role_name, s.privilege, 'table', 's', s.object_name)`, "alice dave", "alice t0"}
		changes["MERGE that updates"] = change{"merge into sync_roles.desired_grants as g using " + source + ` on g.role_name = s.role_name and g.object_name = s.object_name
			when matched then update set privilege = 'INSERT'`, "alice", "alice t0"}
	}
	for name, c := range changes {
		reset()
		execute(t, conn, c.sql)
		if got := strings.Join(list[string](t, conn, "select role_name from sync_roles.pending where requested_by = session_user order by role_name"), " "); got != c.pending {
			t.Errorf("%s: pending has %q, want %q", name, got, c.pending)
		}
		if got := strings.Join(list[string](t, conn, "select role_name || ' ' || object_name from sync_roles.withdrawn where privilege = 'SELECT' and not grantable and direct is null order by 1"), ","); got != c.withdrawn {
			t.Errorf("%s: withdrawn has %q, want %q", name, got, c.withdrawn)
		}
	}

	reset()
	_, err := conn.CopyFrom(t.Context(), pgx.Identifier{"sync_roles", "desired_grants"}, []string{"role_name", "privilege", "object_type", "object_name"},
		pgx.CopyFromRows([][]any{{"carol", "USAGE", "schema", "a"}, {"carol", "USAGE", "schema", "b"}, {"dave", "USAGE", "schema", "a"}}))
	if err != nil {
		t.Fatal(err)
	}
	if got := list[string](t, conn, "select role_name from sync_roles.pending order by 1"); !slices.Equal(got, []string{"carol", "dave"}) {
		t.Errorf("COPY: pending has %v", got)
	}
}

// Requests name the rows where these are few: a pass then reads no others of the role. Owners and members may have had what others of its rows ask for.
func TestFewRowsAreQueuedByName(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	const few = "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 's', 'a'), ('alice', 'SELECT', 'table', 's', 'b'), ('bob', 'SELECT', 'table', 's', 'c')"
	const many = "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) select 'alice', 'SELECT', 'table', 's', 't' || i from generate_series(1, 101) as i"
	for name, c := range map[string]struct{ before, sql, want string }{
		"INSERT":                  {"", few, "alice {a,b}, bob {c}"},
		"UPDATE":                  {few, "update sync_roles.desired_grants set object_name = 'x' where object_name <> 'b'", "alice {a,x}, bob {c,x}"},
		"UPDATE of the role":      {few, "update sync_roles.desired_grants set role_name = 'carol' where object_name = 'a'", "alice {a}, carol {a}"},
		"DELETE":                  {few, "delete from sync_roles.desired_grants", "alice {a,b}, bob {c}"},
		"INSERT of an owner":      {"", "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'OWNER', 'table', 's', 'a')", "alice {a}"},
		"DELETE of an owner":      {"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'OWNER', 'table', 's', 'd'); " + few, "delete from sync_roles.desired_grants", "alice everything, bob {c}"},
		"UPDATE of an owner":      {"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'OWNER', 'table', 's', 'd'); " + few, "update sync_roles.desired_grants set privilege = 'SELECT'", "alice everything, bob {c}"},
		"DELETE of a member":      {"insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('alice', 'MEMBER', 'role', 'g'); " + few, "delete from sync_roles.desired_grants", "alice everything, bob {c}"},
		"INSERT of many":          {"", many, "alice everything"},
		"UPDATE of many":          {many, "update sync_roles.desired_grants set note = 'x'", "alice everything"},
		"DELETE of many":          {many, "delete from sync_roles.desired_grants", "alice everything"},
		"DELETE of desired roles": {"insert into sync_roles.desired_roles (role_name) values ('alice')", "delete from sync_roles.desired_roles", "alice everything"},
		"UPDATE of desired roles": {"insert into sync_roles.desired_roles (role_name) values ('alice')", "update sync_roles.desired_roles set note = 'x'", "alice everything"},
	} {
		execute(t, conn, "truncate sync_roles.desired_grants, sync_roles.desired_roles")
		if c.before != "" {
			execute(t, conn, c.before)
		}
		execute(t, conn, "delete from sync_roles.pending")
		execute(t, conn, c.sql)
		got := pgtest.One[string](t, conn, "select string_agg(role_name || ' ' || coalesce(object_names::text, 'everything'), ', ' order by role_name) from sync_roles.pending")
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A transaction notifies once, whatever it changed, when it commits; a refused one and an idle one do not.
func TestOneNotificationPerTransaction(t *testing.T) {
	t.Parallel()
	env := installed(t)
	listener, conn := env.Connect(t, env.Daemon), env.Connect(t, env.Daemon)
	execute(t, listener, "listen sync_roles")
	received := func() (n int) {
		t.Helper()
		// What was notified before this is delivered before this.
		execute(t, conn, "notify sync_roles, 'last'")
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			notification, err := listener.WaitForNotification(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if notification.Payload == "last" {
				return n
			}
			n++
		}
	}

	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	grantRow("alice").mustInsert(t, tx, "desired_grants")
	grantRow("bob").mustInsert(t, tx, "desired_grants")
	row{"role_name": "alice"}.mustInsert(t, tx, "desired_roles")
	execute(t, tx, "update sync_roles.desired_grants set note = 'x'")
	execute(t, tx, "delete from sync_roles.desired_grants where role_name = 'bob'")
	execute(t, tx, "truncate sync_roles.desired_roles")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := received(); n != 1 {
		t.Errorf("%d notifications for one transaction, want 1", n)
	}

	for _, sql := range []string{
		"update sync_roles.desired_grants set note = 'y'", "truncate sync_roles.desired_grants", "insert into sync_roles.desired_roles (role_name) values ('x')",
		"delete from sync_roles.desired_roles",
	} {
		execute(t, conn, sql)
		if n := received(); n != 1 {
			t.Errorf("%s: %d notifications, want 1", sql, n)
		}
	}
	for _, sql := range []string{"delete from sync_roles.desired_grants", "truncate sync_roles.desired_grants", "update sync_roles.desired_roles set note = 'x'"} {
		execute(t, conn, sql)
		if n := received(); n != 0 {
			t.Errorf("%s of nothing: %d notifications, want none", sql, n)
		}
	}
	if err := grantRow("pg_x").try(t, conn, "desired_grants"); err == nil {
		t.Error("a bad row was accepted")
	}
	if n := received(); n != 0 {
		t.Errorf("a refused row: %d notifications", n)
	}
}

// What happened stays on record, also for the owner of the schema.
func TestAuditIsAppendOnly(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	execute(t, conn, "insert into sync_roles.audit (cause, outcome, duration, instance, seq, previous_hash, hash) values ('manual', 'applied', '1 s', 'x', 1, '', '')")
	execute(t, conn, "insert into sync_roles.rescans (roles, drifted, duration, instance) values (1, 1, '1 s', 'x')")
	for _, connection := range []*pgx.Conn{conn, env.Superuser(t)} {
		for _, sql := range []string{
			"update sync_roles.audit set outcome = 'failed'", "delete from sync_roles.audit", "truncate sync_roles.audit",
			"update sync_roles.rescans set drifted = 0", "delete from sync_roles.rescans", "truncate sync_roles.rescans",
		} {
			if err := tryExec(t, connection, sql); sqlState(err) != "42501" || !strings.Contains(err.Error(), "stays on record") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	for _, bad := range []row{
		{"cause": "whim", "outcome": "applied", "duration": "1 s", "instance": "x", "seq": 2, "previous_hash": "", "hash": ""},
		{"cause": "manual", "outcome": "fine", "duration": "1 s", "instance": "x", "seq": 2, "previous_hash": "", "hash": ""},
		{"cause": "manual", "outcome": "applied", "duration": "1 s", "instance": "x"}, // no place in the chain
	} {
		if err := bad.try(t, conn, "audit"); sqlState(err) != "23514" {
			t.Errorf("audit row %v: %v", bad, err)
		}
	}
}
