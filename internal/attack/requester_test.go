package attack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A desk is a field where people ask for access to schema sales, and others approve.
type desk struct {
	*field
	alice, mallory string // may ask
	bob, carol     string // approve, and may ask
	people         string
	approvers      string
}

// newDesk lets people ask for SELECT on tables of sales for 8 hours (a day with extensions) with one approval, and for INSERT with two.
func newDesk(t *testing.T) *desk {
	t.Helper()
	f := installed(t)
	d := &desk{
		field: f, alice: f.user(t, "alice"), mallory: f.user(t, "mallory"), bob: f.user(t, "bob"), carol: f.user(t, "carol"),
		people: f.Role("people"), approvers: f.Role("approvers"),
	}
	f.Exec(t, fmt.Sprintf("create role %[1]s; create role %[2]s; grant %[1]s to %[3]s, %[4]s, %[5]s, %[6]s; grant %[2]s to %[5]s, %[6]s", d.people, d.approvers, d.alice, d.mallory, d.bob, d.carol))
	f.run(t, f.Daemon, fmt.Sprintf(`
		grant usage on schema sync_roles to %[1]s;
		grant select on sync_roles.requestable, sync_roles.reviews, sync_roles.review_items to %[1]s;
		grant select, insert, update on sync_roles.requests, sync_roles.request_approvals to %[1]s;
		grant update on sync_roles.review_items to %[1]s;
		insert into sync_roles.requestable (requester_role, object_type, privileges, schema_like, max_duration, max_total, approver_role, approvals, max_open) values
			('%[1]s', 'table', '{SELECT}', 'sales', '8 hours', '1 day', '%[2]s', 1, 3), ('%[1]s', 'table', '{INSERT}', 'sales', '8 hours', null, '%[2]s', 2, 3)`, d.people, d.approvers))
	return d
}

// request is SQL that asks for a privilege on a table of schema sales, with whatever else is given as column and value.
func request(privilege, table string, more ...string) string {
	columns, values := "privilege, object_type, schema_name, object_name", fmt.Sprintf("'%s', 'table', 'sales', '%s'", privilege, table)
	for _, standard := range [][2]string{{"duration", "'2 hours'"}, {"reason", "'ticket 1'"}} {
		if !strings.Contains(strings.Join(more, " "), standard[0]) {
			more = append(more, standard[0], standard[1])
		}
	}
	for i := 0; i < len(more); i += 2 {
		columns, values = columns+", "+more[i], values+", "+more[i+1]
	}
	return "insert into sync_roles.requests (" + columns + ") overriding system value values (" + values + ")"
}

// ask makes a request and returns its id.
func (d *desk) request(t *testing.T, role, sql string) int64 {
	t.Helper()
	return pgtest.One[int64](t, d.login(t, role), sql+" returning id")
}

func approval(id int64, more ...string) string {
	columns, values := "request_id", fmt.Sprint(id)
	for i := 0; i < len(more); i += 2 {
		columns, values = columns+", "+more[i], values+", "+more[i+1]
	}
	return "insert into sync_roles.request_approvals (" + columns + ") values (" + values + ")"
}

func (d *desk) status(t *testing.T, id int64) string {
	t.Helper()
	return pgtest.One[string](t, d.Superuser(t), "select status from sync_roles.request_status where id = $1", id)
}

// An approved request gives what it says, to whom it says, until it is withdrawn; the note tells who approved.
func TestRequestGivesAndTakes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ask(t, d.mallory, "costs")
	bot := d.login(t, d.anylogin)
	if _, err := bot.Exec(t.Context(), "listen sync_roles_requests"); err != nil {
		t.Fatal(err)
	}
	id := d.request(t, d.alice, request("SELECT", "orders"))
	d.call(t, "sync").want(t, 0)
	if d.Can(t, d.alice, "select from sales.orders") {
		t.Fatal("nobody has approved it, and alice can read")
	}
	d.run(t, d.bob, approval(id, "comment", "'fine'"))
	d.call(t, "sync").want(t, 0)
	if !d.Can(t, d.alice, "select from sales.orders") || d.Can(t, d.alice, "insert into sales.orders values (1)") || d.Can(t, d.alice, "select from sales.costs") || d.Can(t, d.mallory, "select from sales.orders") {
		t.Error("alice has not just SELECT on sales.orders")
	}
	got := pgtest.One[string](t, d.Superuser(t), `select created_by || '; ' || note || '; ' || (expires_at between now() + '1 hour' and now() + '2 hours') from sync_roles.desired_grants where role_name = $1`, d.alice)
	if want := fmt.Sprintf("%s; request %d of %s, approved by %[1]s: ticket 1; true", d.bob, id, d.alice); got != want {
		t.Errorf("the row says %s, want %s", got, want)
	}
	audited := "select count(*) from sync_roles.audit"
	before := pgtest.One[int](t, d.Superuser(t), audited)
	d.call(t, "sync").want(t, 0)
	if after := pgtest.One[int](t, d.Superuser(t), audited); after != before {
		t.Error("a second pass did something")
	}

	d.run(t, d.alice, fmt.Sprintf("update sync_roles.requests set status = 'withdrawn' where id = %d", id))
	d.call(t, "sync").want(t, 0)
	if d.Can(t, d.alice, "select from sales.orders") || !d.Can(t, d.mallory, "select from sales.costs") {
		t.Error("alice still reads, or mallory does not")
	}
	if got := d.status(t, id); got != "withdrawn" {
		t.Errorf("the request is %s", got)
	}
	for _, event := range []string{"opened", "approved", "withdrawn"} {
		told, err := bot.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"id" : %d, "event" : "%s"}`, id, event); told.Payload != want {
			t.Errorf("the bot is told %s, want %s", told.Payload, want)
		}
	}

	// And by time.
	id = d.request(t, d.alice, request("SELECT", "orders", "duration", "'1 second'"))
	d.run(t, d.bob, approval(id))
	d.until(t, "select status = 'expired' from sync_roles.request_status where id = $1", id)
	d.call(t, "sync").want(t, 0)
	if n := pgtest.One[int](t, d.Superuser(t), "select count(*) from sync_roles.desired_grants where role_name = $1", d.alice); n != 0 || d.Can(t, d.alice, "select from sales.orders") {
		t.Error("the time is over, and alice can still read")
	}
	d.refused(t, d.alice, fmt.Sprintf("insert into sync_roles.requests (extends, duration, reason) values (%d, '1 hour', 'more')", id), "23514", "extends", "expired")
}

// One person's approval counts once, and only as long as it may approve; one denial closes the request.
func TestTwoMustApprove(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.request(t, d.alice, request("INSERT", "orders"))
	d.run(t, d.bob, approval(id))
	d.refused(t, d.bob, approval(id), "23514", "has a decision of "+d.bob+" already")
	d.refused(t, d.bob, fmt.Sprintf("update sync_roles.request_approvals set approver = '%s'", d.carol), "42501", "stays on record")
	if got := d.status(t, id); got != "open" {
		t.Fatalf("after one approval of two it is %s", got)
	}
	// Who has left approves no more.
	d.Exec(t, fmt.Sprintf("revoke %s from %s", d.approvers, d.bob))
	d.run(t, d.carol, approval(id))
	if got := d.status(t, id); got != "open" {
		t.Errorf("with the approval of one who has left it is %s", got)
	}
	dave := d.user(t, "dave")
	d.Exec(t, fmt.Sprintf("grant %s, %s to %s", d.approvers, d.people, dave))
	d.run(t, dave, approval(id))
	d.call(t, "sync").want(t, 0)
	if got := d.status(t, id); got != "approved" || !d.Can(t, d.alice, "insert into sales.orders values (1)") {
		t.Errorf("after two approvals it is %s", got)
	}

	id = d.request(t, d.mallory, request("INSERT", "orders"))
	d.run(t, dave, approval(id))
	d.run(t, d.carol, approval(id, "decision", "'deny'"))
	if got := d.status(t, id); got != "denied" {
		t.Errorf("the request is %s", got)
	}
	d.refused(t, d.mallory, fmt.Sprintf("update sync_roles.requests set status = 'withdrawn' where id = %d", id), "23514", "is denied")
	d.call(t, "sync").want(t, 0)
	if d.Can(t, d.mallory, "insert into sales.orders values (1)") {
		t.Error("mallory has what was denied")
	}
}

// A hostile requester gets nothing that another did not approve, whatever it tries.
func TestRequesterApprovesNothingItself(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.request(t, d.mallory, request("SELECT", "orders"))
	own := d.request(t, d.bob, request("SELECT", "orders"))
	// A login that bob could use, one that could use bob's, and one that shares the access asked for.
	second, third, admin := d.user(t, "second"), d.user(t, "third"), d.user(t, "admin")
	d.Exec(t, fmt.Sprintf("grant %[1]s, %[2]s to %[3]s, %[4]s, %[5]s; grant %[6]s to %[3]s; grant %[4]s to %[6]s; grant %[6]s to %[5]s with admin option", d.people, d.approvers, second, third, admin, d.bob))
	d.run(t, d.Daemon, fmt.Sprintf("insert into sync_roles.requestable (requester_role, grantee_like, object_type, privileges, schema_like, max_duration, approver_role) values ('%s', '%s', 'table', '{SELECT}', 'sales', '1 hour', '%s')",
		d.people, d.alice, d.approvers))
	forAlice := d.request(t, d.mallory, request("SELECT", "costs", "role_name", "'"+d.alice+"'", "duration", "'1 hour'"))
	sharer := d.user(t, "sharer")
	d.Exec(t, fmt.Sprintf("grant %s, %s to %s", d.people, d.approvers, sharer))
	d.run(t, d.Daemon, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ('%s', 'MEMBER', 'role', '%s')", sharer, d.alice)) // no pass yet
	before := d.state(t)
	for _, c := range []struct{ role, sql, state, word string }{
		{d.mallory, approval(id), "42501", "it has made it itself"},
		{d.bob, approval(own), "42501", "it has made it itself"},
		{d.bob, "set role " + d.approvers + "; " + approval(own), "42501", "sync_roles"},
		{d.bob, "set role " + d.people + "; " + approval(own), "42501", "as role"},
		{second, approval(own), "42501", "not independent"},
		{second, "set role " + d.bob + "; " + approval(own), "42501", "as role"},
		{third, approval(own), "42501", "not independent"},
		{admin, approval(own), "42501", "not independent"},
		{sharer, approval(forAlice), "42501", "not independent"},
		{d.mallory, approval(id, "approver", "'"+d.bob+"'"), "23514", "approver"},
		{d.alice, approval(id), "42501", "no approver"},
		{d.alice, approval(999), "42501", "no approver"},
		{d.bob, approval(id, "decision", "'yes'"), "23514", "decision 'yes' is unknown"},
		{d.mallory, fmt.Sprintf("update sync_roles.requests set status = 'approved' where id = %d", id), "23514", "only withdrawn"},
		{d.mallory, fmt.Sprintf("update sync_roles.requests set duration = '1 year' where id = %d", id), "23514", "status alone"},
		{d.mallory, fmt.Sprintf("update sync_roles.requests set requester = '%s' where id = %d", d.alice, id), "23514", "status alone"},
		{d.mallory, fmt.Sprintf("update sync_roles.requests set approved_by = '{%s}', grant_id = 1 where id = %d", d.bob, id), "23514", "status alone"},
		{d.mallory, request("SELECT", "costs", "requester", "'"+d.bob+"'"), "23514", "requester"},
		{d.mallory, request("SELECT", "costs", "status", "'approved'"), "23514", "status 'approved'"},
		{d.mallory, request("SELECT", "costs", "id", "1000"), "23514", "id 1000 was not generated"},
		{d.mallory, request("SELECT", "orders"), "23514", "is open"},
		{d.mallory, "set role " + d.people + "; " + request("SELECT", "costs"), "42501", "as role"},
		{d.mallory, "truncate sync_roles.requests cascade", "42501", "requests"},
		{d.mallory, "delete from sync_roles.requests", "42501", "requests"},
		{d.mallory, insert(d.mallory, "orders"), "42501", "desired_grants"},
		{d.mallory, "insert into sync_roles.requestable (requester_role, object_type, privileges, max_duration, approver_role) values ('public', 'table', '{SELECT}', '1 day', 'x')", "42501", "requestable"},
		{d.mallory, "update sync_roles.requestable set approvals = 0", "42501", "requestable"},
		{d.mallory, fmt.Sprintf("select sync_roles.grant_request(r) from sync_roles.requests as r where id = %d", id), "42501", "desired_grants"},
		{d.mallory, "select nextval('sync_roles.requests_id_seq')", "42501", "requests_id_seq"},
	} {
		d.refused(t, c.role, c.sql, c.state, c.word)
	}
	// Without a message, by policies: it is not there.
	d.run(t, d.mallory, fmt.Sprintf("update sync_roles.requests set status = 'withdrawn' where id = %d", own))
	d.run(t, d.mallory, `notify sync_roles_requests, '{"id": 1, "event": "approved"}'`)
	if after := d.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	for _, r := range []int64{id, own, forAlice} {
		if got := d.status(t, r); got != "open" {
			t.Errorf("request %d is %s", r, got)
		}
	}
	d.call(t, "sync").want(t, 0)
	if d.Can(t, d.mallory, "select from sales.orders") || d.Can(t, d.bob, "select from sales.orders") || d.Can(t, d.alice, "select from sales.costs") {
		t.Error("it has worked")
	}
	if seen := pgtest.One[string](t, d.login(t, d.mallory), "select string_agg(id::text, ',' order by id) from sync_roles.requests"); seen != fmt.Sprintf("%d,%d", id, forAlice) {
		t.Errorf("mallory sees requests %s", seen)
	}
}

// A request stays within what the owner has written, also when that changes before the last approval.
func TestRequestsStayInBounds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Exec(t, fmt.Sprintf(`create schema "Sal_es"; create table "Sal_es".orders (); create role %s superuser`, d.Role("root")))
	for _, c := range []struct{ sql, state, word string }{
		{request("DELETE", "orders"), "42501", "privilege 'DELETE' is not requestable"},
		{request("ALL", "orders"), "42501", "privilege 'ALL' is not requestable"},
		{request("OWNER", "orders"), "42501", "privilege 'OWNER' is not requestable"},
		{request("SELECT", "orders", "duration", "'9 hours'"), "42501", "max_duration"},
		{request("SELECT", "orders", "duration", "'1 mon -30 days +9 hours'"), "42501", "max_duration"},
		{request("SELECT", "orders", "duration", "'-1 hour'"), "42501", "max_duration"},
		{request("SELECT", "orders", "duration", "'0'"), "42501", "max_duration"},
		{request("SELECT", "orders", "duration", "'178000000 years'"), "42501", "max_duration"},
		{request("SELECT", "orders", "role_name", "'"+d.alice+"'"), "42501", "only for oneself"},
		{request("SELECT", "orders", "role_name", "'public'"), "42501", "only for oneself"},
		{request("SELECT", "orders", "reason", "'  '"), "23514", "reason is empty"},
		{request("SELECT", "orders", "reason", "null"), "23502", "reason"},
		{request("SELECT", "%"), "23514", "object_name '%' is not there"},
		{request("SELECT", "orders'; grant all on sales.orders to public; --\n"), "42601", ""},
		{request("SELECT", "orders\n"), "23514", "is not there"},
		{request("SELECT", "ORDERS"), "23514", "is not there"},
		{request("SELECT", "orders", "column_name", "'nothing'"), "23514", "is not there"},
		{request("select", "orders"), "23514", "privilege 'select' does not exist"},
		{strings.Replace(request("SELECT", "orders"), "'sales'", "'Sal_es'", 1), "42501", "schema_name 'Sal_es' is not requestable"},
		{strings.Replace(request("SELECT", "pending"), "'sales'", "'sync_roles'", 1), "23514", "is protected"},
		{strings.Replace(request("SELECT", "pg_authid"), "'sales'", "'pg_catalog'", 1), "23514", "is protected"},
		{request("SELECT", "orders", "requestable_id", "2"), "42501", "not requestable by 2"},
		{request("SELECT", "orders", "requestable_id", "99"), "42501", "may ask for nothing by 99"},
		{request("SELECT", "orders", "extends", "1"), "23514", "extends 1 is no request"},
	} {
		d.refused(t, d.mallory, c.sql, c.state, c.word)
	}
	d.refused(t, d.etl, request("SELECT", "orders"), "42501", "requests")

	// What was allowed when it was asked for, and is no more.
	open := map[string]int64{}
	for _, person := range []string{d.mallory, d.alice} {
		open[person] = d.request(t, person, request("SELECT", "orders"))
	}
	super := d.Superuser(t)
	for undo, sql := range map[string]string{
		"update sync_roles.requestable set schema_like = 'sales' where id = 1":               "update sync_roles.requestable set schema_like = 'other' where id = 1",
		"update sync_roles.requestable set max_duration = '8 hours' where id = 1":            "update sync_roles.requestable set max_duration = '1 hour' where id = 1",
		"grant " + d.people + " to " + d.mallory:                                             "revoke " + d.people + " from " + d.mallory,
		"alter table sales.other rename to orders":                                           "alter table sales.orders rename to other",
		"update sync_roles.requestable set requester_role = '" + d.people + "' where id = 1": "update sync_roles.requestable set requester_role = '" + d.approvers + "' where id = 1",
	} {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		d.refused(t, d.bob, approval(open[d.mallory]), "23514", "cannot be approved")
		if _, err := super.Exec(t.Context(), undo); err != nil {
			t.Fatal(err)
		}
	}
	d.run(t, d.Daemon, "delete from sync_roles.requestable where id = 1")
	d.refused(t, d.bob, approval(open[d.alice]), "42501", "no approver")
	if n := pgtest.One[int](t, super, "select count(*) from sync_roles.desired_grants"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

// Extensions need approvals like the first request, and end; open requests are few.
func TestRequestsEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.request(t, d.mallory, request("SELECT", "orders", "duration", "'8 hours'"))
	d.refused(t, d.mallory, fmt.Sprintf("insert into sync_roles.requests (extends, duration, reason) values (%d, '1 hour', 'more')", id), "23514", "is open")
	d.run(t, d.bob, approval(id))
	extend := func(id int64, duration string) string {
		return fmt.Sprintf("insert into sync_roles.requests (extends, duration, reason) values (%d, '%s', 'more')", id, duration)
	}
	d.refused(t, d.alice, extend(id, "1 hour"), "23514", "no request of "+d.alice)
	d.refused(t, d.mallory, request("SELECT", "orders"), "23514", "has a row for this already")
	second := d.request(t, d.mallory, extend(id, "8 hours"))
	expires := "select round(extract(epoch from expires_at - now()) / 3600)::int from sync_roles.desired_grants where role_name = $1"
	if hours := pgtest.One[int](t, d.Superuser(t), expires, d.mallory); hours != 8 {
		t.Errorf("without an approval it lasts %d hours", hours)
	}
	d.run(t, d.bob, approval(second))
	if hours := pgtest.One[int](t, d.Superuser(t), expires, d.mallory); hours != 16 {
		t.Errorf("extended, it lasts %d hours", hours)
	}
	d.refused(t, d.mallory, extend(id, "1 hour"), "23514", "is extended")
	third := d.request(t, d.mallory, extend(second, "8 hours"))
	d.run(t, d.bob, approval(third))
	d.refused(t, d.mallory, extend(third, "1 second"), "42501", "max_total")
	d.refused(t, d.mallory, extend(third, "-1 hour"), "42501", "duration")
	// Taking back the one that is in force takes the access; the others are over.
	d.call(t, "sync").want(t, 0)
	d.refused(t, d.mallory, fmt.Sprintf("update sync_roles.requests set status = 'withdrawn' where id = %d", id), "23514", "is extended")
	d.run(t, d.mallory, fmt.Sprintf("update sync_roles.requests set status = 'withdrawn' where id = %d", third))
	d.call(t, "sync").want(t, 0)
	if d.Can(t, d.mallory, "select from sales.orders") {
		t.Error("mallory still reads")
	}

	d.Exec(t, "set role "+d.Owner+"; create table sales.t1 (); create table sales.t2 (); create table sales.t3 (); create table sales.t4 ()")
	for _, table := range []string{"t1", "t2", "t3"} {
		d.run(t, d.mallory, request("SELECT", table))
	}
	d.refused(t, d.mallory, request("SELECT", "t4"), "54000", "max_open 3 is reached")
	d.refused(t, d.mallory, "insert into sync_roles.requests (privilege, object_type, schema_name, object_name, duration, reason) select 'INSERT', 'table', 'sales', 't' || i, '1 hour', 'x' from generate_series(1, 4) as i", "54000", "max_open")
	d.run(t, d.Daemon, "update sync_roles.requestable set max_a_day = 8")
	d.run(t, d.mallory, "update sync_roles.requests set status = 'withdrawn' where status = 'open'")
	d.run(t, d.mallory, request("SELECT", "t4"))
	d.run(t, d.mallory, request("SELECT", "t3"))
	d.refused(t, d.mallory, request("SELECT", "t1"), "54000", "max_a_day 8 is reached")
	d.run(t, d.alice, request("SELECT", "t1"))
}

// Whoever takes an approver's place by its name, or has an approver call its function, approves nothing.
func TestApproversAreNotImpersonated(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.request(t, d.mallory, request("SELECT", "orders"))
	d.Exec(t, fmt.Sprintf(`grant create on database %s to %s; grant create on schema sales to %[2]s`, d.Database, d.mallory))
	d.run(t, d.mallory, fmt.Sprintf(`
		create schema evil; grant usage on schema evil to public;
		create function evil.approve() returns void language sql security definer as $$%s$$;
		create function evil.array_agg_text(text, text) returns boolean language sql as 'select true';
		create operator evil.= (leftarg = text, rightarg = text, procedure = evil.array_agg_text);
		create operator evil.<> (leftarg = text, rightarg = text, procedure = evil.array_agg_text);
		create function evil.now() returns timestamptz language sql as $$select '2001-01-01'::timestamptz$$;
		create function evil.pg_has_role(name, text) returns boolean language sql as 'select true'`, approval(id)))
	d.refused(t, d.bob, "select evil.approve()", "42501", "as role "+d.mallory)
	d.refused(t, d.mallory, "set search_path = evil, pg_catalog; create temp table requestable (id int); "+approval(id), "42501", "made it itself")
	d.refused(t, d.alice, "set search_path = evil, pg_catalog; "+approval(id), "42501", "no approver")
	d.refused(t, d.alice, "set search_path = evil, pg_catalog; "+request("SELECT", "orders", "duration", "'9 hours'"), "42501", "max_duration")

	d.Exec(t, fmt.Sprintf(`drop owned by %[1]s; drop role %[1]s; create role %[1]s; grant %[1]s to %[2]s`, d.approvers, d.alice))
	d.refused(t, d.alice, approval(id), "42501", "no approver")
	d.refused(t, d.alice, request("SELECT", "costs"), "42501", "not the role any more")
	d.run(t, d.Daemon, "update sync_roles.requestable set approver_role = approver_role")
	d.run(t, d.alice, approval(id))

	// Another login of the requester's name.
	id = d.request(t, d.bob, request("SELECT", "orders"))
	d.Exec(t, fmt.Sprintf("drop owned by %[1]s; drop role %[1]s", d.bob))
	d.user(t, "bob")
	d.Exec(t, fmt.Sprintf("grant %s to %s", d.people, d.bob))
	d.refused(t, d.alice, approval(id), "23514", "another login")
}
