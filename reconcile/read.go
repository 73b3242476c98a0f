package reconcile

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query returns the text of sql/<name>.sql.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}

var (
	rolesSQL              = query("roles")
	kindsSQL              = query("kinds")
	missingGrantsSQL      = query("missing_grants")
	missingMembershipsSQL = query("missing_memberships")
	missingOwnershipsSQL  = query("missing_ownerships")
	surplusGrantsSQL      = query("surplus_grants")
	foreignGrantsSQL      = query("foreign_grants")
	surplusMembershipsSQL = query("surplus_memberships")
	surplusOwnershipsSQL  = query("surplus_ownerships")
)

const pythonSQL = `select exists (select from pg_catalog.pg_roles where rolname like '\_pgsr\_local\_%' or rolname like '\_pgsr\_global\_%')`

// scope is where differences are looked for.
type scope struct {
	units   []string
	kinds   []string // of what is missing (Target.kind)
	names   []string // only where rows have these names or patterns; nil: all
	surplus bool     // also for what the roles have and should not
	members bool     // also for members of intermediate roles that should not be, in the batch or outside
	renamed bool     // also for objects that were renamed, which costs a look at every name in use
	python  bool     // there are intermediate roles that the Python library made
	allowed []string // privileged roles in which rows may ask for membership
	foreign []string // roles that are named like other databases' intermediate roles

	unmatched []unmatched // rows that are left out, see unmatched.sql
}

// readRoles reads what the roles are and should be.
func readRoles(ctx context.Context, q catalog.Querier, names []string) (map[string]Role, error) {
	list, err := collect[Role](ctx, q, rolesSQL, names)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	return byName(list), nil
}

func byName(list []Role) map[string]Role {
	roles := make(map[string]Role, len(list))
	for _, r := range list {
		roles[r.Name] = r
	}
	return roles
}

// readScope reads the roles, and what kinds of things their rows ask for. It lets PostgreSQL plan for the batch at hand where
// that is large; for a few roles the generic plan is right, and planning anew would take longer than all the rest.
func readScope(ctx context.Context, tx pgx.Tx, units []string, w work, policy Policy) (map[string]Role, scope, error) {
	plan := "set local plan_cache_mode = force_generic_plan"
	if len(units) > 20 {
		plan = "set local plan_cache_mode = force_custom_plan"
	}
	s := scope{units: units, names: w.names, members: w.members, renamed: w.renamed, allowed: policy.allowedMemberships()}
	var list []Role
	batch := &pgx.Batch{}
	batch.Queue(plan)
	queue(batch, rolesSQL, &list, units)
	batch.Queue(kindsSQL, units, w.names).Query(func(rows pgx.Rows) (err error) {
		s.kinds, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	queue(batch, unmatchedSQL, &s.unmatched, units)
	batch.Queue(pythonSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&s.python) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, s, fmt.Errorf("read roles: %w", err)
	}
	// Nothing can be surplus where no row has gone, no role is exclusive and nothing was renamed. What somebody gave by hand to
	// intermediate roles, or them to others, is found when all is looked at.
	s.surplus = w.renamed
	for _, r := range list {
		s.surplus = s.surplus || r.Exclusive || r.Withdrawn || r.Intermediate && w.members
		if r.Foreign {
			s.foreign = append(s.foreign, r.Name)
		}
	}
	return byName(list), s, nil
}

// lacking is a row of the queries for what is missing.
type lacking struct {
	GrantIDs []int64
	Roles    []string
	Target
}

// readDifferences reads how what is should differ from what is.
func readDifferences(ctx context.Context, tx pgx.Tx, s scope) (*Drift, error) {
	d := &Drift{python: s.python}
	missing := make([][]lacking, len(s.kinds))
	batch := &pgx.Batch{}
	for i, kind := range s.kinds {
		sql, args := missingQuery(kind, s)
		queue(batch, sql, &missing[i], args...)
	}
	if s.surplus {
		batch.Queue("set local enable_nestloop = off")
		queue(batch, surplusGrantsSQL, &d.Grants, s.units, s.renamed)
		queue(batch, surplusOwnershipsSQL, &d.Ownerships, s.units, s.renamed)
		batch.Queue("set local enable_nestloop = on")
	}
	if s.surplus || s.members {
		queue(batch, surplusMembershipsSQL, &d.Memberships, s.units, s.renamed, s.members, s.allowed)
	}
	if len(s.foreign) > 0 {
		queue(batch, foreignGrantsSQL, &d.Foreign, s.foreign)
	}
	if batch.Len() == 0 {
		return d, nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read what differs: %w", err)
	}
	for _, list := range missing {
		d.addMissing(list)
	}
	d.Grants = append(d.Grants, d.Foreign...)
	if err := d.dropPassedBy(ctx, tx); err != nil {
		return nil, err
	}
	if s.python {
		return d, d.dropPythonMembers(ctx, tx)
	}
	return d, nil
}

// missingQuery is the query for what is missing of one kind.
func missingQuery(kind string, s scope) (sql string, args []any) {
	switch kind {
	case "MEMBER":
		return missingMembershipsSQL, []any{s.units, s.names}
	case "OWNER":
		return missingOwnershipsSQL, []any{s.units, s.names}
	default:
		return strings.ReplaceAll(missingGrantsSQL, ":'object_type'", literal(kind)), []any{s.units, s.names}
	}
}

// addMissing tells apart what roles lack, and objects that are only to be remembered.
func (d *Drift) addMissing(list []lacking) {
	for i := range list {
		target := &list[i].Target
		for j, role := range list[i].Roles {
			if target.Privilege == "" {
				d.Remember = append(d.Remember, Remembered{role, target.object(), target.ColumnName, target.ColumnNumber})
			} else {
				d.Missing = append(d.Missing, Missing{Target: target, GrantID: list[i].GrantIDs[j], Role: role})
			}
		}
	}
}

// add puts what was read about further roles together with the rest.
func (d *Drift) add(more *Drift) {
	d.Missing = append(d.Missing, more.Missing...)
	d.Remember = append(d.Remember, more.Remember...)
	d.Grants = append(d.Grants, more.Grants...)
	d.Foreign = append(d.Foreign, more.Foreign...)
	d.Memberships = append(d.Memberships, more.Memberships...)
	d.Ownerships = append(d.Ownerships, more.Ownerships...)
}

// scope is where the differences are: all that a plan for them can have changed.
func (d *Drift) scope(w work, policy Policy) scope {
	units, kinds, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, m := range d.Missing {
		units[m.Role], kinds[m.kind()], names[m.AskedName] = true, true, true
	}
	for _, s := range d.Grants {
		units[s.Role], kinds[string(s.ObjectType)] = true, true
	}
	for _, s := range d.Memberships {
		units[s.Unit], kinds["MEMBER"] = true, true
	}
	for _, s := range d.Ownerships {
		units[s.Role], kinds["OWNER"] = true, true
	}
	s := scope{
		units: keys(units), kinds: keys(kinds), renamed: w.renamed, python: d.python, members: w.members && len(d.Memberships) > 0,
		allowed: policy.allowedMemberships(),
	}
	for _, g := range d.Foreign {
		s.foreign = append(s.foreign, g.Role)
	}
	slices.Sort(s.foreign)
	s.foreign = slices.Compact(s.foreign)
	s.surplus = len(d.Grants)+len(d.Ownerships)+len(d.Memberships) > 0
	if !s.surplus { // what gives takes nothing away that other names ask for
		s.names = few(keys(names))
	}
	return s
}

// few returns the names if looking for them alone is quicker than for all, and nil otherwise.
func few(names []string) []string {
	if len(names) > 100 {
		return nil
	}
	return names
}

func collect[T any](ctx context.Context, q catalog.Querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

func names(ctx context.Context, q catalog.Querier, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func queue[T any](batch *pgx.Batch, sql string, into *[]T, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		return err
	})
}
