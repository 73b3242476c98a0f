package boundary

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The judge reads PostgreSQL's catalogs and asks its has_…_privilege functions, and uses nothing of the engine's queries.

// accessSQL lists what the roles $1 can do and are, one line each. What PUBLIC has, and what owners have by owning, is left out.
const accessSQL = `
	with roles as (select oid, rolname, rolcanlogin, rolconnlimit from pg_roles where rolname = any ($1)),
	relations as (
		select c.oid, c.relowner, c.relacl, n.nspname || '.' || c.relname as name
		from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
		where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'sync_roles', 'sync_roles_hand') and n.nspname not like 'pg\_toast%'
	),
	schemas as (
		select n.oid, n.nspowner, n.nspname from pg_namespace as n
		where n.nspname not in ('pg_catalog', 'information_schema', 'sync_roles', 'sync_roles_hand') and n.nspname not like 'pg\_toast%'
	)
	select r.rolname || ' LOGIN' from roles as r where r.rolcanlogin
	union all
	select r.rolname || ' LIMIT ' || r.rolconnlimit from roles as r where r.rolconnlimit >= 0
	union all
	select r.rolname || ' ' || setting
	from roles as r join pg_db_role_setting as s on s.setrole = r.oid cross join unnest(s.setconfig) as setting
	where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
	union all
	select format('%s %s database %s', r.rolname, p, current_database()) from roles as r, unnest(array['CONNECT', 'CREATE', 'TEMPORARY']) as p
	where has_database_privilege(r.oid, current_database(), p) and not has_database_privilege('public', current_database(), p)
	union all
	select format('%s %s schema %s', r.rolname, p, n.nspname) from roles as r, schemas as n, unnest(array['USAGE', 'CREATE']) as p
	where r.oid <> n.nspowner and has_schema_privilege(r.oid, n.oid, p) and not has_schema_privilege('public', n.oid, p)
	union all
	select format('%s OWNER schema %s', r.rolname, n.nspname) from roles as r join schemas as n on n.nspowner = r.oid
	union all
	select format('%s %s table %s', r.rolname, p, c.name)
	from roles as r, relations as c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as p
	where r.oid <> c.relowner and has_table_privilege(r.oid, c.oid, p)
	union all
	select format('%s %s column %s.%s', r.rolname, p, c.name, a.attname)
	from roles as r, relations as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
		unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) as p
	where r.oid <> c.relowner and has_column_privilege(r.oid, c.oid, a.attnum, p) and not has_table_privilege(r.oid, c.oid, p)
	union all
	select format('%s OWNER table %s', r.rolname, c.name) from roles as r join relations as c on c.relowner = r.oid
	union all
	select format('%s MEMBER role %s', r.rolname, g.rolname) from roles as r, roles as g where r.oid <> g.oid and pg_has_role(r.oid, g.oid, 'MEMBER')
	union all
	select distinct format('%s %s %s', r.rolname, case when r.oid = a.grantee then 'DIRECT' else 'THROUGH' end, c.name)
	from roles as r, relations as c cross join aclexplode(c.relacl) as a
	left join pg_auth_members as m on m.roleid = a.grantee
	where c.name = 'app.orders' and a.grantee <> c.relowner and r.oid in (a.grantee, m.member)`

// strayedSQL lists what a pass must not leave behind: what the daemon has lent itself or others, intermediate roles and memberships that
// belong to nothing, requests in the queue.
const strayedSQL = `
	with daemon as (select oid, rolname from pg_roles where rolname = $1),
	ours as (
		select role_oid, role_name from sync_roles.intermediate_roles
		union all
		select role_oid, role_name from sync_roles.keepers
	)
	select format('the daemon is a member of %s, by grant of %s', m.roleid::regrole, m.grantor::regrole)
	from pg_auth_members as m join daemon as d on d.oid = m.member
	where m.roleid not in (select oid from pg_roles where rolname in ($2, '_pgsr_lock'))
		and m.roleid not in (select role_oid from sync_roles.keepers)
		and not (current_setting('server_version_num')::int >= 160000 and m.grantor = 10 and m.admin_option)
	union all
	select format('%s is a member of %s, which nobody asked for', m.member::regrole, m.roleid::regrole)
	from pg_auth_members as m join pg_roles as r on r.oid = m.member
	where r.rolname = $2 or (r.rolname like '\_pgsr\_%' and r.oid in (select role_oid from sync_roles.intermediate_roles))
	union all
	select format('%s has %s on %s', a.grantee::regrole, a.privilege_type, o.name)
	from (
		select oid::regclass::text as name, relowner as owner, relacl as acl, relnamespace as namespace from pg_class
		union all
		select nspname, nspowner, nspacl, oid from pg_namespace
	) as o cross join aclexplode(o.acl) as a
	where a.grantee <> o.owner and a.grantee in (select oid from pg_roles where rolname in ($1, $2))
		and o.namespace not in (select oid from pg_namespace where nspname in ('pg_catalog', 'information_schema', 'sync_roles', 'sync_roles_hand'))
	union all
	select format('role %s is in no registry', r.rolname)
	from pg_roles as r
	where r.rolname like '\_pgsr\_' || (select oid from pg_database where datname = current_database()) || '\_%' and r.oid not in (select role_oid from ours)
	union all
	select format('role %s is registered, and does not exist', o.role_name)
	from ours as o left join pg_roles as r on r.oid = o.role_oid and r.rolname = o.role_name where r.oid is null
	union all
	select format('intermediate role %s has no members', i.role_name)
	from sync_roles.intermediate_roles as i
	where not exists (
		select from pg_auth_members as m
		where m.roleid = i.role_oid and m.member not in (select role_oid from sync_roles.keepers) and m.member not in (select oid from daemon)
	)
	union all
	select format('a request for %s is in the queue', coalesce(role_name, 'every role')) from sync_roles.pending`

// statusSQL lists the roles that are not in sync.
const statusSQL = "select role_name || ' is ' || status from sync_roles.role_status where status <> 'in_sync'"

// auditSQL lists how much the audit says was given and taken since row $1, by role.
const auditSQL = `
	select format('%s: %s granted, %s revoked', role_name, sum(granted), sum(revoked)) from sync_roles.audit
	where id > $1 and role_name is not null group by role_name having sum(granted) + sum(revoked) > 0`

// judge lists what is not as it should be after a step.
func (l *lane) judge(s step) ([]string, error) {
	var wrong []string
	got, err := l.lines(accessSQL, l.users())
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, differences("access", l.want, got)...)
	strayed, err := l.lines(strayedSQL, l.env.Daemon, l.env.Owner)
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, slices.Sorted(maps.Keys(strayed))...)
	var through int
	if err := l.super.QueryRow(l.ctx, "select count(*) from sync_roles.intermediate_roles").Scan(&through); err != nil {
		return nil, err
	}
	if through != l.through {
		wrong = append(wrong, fmt.Sprintf("there are %d intermediate roles, want %d", through, l.through))
	}
	statuses := map[string]bool{}
	for role, status := range s.status {
		statuses[l.names.Replace(role+" is "+status)] = true
	}
	if got, err = l.lines(statusSQL); err != nil {
		return nil, err
	}
	wrong = append(wrong, differences("status", statuses, got)...)
	if got, err = l.lines(auditSQL, l.audited); err != nil {
		return nil, err
	}
	if want := l.audits[s.name]; want != nil {
		wrong = append(wrong, differences("audit", want, got)...)
	}
	return wrong, nil
}

func (l *lane) lines(sql string, args ...any) (map[string]bool, error) {
	rows, err := l.super.Query(l.ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", sql, err)
	}
	set := map[string]bool{}
	for _, line := range list {
		set[line] = true
	}
	return set, nil
}

func differences(what string, want, got map[string]bool) (list []string) {
	for _, line := range slices.Sorted(maps.Keys(want)) {
		if !got[line] {
			list = append(list, what+" lacks: "+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(got)) {
		if !want[line] {
			list = append(list, what+" has too much: "+line)
		}
	}
	return list
}

func shown(list []string) string { return "\n\t" + strings.Join(list, "\n\t") }
