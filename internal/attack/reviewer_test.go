package attack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// review is SQL that opens a review of schema sales by some roles, with whatever else is given as column and value.
func review(reviewers string, more ...string) string {
	columns, values := "reviewers", "'{"+reviewers+"}'"
	for _, standard := range [][2]string{{"schema_name", "'sales'"}, {"deadline", "now() + interval '1 day'"}, {"reason", "'q4'"}} {
		if !strings.Contains(strings.Join(more, " "), standard[0]) {
			more = append(more, standard[0], standard[1])
		}
	}
	for i := 0; i < len(more); i += 2 {
		columns, values = columns+", "+more[i], values+", "+more[i+1]
	}
	return "insert into sync_roles.reviews (" + columns + ") overriding system value values (" + values + ")"
}

// items are the roles of the items that a login sees, and what was decided.
func (d *desk) items(t *testing.T, login string) string {
	t.Helper()
	return pgtest.One[string](t, d.login(t, login), "select coalesce(string_agg(role_name || ':' || coalesce(decision, '-') || coalesce(':' || nullif(stale, false)::text, ''), ' ' order by role_name, id), '') from sync_roles.review_items")
}

// What reviewers end is taken away by the next pass, what they keep stays, and what they leave becomes what the review says.
func TestReviewEndsAccess(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dave := d.user(t, "dave")
	for _, person := range []string{d.alice, d.mallory, d.bob, dave} {
		d.ask(t, person, "orders")
	}
	d.run(t, d.Daemon, insert(d.alice, "costs"))
	d.call(t, "sync").want(t, 0)
	d.run(t, d.Daemon, review(d.carol, "object_name", "'orders'"))
	if got, want := d.items(t, d.carol), fmt.Sprintf("%s:- %s:- %s:- %s:-", d.alice, d.bob, dave, d.mallory); got != want {
		t.Fatalf("carol sees %s, want %s", got, want)
	}
	d.run(t, d.carol, fmt.Sprintf("update sync_roles.review_items set decision = 'end', comment = 'has left' where role_name = '%s'", d.alice))
	d.run(t, d.carol, fmt.Sprintf("update sync_roles.review_items set decision = 'keep' where role_name = '%s'", d.mallory))
	// What has changed since is not ended blindly.
	d.run(t, d.Daemon, fmt.Sprintf("update sync_roles.desired_grants set note = 'still needed' where role_name = '%s'", d.bob))
	d.run(t, d.carol, fmt.Sprintf("update sync_roles.review_items set decision = 'end' where role_name = '%s'", d.bob))
	d.call(t, "sync").want(t, 0)
	for person, can := range map[string]bool{d.alice: false, d.mallory: true, d.bob: true, dave: true} {
		if d.Can(t, person, "select from sales.orders") != can {
			t.Errorf("%s can read: %v, want %v", person, !can, can)
		}
	}
	if !d.Can(t, d.alice, "select from sales.costs") {
		t.Error("alice lost what was not reviewed")
	}
	if got, want := d.items(t, d.carol), fmt.Sprintf("%s:end %s:end:true %s:- %s:keep", d.alice, d.bob, dave, d.mallory); got != want {
		t.Errorf("the items are %s, want %s", got, want)
	}
	got := pgtest.One[string](t, d.Superuser(t), "select concat_ws(' ', status, items, open, kept, ended, by_deadline, stale, decided_by) from sync_roles.review_status")
	if want := fmt.Sprintf("open 4 1 1 1 0 1 {%s}", d.carol); got != want {
		t.Errorf("the status is %s, want %s", got, want)
	}
	audited := "select count(*) from sync_roles.audit"
	before := pgtest.One[int](t, d.Superuser(t), audited)
	d.call(t, "sync").want(t, 0)
	if after := pgtest.One[int](t, d.Superuser(t), audited); after != before {
		t.Error("a second pass did something")
	}
}

// The daemon closes a review when its deadline comes: it needs no rescan for that.
func TestReviewDeadline(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ask(t, d.alice, "orders")
	d.ask(t, d.mallory, "orders")
	d.ask(t, d.mallory, "costs")
	d.start(t)
	d.until(t, "select count(*) = 2 from sync_roles.role_status where status = 'in_sync'")
	d.run(t, d.Daemon, review(d.carol, "object_name", "'costs'", "deadline", "now() + interval '1 second'"))
	d.run(t, d.Daemon, review(d.carol, "object_name", "'orders'", "undecided", "'end'", "deadline", "now() + interval '1 second'"))
	d.run(t, d.carol, fmt.Sprintf("update sync_roles.review_items set decision = 'keep' where role_name = '%s' and object_name = 'orders'", d.mallory))
	d.until(t, "select count(*) = 2 from sync_roles.review_status where status = 'closed' and open = 0")
	d.until(t, "select not has_table_privilege($1, 'sales.orders', 'select')", d.alice)
	if !d.Can(t, d.mallory, "select from sales.orders") || !d.Can(t, d.mallory, "select from sales.costs") {
		t.Error("mallory lost what was kept")
	}
	if got, want := d.items(t, d.carol), fmt.Sprintf("%s:end %s:keep %[2]s:keep", d.alice, d.mallory); got != want {
		t.Errorf("the items are %s, want %s", got, want)
	}
	if by := pgtest.One[string](t, d.Superuser(t), "select string_agg(coalesce(decided_by, '-'), ' ' order by role_name, object_name) from sync_roles.review_items"); by != "- - "+d.carol {
		t.Errorf("it was decided by %s", by)
	}
	d.refused(t, d.Daemon, "update sync_roles.reviews set deadline = now() + interval '1 day'", "23514", "deadline", "has passed")
}

// An item that another transaction has locked holds up neither the daemon nor the other items.
func TestReviewerHoldsUpNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ask(t, d.alice, "orders")
	d.ask(t, d.mallory, "orders")
	d.call(t, "sync").want(t, 0)
	d.run(t, d.Daemon, review(d.carol, "undecided", "'end'", "deadline", "now() + interval '1 second'"))
	conn := d.login(t, d.carol)
	if _, err := conn.Exec(t.Context(), "begin; update sync_roles.review_items set decision = 'keep' where role_name = '"+d.alice+"'"); err != nil {
		t.Fatal(err)
	}
	d.until(t, "select bool_and(deadline <= now()) from sync_roles.reviews")
	d.call(t, "sync").want(t, 0)
	if !d.Can(t, d.alice, "select from sales.orders") || d.Can(t, d.mallory, "select from sales.orders") {
		t.Error("alice lost what is being decided, or mallory kept what was not")
	}
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	d.until(t, "select sync_roles.review_due(deadline, tried_at) <= now() from sync_roles.reviews")
	d.call(t, "sync").want(t, 0)
	if got := pgtest.One[string](t, d.Superuser(t), "select concat_ws(' ', status, kept, ended, by_deadline) from sync_roles.review_status"); got != "closed 1 1 1" || !d.Can(t, d.alice, "select from sales.orders") {
		t.Errorf("the status is %s", got)
	}
}

// No login decides about its own access, by whatever path it has it or will, nor about a row that it wrote; nor as another login.
func TestReviewerDecidesNothingOfItsOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	team, outer, later, run := d.Role("team"), d.Role("outer"), d.Role("later"), d.Role("running")
	d.Exec(t, fmt.Sprintf("create role %[1]s; create role %[2]s; create role %[3]s; create role %[4]s; grant %[1]s to %[2]s; grant %[2]s to %[5]s; grant %[4]s to %[5]s with admin option", team, outer, later, run, d.bob))
	if d.Version >= 16 {
		d.Exec(t, fmt.Sprintf("grant %s to %s with inherit false, set false", run, d.bob))
	}
	d.run(t, d.Daemon, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, name_match) values ('%s', 'MEMBER', 'role', '%s%%', 'like')", d.bob, strings.TrimSuffix(later, "er")))
	for _, role := range []string{d.bob, team, outer, later, run, d.alice, "public"} {
		d.ask(t, role, "orders")
	}
	d.run(t, d.Daemon, fmt.Sprintf("insert into sync_roles.writers (writer_role, schema_like) values ('%s', 'sales'); grant select, insert, update on sync_roles.desired_grants to %[1]s", d.bob))
	d.run(t, d.bob, insert(d.mallory, "orders"))
	d.run(t, d.Daemon, insert(d.mallory, "costs"))
	d.run(t, d.bob, "update sync_roles.desired_grants set note = 'x' where object_name = 'costs'")
	d.run(t, d.Daemon, review(d.approvers))
	if got, want := d.items(t, d.bob), fmt.Sprintf("public:- %s:-", d.alice); got != want {
		t.Errorf("bob sees %s, want %s", got, want)
	}
	if got := d.items(t, d.mallory); got != "" {
		t.Errorf("mallory sees %s", got)
	}
	if got := len(strings.Fields(d.items(t, d.carol))); got != 10 {
		t.Errorf("carol sees %d items", got)
	}
	// These touch nothing: there is nothing to see.
	d.run(t, d.bob, fmt.Sprintf("update sync_roles.review_items set decision = 'keep' where role_name not in ('public', '%s')", d.alice))
	d.run(t, d.mallory, "update sync_roles.review_items set decision = 'keep'")
	d.Exec(t, fmt.Sprintf("grant %s to %s", d.carol, d.mallory))
	d.run(t, d.Daemon, fmt.Sprintf("grant select, update on sync_roles.review_items to %s", d.approvers))
	for _, c := range []struct{ role, sql, state, word string }{
		{d.mallory, "set role " + d.carol + "; update sync_roles.review_items set decision = 'keep'", "42501", "as role " + d.carol},
		{d.bob, "set role " + d.approvers + "; update sync_roles.review_items set decision = 'keep'", "42501", "sync_roles"},
		{d.bob, "update sync_roles.review_items set decision = 'Keep'", "23514", "decision 'Keep' is unknown"},
		{d.bob, "update sync_roles.review_items set comment = 'x'", "23514", "decision is NULL"},
		{d.bob, "delete from sync_roles.review_items", "42501", "review_items"},
		{d.bob, "truncate sync_roles.reviews cascade", "42501", "reviews"},
		{d.bob, "insert into sync_roles.review_items (review_id) values (1)", "42501", "review_items"},
		{d.bob, "update sync_roles.reviews set reviewers = '{public}'", "42501", "reviews"},
		{d.bob, review(d.bob), "42501", "reviews"},
		{d.Daemon, "update sync_roles.review_items set decision = 'keep'", "42501", "not for login " + d.Daemon},
		{d.Daemon, "delete from sync_roles.review_items", "42501", "stays on record"},
		{d.Daemon, "update sync_roles.reviews set reviewers = '{" + d.Daemon + "}'", "23514", "deadline is all"},
		{d.Daemon, "update sync_roles.reviews set closed_at = now()", "23514", "closed_at"},
	} {
		d.refused(t, c.role, c.sql, c.state, c.word)
	}
	d.Exec(t, fmt.Sprintf("grant %[2]s to %[1]s; create schema evil authorization %[1]s; grant usage on schema evil to public", d.mallory, d.people))
	d.run(t, d.mallory, "create function evil.decide() returns void language sql security definer as $$update sync_roles.review_items set decision = 'keep'$$")
	d.refused(t, d.bob, "select evil.decide()", "42501", "as role "+d.mallory)

	// What it does decide bears its name, and nothing else of it changes.
	d.run(t, d.bob, fmt.Sprintf("update sync_roles.review_items set decision = 'end', decided_by = 'god', decided_at = '2001-01-01', role_name = 'x', grant_id = 1, stale = true where role_name = '%s'", d.alice))
	got := pgtest.One[string](t, d.Superuser(t), "select concat_ws(' ', decided_by, decided_at > now() - interval '1 hour', role_name, stale) from sync_roles.review_items where decision = 'end'")
	if want := fmt.Sprintf("%s t %s f", d.bob, d.alice); got != want {
		t.Errorf("the item says %s, want %s", got, want)
	}
	d.refused(t, d.carol, "update sync_roles.review_items set decision = 'keep' where role_name = '"+d.alice+"'", "23514", "is final")
	if n := pgtest.One[int](t, d.Superuser(t), "select count(*) from sync_roles.review_items where decision is not null"); n != 1 {
		t.Errorf("%d items are decided", n)
	}

	// A new role with the name of a reviewer is none.
	d.Exec(t, fmt.Sprintf("drop owned by %[1]s; drop role %[1]s; create role %[1]s; grant %[1]s to %[2]s", d.approvers, d.mallory))
	if got := d.items(t, d.mallory); got != "" {
		t.Errorf("with an impostor of the reviewers, mallory sees %s", got)
	}
}

// A review that says nothing sensible, or that no reviewer could decide, is refused; whoever is not the owner reviews what its scopes cover.
func TestReviewsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ask(t, d.alice, "orders")
	d.ask(t, d.mallory, "costs")
	nologin := d.Role("nologin")
	d.Exec(t, "create role "+nologin)
	for _, c := range []struct{ sql, state, word string }{
		{review(d.alice), "23514", "could not decide of " + d.alice + ": SELECT on table"},
		{review(""), "23514", "reviewers is empty"},
		{review("nobody_here"), "23514", "reviewers has 'nobody_here', and there is no such role"},
		{review("public"), "23514", "reviewers has 'public'"},
		{review("NULL"), "23514", "NULL"},
		{review(nologin), "23514", "have no login"},
		{review(d.Daemon), "23514", "could not decide of"},
		{review(d.carol, "deadline", "now()"), "23514", "deadline"},
		{review(d.carol, "deadline", "'2020-01-01'"), "23514", "has passed"},
		{review(d.carol, "deadline", "'infinity'"), "23514", "never comes"},
		{review(d.carol, "deadline", "null"), "23502", "deadline"},
		{review(d.carol, "undecided", "'drop'"), "23514", "undecided 'drop' is unknown: allowed are keep, end"},
		{review(d.carol, "reason", "' '"), "23514", "reason is empty"},
		{review(d.carol, "schema_name", "null"), "23514", "role_name is NULL"},
		{review(d.carol, "schema_name", "'sales%'"), "P0002", "no row of desired_grants"},
		{review(d.carol, "object_name", "'nothing'"), "P0002", "no row of desired_grants"},
		{review(d.carol, "schema_match", "'regex'"), "23514", "schema_match 'regex' is unknown: allowed are exact, like"},
		{review(d.carol, "role_match", "'like'"), "23514", "role_match like is not allowed without role_name"},
		{review(d.carol, "object_type", "'view'"), "23514", "object_type 'view' is unknown"},
		{review(d.carol, "privilege", "'read'"), "23514", "privilege 'read' does not exist"},
		{review(d.carol, "opened_by", "'god'"), "23514", "opened_by 'god'"},
		{review(d.carol, "forbidden_id", "7"), "23514", "forbidden_id 7"},
	} {
		d.refused(t, d.Daemon, c.sql, c.state, c.word)
	}
	d.refused(t, d.alice, review(d.carol), "42501", "reviews")
	// A person with INSERT, and no scope; then with one.
	d.run(t, d.Daemon, "grant insert on sync_roles.reviews to "+d.bob)
	d.refused(t, d.bob, review(d.carol), "P0002", "no row of desired_grants")
	d.run(t, d.Daemon, fmt.Sprintf("insert into sync_roles.writers (writer_role, grantee_like) values ('%s', '%s')", d.bob, d.alice))
	d.refused(t, d.bob, review(d.carol, "id", "77"), "23514", "id 77")
	d.run(t, d.bob, review(d.carol))
	if got := d.items(t, d.bob); got != d.alice+":-" {
		t.Errorf("bob opened a review of %s", got)
	}
	if n := pgtest.One[int](t, d.Superuser(t), "select count(*) from sync_roles.reviews"); n != 1 {
		t.Errorf("%d reviews are open", n)
	}
}

// A review of an object has every row that gives it: by name, by pattern, through groups.
func TestReviewScopes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	odd := "we'ird \"Näme\"\n%_"
	quoted := strings.ReplaceAll(odd, "'", "''")
	if d.Version >= 19 {
		odd, quoted = strings.ReplaceAll(odd, "\n", ""), strings.ReplaceAll(quoted, "\n", "")
	}
	d.Exec(t, fmt.Sprintf(`set role %s; create table sales.%s (); create function sales.total(int) returns int language sql return 1; create function sales.total(text) returns int language sql return 1`,
		d.Owner, `"`+strings.ReplaceAll(odd, `"`, `""`)+`"`))
	for i, values := range []string{
		"'%[1]s', 'SELECT', 'table', 'exact', 'sales', '" + strings.ReplaceAll(quoted, "%", "%%") + "', 'exact', '{}'",
		"'%[1]s', 'INSERT', 'table', 'like', 'sal%%', '%%', 'like', '{}'",
		"'%[1]s', 'UPDATE', 'table', 'exact', 'sales', '%%', 'like', '{we%%}'",
		"'%[1]s', 'DELETE', 'table', 'exact', 'sales', 'we.*', 'regex', '{}'",
		"'%[1]s', 'SELECT', 'table', 'exact', 'sales', 'orders', 'exact', '{}'",
		"'%[2]s', 'MEMBER', 'role', 'exact', null, '%[1]s', 'exact', '{}'",
		"'%[3]s', 'MEMBER', 'role', 'exact', null, '%[2]s', 'exact', '{}'",
		"'%[2]s', 'MEMBER', 'role', 'exact', null, '%[3]s_other', 'exact', '{}'",
		"'%[1]s', 'EXECUTE', 'routine', 'exact', 'sales', 'total', 'exact', '{}'",
		"'%[1]s', 'EXECUTE', 'routine', 'exact', 'sales', 'total(integer)', 'exact', '{}'",
		"'%[1]s', 'EXECUTE', 'routine', 'exact', 'sales', 'total(text)', 'exact', '{}'",
		"'%[1]s', 'USAGE', 'schema', 'exact', null, 'sales', 'exact', '{}'",
	} {
		d.run(t, d.Daemon, fmt.Sprintf("insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_match, schema_name, object_name, name_match, except_names, note) values ("+values+", '%[4]c')",
			d.Role("group"), d.Role("Middle"), d.mallory, 'a'+rune(i)))
	}
	for more, want := range map[string]string{
		"object_name\x00'" + quoted + "'":                                 "abdfg",
		"object_name\x00'we%'\x00name_match\x00'like'":                    "abdfg",
		"object_name\x00'orders'":                                         "bcefg",
		"object_name\x00'total(integer)'":                                 "fgij",
		"object_name\x00'total'":                                          "fgijk",
		"object_type\x00'schema'":                                         "fgl",
		"privilege\x00'SELECT'":                                           "aefg",
		"schema_name\x00null\x00role_name\x00'" + d.Role("Middle") + "'":  "fh",
		"schema_name\x00null\x00role_name\x00'%'\x00role_match\x00'like'": "abcdefghijkl",
		"role_name\x00'" + d.mallory + "'":                                "g",
		"object_type\x00'role'\x00schema_name\x00null":                    "fgh",
	} {
		d.run(t, d.Daemon, review(d.carol, strings.Split(more, "\x00")...))
		got := pgtest.One[string](t, d.Superuser(t), "select string_agg(note, '' order by note) from sync_roles.review_items where review_id = (select max(id) from sync_roles.reviews)")
		if got != want {
			t.Errorf("a review of %q has rows %s, want %s", more, got, want)
		}
	}
}
