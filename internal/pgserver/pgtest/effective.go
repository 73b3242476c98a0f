package pgtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// hasPrivilege is a function of PostgreSQL that says what a role can do, and on what it is asked: object is an SQL expression for an object's
// name, and from what it comes from.
type hasPrivilege struct {
	objectType, privileges, call, object, from string
	since                                      int // major version
}

// The schemas of the test, and not PostgreSQL's nor this project's.
const ourSchema = "n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'sync_roles')"

var hasPrivileges = []hasPrivilege{
	{"database", "CONNECT,CREATE,TEMPORARY", "has_database_privilege(r.oid, d.oid, p)", "d.datname", "pg_database d where d.datname = current_database()", 0},
	{"schema", "USAGE,CREATE", "has_schema_privilege(r.oid, n.oid, p)", "n.nspname", "pg_namespace n where " + ourSchema, 0},
	{"table", "SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER", "has_table_privilege(r.oid, c.oid, p)", "n.nspname || '.' || c.relname", "pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f') and " + ourSchema, 0},
	{"table", "MAINTAIN", "has_table_privilege(r.oid, c.oid, p)", "n.nspname || '.' || c.relname", "pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f') and " + ourSchema, 17},
	{"column", "SELECT,INSERT,UPDATE,REFERENCES", "has_column_privilege(r.oid, c.oid, a.attnum, p)", "n.nspname || '.' || c.relname || '.' || a.attname", "pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') and " + ourSchema, 0},
	{"property_graph", "SELECT", "has_table_privilege(r.oid, c.oid, p)", "n.nspname || '.' || c.relname", "pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'g' and " + ourSchema, 19},
	{"sequence", "USAGE,SELECT,UPDATE", "has_sequence_privilege(r.oid, c.oid, p)", "n.nspname || '.' || c.relname", "pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'S' and " + ourSchema, 0},
	{"routine", "EXECUTE", "has_function_privilege(r.oid, f.oid, p)", "n.nspname || '.' || f.proname || '(' || (select coalesce(string_agg(format_type(t, null), ', ' order by i), '') from unnest(f.proargtypes::oid[]) with ordinality a (t, i)) || ')'", "pg_proc f join pg_namespace n on n.oid = f.pronamespace where " + ourSchema, 0},
	{"type", "USAGE", "has_type_privilege(r.oid, t.oid, p)", "n.nspname || '.' || t.typname", "pg_type t join pg_namespace n on n.oid = t.typnamespace where not exists (select from pg_type e where e.typarray = t.oid) and (t.typtype <> 'm' or current_setting('server_version_num')::int < 170000) and (t.typrelid = 0 or exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c')) and " + ourSchema, 0},
	{"language", "USAGE", "has_language_privilege(r.oid, l.oid, p)", "l.lanname", "pg_language l where l.lanpltrusted", 0},
	{"foreign_data_wrapper", "USAGE", "has_foreign_data_wrapper_privilege(r.oid, w.oid, p)", "w.fdwname", "pg_foreign_data_wrapper w", 0},
	{"foreign_server", "USAGE", "has_server_privilege(r.oid, s.oid, p)", "s.srvname", "pg_foreign_server s", 0},
	{"tablespace", "CREATE", "has_tablespace_privilege(r.oid, s.oid, p)", "s.spcname", "pg_tablespace s", 0},
	{"parameter", "SET,ALTER SYSTEM", "has_parameter_privilege(r.oid, s.name, p)", "s.name", "(values ('work_mem'), ('log_min_duration_statement')) as s (name)", 15},
	{"large_object", "SELECT,UPDATE", "has_largeobject_privilege(r.oid, l.oid, p)", "l.oid::text", "pg_largeobject_metadata l", 18},
	{"role", "USAGE,MEMBER WITH ADMIN OPTION", "pg_has_role(r.oid, g.oid, p)", "g.rolname", "pg_roles g", 0},
	{"role", "SET", "pg_has_role(r.oid, g.oid, p)", "g.rolname", "pg_roles g", 16},
}

// Effective returns all that these roles can do, in the words of PostgreSQL's has_…_privilege functions: lines of role, privilege, object type and
// object, with tabs between. Roles appear as objects only if they are among these or PostgreSQL's own.
func (e *Env) Effective(tb testing.TB, conn Querier, roles []string) map[string]bool {
	tb.Helper()
	result := map[string]bool{}
	for _, h := range hasPrivileges {
		if e.Version < h.since {
			continue
		}
		from := h.from
		if h.objectType == "role" {
			from += " where g.rolname = any ($1) or g.rolname like 'pg\\_%'"
		}
		sql := fmt.Sprintf("select concat_ws(e'\\t', r.rolname, p, '%s', o.name) from pg_roles r cross join unnest('{%s}'::text[]) p cross join lateral (select %s as name, %s as yes from %s) o where r.rolname = any ($1) and o.yes",
			h.objectType, h.privileges, h.object, h.call, from)
		rows, err := conn.Query(tb.Context(), sql, roles)
		if err != nil {
			tb.Fatalf("ask what roles can do: %v", err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			tb.Fatalf("ask what roles can do with %s: %v", h.objectType, err)
		}
		for _, line := range lines {
			result[line] = true
		}
	}
	return result
}

// Differences lists what is only in one of two results of Effective.
func Differences(before, after map[string]bool) string {
	var b strings.Builder
	for line := range before {
		if !after[line] {
			b.WriteString("\nlost: " + line)
		}
	}
	for line := range after {
		if !before[line] {
			b.WriteString("\ngained: " + line)
		}
	}
	return b.String()
}
