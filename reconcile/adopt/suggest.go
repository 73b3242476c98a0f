package adopt

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	rowsOfRolesSQL    = query("rows_of_roles")
	traitsSQL         = query("traits")
	coveredObjectsSQL = query("covered_objects")
	takenNamesSQL     = query("taken_names")
)

// roleRow is a row of a role, or what would be one were the role adopted. (sql/rows_of_roles.sql)
type roleRow struct {
	Role       string `db:"role_name"`
	Privilege  string
	ObjectType catalog.ObjectType
	Schema     string `db:"schema_name"`
	Name       string `db:"object_name"`
	Match      string `db:"name_match"`
	Column     string `db:"column_name"`
	Selector   string
	ByHand     bool // there is no row: it was granted by hand
	Movable    bool // a group can have it in the role's place
}

// said is what the row says, whosever it is.
func (r roleRow) said() row {
	return row{ActualGrant{Privilege: r.Privilege, ObjectType: r.ObjectType, Schema: r.Schema, Name: r.Name, Column: r.Column}, r.Match}
}

// traits are what a role is as a member, and as a group. (sql/traits.sql)
type traits struct {
	Role     string `db:"role_name"`
	Inherits bool
	Bundle   bool
}

// Suggest finds what these roles, or all that may be managed, hold alike, and suggests groups for it. It adopts the roles to compare them by their
// rows, so the transaction is to be rolled back.
func Suggest(ctx context.Context, tx pgx.Tx, server catalog.Server, policy plan.Policy, roles []string) ([]Suggestion, error) {
	a := &adopter{tx: tx, server: server, policy: policy}
	var err error
	if a.Roles, err = a.adoptable(ctx, roles); err != nil {
		return nil, err
	}
	a.Roles = slices.DeleteFunc(a.Roles, isPublic)
	if err := a.nothingWithdrawn(ctx); err != nil {
		return nil, err
	}
	rows, err := a.adoptedRows(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.readTraits(ctx)
	if err != nil {
		return nil, err
	}
	s := &suggester{adopter: a, numbers: map[row]int{}, selectors: map[int]string{}, byHand: map[string]map[int]bool{}, inherits: map[string]bool{}}
	if s.counts, err = catalog.Collect[ObjectCount](ctx, tx, objectCountsSQL); err != nil {
		return nil, fmt.Errorf("count objects: %w", err)
	}
	if err := s.makeProfiles(ctx, rows, list); err != nil {
		return nil, err
	}
	suggestions := s.suggestions(findBundles(s.profiles))
	return suggestions, s.nameGroups(ctx, suggestions)
}

// adoptedRows are all rows of the roles after they were adopted, where that was possible.
func (a *adopter) adoptedRows(ctx context.Context) ([]roleRow, error) {
	var last int64
	if err := a.tx.QueryRow(ctx, "select coalesce(max(id), 0) from sync_roles.desired_grants").Scan(&last); err != nil {
		return nil, fmt.Errorf("read desired_grants: %w", err)
	}
	grants, err := catalog.Collect[ActualGrant](ctx, a.tx, actualGrantsSQL, a.Roles, a.policy.AllowedMemberships())
	if err != nil {
		return nil, fmt.Errorf("read what the roles hold: %w", err)
	}
	counts, err := catalog.Collect[ObjectCount](ctx, a.tx, objectCountsSQL)
	if err != nil {
		return nil, fmt.Errorf("count objects: %w", err)
	}
	if err := a.writeGrants(ctx, compact(grants, counts, false)); err != nil {
		return nil, err
	}
	rows, err := catalog.Collect[roleRow](ctx, a.tx, rowsOfRolesSQL, a.Roles, last)
	if err != nil {
		return nil, fmt.Errorf("read rows of desired_grants: %w", err)
	}
	return rows, nil
}

// readTraits reads what the roles are. One that holds what rows cannot express is no bundle: its members would get that too.
func (a *adopter) readTraits(ctx context.Context) ([]traits, error) {
	list, err := catalog.Collect[traits](ctx, a.tx, traitsSQL, a.Roles)
	if err != nil {
		return nil, fmt.Errorf("read what the roles are: %w", err)
	}
	var bundles []string
	for _, t := range list {
		if t.Bundle {
			bundles = append(bundles, t.Role)
		}
	}
	more, err := catalog.Collect[Inexpressible](ctx, a.tx, notExpressibleSQL, bundles, a.policy.AllowedAttributes(), a.policy.AllowedMemberships())
	if err != nil {
		return nil, fmt.Errorf("look for what rows cannot name: %w", err)
	}
	impure := map[string]bool{}
	for _, u := range slices.Concat(more, a.Inexpressible) {
		impure[u.Role] = true
	}
	for i := range list {
		list[i].Bundle = list[i].Bundle && !impure[list[i].Role]
	}
	return list, nil
}

// suggester compares roles by their rows.
type suggester struct {
	*adopter
	counts    []ObjectCount
	rows      []row // all that some role has, or could have in their place, each once
	numbers   map[row]int
	selectors map[int]string // of those that are rows
	found     [][]string     // the objects that they name now
	profiles  []profile
	byHand    map[string]map[int]bool // by role: which of the rows are none yet
	inherits  map[string]bool
}

func (s *suggester) number(r row) int {
	n, ok := s.numbers[r]
	if !ok {
		n = len(s.rows)
		s.numbers[r] = n
		s.rows = append(s.rows, r)
	}
	return n
}

// makeProfiles numbers the rows. A role whose membership gives it nothing until SET ROLE is left out where no row can change that.
func (s *suggester) makeProfiles(ctx context.Context, rows []roleRow, list []traits) error {
	held := map[string][]int{}
	other := map[string]bool{} // roles with rows about themselves alone
	for _, r := range rows {
		if !r.Movable {
			other[r.Role] = true
			continue
		}
		n := s.number(r.said())
		s.selectors[n] = r.Selector
		held[r.Role] = append(held[r.Role], n)
		if r.ByHand {
			if s.byHand[r.Role] == nil {
				s.byHand[r.Role] = map[int]bool{}
			}
			s.byHand[r.Role][n] = true
		}
	}
	if err := s.findObjects(ctx); err != nil {
		return err
	}
	for _, t := range list {
		s.inherits[t.Role] = t.Inherits
		if t.Inherits || s.server.MembershipOptions() {
			s.profiles = append(s.profiles, s.profile(t.Role, held[t.Role], t.Bundle && !other[t.Role]))
		}
	}
	return nil
}

// findObjects reads which objects the rows name by exact names.
func (s *suggester) findObjects(ctx context.Context) error {
	n := len(s.rows)
	types, schemas, names := make([]string, n), make([]string, n), make([]string, n)
	for i, r := range s.rows {
		if r.match == exact && r.Column == "" {
			types[i], schemas[i], names[i] = string(r.ObjectType), r.Schema, r.Name
		}
	}
	type covered struct {
		RowIndex int
		Name     string `db:"object_name"`
	}
	objects, err := catalog.Collect[covered](ctx, s.tx, coveredObjectsSQL, types, schemas, names)
	if err != nil {
		return fmt.Errorf("look up the objects of rows: %w", err)
	}
	s.found = make([][]string, n)
	for _, o := range objects {
		s.found[o.RowIndex] = append(s.found[o.RowIndex], o.Name)
	}
	return nil
}

// profile is of a role with these rows. All objects of a schema by their names, and by a pattern, are the same.
func (s *suggester) profile(role string, held []int, bundle bool) profile {
	p := profile{role: role, bundle: bundle, from: map[int][]int{}}
	wide := map[row]bool{}
	for _, r := range s.widened(held) {
		wide[r] = true
	}
	for _, n := range held {
		into := s.number(within(s.rows[n], wide))
		p.from[into] = append(p.from[into], n)
		p.rows = append(p.rows, into)
	}
	maps.DeleteFunc(p.from, func(n int, from []int) bool { return len(from) == 1 && from[0] == n })
	slices.Sort(p.rows)
	p.rows = slices.Compact(p.rows)
	return p
}

// widened expresses rows in fewer.
func (s *suggester) widened(numbers []int) []row {
	rows, found := make([]row, len(numbers)), make([][]string, len(numbers))
	for i, n := range numbers {
		rows[i] = s.rows[n]
		if n < len(s.found) {
			found[i] = s.found[n]
		}
	}
	return widened(rows, found, s.counts)
}

// suggestions are one for each bundle.
func (s *suggester) suggestions(bundles []bundle) []Suggestion {
	var list []Suggestion
	for _, b := range bundles {
		g := Suggestion{Privileges: len(b.rows)}
		if b.group >= 0 {
			g.Group, g.Exists = s.profiles[b.group].role, true
			g.rows = s.widened(s.rowsByHand(s.profiles[b.group], b))
		} else {
			g.rows = s.widened(b.rows)
		}
		replaced := map[string]bool{}
		for _, i := range b.roles {
			p := s.profiles[i]
			for _, n := range p.originals(b.rows) {
				replaced[s.selectors[n]] = true
			}
			g.Members = append(g.Members, Member{Name: p.role, ByHand: len(s.rowsByHand(p, b)) > 0, inherit: !s.inherits[p.role]})
		}
		g.replaced = slices.Sorted(maps.Keys(replaced))
		list = append(list, g)
	}
	return list
}

// rowsByHand are those that a role has of a bundle, and that are no rows yet.
func (s *suggester) rowsByHand(p profile, b bundle) []int {
	return slices.DeleteFunc(p.originals(b.rows), func(n int) bool { return !s.byHand[p.role][n] })
}
