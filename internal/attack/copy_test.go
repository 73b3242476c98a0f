package attack_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// copyOf makes a copy of the test's database, with the same actors: its objects' ACLs name the intermediate roles of the original.
func (f *field) copyOf(t *testing.T) *field {
	t.Helper()
	env := *f.Env
	env.Database = f.Role("copy")
	c := &field{Env: &env, anylogin: f.anylogin, etl: f.etl, dba: f.dba}
	outside := f.outside()
	for attempt := 1; ; attempt++ {
		outside.Exec(t, fmt.Sprintf("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '%s'", f.Database))
		err := outside.attempt(t, "postgres", fmt.Sprintf("create database %s template %s owner %s", env.Database, f.Database, f.Daemon))
		if err == nil {
			break
		}
		if attempt == 10 { // PostgreSQL waits 5 s for those who are leaving
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := outside.TryConnect(ctx, "postgres")
		if err != nil {
			t.Log(err)
			return
		}
		defer func() { _ = conn.Close(ctx) }()
		var oid uint32
		if err := conn.QueryRow(ctx, "select oid from pg_database where datname = $1", env.Database).Scan(&oid); err != nil {
			t.Log(err)
			return
		}
		_, err = conn.Exec(ctx, "drop database "+env.Database+" with (force)")
		if err == nil {
			_, err = conn.Exec(ctx, fmt.Sprintf(`do $$ declare r name; begin
				for r in select rolname from pg_roles where starts_with(rolname, '_pgsr_%d_') order by oid desc loop
					execute format('drop owned by %%I; drop role %%1$I', r);
				end loop;
			end $$`, oid))
		}
		if err != nil {
			t.Log(err)
		}
	})
	return c
}

// outside is the same server's database postgres.
func (f *field) outside() *field {
	env := *f.Env
	env.Database = "postgres"
	return &field{Env: &env}
}

// let lets roles connect to the database.
func (f *field) let(t *testing.T, roles ...string) {
	t.Helper()
	f.Exec(t, "grant connect on database "+f.Database+" to "+strings.Join(roles, ", "))
}

// grantees lists the roles that stand in ACLs of this database, with a name like that of an intermediate role of another.
func (f *field) foreigners(t *testing.T) []string {
	t.Helper()
	return pgtest.One[[]string](t, f.Superuser(t), `
		select array(
			select distinct r.rolname::text
			from pg_shdepend as d
			join pg_roles as r on r.oid = d.refobjid
			join pg_database as b on b.oid = d.dbid and b.datname = current_database()
			where d.refclassid = 'pg_authid'::regclass and starts_with(r.rolname, '_pgsr_') and not starts_with(r.rolname, '_pgsr_' || b.oid || '_')
			order by 1)`)
}

// In a copied database, a row that goes takes the access along; the original keeps what it has, and its roles can be dropped.
func TestCopiedDatabase(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, bob, carol := f.user(t, "alice"), f.user(t, "bob"), f.user(t, "carol")
	f.Exec(t, "set role "+f.Owner+"; create function sales.total() returns int language sql return 1; create sequence sales.numbers; revoke execute on function sales.total() from public")
	for _, u := range []string{alice, bob, carol} {
		f.askLike(t, u, "o%")
	}
	f.run(t, f.Daemon, fmt.Sprintf(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, direct) values
		('%[1]s', 'UPDATE', 'table', 'sales', 'costs', 'id', false),
		('%[1]s', 'EXECUTE', 'routine', 'sales', 'total()', null, false),
		('%[1]s', 'USAGE', 'sequence', 'sales', 'numbers', null, false),
		('%[1]s', 'CREATE', 'schema', null, 'sales', null, false)`, alice))
	f.call(t, "sync").want(t, 0)
	tries := []string{
		"select from sales.orders", "update sales.costs set id = 1", "select sales.total()", "select nextval('sales.numbers')", "create table sales.mine ()",
	}
	c := f.copyOf(t)
	c.let(t, alice, bob, carol)
	if len(c.foreigners(t)) < 5 {
		t.Fatal("the copy's ACLs do not name the original's roles")
	}
	// Before migrate, nothing is done with the roles of the original.
	for _, args := range [][]string{{"sync"}, {"plan"}, {"adopt", bob}, {"run", "--no-migrate"}} {
		if r := c.call(t, args...).want(t, 1); !strings.Contains(r.stderr, "pg-sync-roles migrate") {
			t.Errorf("%v says nothing of migrate: %s", args, r.stderr)
		}
	}
	c.call(t, "migrate").want(t, 0)
	c.run(t, c.Daemon, "delete from sync_roles.desired_grants where role_name = '"+carol+"'")
	c.call(t, "sync").want(t, 0)
	if left := c.foreigners(t); len(left) > 0 {
		t.Errorf("the copy's ACLs name roles of the original: %v", left)
	}
	if n := pgtest.One[int](t, c.Superuser(t), "select count(*) from sync_roles.audit where revoked > 0 and starts_with(role_name, $1) and outcome = 'applied'", f.prefix(t)); n != 5 {
		t.Errorf("the audit names %d of the original's roles, want 5", n)
	}
	for _, try := range tries {
		c.can(t, true, alice, try)
	}
	c.can(t, true, bob, "select from sales.orders")
	c.can(t, false, carol, "select from sales.orders")
	c.quiet(t)
	c.forget(t, alice)
	c.call(t, "sync", alice).want(t, 0)
	for _, try := range tries {
		c.can(t, false, alice, try)
	}
	c.run(t, c.Daemon, "insert into sync_roles.desired_roles (role_name, revoke_other) values ('"+bob+"', '{all}'); delete from sync_roles.desired_grants where role_name = '"+bob+"'")
	c.call(t, "sync").want(t, 0)
	c.can(t, false, bob, "select 1 from sales.orders")
	c.quiet(t)

	// The original is as it was.
	f.call(t, "plan").want(t, 0)
	for _, try := range tries {
		f.can(t, true, alice, try)
	}
	f.can(t, true, bob, "select from sales.orders")
	f.can(t, true, carol, "select from sales.orders")
	x := pgtest.One[string](t, f.Superuser(t), "select role_name from sync_roles.intermediate_roles where object_name = 'o%'")
	for _, u := range []string{alice, bob, carol} {
		f.forget(t, u)
	}
	f.quiet(t)
	if pgtest.One[bool](t, f.Superuser(t), "select to_regrole($1) is not null", x) {
		t.Error("the original's intermediate role could not be dropped")
	}
}

// Access that rows of the copy ask for is never interrupted: not while the copy gets its own roles, and not where it cannot have them.
func TestCopiedDatabaseNeverBlinks(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice := f.user(t, "alice")
	f.askLike(t, alice, "o%")
	f.call(t, "sync").want(t, 0)
	c := f.copyOf(t)
	c.let(t, alice)
	c.call(t, "migrate").want(t, 0)
	stranger := f.Role("stranger")
	c.Exec(t, "create role "+stranger+" superuser; alter table sales.orders owner to "+stranger)
	c.call(t, "sync").want(t, 1) // the daemon has no rights over what a superuser owns
	c.can(t, true, alice, "select from sales.orders")
	c.Exec(t, "alter table sales.orders owner to "+f.Owner)
	// A role whose pass failed is not looked at before its time.
	c.run(t, c.Daemon, "insert into sync_roles.retries (role_name, attempt, next_retry_at) values ('"+alice+"', 3, now() + interval '1 h')")
	c.call(t, "sync")
	c.can(t, true, alice, "select from sales.orders")
	c.run(t, c.Daemon, "delete from sync_roles.retries")
	c.call(t, "sync").want(t, 0)
	c.can(t, true, alice, "select from sales.orders")
	if left := c.foreigners(t); len(left) > 0 {
		t.Errorf("the copy's ACLs name roles of the original: %v", left)
	}
	c.quiet(t)
}

// A copy whose original is no more takes its roles over, by name; they go with the last row.
func TestCopyOfADroppedDatabase(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	f.askLike(t, alice, "o%")
	f.askLike(t, bob, "o%")
	f.call(t, "sync").want(t, 0)
	x := f.intermediate(t)
	c := f.copyOf(t)
	c.let(t, alice, bob)
	f.outside().Exec(t, "drop database "+f.Database+" with (force)")
	c.call(t, "migrate").want(t, 0)
	c.run(t, c.Daemon, "delete from sync_roles.desired_grants where role_name = '"+bob+"'")
	c.call(t, "sync").want(t, 0)
	if now := c.intermediate(t); now != x {
		t.Errorf("the copy's intermediate role is %s, want %s of the original", now, x)
	}
	c.can(t, true, alice, "select from sales.orders")
	c.can(t, false, bob, "select from sales.orders")
	c.quiet(t)
	c.forget(t, alice)
	c.quiet(t)
	c.can(t, false, alice, "select from sales.orders")
	if pgtest.One[bool](t, c.Superuser(t), "select to_regrole($1) is not null", x) {
		t.Error("the intermediate role is left")
	}
}

// A role named like an intermediate role of another database does not escape revoke_other, nor adopt, by its name.
func TestNamedLikeAnotherDatabases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql   string // {x}: the role
		try   string // what a member could do
		stays bool   // the membership does, and gives nothing
	}{
		"a login":                        {"alter role {x} login", "", false},
		"holds privileges here":          {"set role {o}; grant select on sales.costs to {x}; reset role", "select from sales.costs", true},
		"holds a column here":            {"set role {o}; grant select (id) on sales.costs to {x}; reset role", "select id from sales.costs", true},
		"a member":                       {"grant {o} to {x}", "drop table sales.costs", false},
		"a member of a predefined role":  {"grant pg_read_all_data to {x}", "select from sales.costs", false},
		"owns":                           {"create table sales.theirs (id int); alter table sales.theirs owner to {x}", "drop table sales.theirs", false},
		"holds a privilege on this base": {"grant create on database {b} to {x}", "create schema mine", false},
	} {
		for _, kind := range []string{"_pgsr_%d_", "_pgsr_local_%d_table_select_", "_pgsr_global_%[2]s"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				f := installed(t)
				alice := f.user(t, "alice")
				template := pgtest.One[uint32](t, f.Superuser(t), "select oid from pg_database where datname = 'template1'")
				x := fmt.Sprintf(kind+"%[2]sx", template, f.Prefix)
				words := strings.NewReplacer("{x}", x, "{o}", f.Owner, "{b}", f.Database, "{d}", f.Daemon)
				f.Exec(t, words.Replace("create role {x} nologin; "+c.sql))
				t.Cleanup(func() {
					_ = f.attemptAlways(t, words.Replace("drop owned by {x}; drop role {x}"))
				})
				admin := " with admin option"
				if f.Version >= 16 {
					admin = " with admin true, inherit false, set false"
				}
				f.Exec(t, words.Replace("grant {x} to {d}"+admin))
				f.run(t, f.Daemon, fmt.Sprintf("grant %s to %s", x, alice))
				if c.try != "" {
					f.can(t, true, alice, c.try)
				}
				// What a role of the Python library gives can be said in rows.
				if r := f.call(t, "adopt", alice); !strings.Contains(r.stderr, x) && !strings.HasPrefix(kind, "_pgsr_global") {
					t.Errorf("adopt says nothing of it: %s%s", r.stdout, r.stderr)
				}
				f.run(t, f.Daemon, "update sync_roles.desired_roles set revoke_other = '{all}' where role_name = '"+alice+"'; delete from sync_roles.desired_grants where privilege <> 'CONNECT'")
				f.call(t, "sync").want(t, 0)
				if c.try != "" {
					f.can(t, false, alice, c.try)
				}
				stays := c.stays && !strings.HasPrefix(kind, "_pgsr_global")
				if got := pgtest.One[bool](t, f.Superuser(t), "select pg_has_role($1, $2, 'MEMBER')", alice, x); got != stays {
					t.Errorf("alice is a member of %s: %t", x, got)
				}
				f.quiet(t)
			})
		}
	}
}

// attemptAlways runs SQL as superuser, also when the test is over.
func (f *field) attemptAlways(t *testing.T, sql string) error {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := f.TryConnect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// What one of the original's roles has granted on goes with it, unless a row of the copy asks for it.
func TestCopiedDatabaseGrantedOn(t *testing.T) {
	t.Parallel()
	f := installed(t)
	alice, friend, rightful := f.user(t, "alice"), f.user(t, "friend"), f.user(t, "rightful")
	f.askLike(t, alice, "o%")
	f.call(t, "sync").want(t, 0)
	x := f.intermediate(t)
	f.Exec(t, fmt.Sprintf(`set role %s; grant select on sales.costs to %s with grant option; grant usage on schema sales to %[2]s;
		reset role; set role %[2]s; grant select on sales.costs to %[3]s, %[4]s`, f.Owner, x, friend, rightful))
	c := f.copyOf(t)
	c.let(t, alice, friend, rightful)
	c.call(t, "migrate").want(t, 0)
	c.ask(t, rightful, "costs")
	c.call(t, "sync").want(t, 0)
	if left := c.foreigners(t); len(left) > 0 {
		t.Errorf("the copy's ACLs name roles of the original: %v", left)
	}
	c.can(t, true, alice, "select from sales.orders")
	c.can(t, true, rightful, "select from sales.costs")
	c.can(t, false, friend, "select from sales.costs")
	c.quiet(t)
}
