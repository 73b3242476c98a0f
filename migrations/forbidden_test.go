package migrations_test

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// ruleRow is a good row of forbidden.
func ruleRow() row {
	return row{"privilege": "SELECT", "object_type": "table", "schema_name": "hr", "object_name": "payroll", "reason": "the law"}
}

// with is a second privilege, for segregation of duties.
var second = row{"with_privilege": "INSERT", "with_object_type": "table", "with_schema_name": "hr", "with_object_name": "payments"}

func TestRulesThatCannotBeKept(t *testing.T) {
	t.Parallel()
	env := installed(t)
	super := env.Superuser(t)
	execute(t, super, "grant connect on database "+env.Database+" to public")
	execute(t, super, "revoke connect on database "+env.Database+" from "+env.Daemon)
	conn := env.Connect(t, env.Daemon)
	for name, bad := range map[string]struct {
		change row
		want   string
	}{
		"unknown privilege":        {row{"privilege": "READ"}, "privilege 'READ' does not exist"},
		"WRITE of a schema":        {row{"privilege": "WRITE", "object_type": "schema", "schema_name": nil}, "'WRITE' is not allowed"},
		"no schema":                {row{"schema_name": nil}, "schema_name is NULL"},
		"protected schema":         {row{"schema_name": "sync_roles"}, "is protected"},
		"pg_catalog":               {row{"schema_name": "pg_catalog"}, "is protected"},
		"unknown schema_match":     {row{"schema_match": "glob"}, "schema_match 'glob' is unknown"},
		"bad schema pattern":       {row{"schema_match": "regex", "schema_name": "("}, "schema_name"},
		"bad name pattern":         {row{"name_match": "regex", "object_name": "("}, "object_name"},
		"no reason":                {row{"reason": " "}, "reason is empty"},
		"unknown applies_to":       {row{"applies_to": "people"}, "applies_to 'people' is unknown"},
		"excepting PUBLIC":         {row{"except_roles": []string{"public"}}, "excepts PUBLIC"},
		"NULL in except_roles":     {row{"except_roles": []*string{nil}}, "except_roles"},
		"half of a second":         {row{"with_privilege": "SELECT"}, "belong together"},
		"a second without":         {row{"with_schema_name": "hr"}, "with_privilege is NULL"},
		"a bad second":             {row{"with_privilege": "EXECUTE", "with_object_type": "table", "with_schema_name": "hr", "with_object_name": "t"}, "with_privilege 'EXECUTE' does not exist"},
		"ownership of PUBLIC":      {row{"privilege": "OWNER", "applies_to": "public"}, "applies_to 'public' is not allowed for OWNER"},
		"enforcing ownership":      {row{"privilege": "OWNER", "enforce": true}, "enforce true is not allowed for OWNER"},
		"column of a sequence":     {row{"object_type": "sequence", "column_name": "c"}, "column_name"},
		"locking the daemon out":   {row{"privilege": "CONNECT", "object_type": "database", "schema_name": nil, "object_name": env.Database, "enforce": true}, "lock pg-sync-roles out"},
		"locking it out by ALL":    {row{"privilege": "ALL", "object_type": "database", "schema_name": nil, "object_name": "%", "name_match": "like", "enforce": true, "applies_to": "public"}, "lock pg-sync-roles out"},
		"locking it out by rows":   {row{"privilege": "CONNECT", "object_type": "database", "schema_name": nil, "object_name": env.Database, "enforce": true, "applies_to": "undeclared"}, "lock pg-sync-roles out"},
		"enforcing a second":       {row{"enforce": true, "with_privilege": "INSERT", "with_object_type": "table", "with_schema_name": "hr", "with_object_name": "t"}, "a person decides"},
		"undeclared with a second": {row{"applies_to": "undeclared", "with_privilege": "INSERT", "with_object_type": "table", "with_schema_name": "hr", "with_object_name": "t"}, "with with_privilege"},
	} {
		r := ruleRow()
		maps.Copy(r, bad.change)
		if err := r.try(t, conn, "forbidden"); sqlState(err) != "23514" || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v, want %q", name, err, bad.want)
		}
	}
	good := ruleRow().with(second)
	if err := good.try(t, conn, "forbidden"); err != nil {
		t.Errorf("a good rule: %v", err)
	}
	// With an entry of its own, the daemon keeps CONNECT.
	execute(t, super, "grant connect on database "+env.Database+" to "+env.Daemon)
	connect := row{"privilege": "CONNECT", "object_type": "database", "object_name": env.Database, "reason": "the law", "enforce": true, "applies_to": "public"}
	if err := connect.try(t, conn, "forbidden"); err != nil {
		t.Errorf("CONNECT of PUBLIC: %v", err)
	}
	ruleRow().mustInsert(t, conn, "forbidden")
	if err := tryExec(t, conn, "update sync_roles.forbidden set created_by = 'another'"); sqlState(err) != "23514" {
		t.Errorf("another author: %v", err)
	}
	if err := tryExec(t, conn, "update sync_roles.forbidden set reason = ''"); sqlState(err) != "23514" {
		t.Errorf("no reason any more: %v", err)
	}
}

// Only the schema's owner writes rules, whatever else another may write.
func TestOnlyTheOwnerWritesRules(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Superuser(t)
	writer := env.Role("writer")
	execute(t, conn, "create role "+writer+" login")
	execute(t, conn, "grant connect on database "+env.Database+" to "+writer)
	execute(t, conn, "grant usage on schema sync_roles to "+writer)
	execute(t, conn, "grant insert, update, delete on sync_roles.desired_grants to "+writer)
	if err := ruleRow().try(t, env.Connect(t, writer), "forbidden"); sqlState(err) != "42501" {
		t.Errorf("a writer of rows: %v", err)
	}
}

// The page's rules can be inserted, and break nothing in an empty database.
func TestDocumentedRules(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	text, err := os.ReadFile("../docs/forbidden.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	for _, block := range blocks {
		execute(t, conn, block[1])
	}
	if n := pgtest.One[int](t, conn, "select count(*)::int from sync_roles.forbidden"); n != 5 || len(blocks) != 3 {
		t.Errorf("%d rules in %d blocks", n, len(blocks))
	}
	if n := pgtest.One[int](t, conn, "select count(*)::int from sync_roles.violations"); n != 0 {
		t.Errorf("%d violations", n)
	}
}

// A review of a rule is of the rows that give what the rule is about, themselves or by membership.
func TestReviewOfARule(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn, super := env.Connect(t, env.Daemon), env.Superuser(t)
	hr, alice, bob, boss := env.Role("hr"), env.Role("alice"), env.Role("bob"), env.Role("boss")
	for _, role := range []string{hr, alice, bob, boss} {
		execute(t, super, "create role "+role)
	}
	execute(t, conn, "create schema hr")
	execute(t, conn, "create table hr.payroll (id int)")
	execute(t, conn, "create table hr.other (id int)")
	execute(t, conn, "grant select on hr.payroll to "+hr)
	ruleRow().with(row{"except_roles": []string{hr}}).mustInsert(t, conn, "forbidden")
	for _, r := range []row{
		{"role_name": hr, "privilege": "SELECT", "object_type": "table", "schema_name": "hr", "object_name": "payroll"},
		{"role_name": bob, "privilege": "ALL", "object_type": "table", "schema_name": "hr", "object_name": "pay%", "name_match": "like"},
		{"role_name": alice, "privilege": "MEMBER", "object_type": "role", "object_name": hr},
		{"role_name": bob, "privilege": "SELECT", "object_type": "table", "schema_name": "hr", "object_name": "other"},
		{"role_name": bob, "privilege": "INSERT", "object_type": "table", "schema_name": "hr", "object_name": "payroll"},
		{"role_name": alice, "privilege": "MEMBER", "object_type": "role", "object_name": boss},
	} {
		r.mustInsert(t, conn, "desired_grants")
	}
	review := row{"forbidden_id": 1, "reviewers": []string{boss}, "reason": "yearly"}
	sql, args := review.insert("reviews")
	sql = strings.Replace(strings.Replace(sql, "(forbidden_id", "(deadline, forbidden_id", 1), "values (", "values (now() + interval '1 day', ", 1)
	execute(t, super, "alter role "+boss+" login")
	execute(t, conn, sql, args...)
	got := pgtest.One[string](t, conn, "select string_agg(role_name || ' ' || privilege, ', ' order by role_name, privilege) from sync_roles.review_items")
	if want := alice + " MEMBER, " + bob + " ALL, " + hr + " SELECT"; got != want {
		t.Errorf("to be reviewed: %s, want %s", got, want)
	}
	sql, args = row{"forbidden_id": 2, "reviewers": []string{boss}, "reason": "yearly"}.insert("reviews")
	sql = strings.Replace(strings.Replace(sql, "(forbidden_id", "(deadline, forbidden_id", 1), "values (", "values (now() + interval '1 day', ", 1)
	if err := tryExec(t, conn, sql, args...); sqlState(err) != "23514" || !strings.Contains(err.Error(), "no rule") {
		t.Errorf("of no rule: %v", err)
	}
}
