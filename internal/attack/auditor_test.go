package attack_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// audited is installed with some rows in the audit, of which the last but one is about alice. It returns the head of the chain.
func audited(t *testing.T) (f *field, head string) {
	t.Helper()
	f = installed(t)
	alice, bob := f.user(t, "alice"), f.user(t, "bob")
	for _, role := range []string{alice, bob, alice} {
		f.ask(t, role, "orders")
		f.call(t, "sync").want(t, 0)
		f.run(t, f.Daemon, "delete from sync_roles.desired_grants")
		f.call(t, "sync").want(t, 0)
	}
	return f, f.intact(t)
}

// intact asserts that the chain is, and returns its head.
func (f *field) intact(t *testing.T) string {
	t.Helper()
	r := f.call(t, "audit", "verify").want(t, 0)
	return regexp.MustCompile(`[0-9]+:[0-9a-f]{64}`).FindString(r.stdout)
}

// audit is all that the tables of the audit hold.
func (f *field) audit(t *testing.T) string {
	t.Helper()
	return pgtest.One[string](t, f.Superuser(t), `
		select (select string_agg(a::text, chr(10) order by id) from sync_roles.audit as a) || coalesce((select string_agg(r::text, chr(10)) from sync_roles.audit_removals as r), '')
			|| (select c::text from sync_roles.audit_chain as c)`)
}

const auditColumns = "role_name, cause, outcome, granted, revoked, statements, problems, sqlstate, error, requested_by, attempt, duration, instance, pass"

// Whoever was given all privileges on the audit's tables, though not by us, still only reads them, and cannot keep passes from writing.
func TestGranteeCannotTouchTheAudit(t *testing.T) {
	t.Parallel()
	f, _ := audited(t)
	grantee := f.user(t, "grantee")
	f.run(t, f.Daemon, fmt.Sprintf("grant usage on schema sync_roles to %[1]s; grant all on all tables in schema sync_roles to %[1]s; grant all on all sequences in schema sync_roles to %[1]s", grantee))
	before := f.audit(t)
	for _, setting := range []string{"", "set sync_roles.retention = on; "} {
		for _, sql := range []string{
			"delete from sync_roles.audit", "delete from sync_roles.audit where id = 1", "update sync_roles.audit set granted = 99", "truncate sync_roles.audit",
			"insert into sync_roles.audit (" + auditColumns + ") select " + auditColumns + " from sync_roles.audit",
			"insert into sync_roles.audit (" + auditColumns + ", seq, previous_hash, hash) select " + auditColumns + ", seq + 100, hash, hash from sync_roles.audit",
			"delete from sync_roles.audit_removals", "update sync_roles.audit_removals set rows = 0", "truncate sync_roles.audit_removals",
			"insert into sync_roles.audit_removals select seq + 1, hash, hash, now(), now(), 1, 0, 0, 1, now(), '[]', 'x', pg_current_xact_id() from sync_roles.audit_chain",
			"delete from sync_roles.audit_chain", "truncate sync_roles.audit_chain", "delete from sync_roles.rescans",
		} {
			f.refused(t, grantee, setting+sql, "42501")
		}
		// Row-level security hides the row from these, which succeed and do nothing.
		f.run(t, grantee, setting+"update sync_roles.audit_chain set seq = 0")
	}
	if f.audit(t) != before {
		t.Error("the audit was changed")
	}

	// Nor can it hold the lock that every pass needs.
	conn := f.login(t, grantee)
	if _, err := conn.Exec(t.Context(), "begin; select from sync_roles.audit_chain for update; select from sync_roles.audit for update"); err != nil {
		t.Fatal(err)
	}
	bob := f.Role("bob")
	f.ask(t, bob, "orders")
	f.call(t, "sync").want(t, 0)
	if !f.Can(t, bob, "select from sales.orders") {
		t.Error("a lock on the audit keeps bob from getting access")
	}
	f.intact(t)
}

// The owner, which is the daemon's login, is refused all that a row of SQL can do, and what it does by taking the guards away is found.
func TestOwnerCannotTouchTheAuditUnseen(t *testing.T) {
	t.Parallel()
	f, head := audited(t)
	for _, setting := range []string{"", "set sync_roles.retention = on; "} {
		for _, sql := range []string{
			"delete from sync_roles.audit", "update sync_roles.audit set granted = 99", "truncate sync_roles.audit", "delete from sync_roles.audit_removals",
			"update sync_roles.audit_removals set rows = 0", "truncate sync_roles.audit_removals", "delete from sync_roles.audit_chain", "truncate sync_roles.audit_chain",
		} {
			f.refused(t, f.Daemon, setting+sql, "42501", "stays on record")
		}
	}
	f.refused(t, f.Daemon, "insert into sync_roles.audit ("+auditColumns+") select "+auditColumns+" from sync_roles.audit", "23514")
	if now := f.intact(t); now != head {
		t.Fatalf("the head was %s, and is %s", head, now)
	}

	const off = "alter table sync_roles.audit disable trigger user; "
	const last = "(select max(seq) from sync_roles.audit)"
	for _, sql := range []string{
		off + "delete from sync_roles.audit where seq = 2",
		off + "delete from sync_roles.audit where seq = 1",
		off + "delete from sync_roles.audit where seq = " + last,
		off + "delete from sync_roles.audit",
		off + "truncate sync_roles.audit",
		off + "update sync_roles.audit set statements = '{}' where seq = 2",
		off + "update sync_roles.audit set role_name = 'mallory' where seq = " + last,
		off + "update sync_roles.audit set at = at - interval '1 h' where seq = 2",
		"insert into sync_roles.audit (" + auditColumns + ", seq, previous_hash, hash) select " + auditColumns + ", seq, previous_hash, hash from sync_roles.audit where seq = 2",
		"insert into sync_roles.audit (" + auditColumns + ", seq, previous_hash, hash) select " + auditColumns + ", seq + 1, hash, hash from sync_roles.audit where seq = " + last,
		"alter table sync_roles.audit drop constraint audit_is_chained; insert into sync_roles.audit (" + auditColumns + ") select " + auditColumns + " from sync_roles.audit where seq = 2",
		"alter table sync_roles.audit alter id set generated by default; " + off + "update sync_roles.audit set id = 1000 where seq = 2",
		"alter table sync_roles.audit_chain disable trigger user; update sync_roles.audit_chain set seq = seq - 1",
		"set sync_roles.retention = on; insert into sync_roles.audit_removals select seq + 1, hash, hash, now(), now(), 1, 0, 0, 2, now(), '[[2, 2, null, null]]', 'x', pg_current_xact_id() from sync_roles.audit_chain; delete from sync_roles.audit where id = 2",
		"drop table sync_roles.audit_removals",
	} {
		f.found(t, f.Daemon, sql, head)
	}
}

// A superuser for whom no trigger fires is found too.
func TestSuperuserCannotTouchTheAuditUnseen(t *testing.T) {
	t.Parallel()
	f, head := audited(t)
	for _, sql := range []string{
		"delete from sync_roles.audit where seq = 2", "truncate sync_roles.audit", "update sync_roles.audit set requested_by = '{mallory}' where seq = 2",
		"update sync_roles.audit set hash = previous_hash where seq = 2", "delete from sync_roles.audit where seq >= 3",
	} {
		f.found(t, pgserver.Superuser, "set session_replication_role = replica; "+sql, head)
	}
}

// Whoever sets the chain's end back is given away by a head that was noted outside; and so is who restores an older copy.
func TestHeadNotedOutside(t *testing.T) {
	t.Parallel()
	f, head := audited(t)
	f.run(t, f.Daemon, `alter table sync_roles.audit disable trigger user;
		delete from sync_roles.audit where seq = (select max(seq) from sync_roles.audit);
		update sync_roles.audit_chain as c set seq = a.seq, hash = a.hash from sync_roles.audit as a where a.seq = (select max(seq) from sync_roles.audit);
		alter table sync_roles.audit enable trigger user`)
	f.call(t, "audit", "verify").want(t, 0) // consistent, and nobody can know from the database alone
	r := f.call(t, "audit", "verify", "--expect-head", head).want(t, 1)
	if !strings.Contains(r.stdout, head) {
		t.Errorf("it does not name the head:\n%s", r.stdout)
	}
	// What is written from now on does not hide it.
	f.ask(t, f.Role("bob"), "costs")
	f.call(t, "sync").want(t, 0)
	f.call(t, "audit", "verify").want(t, 0)
	f.call(t, "audit", "verify", "--expect-head", head).want(t, 1)
}

// found asserts that audit verify finds what SQL did, in a copy of the database.
func (f *field) found(t *testing.T, role, sql, head string) {
	t.Helper()
	c := f.copied(t)
	if now := c.intact(t); now != head {
		t.Fatalf("the head was %s, and in a copy is %s", head, now)
	}
	c.run(t, role, sql)
	if r := c.call(t, "audit", "verify"); r.code != 1 {
		t.Errorf("as %s %s: audit verify exits with %d:\n%s%s", role, sql, r.code, r.stdout, r.stderr)
	}
}

// copied is a copy of the database, to which nobody may be connected.
func (f *field) copied(t *testing.T) *field {
	t.Helper()
	env := *f.Env
	env.Database = f.Role(fmt.Sprintf("copy%d", copies.Add(1)))
	outside, err := pgx.Connect(t.Context(), strings.Replace(f.URL(pgserver.Superuser), f.Database, "postgres", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := outside.Exec(context.WithoutCancel(t.Context()), "drop database if exists "+env.Database)
		if err != nil {
			t.Error(err)
		}
		_ = outside.Close(context.WithoutCancel(t.Context()))
	})
	if _, err := outside.Exec(t.Context(), "create database "+env.Database+" template "+f.Database+" owner "+f.Daemon); err != nil {
		t.Fatal(err)
	}
	c := *f
	c.Env = &env
	c.Exec(t, "update sync_roles.installation set database_oid = d.oid from pg_database as d where d.datname = current_database()")
	return &c
}

var copies atomic.Int64
