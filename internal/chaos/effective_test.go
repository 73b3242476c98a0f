//go:build unix

package chaos

import (
	"testing"
)

// effectives are privileges that roles should have, for PostgreSQL itself to judge.
type effectives struct {
	kinds, columns, privileges []string
	roles, objects             []uint32
}

func (e *effectives) add(role uint32, o object, column, privilege string) {
	e.kinds, e.columns, e.privileges = append(e.kinds, o.Type), append(e.columns, column), append(e.privileges, privilege)
	e.roles, e.objects = append(e.roles, role), append(e.objects, o.OID)
}

func (e *effectives) judge(t *testing.T, w *world) {
	t.Helper()
	for _, line := range all[string](t, w.conn, `
		select format('%s cannot %s on %s %s', r.rolname, e.privilege, e.kind, coalesce(c.oid::regclass::text, n.nspname, p.oid::regprocedure::text, e.object::text) || ' ' || e.column_name)
		from unnest($1::text[], $2::text[], $3::text[], $4::oid[], $5::oid[]) as e (kind, column_name, privilege, role, object)
		join pg_roles r on r.oid = e.role
		left join pg_class c on c.oid = e.object
		left join pg_namespace n on n.oid = e.object
		left join pg_proc p on p.oid = e.object
		where not case
			when e.column_name <> '' then has_column_privilege(e.role, e.object, e.column_name, e.privilege)
			when e.kind = 'table' then has_table_privilege(e.role, e.object, e.privilege)
			when e.kind = 'sequence' then has_sequence_privilege(e.role, e.object, e.privilege)
			when e.kind = 'routine' then has_function_privilege(e.role, e.object, e.privilege)
			when e.kind = 'schema' then has_schema_privilege(e.role, e.object, e.privilege)
			when e.kind = 'database' then has_database_privilege(e.role, e.object, e.privilege)
		end`, e.kinds, e.columns, e.privileges, e.roles, e.objects) {
		t.Errorf("%s: PostgreSQL says that %s, which a row asks for and the ACLs seem to have", w.name, line)
	}
	t.Logf("%s: PostgreSQL was asked about %d privileges", w.name, len(e.kinds))
}
