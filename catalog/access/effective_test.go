package access_test

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

var worlds = flag.Int("worlds", 3, "how many databases are generated")

// For databases made by chance: what each role reads and writes when it logs in and tries everything is in effective_grants, and all that is in there
// works, but for the merely possible.
func TestEffectiveGrantsAreWhatWorks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*worlds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			env := pgtest.New(t)
			install(t, env)
			w := newWorld(t, env, seed)
			works := tryAll(t, w)
			compare(t, w, works, readEffective(t, env))
			pathsTell(t, w, works)
			whoIsRight(t, w, works)
			if t.Failed() {
				t.Log(w.sql.String())
			}
		})
	}
}

// use is what a role does with a column of a relation. The column is empty for DELETE, and for EXECUTE.
type use struct{ role, privilege, object, column string }

// tried is how the attempts of all roles ended.
type tried struct {
	direct  map[use]bool // by the object's own name: whether it was allowed; not there: it fails for whoever tries
	reached map[use]bool // what was read or written in tables, by whatever name
}

func tryAll(t *testing.T, w *world) tried {
	t.Helper()
	result := tried{map[use]bool{}, map[use]bool{}}
	super := w.env.Superuser(t)
	for _, role := range w.roles {
		conn := w.env.Connect(t, role)
		for _, relation := range w.relations {
			for _, column := range w.columns[relation] {
				result.read(t, conn, use{role, "SELECT", relation, column}, "select "+column+"::text from "+relation)
				result.write(t, super, w, use{role, "INSERT", relation, column}, fmt.Sprintf("insert into %s (%s) values ('w')", relation, column))
				result.write(t, super, w, use{role, "UPDATE", relation, column}, fmt.Sprintf("update %s set %s = 'w'", relation, column))
			}
			result.write(t, super, w, use{role, "DELETE", relation, ""}, "delete from "+relation)
		}
		for routine, call := range w.calls {
			result.read(t, conn, use{role, "EXECUTE", routine, ""}, call)
		}
	}
	return result
}

var columnName = regexp.MustCompile(`\b(s\d\.t\d)\.([abc])\b`)

func (r *tried) read(t *testing.T, conn *pgx.Conn, u use, sql string) {
	t.Helper()
	rows, _ := conn.Query(t.Context(), sql) // the rows have the error
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	r.note(t, u, sql, err)
	for _, value := range values {
		for _, match := range columnName.FindAllStringSubmatch(value, -1) {
			r.reached[use{u.role, "SELECT", match[1], match[2]}] = true
		}
	}
}

func (r *tried) note(t *testing.T, u use, sql string, err error) {
	t.Helper()
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		r.direct[u] = true
	case !errors.As(err, &pgErr):
		t.Fatalf("%s: %v", sql, err)
	case pgErr.Code == "42501" && (u.privilege != "EXECUTE" || pgErr.Where == "" && !strings.Contains(pgErr.Message, "for table")):
		r.direct[u] = false
	case pgErr.Code == "42501":
		r.direct[u] = true // something in it failed
	case pgErr.Code == "55000", pgErr.Code == "42809", pgErr.Code == "0A000", pgErr.Code == "23514": // not writable by any role
	default:
		t.Fatalf("%s as %s: %v", sql, u.role, err)
	}
}

func (r *tried) write(t *testing.T, super *pgx.Conn, w *world, u use, sql string) {
	t.Helper()
	tx, err := super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "set local session authorization "+u.role); err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), sql)
	if r.note(t, u, sql, err); err != nil {
		return
	}
	if _, err := tx.Exec(t.Context(), "reset session authorization"); err != nil {
		t.Fatal(err)
	}
	var counts []string
	for _, table := range w.tables {
		counts = append(counts, fmt.Sprintf("select '%s', count(*), count(*) filter (where a = 'w'), count(*) filter (where b = 'w'), count(*) filter (where c = 'w') from only %[1]s", table))
	}
	after, err := tx.Query(t.Context(), strings.Join(counts, " union all ")) //nolint:rowserrcheck // ForEachRow does
	if err != nil {
		t.Fatal(err)
	}
	var table string
	var rows, a, b, c int
	if _, err = pgx.ForEachRow(after, []any{&table, &rows, &a, &b, &c}, func() error {
		if rows == 0 {
			r.reached[use{u.role, "DELETE", table, ""}] = true
		}
		privilege := "UPDATE"
		if rows > 1 {
			privilege = "INSERT"
		}
		for column, n := range map[string]int{"a": a, "b": b, "c": c} {
			if n > 0 {
				r.reached[use{u.role, privilege, table, column}] = true
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// grant is a row of effective_grants.
type grant struct {
	through  *string
	possible bool
}

func readEffective(t *testing.T, env *pgtest.Env) map[use]grant {
	t.Helper()
	//nolint:rowserrcheck // ForEachRow does
	rows, err := env.Connect(t, env.Daemon).Query(t.Context(), `
		select role_name, privilege, concat_ws('.', schema_name, object_name), coalesce(column_name, ''), through, possible
		from sync_roles.effective_grants where object_type in ('table', 'routine')`)
	if err != nil {
		t.Fatal(err)
	}
	result := map[use]grant{}
	var u use
	var g grant
	if _, err = pgx.ForEachRow(rows, []any{&u.role, &u.privilege, &u.object, &u.column, &g.through, &g.possible}, func() error {
		if _, twice := result[u]; twice {
			t.Errorf("twice in effective_grants: %v", u)
		}
		result[u] = g
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return result
}

func compare(t *testing.T, w *world, r tried, grants map[use]grant) {
	t.Helper()
	find := func(u use) (rows []grant) {
		for _, column := range slices.Compact([]string{u.column, ""}) {
			if g, ok := grants[use{u.role, u.privilege, u.object, column}]; ok {
				rows = append(rows, g)
			}
		}
		return rows
	}
	words := func(rows []grant) string {
		var list []string
		for _, g := range rows {
			through := "by name"
			if g.through != nil {
				through = *g.through
			}
			list = append(list, fmt.Sprintf("%s (possible: %t)", through, g.possible))
		}
		return strings.Join(list, "; ")
	}
	yes := 0
	for u, allowed := range r.direct {
		rows := find(u)
		byName := slices.ContainsFunc(rows, func(g grant) bool { return g.through == nil })
		possible := !slices.ContainsFunc(rows, func(g grant) bool { return g.through == nil && !g.possible })
		if allowed && !byName || !allowed && byName && !possible {
			t.Errorf("%v is allowed: %t; effective_grants: %s", u, allowed, words(rows))
		}
		if allowed {
			yes++
		}
	}
	for u := range r.reached {
		if len(find(u)) == 0 {
			t.Errorf("%v was reached, and is not in effective_grants", u)
		}
	}
	for u, g := range grants {
		if g.possible || !slices.Contains(w.tables, u.object) || !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, u.privilege) || !slices.Contains(w.roles, u.role) {
			continue
		}
		columns := []string{u.column}
		if u.column == "" && u.privilege != "DELETE" {
			columns = w.columns[u.object]
		}
		for _, column := range columns {
			if !r.reached[use{u.role, u.privilege, u.object, column}] {
				t.Errorf("%v (%s) is in effective_grants, %s, and does not work", u, column, words([]grant{g}))
			}
		}
	}
	if yes < 40 || len(r.reached) < 30 {
		t.Errorf("only %d attempts were allowed, and %d columns reached", yes, len(r.reached))
	}
}

// pathsTell asserts that each way by which a role read or wrote something is among its paths, certain or possible: what explain and who print.
func pathsTell(t *testing.T, w *world, works tried) {
	t.Helper()
	super := w.env.Superuser(t)
	objects, err := access.ReadObjects(t.Context(), super, access.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := access.AddThrough(t.Context(), super, objects); err != nil {
		t.Fatal(err)
	}
	byName := map[string]*access.Object{}
	for _, o := range objects {
		byName[strings.TrimPrefix(o.String(), "table ")] = o
	}
	subjects := map[string]*access.Subject{}
	for _, name := range w.roles {
		role := readRole(t, super, name)
		graph, err := access.ReadGraph(t.Context(), super, []catalog.OID{role.OID}, nil)
		if err != nil {
			t.Fatal(err)
		}
		subjects[name] = graph.Subject(role)
	}
	through := 0
	for u := range works.reached {
		s, o := subjects[u.role], byName[u.object]
		if s.Has(o, u.privilege, u.column) {
			continue
		}
		through++
		if !slices.ContainsFunc(append(s.PathsThrough(o, u.privilege, ""), s.PathsThrough(o, u.privilege, u.column)...), access.Path.Effective) {
			t.Errorf("no path tells of %v", u)
		}
	}
	if through == 0 {
		t.Error("nothing was reached through code")
	}
}

// whoIsRight asserts that whoever has something by the answer of who, with nothing in the way, could use it. Each answer takes some 0.1 s: of the writes there
// are few.
func whoIsRight(t *testing.T, w *world, works tried) {
	t.Helper()
	conn := w.env.Connect(t, w.env.Daemon)
	answers := 0
	for i, table := range w.tables {
		schema, name, _ := strings.Cut(table, ".")
		for _, privilege := range []string{"SELECT", []string{"INSERT", "UPDATE", "DELETE"}[i%3]} {
			list, err := explain.Holders(t.Context(), conn, privilege, access.Filter{Type: catalog.Table, Schema: &schema, Name: name})
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range list[0].Roles {
				columns := []string{h.Column}
				if h.Column == "" && privilege != "DELETE" {
					columns = w.columns[table]
				}
				for _, p := range h.Paths {
					if !slices.Contains(w.roles, h.Role) || p.Possible || p.SetRole != "" || p.Join != "" || len(h.BlockedBy)+len(p.BlockedBy) > 0 {
						continue
					}
					answers++
					for _, column := range columns {
						if !works.reached[use{h.Role, privilege, table, column}] {
							t.Errorf("%s has %s on %s (%s) by %s %s, and cannot use it", h.Role, privilege, table, column, p.Means, p.Through)
						}
					}
				}
			}
		}
	}
	if answers < 10 {
		t.Errorf("who gave only %d answers", answers)
	}
}
