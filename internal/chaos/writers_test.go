//go:build unix

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// writer changes rows, in transactions of some statements, of which some are rolled back.
type writer struct {
	*actor
	model    *model
	scoped   bool // it may write desired_grants only
	sessions []*session
}

func newWriter(c *cluster, m *model, name, role string) *actor {
	w := &writer{actor: &actor{name: name, pause: 60 * time.Millisecond}, model: m, scoped: role == scopedRole}
	for _, database := range databases {
		w.sessions = append(w.sessions, &session{
			url: c.server.URL(role, database),
			// The same row or a second owner, a deadlock, and a lock that took too long. Not 23514: all rows make sense.
			tolerated: []string{"23505", "40P01", "55P03"},
		})
	}
	w.deeds = []deed{{200, w.write}}
	if !w.scoped {
		w.deeds = append(w.deeds, deed{1, w.truncate}, deed{3, w.rewrite})
	}
	return w.actor
}

// row is what a row of desired_grants says.
type row struct {
	Role, Privilege, Type, Schema, Name, Match, Column string
	Direct                                             *bool
	Grantable, Create                                  bool
	expires                                            time.Duration // 0: never
	SchemaMatch                                        string
	ExceptNames, ExceptSchemas, ExceptColumns          []string
	Partitions, AtCreation                             bool
}

// change is one statement on the rows, and the roles that it is about.
type change struct {
	sql   string // returning the names of roles
	args  []any
	roles []string // others that it is about, if it is about any
}

// write is one transaction.
func (w *writer) write(ctx context.Context) (string, error) {
	n := w.random.IntN(len(databases))
	changes := make([]change, 1+w.random.IntN(3))
	for i := range changes {
		changes[i] = w.change(n)
	}
	var linger time.Duration
	if chance(w.random, 15) {
		linger = time.Duration(w.random.Int64N(int64(200 * time.Millisecond)))
	}
	rollback := chance(w.random, 15)

	touched := map[string]bool{}
	var at time.Time
	word, err := w.sessions[n].use(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for _, c := range changes {
			rows, err := tx.Query(ctx, c.sql, c.args...)
			if err != nil {
				return err
			}
			names, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return fmt.Errorf("run %s with %v: %w", c.sql, c.args, err)
			}
			if len(names) > 0 {
				names = append(names, c.roles...)
			}
			for _, name := range names {
				touched[name] = true
			}
		}
		rest(ctx, linger)
		if rollback {
			return errRollback
		}
		return tx.QueryRow(ctx, "select clock_timestamp()").Scan(&at)
	})
	if word == done {
		w.model.touch(n, touched, at)
	}
	return word, err
}

// truncate empties the table of grants.
func (w *writer) truncate(ctx context.Context) (string, error) {
	n := w.random.IntN(len(databases))
	touched := map[string]bool{}
	var at time.Time
	word, err := w.sessions[n].use(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := run(ctx, tx, "lock table sync_roles.desired_grants in access exclusive mode"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select distinct role_name from sync_roles.desired_grants")
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			touched[name] = true
		}
		if err := run(ctx, tx, "truncate sync_roles.desired_grants"); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select clock_timestamp()").Scan(&at)
	})
	if word == done {
		w.model.touch(n, touched, at)
		word = "truncated"
	}
	return word, err
}

// rewrite deletes all rows and inserts the same again, as a job does that writes everything each time.
func (w *writer) rewrite(ctx context.Context) (string, error) {
	n := w.random.IntN(len(databases))
	touched := map[string]bool{}
	var at time.Time
	word, err := w.sessions[n].use(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// No row of others may get lost between the copy and the deletion.
		if err := run(ctx, tx, `lock table sync_roles.desired_grants, sync_roles.desired_roles in share row exclusive mode;
			create temp table grants_copy on commit drop as table sync_roles.desired_grants;
			create temp table roles_copy on commit drop as table sync_roles.desired_roles;
			delete from sync_roles.desired_grants; delete from sync_roles.desired_roles;
			insert into sync_roles.desired_roles select * from roles_copy;
			insert into sync_roles.desired_grants (%[1]s) select %[1]s from grants_copy order by id`, rowColumns); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select role_name from grants_copy union select role_name from roles_copy")
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			touched[name] = true
		}
		return tx.QueryRow(ctx, "select clock_timestamp()").Scan(&at)
	})
	if word == done {
		w.model.touch(n, touched, at)
		word = "rewrote"
	}
	return word, err
}

// rowColumns are all but the id, which PostgreSQL gives.
const rowColumns = `role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable, create_if_not_exists,
	expires_at, note, created_by, created_at`

func (w *writer) change(n int) change {
	switch k := w.random.IntN(100); {
	case k < 18 && !w.scoped:
		return w.roleChange(n)
	case k < 60:
		return w.insertion(n)
	case k < 82:
		return w.update()
	default:
		return w.deletion()
	}
}

func (w *writer) user() string { return pick(w.random, users...) }

func (w *writer) anybody() string {
	return pick(w.random, append(append([]string{}, users...), groups...)...)
}

const selector = "(role_name, selector)"

// insertion adds some rows in one statement.
func (w *writer) insertion(n int) change {
	var values []string
	var args []any
	for range 1 + w.random.IntN(3) {
		r := w.row(n)
		var expires *string
		if r.expires != 0 {
			expires = new(fmt.Sprintf("%d milliseconds", r.expires.Milliseconds()))
		}
		at := len(args)
		values = append(values, fmt.Sprintf("($%d, $%d, $%d, nullif($%d, ''), $%d, $%d, nullif($%d, ''), $%d::boolean, $%d::boolean, $%d::boolean, now() + $%d::text::interval, $%d, $%d::text[], $%d::text[], $%d::text[], $%d::boolean, $%d::boolean)",
			at+1, at+2, at+3, at+4, at+5, at+6, at+7, at+8, at+9, at+10, at+11, at+12, at+13, at+14, at+15, at+16, at+17))
		args = append(args, r.Role, r.Privilege, r.Type, r.Schema, r.Name, r.Match, r.Column, r.Direct, r.Grantable, r.Create, expires,
			cmp.Or(r.SchemaMatch, "exact"), list(r.ExceptNames), list(r.ExceptSchemas), list(r.ExceptColumns), r.Partitions, r.AtCreation)
	}
	conflict := " on conflict do nothing"
	// A second owner is an error all the same, and two equal rows in one statement are one too.
	if len(values) == 1 && chance(w.random, 60) {
		conflict = pick(w.random, "", " on conflict "+selector+" do update set direct = excluded.direct, grantable = excluded.grantable, expires_at = excluded.expires_at, at_creation = excluded.at_creation, created_by = excluded.created_by")
	}
	return change{sql: `insert into sync_roles.desired_grants
		(role_name, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable, create_if_not_exists, expires_at,
			schema_match, except_names, except_schemas, except_columns, partitions, at_creation)
		values ` + strings.Join(values, ", ") + conflict + " returning role_name", args: args}
}

// row makes one that PostgreSQL accepts.
func (w *writer) row(n int) row {
	r := row{Role: w.anybody(), Match: "exact"}
	if chance(w.random, 15) {
		r.expires = time.Duration(1+w.random.IntN(3000)) * time.Millisecond
	}
	switch k := w.random.IntN(100); {
	case k < 8 && n == 0:
		r.Type, r.Privilege, r.Name = "role", "MEMBER", pick(w.random, groups...)
		if chance(w.random, 20) {
			r.Name, r.Match = pick(w.random, "g_", "g%"), "like"
		}
		if r.Role == r.Name {
			r.Role = w.user()
		}
		r.Grantable = chance(w.random, 10)
		return r
	case k < 13:
		r.Type, r.Privilege, r.Schema, r.Name = "table", "OWNER", pick(w.random, schemas...), pick(w.random, tables...)
		if chance(w.random, 15) {
			r.Name, r.Match = pick(w.random, "t_", "t0%"), "like"
		}
		return r
	case k < 16:
		r.Type, r.Privilege, r.Name, r.Create = "schema", "OWNER", "own0", true
		return r
	case k < 20:
		r.Type, r.Name, r.Privilege = "database", databases[n], pick(w.random, "CONNECT", "TEMPORARY", "CREATE", "ALL")
	case k < 30:
		r.Type, r.Name, r.Privilege = "schema", pick(w.random, schemas...), pick(w.random, "USAGE", "USAGE", "CREATE", "ALL")
		if chance(w.random, 20) {
			r.Name, r.Match = pick(w.random, "s%", "%0"), "like"
		}
	case k < 35:
		r.Type, r.Schema, r.Name, r.Privilege = "sequence", pick(w.random, schemas...), pick(w.random, sequences...), pick(w.random, "USAGE", "SELECT", "UPDATE", "ALL")
		if chance(w.random, 20) {
			r.Name, r.Match = "q[0-9]", "regex"
		}
	case k < 44:
		r.Type, r.Schema, r.Privilege = "routine", pick(w.random, schemas...), pick(w.random, "EXECUTE", "EXECUTE", "ALL")
		switch of := pick(w.random, routines...); w.random.IntN(4) {
		case 0:
			r.Name = of.name // all of that name
		case 1:
			r.Name, r.Match = pick(w.random, "f%", "f_", "%1"), "like"
		default:
			r.Name = of.String()
		}
	case k < 52:
		r.Type, r.Schema, r.Name, r.Privilege = "table", mart, rebuilt, pick(w.random, "SELECT", "SELECT", "INSERT", "UPDATE", "ALL")
		if chance(w.random, 30) {
			r.Name, r.Match = "m%", "like"
		} else if r.Privilege != "ALL" && chance(w.random, 30) {
			r.Column = "a"
		}
	case k < 60:
		r.Type, r.Schema, r.Name, r.Column = "table", pick(w.random, schemas...), pick(w.random, tables...), pick(w.random, columns...)
		r.Privilege = pick(w.random, "SELECT", "INSERT", "UPDATE", "REFERENCES")
		if chance(w.random, 20) {
			r.Name, r.Match = "t%", "like"
		}
	default:
		r.Type, r.Schema, r.Name = "table", pick(w.random, schemas...), pick(w.random, tables...)
		r.Privilege = pick(w.random, "SELECT", "SELECT", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "ALL")
		switch w.random.IntN(6) {
		case 0:
			r.Name, r.Match = pick(w.random, `t\_%`, "t_", "%", "%", `%\_4`, `%"%`), "like"
		case 1:
			r.Name, r.Match = pick(w.random, "t[0-2]", "t.+", `(t1|t3)`), "regex"
		}
	}
	w.selector(&r)
	switch k := w.random.IntN(100); {
	case k < 10:
		r.Grantable = true
	case k < 25:
		r.Direct = new(true)
	case k < 45:
		r.Direct = new(false)
	case k < 50:
		r.Role = publicRole
	}
	r.Partitions = r.Type == "table" && !r.Grantable && (r.Direct == nil || !*r.Direct) && r.Role != publicRole && chance(w.random, 15)
	r.AtCreation = r.Name == "%" && r.Type == "table" && len(r.ExceptNames)+len(r.ExceptSchemas)+len(r.ExceptColumns) == 0 && r.Column == "" &&
		!r.Grantable && (r.Direct == nil || !*r.Direct) && r.Role != publicRole && chance(w.random, 60)
	return r
}

// selector makes the row's selector say more: patterns for schemas, names and columns that are left out.
func (w *writer) selector(r *row) {
	if r.Schema != "" && r.Schema != mart && chance(w.random, 10) {
		r.Schema, r.SchemaMatch = pick(w.random, "s%", "s_", "own0"), "like"
		if chance(w.random, 40) {
			r.ExceptSchemas = []string{pick(w.random, "%0", "s1")}
		}
	}
	if r.Match != "exact" && chance(w.random, 15) {
		r.ExceptNames = []string{pick(w.random, "t0", "t3", "q1", "f0", "s1"), "x"}
	}
	if r.Type == "table" && r.Column == "" && slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}, r.Privilege) && chance(w.random, 10) {
		r.ExceptColumns = []string{pick(w.random, columns...)}
	}
}

// list is not NULL.
func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// update changes rows to others that make sense. A scoped writer's become its own.
func (w *writer) update() change {
	role, table := w.anybody(), pick(w.random, tables...)
	where := " where role_name = $1 and not partitions and not at_creation"
	set := pick(w.random, "note = note", "expires_at = now() + interval '1 second'", "expires_at = null", "direct", "grantable", "role_name", "object_name", "privilege", "except_names", "except_columns")
	args := []any{role}
	var others []string
	switch set {
	case "direct":
		set = "direct = " + pick(w.random, "null", "true", "false")
		where += " and not grantable and privilege not in ('OWNER', 'MEMBER')"
	case "grantable":
		set = "grantable = not grantable"
		where += " and direct is not false and privilege <> 'OWNER'"
	case "role_name":
		other := w.anybody()
		set = "role_name = $2"
		where += " and object_type in ('table', 'schema', 'sequence') and privilege <> 'OWNER' and object_name = $3"
		args, others = append(args, other, table), []string{role}
	case "except_names":
		set = "except_names = case except_names when '{}' then array[$2] else '{}' end"
		where += " and object_type = 'table' and name_match <> 'exact'"
		args = append(args, table)
	case "except_columns":
		set = "except_columns = case except_columns when '{}' then array[$2] else '{}' end"
		where += " and object_type = 'table' and privilege = 'SELECT' and column_name is null"
		args = append(args, pick(w.random, columns...))
	case "object_name":
		set = "object_name = $2"
		where += " and object_type = 'table' and name_match = 'exact' and schema_match = 'exact' and object_name = $3"
		args = append(args, table, pick(w.random, tables...))
	case "privilege":
		set = "privilege = $2"
		where += " and object_type = 'table' and privilege <> 'OWNER' and except_columns = '{}' and not at_creation and object_name = $3"
		args = append(args, pick(w.random, "SELECT", "INSERT", "UPDATE", "REFERENCES"), table)
	}
	return change{sql: "update sync_roles.desired_grants set " + set + ", created_by = session_user" + where + " returning role_name", args: args, roles: others}
}

func (w *writer) deletion() change {
	role := w.anybody()
	sql := "delete from sync_roles.desired_grants where role_name = $1"
	args := []any{role}
	switch k := w.random.IntN(100); {
	case k < 8:
	case k < 40:
		sql += " and object_type = $2"
		args = append(args, pick(w.random, "table", "schema", "database", "sequence", "routine", "role"))
	case k < 70:
		sql += " and object_name = $2"
		args = append(args, pick(w.random, append([]string{rebuilt}, tables...)...))
	case k < 80:
		args[0] = publicRole
	case k < 90:
		sql = "delete from sync_roles.desired_grants where privilege = 'OWNER' and object_name = $1"
		args[0] = pick(w.random, append([]string{"own0"}, tables...)...)
	default:
		sql += " and name_match <> 'exact'"
	}
	return change{sql: sql + " returning role_name", args: args}
}

// roleChange writes desired_roles. Only the rows of the first database say what a role is, and whether it keeps other memberships.
func (w *writer) roleChange(n int) change {
	role := w.anybody()
	if chance(w.random, 30) {
		return change{sql: "delete from sync_roles.desired_roles where role_name = $1 returning role_name", args: []any{role}}
	}
	kinds := []string{"{}", "{}", "{tables}", "{table_selects}", "{schema_usage,schemas}", "{databases}", "{tables,sequences,ownerships}", "{routines}"}
	var login, inherit *bool
	var limit *int
	var until *time.Time
	if n == 0 {
		kinds = append(kinds, "{role_memberships}", "{all}")
		login, inherit = pick(w.random, nil, new(true), new(false)), pick(w.random, nil, nil, new(true), new(false))
		limit = pick(w.random, nil, new(-1), new(3))
		until = pick(w.random, nil, new(time.Date(2040, 1, 2, 3, 4, 5, 6000, time.UTC)))
	}
	settings := pick(w.random, nil, new("{}"), new(`{"work_mem": "8MB"}`), new(`{"work_mem": "4MB", "search_path": ["s0", "c d"]}`))
	preserved := pick(w.random, "{}", "{}", "{s1}")
	if chance(w.random, 8) {
		role, login, inherit, limit, until, settings = publicRole, nil, nil, nil, nil, nil
		kinds = []string{"{}", "{tables}", "{databases}"}
	}
	return change{
		sql: `insert into sync_roles.desired_roles (role_name, login, inherit, connection_limit, valid_until, settings, revoke_other, preserve_existing_grants_in_schemas)
		values ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8)
		on conflict (role_name) do update set login = excluded.login, inherit = excluded.inherit, connection_limit = excluded.connection_limit,
			valid_until = excluded.valid_until, settings = excluded.settings, revoke_other = excluded.revoke_other,
			preserve_existing_grants_in_schemas = excluded.preserve_existing_grants_in_schemas
		returning role_name`,
		args: []any{role, login, inherit, limit, until, settings, pick(w.random, kinds...), preserved},
	}
}
