package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
)

// status --problems tells all problems of each role that has any, and of no other.
func TestStatusProblems(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, bob := env.Role("alice"), env.Role("bob")
	on(t, env, "status", "--problems").want(t, 0, "All roles are in sync.\n", "")
	give(t, env, conn, alice)
	refused(t, conn, bob)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, 'SELECT', 'table', 'app', 'later')", bob)
	on(t, env, "sync")
	r := on(t, env, "status", "--problems")
	r.want(t, 2, bob+": refused since ", "")
	r.want(t, 2, "  - MEMBER: role pg_monitor is a predefined role", "")
	r.want(t, 2, "  - SELECT: table app.later does not exist yet\n", "")
	if strings.Contains(r.stdout, alice) {
		t.Errorf("alice has no problem:\n%s", r.stdout)
	}
	var list []struct {
		Role string `json:"role_name"`
	}
	j := on(t, env, "status", "--problems", "--output", "json")
	if err := json.Unmarshal([]byte(j.stdout), &list); err != nil || len(list) != 1 || list[0].Role != bob {
		t.Errorf("%v: %s", err, j.stdout)
	}
}

// status shows what breaks a rule, and does not call that in order.
func TestStatusOfRules(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice := env.Role("alice")
	exec(t, env.Superuser(t), "create role "+alice)
	exec(t, conn, "create schema hr")
	exec(t, conn, "create table hr.payroll ()")
	exec(t, conn, "insert into sync_roles.forbidden (privilege, object_type, schema_name, object_name, reason) values ('SELECT', 'table', 'hr', 'payroll', 'the law')")
	on(t, env, "sync").want(t, 0, "*", "")
	on(t, env, "status").want(t, 0, "*", "")
	exec(t, conn, "grant select on hr.payroll to "+alice)
	r := on(t, env, "status")
	r.want(t, 2, "SELECT on table hr.payroll", "")
	r.want(t, 2, alice+": granted", "")
	on(t, env, "status", "--output", "json").want(t, 2, "[]", "")
	exec(t, conn, "revoke select on hr.payroll from "+alice)
	on(t, env, "status").want(t, 0, "*", "")
}

// status tells of all databases of a server, or of those that match a pattern; one that cannot be read hides no other.
func TestStatusOfDatabases(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{})
	exec(t, super, "create role daemon login createrole")
	exec(t, super, "create role alice")
	entry := server.URL("daemon", "postgres")
	call(t, "status", "--all", "-d", entry).want(t, 1, "", "no schema sync_roles in any database of the server that you may connect to")
	for _, name := range []string{"tenant_1", "tenant_2"} {
		conn := newTenant(t, server, super, name)
		call(t, "migrate", "-d", server.URL("daemon", name)).want(t, 0, "has version", "")
		exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 'public', 't')")
	}
	call(t, "sync", "-d", server.URL("daemon", "tenant_2")).want(t, 0, "*", "")
	exec(t, super, "create database closed")
	exec(t, super, "revoke connect on database closed from public")

	r := call(t, "status", "--all", "-d", entry)
	r.want(t, 2, "tenant_1  alice  pending", "")
	r.want(t, 2, "tenant_2  alice  in_sync", "")
	call(t, "status", "--databases", `tenant\_2`, "-d", entry).want(t, 0, "tenant_2  alice  in_sync", "")
	call(t, "status", "--all", "alice", "-d", entry).want(t, 2, "tenant_2", "")
	call(t, "status", "--all", "bob", "-d", entry).want(t, 1, "", `not managed: "bob"`)
	call(t, "status", "--databases", "tenant%", "--problems", "-d", entry).want(t, 2, "tenant_1 / alice: pending since ", "")
	var list []struct {
		Database string
		Role     string `json:"role_name"`
		Status   string
	}
	if err := json.Unmarshal([]byte(call(t, "status", "--all", "--output", "json", "-d", entry).stdout), &list); err != nil || len(list) != 2 || list[1].Database != "tenant_2" || list[1].Status != "in_sync" {
		t.Errorf("%v: %+v", err, list)
	}
	r = call(t, "status", "--databases", "%", "-d", entry)
	r.want(t, 1, "tenant_1  alice  pending", `database "closed": `)
	r.want(t, 1, "tenant_2  alice  in_sync", `database "postgres" has no schema sync_roles`)
	call(t, "status", "--databases", "none%", "-d", entry).want(t, 1, "", "no database of the server matches --databases none%")
	call(t, "status", "--databases", "", "-d", entry).want(t, 64, "", "the pattern is empty")
	call(t, "status", "--watch=1ms", "-d", entry).want(t, 64, "", "at least 100ms")
}

// status --watch shows what changes, a server that is gone for a while included, until told to stop.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{})
	exec(t, super, "create role daemon login createrole")
	exec(t, super, "create role alice")
	conn := newTenant(t, server, super, "db")
	url := server.URL("daemon", "db")
	call(t, "migrate", "-d", url).want(t, 0, "has version", "")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &lineLog{grew: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"status", "--watch=100ms", "-d", url}, strings.NewReader(""), out, out)
	}()
	shown := func(text string) {
		t.Helper()
		for {
			now, grew := out.now()
			if strings.Contains(now, text) {
				return
			}
			select {
			case <-grew:
			case <-ctx.Done():
				t.Fatalf("%q is never shown:\n%s", text, now)
			}
		}
	}
	shown("ROLE")
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ('alice', 'SELECT', 'table', 'public', 't')")
	shown("pending")
	if err := server.Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	call(t, "sync", "-d", server.URL("daemon", "db")).want(t, 0, "*", "")
	shown("in_sync")
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := bytes.Count([]byte(out.String()), []byte("in_sync")); n != 1 {
		t.Errorf("what did not change was shown %d times", n)
	}
}

// The shell completes the names of roles and objects, and nothing where they cannot be known.
func TestCompletionOfNames(t *testing.T) {
	t.Parallel()
	server, super := newServer(t, map[string]string{})
	exec(t, super, "create role daemon login createrole")
	conn := newTenant(t, server, super, "db")
	url := server.URL("daemon", "db")
	call(t, "migrate", "-d", url).want(t, 0, "has version", "")
	if majorOf(t, conn) < 19 {
		exec(t, conn, `create role "new
line"`)
	}
	exec(t, conn, `create role "bob é"; create role alicia; create schema "My Schema"; create table "My Schema"."T" (); create function public.f(integer, text) returns int language sql as 'select 1'`)
	exec(t, conn, "insert into sync_roles.desired_roles (role_name) values ('alice'), ('anna')")
	for _, c := range []struct{ args, want string }{
		{"status,", "alice anna"},
		{"status,anna,a", "alice"},
		{"sync,al", "alice"},
		{"plan,x", ""},
		{"adopt,al", "alicia"},
		{"explain,b", "bob é"},
		{"explain,", "alicia bob é daemon postgres"},
		{`explain,alice,"My`, `"My Schema"."T"`},
		{"explain,alice,pu", "public.t"},
		{"explain,alice,routine:public.f", "routine:public.f(integer, text)"},
		{"explain,alice,schema:p", "schema:public"},
		{"explain,alice,sche", "schema:"},
		{"explain,alice,role:al", "role:alicia"},
		{"explain,alice,public.t,", ""},
		{"who,SEL", "SELECT"},
		{"who,sel", "select"},
		{"who,SELECT,table:public.", "table:public.t"},
		{"password,ali", "alicia"},
	} {
		args := strings.Split(c.args, ",")
		args = append([]string{"__complete", args[0], "-d", url}, args[1:]...)
		r := call(t, args...)
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if got := strings.Join(lines[:len(lines)-1], " "); got != c.want {
			t.Errorf("%s is completed by %q, want %q", c.args, got, c.want)
		}
	}
	nowhere := strings.Replace(url, "127.0.0.1", "127.0.0.2", 1)
	if r := call(t, "__complete", "status", "-d", nowhere, "a"); r.code != 0 || !strings.HasPrefix(r.stdout, ":4") || strings.Contains(r.stderr, "Error") {
		t.Errorf("without a server: %+v", r)
	}
}
