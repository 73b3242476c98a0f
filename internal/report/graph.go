package report

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// graph is who is a member of which role.
type graph struct {
	upward map[string][]edge
	start  string // of whom paths are known
	paths  map[place]step
}

type edge struct {
	role           string
	inherits, sets bool
	since          Instant
	exact          bool
	rows           []Row
}

// way is how a role comes to another, as in accesses.sql.
type way int

const (
	both way = iota + 1 // by INHERIT, and by SET ROLE
	inheriting
	setting
	settingThenInheriting
)

// place is a role, and how one has come there.
type place struct {
	role string
	way  way
}

// step is the last of a path.
type step struct {
	from place
	edge *edge // nil: the start
	far  int
}

// edgeLine is what memberships.sql returns: an edge, once for each of its rows.
type edgeLine struct {
	MemberName string
	RoleName   string
	Inherits   bool
	Sets       bool
	Since      *time.Time
	Exact      bool
	rowLine
}

func (r *Reader) readGraph(ctx context.Context) (*graph, error) {
	// All rows are read. After a load, before its statistics, the planner would take it for little.
	if _, err := r.tx.Exec(ctx, "select pg_catalog.set_config('enable_nestloop', 'off', true)"); err != nil {
		return nil, fmt.Errorf("prepare to read accesses: %w", err)
	}
	lines, err := catalog.Collect[edgeLine](ctx, r.tx, query(r.held(), "rows", "memberships"), r.at(), r.roles())
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	g := &graph{upward: map[string][]edge{}}
	for _, l := range lines {
		edges := g.upward[l.MemberName]
		if n := len(edges); n == 0 || edges[n-1].role != l.RoleName {
			edges = append(edges, edge{role: l.RoleName, inherits: l.Inherits, sets: l.Sets, since: instant(l.Since), exact: l.Exact})
		}
		last := &edges[len(edges)-1]
		last.rows = l.appendTo(last.rows)
		g.upward[l.MemberName] = edges
	}
	return g, nil
}

// next is how one comes further over an edge.
func (w way) next(e edge) (way, bool) {
	switch {
	case w == both && e.inherits && e.sets:
		return both, true
	case (w == both || w == inheriting) && e.inherits:
		return inheriting, true
	case (w == both || w == setting) && e.sets:
		return setting, true
	default:
		return settingThenInheriting, e.inherits
	}
}

// walk finds a shortest path from a role to all that it reaches.
func (g *graph) walk(start string) {
	g.start, g.paths = start, map[place]step{{start, both}: {}}
	for queue := []place{{start, both}}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for i := range g.upward[from.role] {
			e := &g.upward[from.role][i]
			w, ok := from.way.next(*e)
			to := place{e.role, w}
			if _, known := g.paths[to]; known || !ok {
				continue
			}
			g.paths[to] = step{from, e, g.paths[from].far + 1}
			queue = append(queue, to)
		}
	}
}

// path is a shortest path. As a superuser one acts only by SET ROLE.
func (g *graph) path(start, holder string, bySetRole, superuser bool) ([]*edge, error) {
	if start == holder {
		return nil, nil
	}
	if g.start != start || g.paths == nil {
		g.walk(start)
	}
	ways := []way{both, inheriting}
	switch {
	case superuser:
		ways = []way{both, setting}
	case bySetRole:
		ways = []way{setting, settingThenInheriting}
	}
	var end *place
	for _, w := range ways {
		p := place{holder, w}
		if s, ok := g.paths[p]; ok && (end == nil || s.far < g.paths[*end].far) {
			end = &p
		}
	}
	if end == nil {
		return nil, fmt.Errorf("no path leads from role %q to role %q", start, holder)
	}
	var path []*edge
	for s := g.paths[*end]; s.edge != nil; s = g.paths[s.from] {
		path = append(path, s.edge)
	}
	slices.Reverse(path)
	return path, nil
}
