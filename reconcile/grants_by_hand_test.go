package reconcile_test

import (
	"strings"
	"testing"
)

// What somebody revokes behind the daemon's back is back at the next rescan, and the audit says so.
func TestGrantsByHandRevoke(t *testing.T) {
	t.Parallel()
	for encoding, r := range encodings() {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			alice, bob := f.user(t, "alice"), f.user(t, "bob")
			f.add(t, r.of(alice))
			f.insert(t, bob, "SELECT", "table", "app", "costs")
			f.pending(t)
			f.can(t, alice, "select id from app.sales")
			before := len(f.audit(t, bob))
			f.asOwner(t, `do $$ declare g text; begin
				for g in select distinct a.grantee::regrole::text from pg_class, aclexplode(relacl) as a where oid = 'app.sales'::regclass and a.grantee <> relowner
					union select distinct a.grantee::regrole::text from pg_attribute, aclexplode(attacl) as a where attrelid = 'app.sales'::regclass
				loop execute 'revoke all on app.sales from ' || g; end loop;
			end $$`)
			f.cannot(t, alice, "select id from app.sales")
			f.rescan(t)
			f.can(t, alice, "select id from app.sales")
			if after := len(f.audit(t, bob)); after != before {
				t.Errorf("bob, of whom nothing was taken, has %d audit rows, had %d", after, before)
			}
			f.quiet(t)
		})
	}
}

// What somebody grants by hand to an additive role is left alone.
func TestGrantsByHandGrant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.insert(t, alice, "SELECT", "table", "app", "sales")
	f.asOwner(t, "grant select on app.costs to "+alice+"; grant insert on app.sales to "+alice)
	team := f.Role("team")
	f.Exec(t, "create role "+team+"; grant "+team+" to "+alice)
	f.pending(t)
	check := func() {
		t.Helper()
		f.rescan(t)
		f.can(t, alice, "select from app.costs")
		f.can(t, alice, "insert into app.sales values (1)")
		f.can(t, alice, "set role "+team)
		f.quiet(t)
	}
	check()
	f.can(t, alice, "select from app.sales")
	f.delete(t, id)
	f.pending(t)
	f.cannot(t, alice, "select from app.sales")
	check()
}

// Each audit row says what was done: counts, statements, cause and who asked.
func TestGrantsAudit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.user(t, "alice")
	id := f.insert(t, alice, "ALL", "table", "app", "sales")
	f.pending(t)
	a := f.last(t, alice)
	privileges := 7
	if f.Version >= 17 {
		privileges = 8
	}
	if a.Cause != "notify" || a.Outcome != "applied" || a.Granted != privileges || a.Revoked != 0 || len(a.Problems) != 0 {
		t.Errorf("got %v, want notify applied +%d", a, privileges)
	}
	if len(a.RequestedBy) != 1 || a.RequestedBy[0] != f.Daemon {
		t.Errorf("requested by %q, want %q", a.RequestedBy, f.Daemon)
	}
	if len(a.Statements) != 1 || !strings.HasPrefix(a.Statements[0], "GRANT ") || !strings.Contains(a.Statements[0], `"app"."sales"`) || !strings.Contains(a.Statements[0], quote(alice)) {
		t.Errorf("statements are %q", a.Statements)
	}

	// Looking again because of a request that changes nothing is unchanged.
	f.write(t, "update sync_roles.desired_grants set note = 'for the auditors' where id = $1", id)
	f.pending(t)
	if a := f.last(t, alice); a.Outcome != "unchanged" || a.Granted+a.Revoked+len(a.Statements) != 0 {
		t.Errorf("after a change of the note: %v", a)
	}

	f.asOwner(t, "revoke select on app.sales from "+alice)
	f.rescan(t)
	if a := f.last(t, alice); a.Cause != "rescan" || a.Outcome != "applied" || a.Granted != 1 || a.Revoked != 0 || len(a.RequestedBy) != 0 {
		t.Errorf("after drift: %v", a)
	}

	f.delete(t, id)
	f.sync(t, alice)
	if a := f.last(t, alice); a.Cause != "manual" || a.Outcome != "applied" || a.Granted != 0 || a.Revoked != privileges {
		t.Errorf("after DELETE: %v", a)
	}
	f.quiet(t)
}

// For an intermediate role, the member's row counts the membership, and the role's own row the privilege.
func TestGrantsAuditOfIntermediate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.asOwner(t, "create table app.sums (id int)")
	alice := f.user(t, "alice")
	id := f.add(t, row{role: alice, privilege: "SELECT", objectType: "table", schema: "app", name: "s%", match: "like"})
	f.pending(t)
	role := f.intermediate(t)
	if a := f.last(t, alice); a.Outcome != "applied" || a.Granted != 1 || a.Revoked != 0 {
		t.Errorf("the member: %v", a)
	}
	if a := f.last(t, role); a.Outcome != "applied" || a.Granted != 2 || a.Revoked != 0 {
		t.Errorf("the intermediate role: %v", a)
	}
	f.delete(t, id)
	f.pending(t)
	if a := f.last(t, alice); a.Outcome != "applied" || a.Granted != 0 || a.Revoked != 1 {
		t.Errorf("the member after DELETE: %v", a)
	}
	if a := f.last(t, role); a.Outcome != "applied" || a.Granted != 0 || a.Revoked == 0 {
		t.Errorf("the intermediate role after DELETE: %v", a)
	}
	f.quiet(t)
}
