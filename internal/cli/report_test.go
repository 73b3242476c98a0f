package cli_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/internal/report"
)

// evidence is what tests read of a report.
type evidence struct {
	Origin     string `json:"origin"`
	Command    string `json:"command"`
	Population []struct {
		What  string
		Count int
	}
	Rules []struct {
		What       string
		Violations int
	}
	Violations []struct{ Role, Path string }
	InPeriod   []struct{ Role, Until string } `json:"violations_in_period"`
	Audit      struct{ Intact bool }
	Accesses   []access
	Listed     int `json:"accesses_listed"`
}

type access struct {
	Role       string
	Managed    bool
	Privilege  string
	ObjectType string `json:"object_type"`
	Schema     string
	Object     string
	Column     string
	Grantable  bool
	Effective  string
	Means      string
	Path       []string
	BySetRole  bool `json:"by_set_role"`
	Via        string
	Through    string
	Since      string `json:"held_since"`
	Exact      bool   `json:"since_is_exact"`
	Asked      bool
	Rows       []struct {
		ID      int
		Role    string
		AskedBy string `json:"asked_by"`
		Why     string
		Source  string
	}
}

// String is what, by which path, and why.
func (a access) String() string {
	text := fmt.Sprintf("%s %s.%s by %s (%s)", a.Privilege, a.Schema, a.Object, strings.Join(a.Path, " > "), a.Means)
	for _, r := range a.Rows {
		text += " because " + r.Why
	}
	return text
}

func reported(t *testing.T, env *pgtest.Env, args ...string) evidence {
	t.Helper()
	r := on(t, env, append([]string{"report", "--output", "json"}, args...)...)
	r.want(t, 0, "as_of", "")
	checkAgainstSchema(t, r.stdout)
	var e evidence
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil {
		t.Fatal(err)
	}
	if e.Listed != len(e.Accesses) {
		t.Errorf("%d accesses are listed, and it says %d", len(e.Accesses), e.Listed)
	}
	return e
}

// of are the accesses of a role to objects of schema app.
func (e evidence) of(role string) []string {
	var list []string
	for _, a := range e.Accesses {
		if a.Role == role && a.Schema == "app" {
			list = append(list, a.String())
		}
	}
	return list
}

func clock(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return pgtest.One[string](t, conn, `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)
}

// A report says what roles have by rows and by hand, and of a time what they had, and why; what was taken away is gone from it, and was there before.
func TestReport(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	alice, readers, hand := env.Role("alice"), env.Role("readers"), env.Role("by hand")
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note, source) values
		($1, 'SELECT', 'table', 'app', 't1', 'ticket 1', 'team.yml'), ($2, 'UPDATE', 'table', 'app', 't2', 'ticket 2', null), ($1, 'MEMBER', 'role', null, $2, 'ticket 3', null)`, alice, readers)
	exec(t, conn, "insert into sync_roles.desired_roles (role_name, login) values ($1, true)", alice)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name) values ($1, 'USAGE', 'schema', 'app'), ($2, 'CONNECT', 'database', $3)`, readers, alice, env.Database)
	exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, note) values ($1, 'DELETE', 'table', 'app', 't_', 'like', 'ticket 4')`, readers)
	exec(t, conn, `insert into sync_roles.forbidden (privilege, object_type, schema_name, object_name, reason) values ('INSERT', 'table', 'app', 't2', 'nobody inserts')`)
	on(t, env, "sync").want(t, 0, "applied", "*")
	env.Exec(t, `create role "`+hand+`" login; grant insert on app.t2 to "`+hand+`"`)
	on(t, env, "sync").want(t, 0, "*", "*")

	if !env.Can(t, alice, "select from app.t1") || env.Can(t, hand, "insert into app.t2 values (1)") {
		t.Error("alice cannot read app.t1, or who has no USAGE can write to app.t2")
	}

	e := reported(t, env)
	intermediate := pgtest.One[string](t, conn, "select role_name from sync_roles.intermediate_roles")
	want := []string{
		"DELETE app.t1 by " + alice + " > " + readers + " > " + intermediate + " (granted) because ticket 3 because ticket 4",
		"SELECT app.t1 by " + alice + " (granted) because ticket 1",
		"DELETE app.t2 by " + alice + " > " + readers + " > " + intermediate + " (granted) because ticket 3 because ticket 4",
		"UPDATE app.t2 by " + alice + " > " + readers + " (granted) because ticket 3 because ticket 2",
	}
	if got := e.of(alice); !slices.Equal(got, want) {
		t.Errorf("alice has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := e.of(hand); !slices.Equal(got, []string{"INSERT app.t2 by " + hand + " (granted)"}) {
		t.Errorf("by hand: %v", got)
	}
	if len(e.Rules) != 1 || e.Rules[0].Violations != 1 || len(e.Violations) != 1 || e.Violations[0].Role != hand || len(e.InPeriod) != 1 {
		t.Errorf("rules %v, violations %v, in the period %v", e.Rules, e.Violations, e.InPeriod)
	}
	if !e.Audit.Intact || e.Origin != "catalogs" {
		t.Errorf("audit %v, origin %s", e.Audit, e.Origin)
	}
	for _, a := range e.Accesses {
		switch {
		case a.Role == alice && a.Object == "t1" && a.Privilege == "SELECT":
			if !a.Managed || !a.Asked || !a.Exact || a.Since == "" || a.Effective != "yes" || a.Rows[0].AskedBy != env.Daemon || a.Rows[0].Source != "team.yml" {
				t.Errorf("%+v", a)
			}
		case a.Role == hand && a.Object == "t2":
			if a.Managed || a.Asked || a.Exact || a.Effective != "no" || a.Since == "" || len(a.Rows) > 0 {
				t.Errorf("%+v", a)
			}
		}
	}

	before := clock(t, conn)
	exec(t, conn, "delete from sync_roles.desired_grants where note in ('ticket 1', 'ticket 3')")
	env.Exec(t, `revoke insert on app.t2 from "`+hand+`"`)
	on(t, env, "sync").want(t, 0, "applied", "*")
	if env.Can(t, alice, "select from app.t1") {
		t.Error("alice can still read app.t1")
	}
	now := reported(t, env)
	if got := now.of(alice); len(got) > 0 || len(now.of(hand)) > 0 {
		t.Errorf("what was taken away is reported: %v %v", got, now.of(hand))
	}
	if got := now.of(readers); len(got) != 3 || len(now.Violations) > 0 || len(now.InPeriod) != 1 || now.InPeriod[0].Until == "" {
		t.Errorf("readers: %v; violations %v, in the period %v", got, now.Violations, now.InPeriod)
	}

	then := reported(t, env, "--as-of", before)
	if got := then.of(alice); !slices.Equal(got, want) {
		t.Errorf("alice had\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if then.Origin != "history" || len(then.of(hand)) != 1 || len(then.Violations) != 1 {
		t.Errorf("%s: by hand %v, violations %v", then.Origin, then.of(hand), then.Violations)
	}
	later := reported(t, env, "--as-of", clock(t, conn), alice)
	if got := later.of(alice); len(got) > 0 || !strings.HasSuffix(later.Command, " "+alice) {
		t.Errorf("%s: alice had %v", later.Command, got)
	}
	for _, a := range reported(t, env, readers).Accesses {
		if a.Role != readers && a.Role != "public" {
			t.Errorf("only readers were asked for, and %s is reported", a.Role)
		}
	}
}

// All that PostgreSQL lets roles do is reported, and nothing else.
func TestReportIsTheTruth(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	env.Exec(t, "drop table app.t1, app.t2; grant usage on schema app to public")
	roles := env.Mess(t, 23)
	want := env.Effective(t, conn, roles)
	got := map[string]bool{}
	columns := map[string][]string{}
	for line := range want {
		if f := strings.Split(line, "\t"); f[2] == "column" {
			table := f[3][:strings.LastIndex(f[3], ".")]
			columns[table] = append(columns[table], f[3])
		}
	}
	for _, a := range reported(t, env).Accesses {
		of := []string{a.Role}
		if a.Role == "public" {
			of = roles
		}
		name := a.Object
		if a.Schema != "" {
			name = a.Schema + "." + name
		}
		for _, role := range of {
			switch {
			case a.BySetRole || a.Means == "code" || !slices.Contains(roles, role) || a.ObjectType == "role" || a.ObjectType == "any":
			case a.Column != "":
				got[strings.Join([]string{role, a.Privilege, "column", name + "." + a.Column}, "\t")] = true
			default:
				got[strings.Join([]string{role, a.Privilege, a.ObjectType, name}, "\t")] = true
				if a.ObjectType == "table" && slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}, a.Privilege) {
					for _, column := range columns[name] {
						got[strings.Join([]string{role, a.Privilege, "column", column}, "\t")] = true
					}
				}
			}
		}
	}
	for line := range want {
		f := strings.Split(line, "\t")
		// A parameter that all may set needs no privilege; what others have in databases of other tests is theirs.
		if f[2] != "role" && f[2] != "parameter" && !got[line] {
			t.Errorf("not reported: %s", line)
		}
	}
	for line := range got {
		f := strings.Split(line, "\t")
		known := f[1] != "OWNER" && f[2] != "parameter" && (f[2] != "database" || f[3] == env.Database) && (f[2] != "large_object" || env.Version >= 18)
		if known && f[3] != "pg_catalog" && !want[line] {
			t.Errorf("reported, and not so: %s", line)
		}
	}
}

const strange = "=cmd()|' \"q\", <script>alert(1)</script>\n-x"

// Names and notes are data: no formula in a table, no element in a page, and the output can be read back.
func TestReportOfStrangeNames(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	role, name := env.Role(strange), strings.ReplaceAll(strange, "\n", " ")
	if env.Version < 19 {
		name = strange
	}
	quoted := pgx.Identifier{name}.Sanitize()
	env.Exec(t, "create table app."+quoted+" (id int); alter table app."+quoted+" owner to "+env.Owner)
	exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note, source) values ($1, 'SELECT', 'table', 'app', $2, $3, $4)",
		role, name, "@SUM(1)\r\n</td><script>alert(2)</script>", "\t=1")
	on(t, env, "sync").want(t, 0, "applied", "*")

	table := on(t, env, "report", role)
	table.want(t, 0, "as_of,role,", "")
	lines, err := csv.NewReader(strings.NewReader(table.stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, line := range lines[1:] {
		for _, cell := range line {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a cell begins with %q: %q", cell[:1], cell)
			}
		}
		found = found || slices.Contains(line, role) && slices.Contains(line, "'"+name) && slices.Contains(line, "'\t=1")
	}
	if !found {
		t.Errorf("the row is not in the table:\n%s", table.stdout)
	}

	page := on(t, env, "report", "--output", "html", role)
	page.want(t, 0, "&lt;script&gt;alert(1)", "")
	for _, bad := range []string{"<script", "javascript:", "http://", "https://", "<img", "<link", " src=", " onclick"} {
		if strings.Contains(page.stdout, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	for _, a := range reported(t, env, role).Accesses {
		if a.Role == role && (a.Object != name || a.Rows[0].Why != "@SUM(1)\r\n</td><script>alert(2)</script>") {
			t.Errorf("%+v", a)
		}
	}
}

// Reports of the same time are the same to the byte, whoever makes them: also an auditor with nothing but the grants in docs/report.md.
func TestReportsOfTheSameTimeAreTheSame(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	give(t, env, conn, env.Role("alice"))
	exec(t, conn, "insert into sync_roles.forbidden (privilege, object_type, schema_name, object_name, reason) values ('UPDATE', 'table', 'app', 't1', 'so')")
	on(t, env, "sync").want(t, 0, "applied", "*")
	auditor := env.Role("auditor")
	env.Exec(t, "create role "+auditor+" login; grant connect on database "+env.Database+" to "+auditor)
	on(t, env, "sync").want(t, 0, "*", "*")

	url := env.URL(auditor)
	call(t, "report", "-d", url).want(t, 1, "", "GRANT USAGE ON SCHEMA sync_roles TO")
	exec(t, conn, "grant usage on schema sync_roles to "+auditor)
	r := call(t, "report", "-d", url)
	r.want(t, 1, "", "To allow it: GRANT SELECT ON sync_roles.access_periods, ")
	text, err := os.ReadFile("../../docs/report.md")
	if err != nil {
		t.Fatal(err)
	}
	grant := regexp.MustCompile(`(?s)GRANT SELECT ON\s+([^;]*)\s+TO auditor;`).FindStringSubmatch(string(text))
	if grant == nil {
		t.Fatal("docs/report.md has no grants for the auditor")
	}
	exec(t, conn, "grant select on "+grant[1]+" to "+auditor)
	for _, name := range report.Relations() {
		if !strings.Contains(r.stderr, "sync_roles."+name) {
			t.Errorf("the error does not name sync_roles.%s", name)
		}
	}

	at := clock(t, conn)
	for _, format := range []string{"csv", "json", "html"} {
		first := on(t, env, "report", "--output", format, "--as-of", at)
		first.want(t, 0, "alice", "")
		second := on(t, env, "report", "--output", format, "--as-of", at)
		third := call(t, "report", "--output", format, "--as-of", at, "-d", url)
		if first != second || first != third {
			t.Errorf("%s: the reports are not the same:\n%s\n%s\n%s%s", format, first.stdout, second.stdout, third.stdout, third.stderr)
		}
		call(t, "report", "--output", format, "-d", url).want(t, 0, "alice", "")
	}
	// Other tests have databases and roles of their own in the cluster.
	ours := regexp.MustCompile(`(?m)^[^,]*(,.*` + env.Prefix + `.*)$`)
	first, other := ours.FindAllStringSubmatch(on(t, env, "report").stdout, -1), ours.FindAllStringSubmatch(call(t, "report", "-d", url).stdout, -1)
	if len(first) == 0 || !slices.EqualFunc(first, other, func(a, b []string) bool { return a[1] == b[1] }) {
		t.Errorf("the auditor sees something else:\n%q\nand the owner\n%q", other, first)
	}
	exec(t, conn, "revoke select on sync_roles.violations from "+auditor)
	call(t, "report", "-d", url).want(t, 1, "", "may not read sync_roles.violations. To allow it: GRANT SELECT ON sync_roles.violations TO")
}

// What cannot be reported is an error that says why, and prints nothing.
func TestReportRefuses(t *testing.T) {
	t.Parallel()
	env, conn := installed(t)
	on(t, env, "report", "--as-of", "2026-01-01").want(t, 1, "", "no history of access yet")
	give(t, env, conn, env.Role("alice"))
	on(t, env, "sync").want(t, 0, "applied", "*")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"the history of access begins at ", []string{"--as-of", "2020-03-31 18:00"}},
		{"is in the future", []string{"--as-of", "9998-12-31"}},
		{"the period begins at 9998-12-31T00:00:00.000000Z", []string{"--since", "9998-12-31"}},
		{"has the name \"nobody at all\"", []string{"nobody at all"}},
	} {
		on(t, env, append([]string{"report"}, c.args...)...).want(t, 1, "", c.want)
	}
	for _, args := range [][]string{{"--as-of", "March"}, {"--as-of", "2026-13-01"}, {"--since", "-infinity"}, {"--output", "text"}} {
		on(t, env, append([]string{"report"}, args...)...).want(t, 64, "", "Try: pg-sync-roles report")
	}
	on(t, env, "report", "--schema").want(t, 0, `"$schema"`, "")
}

// checkAgainstSchema validates a report by as much of JSON Schema as its schema uses.
func checkAgainstSchema(t *testing.T, text string) {
	t.Helper()
	var schema map[string]any
	var document any
	if err := json.Unmarshal([]byte(report.Schema), &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	definitions := schema["$defs"].(map[string]any)
	var check func(at string, s map[string]any, v any)
	check = func(at string, s map[string]any, v any) {
		if name, ok := s["$ref"].(string); ok {
			check(at, definitions[strings.TrimPrefix(name, "#/$defs/")].(map[string]any), v)
			return
		}
		checkType(t, at, s, v)
		switch v := v.(type) {
		case map[string]any:
			properties, _ := s["properties"].(map[string]any)
			for key, value := range v {
				if p, ok := properties[key].(map[string]any); ok {
					check(at+"."+key, p, value)
				} else if s["additionalProperties"] == false {
					t.Errorf("%s.%s is not in the schema", at, key)
				}
			}
			for key := range properties {
				if _, ok := v[key]; !ok {
					t.Errorf("%s.%s is missing", at, key)
				}
			}
		case []any:
			for i, item := range v {
				check(fmt.Sprintf("%s[%d]", at, i), s["items"].(map[string]any), item)
			}
		}
	}
	check("report", schema, document)
}

func checkType(t *testing.T, at string, s map[string]any, v any) {
	t.Helper()
	var kind string
	switch v := v.(type) {
	case nil:
		kind = "null"
	case string:
		kind = "string"
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			t.Errorf("%s: %q does not match %s", at, v, p)
		}
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
	case []any:
		kind = "array"
	default:
		kind = "object"
	}
	if values, ok := s["enum"].([]any); ok {
		if !slices.Contains(values, v) {
			t.Errorf("%s: %v is none of %v", at, v, values)
		}
		return
	}
	allowed := fmt.Sprint(s["type"])
	if !strings.Contains(strings.ReplaceAll(allowed, "integer", "number"), kind) {
		t.Errorf("%s: a %s, and %s is allowed", at, kind, allowed)
	}
}
