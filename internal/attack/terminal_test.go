package attack_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// Names that a terminal would obey, hide, or show as several lines.
func terrible(f *field) []string {
	names := []string{"esc\x1b[31m", "new\nline", "cr\rx", "bel\a", "\u202ertl", "zero\u200bwidth", "csi\u009b31m", "del\x7f\"'\\", "tag\U000e0041"}
	for i, name := range names {
		names[i] = f.Role(name)
	}
	return append(names, f.Role(strings.Repeat("\x1b", 63-len(f.Prefix))))
}

// shows asserts that an output has none of these characters, and shows something.
func (r result) shows(t *testing.T, what string, names []string, code int) result {
	t.Helper()
	all := r.stdout + r.stderr
	if strings.ContainsFunc(all, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
		t.Errorf("%s prints what a terminal obeys: %q", what, all)
	}
	for _, name := range names {
		if strings.Contains(all, name) {
			t.Errorf("%s shows %q as it is: %q", what, name, all)
		}
	}
	if r.code != code {
		t.Errorf("%s: exit code %d, want %d: %s", what, r.code, code, all)
	}
	return r
}

// psql runs a plan as a DBA would.
func (f *field) psql(t *testing.T, sql string) {
	t.Helper()
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	if path, err := exec.LookPath("psql"); err == nil {
		programs = append(programs, path)
	}
	if len(programs) == 0 {
		f.run(t, f.Daemon, sql)
		return
	}
	cmd := exec.CommandContext(t.Context(), programs[len(programs)-1], "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", f.URL(f.Daemon))
	cmd.Env = []string{"PGOPTIONS=-c search_path=pg_catalog,pg_temp", "PGCLIENTENCODING=UTF8"}
	cmd.Stdin = strings.NewReader(sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s\n%s", err, out, sql)
	}
}

// No command writes a character of a name, a note or an error that a terminal would obey; and the plan, fed to psql, does what it says.
func TestNamesDoNotReachTheTerminal(t *testing.T) {
	t.Parallel()
	f := installed(t)
	names := terrible(f)
	conn := f.login(t, f.Daemon)
	write := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("run %s with %q: %v", sql, args, err)
		}
	}
	for _, name := range names {
		q := catalog.Quote(name)
		f.Exec(t, strings.NewReplacer("{q}", q, "{owner}", f.Owner).Replace(`create schema {q} authorization {owner}; set role {owner}; create table {q}.{q} ({q} int);
			create table {q}."other" (id int);
			create function {q}.{q}({q}.{q}) returns int language sql as 'select 1'; revoke execute on function {q}.{q}({q}.{q}) from public`))
		write("insert into sync_roles.desired_roles (role_name, login) values ($1, true)", name)
		for _, row := range [][]any{
			{"USAGE", "schema", nil, name, nil},
			{"SELECT", "table", name, name, nil},
			{"UPDATE", "table", name, name, name},
			{"EXECUTE", "routine", name, name, nil},
			{"MEMBER", "role", nil, f.Role("\u202a" + name[len(f.Prefix):][:3]), nil},
		} {
			write(`insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, note)
				values ($1, $2, $3, $4, $5, $6, $1)`, append([]any{name}, row...)...)
		}
	}
	plan := f.call(t, "plan").shows(t, "plan", names, 2)
	f.psql(t, plan.stdout)
	f.call(t, "plan").shows(t, "plan", names, 0)
	f.call(t, "sync").shows(t, "sync", names, 0)
	super := f.Superuser(t)
	for _, name := range names {
		if !pgtest.One[bool](t, super, `select has_table_privilege(n, format('%I.%I', n, n), 'SELECT') and has_column_privilege(n, format('%I.%I', n, n), n, 'UPDATE')
			and has_function_privilege(n, format('%I.%I(%I.%I)', n, n, n, n), 'EXECUTE') from (values ($1::text)) as v (n)`, name) {
			t.Errorf("psql gave %q not what the plan says", name)
		}
	}

	for i, name := range names {
		q := catalog.Quote(name)
		f.call(t, "explain", name).shows(t, "explain", names, 0)
		f.call(t, "explain", name, q+"."+q).shows(t, "explain with an object", names, 0)
		f.call(t, "explain", name, "role:"+q).shows(t, "explain with a role", names, 0)
		f.call(t, "who", "SELECT", q+"."+q).shows(t, "who", names, 0)
		f.call(t, "status", name).shows(t, "status", names, 0)
		f.call(t, "sync", name).shows(t, "sync", names, 0)
		f.call(t, "password", name).shows(t, "password", names, 1)
		for _, command := range [][]string{{"explain", name}, {"status", name}, {"who", "SELECT", q + "." + q}} {
			r := f.call(t, append(command, "--output", "json")...)
			if strings.ContainsFunc(r.stdout, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
				t.Errorf("%s: its JSON has control characters: %q", command[0], r.stdout)
			}
			if want, err := json.Marshal(name); err != nil || !json.Valid([]byte(r.stdout)) || !decodes(r.stdout, name) {
				t.Errorf("%s: its JSON does not have %s: %s", command[0], want, r.stdout)
			}
		}
		if i > 4 { // errors cost time, and differ less
			continue
		}
		none := f.Role("none") + name[len(f.Prefix):][:3] + "\x1b\n\u202e"
		for _, command := range [][]string{
			{"status", none},
			{"sync", none},
			{"plan", none},
			{"explain", none},
			{"explain", name, none},
			{"who", "SELECT", catalog.Quote(none)},
			{"who", name, q},
			{"adopt", none},
			{"password", none},
			{name},
			{"status", "--" + name},
			{"migrate", name},
			{"sync", "--allow-attribute", name},
			{"sync", "--log-level", name},
			{"plan", "--with-sql", name},
			{"run", "--listen-address", name},
		} {
			if r := f.call(t, command...); r.code == 0 {
				t.Errorf("%q: exit code 0", command)
			} else {
				r.shows(t, strings.Join(command, " "), names, r.code)
			}
		}
		options := " host=127.0.0.1 port=" + pgtest.One[string](t, super, "select current_setting('port')") + " sslmode=disable"
		quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'"
		call(t.Context(), "status", "-d", "user="+f.Daemon+" dbname="+quoted+options).shows(t, "a database that is not there", names, 1)
		call(t.Context(), "status", "-d", "dbname="+f.Database+" user="+catalogRole(quoted)+options).shows(t, "another user", names, 1)
		call(t.Context(), "run", "--log-format", "console", "-d", "user="+catalogRole(quoted)+" dbname="+quoted+options).shows(t, "run, as a user who is not there", names, 1)
	}
	f.call(t, "status").shows(t, "status", names, 0)

	// What is refused, revoked, adopted.
	for _, name := range names {
		write("insert into sync_roles.desired_grants (role_name, privilege, object_type, object_name, note) values ($1, 'MEMBER', 'role', 'pg_monitor', $1)", name)
		f.Exec(t, "grant select on "+catalog.Quote(name)+".\"other\" to "+catalog.Quote(name))
	}
	f.call(t, "plan").shows(t, "plan, refused", names, 0)
	f.call(t, "sync").shows(t, "sync, refused", names, 1)
	f.call(t, "status").shows(t, "status, refused", names, 2)
	write("delete from sync_roles.desired_grants")
	f.psql(t, f.call(t, "plan").shows(t, "plan to revoke", names, 2).stdout)
	for _, name := range names {
		if pgtest.One[bool](t, super, "select has_table_privilege(n, format('%I.%I', n, n), 'SELECT') from (values ($1::text)) as v (n)", name) {
			t.Errorf("psql left %q what the plan revokes", name)
		}
	}
	write("delete from sync_roles.desired_roles")
	f.call(t, "sync").shows(t, "sync", names, 0)
	f.call(t, append([]string{"adopt"}, names...)...).shows(t, "adopt", names, 0)
	f.call(t, "plan").shows(t, "plan after adopt", names, 0)
	f.call(t, "migrate", "down").shows(t, "migrate down, refused", names, 1)
	f.call(t, "migrate", "down", "--force").shows(t, "migrate down", names, 0)
}

// catalogRole is a login that is not there.
func catalogRole(quoted string) string { return quoted[:1] + "x" + quoted[1:] }

// decodes reports whether some string in a JSON text is this one.
func decodes(text, want string) bool {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return false
	}
	var found func(v any) bool
	found = func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == want
		case []any:
			for _, e := range v {
				if found(e) {
					return true
				}
			}
		case map[string]any:
			for _, e := range v {
				if found(e) {
					return true
				}
			}
		}
		return false
	}
	return found(v)
}
