package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestRecipes runs the blocks of docs/recipes.md in order, as TestReadme does, and tries what each recipe gives, keeps from others, and takes away.
func TestRecipes(t *testing.T) {
	t.Parallel()
	const page = "../../docs/recipes.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 250 {
		t.Errorf("%s has %d lines, and 250 at most are allowed", page, n)
	}
	r := newReadme(t)
	r.superuser("alter table sales.targets owner to sales_owner; set role sales_owner; create table sales.items (id serial, name text); create table sales.payroll_2025 (); reset role; create table public.secrets (); create role outsider login")
	checks := r.recipes()
	blocks := pageBlocks(t, page, string(text))
	for i, b := range blocks {
		check, ok := checks[b.name]
		if !ok {
			t.Fatalf("%s has a block %q, and there is no check for it", page, b.name)
		}
		if !strings.HasSuffix(b.name, "-end") && (i+1 == len(blocks) || blocks[i+1].name != b.name+"-end") {
			t.Errorf("recipe %q does not end with what takes it away", b.name)
		}
		delete(checks, b.name)
		r.run(b)
		check()
		r.can("outsider", "select from sales.orders_2024", false)
		if t.Failed() {
			t.Fatalf("this was block %q; those that follow build upon it", b.name)
		}
	}
	for name := range checks {
		t.Errorf("%s has no block %q", page, name)
	}
	before := r.last("sync_daemon", "select count(*) from sync_roles.audit")
	r.sync()
	if after := r.last("sync_daemon", "select count(*) from sync_roles.audit"); after != before {
		t.Error("something was left to do")
	}
}

// recipes are the checks, in the order of the page.
func (r *readme) recipes() map[string]func() {
	const read, write, erase = "select from sales.orders_2024", "insert into sales.items (name) values ('x')", "delete from sales.orders_2024"
	return map[string]func(){
		"reader": func() {
			r.can("rita", read, true)
			r.can("rita", "select from sales.revenue", true)
			r.can("rita", write, false)
			r.can("rita", "select from public.secrets", false)
			r.superuser("set role sales_owner; create table sales.orders_2026 ()")
			r.sync()
			r.can("rita", "select from sales.orders_2026", true)
		},
		"reader-end": func() { r.can("rita", read, false) },
		"writer": func() {
			r.can("walt", read, true)
			r.can("walt", write, true)
			r.can("walt", erase, true)
			r.can("walt", "truncate sales.orders_2024", false)
			r.can("walt", "drop table sales.orders_2024", false)
		},
		"writer-end": func() {
			r.can("walt", read, true)
			r.can("walt", write, false)
			r.can("walt", erase, false)
		},
		"owner": func() {
			r.committed("deploy", "create table marketing.campaigns (id int)")
			r.sync()
			if owner := r.last("deploy", "select tableowner from pg_tables where tablename = 'campaigns'"); owner != "marketing_owner" {
				r.t.Errorf("the owner is %s", owner)
			}
			r.can("deploy", "alter table marketing.campaigns add name text", true)
			r.can("deploy", read, false)
			r.can("rita", "select from marketing.campaigns", false)
		},
		"owner-end": func() {
			r.can("deploy", "select from marketing.campaigns", false)
			r.can("deploy", "create table marketing.more ()", false)
		},
		"tenant": func() {
			r.superuser("create schema tenant_acme authorization sales_owner; create schema tenant_globex authorization sales_owner; set role sales_owner; create table tenant_acme.t (); create table tenant_globex.t ()")
			r.sync()
			for tenant, other := range map[string]string{"acme": "globex", "globex": "acme"} {
				r.can("tenant_"+tenant, "select from tenant_"+tenant+".t", true)
				r.can("tenant_"+tenant, "insert into tenant_"+tenant+".t default values", true)
				r.can("tenant_"+tenant, "select from tenant_"+other+".t", false)
				r.can("tenant_"+tenant, read, false)
			}
		},
		"tenant-end": func() {
			r.locked("tenant_acme")
			r.superuser("alter role tenant_acme login")
			r.can("tenant_acme", "select from tenant_acme.t", false)
			r.superuser("alter role tenant_acme nologin")
			r.can("tenant_globex", "select from tenant_globex.t", true)
		},
		"team": func() {
			r.can("tara", write, true)
			r.can("tara", "create table marketing.more ()", true)
		},
		"team-end": func() {
			r.can("tara", read, true)
			r.can("tara", write, false)
			r.can("tara", "create table marketing.more ()", false)
		},
		"agent": func() {
			r.can("agent", read, true)
			r.can("agent", "select city from sales.customers", true)
			r.can("agent", "select name from sales.customers", false)
			r.can("agent", "select from sales.payroll_2025", false)
			r.can("agent", "set transaction read write; delete from sales.orders_2024", false)
			r.superuser("set role sales_owner; create table sales.orders_2027 (); create table sales.payroll_2027 (); grant select on sales.payroll_2025 to agent")
			r.sync()
			r.can("agent", "select from sales.orders_2027", true)
			r.can("agent", "select from sales.payroll_2025", false)
			r.can("agent", "select from sales.payroll_2027", false)
		},
		"agent-end": func() {
			r.locked("agent")
			r.superuser("alter role agent login")
			r.can("agent", read, false)
			r.superuser("alter role agent nologin")
		},
		"break-glass": func() {
			r.can("oncall", write, true)
			r.committed("sync_daemon", `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, expires_at)
				values ('oncall', 'TRUNCATE', 'table', 'sales', 'orders_2024', now() + interval '1 hour')`)
			r.sync()
			r.can("oncall", "truncate sales.orders_2024", true)
			r.committed("sync_daemon", "update sync_roles.desired_grants set expires_at = now() where role_name = 'oncall' and privilege = 'TRUNCATE'") // the hour is over
			r.sync()
			r.can("oncall", "truncate sales.orders_2024", false)
			r.can("oncall", write, true)
		},
		"break-glass-end": func() {
			r.can("oncall", read, false)
			r.can("oncall", write, false)
			if rows := r.last("sync_daemon", "select count(*) from sync_roles.desired_grants where role_name = 'oncall'"); rows != "0" {
				r.t.Errorf("%s rows are left", rows)
			}
		},
		"service": func() {
			r.can("shop_blue", write, true)
			r.can("shop_green", write, true)
		},
		"service-end": func() {
			r.can("shop_green", write, true)
			r.locked("shop_blue")
			r.superuser("alter role shop_blue login")
			r.can("shop_blue", write, false)
			r.superuser("alter role shop_blue nologin")
		},
		"contractor": func() { r.can("carla", read, true) },
		"contractor-end": func() {
			r.locked("carla")
			if r.last("sync_daemon", "select pg_has_role('carla', 'sales_reader', 'MEMBER')") != "false" {
				r.t.Error("carla is a member still")
			}
		},
	}
}

// committed logs in as a role and runs a statement.
func (r *readme) committed(role, sql string) {
	r.t.Helper()
	if _, err := r.connect(role, "warehouse").Exec(r.t.Context(), sql); err != nil {
		r.t.Errorf("as %s: %s: %v", role, sql, err)
	}
}

// locked asserts that a role cannot log in.
func (r *readme) locked(role string) {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.server.URL(role, "warehouse"))
	if err == nil {
		_ = conn.Close(r.t.Context())
		r.t.Errorf("%s can log in", role)
	}
}
