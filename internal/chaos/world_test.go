//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// world is what one database is like, read from PostgreSQL's catalogs, and what is to be, from the rows. None of it goes through
// the engine's own queries.
type world struct {
	nth          int
	name         string
	version      int
	conn         *pgx.Conn
	roles        map[uint32]role
	byName       map[string]role
	objects      map[uint32]object
	entries      []entry
	memberships  []membership
	defaults     []defaultEntry
	rows         []desired
	desiredRoles map[string]desiredRole
	registry     map[uint32]intermediate
	keepers      map[uint32]bool
	problems     map[string][]problem // of the last audit row of each role
	outcomes     map[string]string
}

type role struct {
	OID            uint32
	Name           string
	Inherit, Login bool
	Limit          int
	Until          *time.Time
	Settings       []string
}

// object is a table, sequence, routine, schema or database, or a role of which others can be members. A routine's name has its argument types.
type object struct {
	Type         string
	OID          uint32
	Schema, Name string
	Owner        uint32
	columns      map[string]bool
	above        []object // tables that it inherits from, and theirs
}

// String is the object as problems name it.
func (o object) String() string {
	if o.Schema == "" {
		return o.Type + " " + o.Name
	}
	return o.Type + " " + o.Schema + "." + o.Name
}

func (o object) quoted() string {
	if o.Schema == "" {
		return quote(o.Name)
	}
	return quote(o.Schema, o.bare())
}

// bare is the name without argument types.
func (o object) bare() string {
	if o.Type != "routine" {
		return o.Name
	}
	name, _, _ := strings.Cut(o.Name, "(")
	return name
}

// entry is one privilege in an ACL. The grantee 0 is PUBLIC.
type entry struct {
	Object           uint32
	Column           string
	Grantor, Grantee uint32
	Privilege        string
	Grantable        bool
}

type membership struct {
	Role, Member, Grantor uint32
	Admin, Inherit, Set   bool
}

type desired struct {
	ID                                                 int64
	Role, Privilege, Type, Schema, Name, Match, Column string
	Direct                                             *bool
	Grantable, Create                                  bool
	CreatedAt                                          time.Time
	SchemaMatch                                        string
	ExceptNames, ExceptSchemas, ExceptColumns          []string
	Partitions, AtCreation                             bool
	Selector                                           string
	pattern, schemas                                   *regexp.Regexp
}

type desiredRole struct {
	Name           string
	Login, Inherit *bool
	Limit          *int
	Until          *time.Time
	Settings       *string
	RevokeOther    []string
	Preserved      []string
}

// defaultEntry is what a role has on each new table of a creator.
type defaultEntry struct {
	Creator   string
	Grantee   uint32
	Privilege string
}

type intermediate struct {
	OID                                                uint32
	Role, Privilege, Type, Schema, Name, Match, Column string
	SchemaMatch                                        string
	ExceptNames, ExceptSchemas, ExceptColumns          []string
	Partitions                                         bool
	Selector                                           string
}

type problem struct {
	Kind      string    `json:"kind"`
	Code      plan.Code `json:"code"`
	GrantID   int64     `json:"grant_id"`
	Privilege string    `json:"privilege"`
	Object    string    `json:"object"`
	Statement string    `json:"statement"`
	Reason    string    `json:"reason"`
	Taking    bool      `json:"taking"`
}

// look reads both databases, while nothing changes.
func (c *cluster) look(t *testing.T) []*world {
	t.Helper()
	var list []*world
	for nth, database := range databases {
		w := &world{nth: nth, name: database, version: c.version, conn: c.connect(t, database)}
		w.read(t)
		list = append(list, w)
	}
	return list
}

const ours = "n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'sync_roles')"

func (w *world) read(t *testing.T) {
	t.Helper()
	execute(t, w.conn, "begin isolation level repeatable read, read only")
	defer execute(t, w.conn, "commit")

	w.roles, w.byName = map[uint32]role{}, map[string]role{}
	for _, r := range structs[role](t, w.conn, `
		select r.oid, r.rolname, r.rolinherit, r.rolcanlogin, r.rolconnlimit, nullif(r.rolvaliduntil, 'infinity'),
			coalesce((select s.setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where s.setrole = r.oid and d.datname = current_database()), '{}')
		from pg_roles r`) {
		w.roles[r.OID], w.byName[r.Name] = r, r
	}

	w.objects = map[uint32]object{}
	for _, o := range structs[struct {
		Type         string
		OID          uint32
		Schema, Name string
		Owner        uint32
		Columns      []string
	}](t, w.conn, `
		select case c.relkind when 'S' then 'sequence' else 'table' end, c.oid, n.nspname, c.relname, c.relowner,
			array(select attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and `+ours+`
		union all
		select 'routine', p.oid, n.nspname, format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)), p.proowner, '{}'
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace where `+ours+`
		union all
		select 'schema', n.oid, '', n.nspname, n.nspowner, '{}' from pg_namespace n where `+ours+`
		union all
		select 'database', d.oid, '', d.datname, d.datdba, '{}' from pg_database d where d.datname = current_database()
		union all
		select 'role', r.oid, '', r.rolname, 0, '{}' from pg_roles r where r.rolname not like 'pg\_%' and r.rolname not like '\_pgsr\_%'`) {
		there := object{Type: o.Type, OID: o.OID, Schema: o.Schema, Name: o.Name, Owner: o.Owner, columns: map[string]bool{}}
		for _, column := range o.Columns {
			there.columns[column] = true
		}
		w.objects[o.OID] = there
	}
	for _, i := range structs[struct{ Below, Above uint32 }](t, w.conn, `
		with recursive pairs (below, above) as (
			select inhrelid, inhparent from pg_inherits
			union
			select p.below, i.inhparent from pairs p join pg_inherits i on i.inhrelid = p.above
		)
		select below, above from pairs`) {
		if there, ok := w.objects[i.Below]; ok {
			there.above = append(there.above, w.objects[i.Above])
			w.objects[i.Below] = there
		}
	}

	w.entries = structs[entry](t, w.conn, `
		select c.oid, '', a.grantor, a.grantee, a.privilege_type, a.is_grantable
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		cross join aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
		where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and `+ours+`
		union all
		select c.oid, t.attname, a.grantor, a.grantee, a.privilege_type, a.is_grantable
		from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute t on t.attrelid = c.oid and not t.attisdropped
		cross join aclexplode(t.attacl) a where `+ours+`
		union all
		select p.oid, '', a.grantor, a.grantee, a.privilege_type, a.is_grantable
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where `+ours+`
		union all
		select n.oid, '', a.grantor, a.grantee, a.privilege_type, a.is_grantable
		from pg_namespace n cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a where `+ours+`
		union all
		select d.oid, '', a.grantor, a.grantee, a.privilege_type, a.is_grantable
		from pg_database d cross join aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a where d.datname = current_database()`)

	options := "m.inherit_option, m.set_option"
	if w.version < 16 {
		options = "coalesce(r.rolinherit, false), true"
	}
	w.memberships = structs[membership](t, w.conn, "select m.roleid, m.member, m.grantor, m.admin_option, "+options+" from pg_auth_members m left join pg_roles r on r.oid = m.member")

	w.rows = structs[desired](t, w.conn, `
		select id, role_name, privilege, object_type, coalesce(schema_name, ''), object_name, name_match, coalesce(column_name, ''), direct, grantable, create_if_not_exists, created_at,
			schema_match, except_names, except_schemas, except_columns, partitions, at_creation, selector
		from sync_roles.desired_grants order by id`)
	for i := range w.rows {
		w.rows[i].compile(t)
	}
	w.desiredRoles = map[string]desiredRole{}
	for _, r := range structs[desiredRole](t, w.conn, "select role_name, login, inherit, connection_limit, valid_until, settings::text, revoke_other, preserve_existing_grants_in_schemas from sync_roles.desired_roles") {
		w.desiredRoles[r.Name] = r
	}
	w.registry = map[uint32]intermediate{}
	for _, i := range structs[intermediate](t, w.conn, "select role_oid, role_name, privilege, object_type, coalesce(schema_name, ''), object_name, name_match, coalesce(column_name, ''), schema_match, except_names, except_schemas, except_columns, partitions, selector from sync_roles.intermediate_roles") {
		w.registry[i.OID] = i
	}
	w.defaults = structs[defaultEntry](t, w.conn, "select d.defaclrole::regrole::text, a.grantee, a.privilege_type from pg_default_acl d cross join aclexplode(d.defaclacl) a")
	w.keepers = map[uint32]bool{}
	for _, k := range all[uint32](t, w.conn, "select role_oid from sync_roles.keepers") {
		w.keepers[k] = true
	}
	w.problems, w.outcomes = map[string][]problem{}, map[string]string{}
	for _, a := range structs[struct{ Role, Outcome, Problems string }](t, w.conn, "select distinct on (role_name) role_name, outcome, problems::text from sync_roles.audit where role_name is not null order by role_name, id desc") {
		var list []problem
		if err := json.Unmarshal([]byte(a.Problems), &list); err != nil {
			t.Fatalf("read problems of %s: %v", a.Role, err)
		}
		w.problems[a.Role], w.outcomes[a.Role] = list, a.Outcome
	}
}

func structs[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		t.Fatalf("run %s: %v", sql, err)
	}
	return list
}

// pattern is what the name of an object must match, in Go's own regular expressions.
func pattern(t *testing.T, match, name string) *regexp.Regexp {
	t.Helper()
	r, err := regexp.Compile(regex(match, name))
	if err != nil {
		t.Fatalf("compile the %s pattern %q: %v", match, name, err)
	}
	return r
}

// matchesAny compares as rows do.
func matchesAny(match string, patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return regexp.MustCompile(regex(match, p)).MatchString(name) })
}

// regex is the regular expression that matches as rows do.
func regex(match, name string) string {
	var text strings.Builder
	switch match {
	case "exact":
		text.WriteString(regexp.QuoteMeta(name))
	case "regex":
		text.WriteString(name)
	case "like":
		escaped := false
		for _, letter := range name {
			switch {
			case escaped:
				text.WriteString(regexp.QuoteMeta(string(letter)))
				escaped = false
			case letter == '\\':
				escaped = true
			case letter == '%':
				text.WriteString(".*")
			case letter == '_':
				text.WriteString(".")
			default:
				text.WriteString(regexp.QuoteMeta(string(letter)))
			}
		}
	}
	return "(?s)^(?:" + text.String() + ")$"
}

// privileges is what ALL stands for.
func (w *world) privileges(objectType string) []string {
	switch objectType {
	case "table":
		list := []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}
		if w.version >= 17 {
			list = append(list, "MAINTAIN")
		}
		return list
	case "sequence":
		return []string{"USAGE", "SELECT", "UPDATE"}
	case "routine":
		return []string{"EXECUTE"}
	case "schema":
		return []string{"USAGE", "CREATE"}
	case "database":
		return []string{"CONNECT", "CREATE", "TEMPORARY"}
	default:
		return nil
	}
}

// names reports whether the row's selector finds the object, or with partitions one above it.
func (d desired) names(o object) bool {
	return d.namesIt(o) || d.Partitions && slices.ContainsFunc(o.above, d.namesIt)
}

// namesIt reports whether the selector finds the object by its name. Only an exact name can have argument types.
func (d desired) namesIt(o object) bool {
	return d.Type == o.Type && d.schemas.MatchString(o.Schema) && !matchesAny(d.SchemaMatch, d.ExceptSchemas, o.Schema) &&
		(d.pattern.MatchString(o.bare()) || d.Match == "exact" && d.pattern.MatchString(o.Name)) && !matchesAny(d.Match, d.ExceptNames, o.bare()) &&
		(o.Type != "role" || o.Name != d.Role)
}

// columns are those of a table that the row asks for; "" is the table itself.
func (d desired) columns(o object) (list []string) {
	if len(d.ExceptColumns) == 0 {
		return []string{d.Column}
	}
	for column := range o.columns {
		if !matchesAny(d.Match, d.ExceptColumns, column) {
			list = append(list, column)
		}
	}
	return list
}

// compile makes the patterns of the selector.
func (d *desired) compile(t *testing.T) {
	t.Helper()
	d.pattern, d.schemas = pattern(t, d.Match, d.Name), pattern(t, d.SchemaMatch, d.Schema)
}

// exact reports whether the row names one object.
func (d *desired) exact() bool { return d.Match == "exact" && d.SchemaMatch == "exact" }

// asks reports whether the row asks for this privilege on something.
func (d desired) asks(privilege, column string) bool {
	return (d.Privilege == privilege || d.Privilege == "ALL" && privilege != "OWNER" && privilege != "MEMBER") &&
		(len(d.ExceptColumns) == 0 && d.Column == column || len(d.ExceptColumns) > 0 && column != "" && !matchesAny(d.Match, d.ExceptColumns, column))
}

// selects reports whether the intermediate role is for the row's selector.
func (i intermediate) selects(d desired) bool {
	return i.Selector == d.Selector
}

// roleName is what people would call the role, or what is left of it.
func (w *world) roleName(oid uint32) string {
	if oid == 0 {
		return publicRole
	}
	if r, ok := w.roles[oid]; ok {
		return r.Name
	}
	return fmt.Sprintf("role %d, which was dropped", oid)
}

// rowable reports whether rows are about this role: it is one of ours, or PUBLIC.
func (w *world) rowable(oid uint32) bool {
	name := w.roleName(oid)
	return name == publicRole || name == soloRole || slices.Contains(users, name) || slices.Contains(groups, name)
}

// exclusive reports whether the role keeps nothing else on this object.
func (w *world) exclusive(role string, o object, privilege string) bool {
	d := w.desiredRoles[role]
	if o.Schema != "" && slices.Contains(d.Preserved, o.Schema) {
		return false
	}
	kinds := []string{"all", o.Type + "s"}
	switch {
	case o.Type == "role":
		kinds = []string{"all", "role_memberships"}
	case privilege == "OWNER":
		kinds = []string{"all", "ownerships"}
	case o.Type == "table" && privilege == "SELECT":
		kinds = append(kinds, "table_selects")
	case o.Type == "schema" && privilege == "USAGE":
		kinds = append(kinds, "schema_usage")
	}
	return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(d.RevokeOther, k) })
}
