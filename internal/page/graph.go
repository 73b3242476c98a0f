package page

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// graph is the paths from a role to what it can do, as a drawing: the role at the left, what it reaches to the right of it.
type graph struct {
	Width, Height int
	Nodes         []*node
	Edges         []edge
	Hidden        int // targets that are not drawn
	Dashed        bool
	Blocked       bool
	Possible      bool
}

// node is a role, or a target: objects, and what can be done with them.
type node struct {
	X, Y, Width int
	Label, Sub  string
	Full        string // the label in full
	Class       string

	key    string
	column int
	below  []*node
	placed bool
}

// edge is a curve from one node to another.
type edge struct {
	Path, Class string
	from, to    *node
}

// Sizes of the drawing.
const (
	nodeHeight, rowHeight = 42, 54
	columnGap, margin     = 64, 2
	minWidth, maxWidth    = 84, 264
	labelRune, subRune    = 8.8, 7.2
	padding               = 24
	labelRunes, subRunes  = 27, 33 // that fit the widest node
	maxTargets            = 24
)

// LabelY is the baseline of the label.
func (n *node) LabelY() int {
	if n.Sub == "" {
		return n.Y + 26
	}
	return n.Y + 18
}

// SubY is the baseline of the line below.
func (n *node) SubY() int { return n.Y + 33 }

// TextX is where texts begin.
func (n *node) TextX() int { return n.X + padding/2 }

// RoleHeight is the height of each node.
func (*node) RoleHeight() int { return nodeHeight }

// drawing is a graph that is being made.
type drawing struct {
	graph
	nodes     map[string]*node
	edges     map[[2]string]int // index in Edges
	selectors map[string]string
	targets   map[string]*target
	order     []string // keys of targets
}

// target is objects to which the same paths lead.
type target struct {
	from       *node
	class      string
	objectType string
	schema     string
	names      []string
	privileges []string
}

// drawn draws the paths of an explanation; nil: there are none.
func drawn(x *explain.Explanation, selectors map[string]string) *graph {
	d := &drawing{nodes: map[string]*node{}, edges: map[[2]string]int{}, selectors: selectors, targets: map[string]*target{}}
	start := d.role(x.Role)
	start.Class = "subject"
	for _, m := range x.Memberships {
		d.hop(start, m, "")
	}
	for _, path := range x.Everything {
		d.lead(start, path, target{objectType: "everything"}, "")
	}
	for _, e := range x.Everywhere {
		for _, path := range e.Paths {
			d.lead(start, path, target{objectType: "every " + string(e.Type)}, privilegeText(e.Privilege))
		}
	}
	for _, o := range x.Objects {
		for _, p := range o.Privileges {
			for _, path := range p.Paths {
				d.lead(start, path, target{objectType: string(o.Type), schema: o.Schema, names: []string{o.Name}}, privilegeText(p))
			}
		}
	}
	for _, p := range x.Possible {
		for _, path := range p.Paths {
			d.lead(start, path, target{objectType: "perhaps " + grouped(p.Objects) + " " + plural(p.Objects, "object", "objects")}, "")
		}
	}
	d.addTargets()
	if len(d.Edges) == 0 {
		return nil
	}
	d.place(start)
	return &d.graph
}

func (d *drawing) role(name string) *node {
	key := "role " + name
	if n := d.nodes[key]; n != nil {
		return n
	}
	n := &node{key: key, Label: visible(name), Class: "group"}
	switch selector := d.selectors[name]; {
	case selector != "":
		n.Label, n.Sub, n.Class = "intermediate role", visible(selector), "intermediate"
	case name == catalog.Public:
		n.Label, n.Sub = "PUBLIC", "every role"
	}
	d.nodes[key] = n
	return n
}

// hop draws a membership.
func (d *drawing) hop(from *node, m explain.Membership, class string) *node {
	to := d.role(m.Role)
	if m.Superuser {
		to.Sub, to.Class = "superuser", "strong"
	}
	if !m.Inherit {
		class += " dashed"
		d.Dashed = true
	}
	d.connect(from, to, class)
	return to
}

// code draws a view or function through which a privilege on it leads to others.
func (d *drawing) code(from *node, path explain.Path) *node {
	key := "code " + path.Through + "\x00" + path.Privilege
	to := d.nodes[key]
	if to == nil {
		to = &node{key: key, Label: visible(path.Through), Sub: "by " + path.Privilege + " on it", Class: "code"}
		d.nodes[key] = to
	}
	d.connect(from, to, "")
	return to
}

func (d *drawing) connect(from, to *node, class string) {
	if from == to {
		return
	}
	key := [2]string{from.key, to.key}
	if at, known := d.edges[key]; known {
		if len(class) < len(d.Edges[at].Class) {
			d.Edges[at].Class = class // the way that is open counts
		}
		return
	}
	d.edges[key] = len(d.Edges)
	d.Edges = append(d.Edges, edge{Class: class, from: from, to: to})
	from.below = append(from.below, to)
}

// lead draws a path up to the holder, and keeps what it leads to.
func (d *drawing) lead(from *node, path explain.Path, what target, privilege string) {
	for _, m := range path.Memberships {
		from = d.hop(from, m, "")
	}
	if path.Holder == catalog.Public && from.key != "role "+catalog.Public {
		public := d.role(catalog.Public)
		d.connect(from, public, "")
		from = public
	}
	if path.Through != "" {
		from = d.code(from, path)
	}
	if len(path.BlockedBy) > 0 {
		what.class = "blocked"
		d.Blocked = true
	}
	if path.Possible {
		what.class += " possible"
		d.Possible = true
	}
	if path.Means == access.Owner {
		privilege = strings.TrimPrefix(privilege+" as owner", " ")
	}
	key := strings.Join([]string{from.key, what.class, what.objectType, what.schema, strings.Join(what.names, "")}, "\x00")
	if d.targets[key] == nil {
		what.from = from
		d.targets[key] = &what
		d.order = append(d.order, key)
	}
	if t := d.targets[key]; privilege != "" && !slices.Contains(t.privileges, privilege) {
		t.privileges = append(t.privileges, privilege)
	}
}

// addTargets draws what the paths lead to: alone where there are few, else in groups.
func (d *drawing) addTargets() {
	list := make([]*target, len(d.order))
	for i, key := range d.order {
		list[i] = d.targets[key]
	}
	list = d.gathered(list)
	for _, key := range []func(*target) string{
		func(t *target) string {
			return strings.Join([]string{t.from.key, t.class, t.objectType, t.schema, strings.Join(t.privileges, ",")}, "\x00")
		},
		func(t *target) string { return strings.Join([]string{t.from.key, t.class, t.objectType}, "\x00") },
		func(t *target) string { return t.from.key },
	} {
		if len(list) > maxTargets/3 {
			list = merged(list, key)
		}
		if len(list) <= maxTargets {
			break
		}
	}
	if len(list) > maxTargets {
		d.Hidden = len(list) - maxTargets
		list = list[:maxTargets]
	}
	for i, t := range list {
		n := &node{key: fmt.Sprintf("target %d", i), Label: t.label(), Sub: strings.Join(t.privileges, ", "), Class: "target"}
		d.nodes[n.key] = n
		d.connect(t.from, n, t.class)
	}
}

// gathered puts together what every role has: it is seldom what one looks for.
func (d *drawing) gathered(list []*target) []*target {
	own := slices.DeleteFunc(slices.Clone(list), func(t *target) bool { return t.from.key == "role "+catalog.Public })
	public := slices.DeleteFunc(slices.Clone(list), func(t *target) bool { return t.from.key != "role "+catalog.Public })
	if len(own) > 0 && len(public) > 2 {
		public = merged(public, func(t *target) string { return t.class })
	}
	return append(own, public...)
}

// merged puts together what has the same key.
func merged(list []*target, key func(*target) string) (groups []*target) {
	known := map[string]*target{}
	for _, t := range list {
		k := key(t)
		group := known[k]
		if group == nil {
			one := *t
			group = &one
			group.names, group.privileges = nil, nil
			known[k] = group
			groups = append(groups, group)
		}
		group.names = append(group.names, t.names...)
		if group.schema != t.schema {
			group.schema = ""
		}
		if group.objectType != t.objectType {
			group.objectType = "object"
		}
		for _, p := range t.privileges {
			if !slices.Contains(group.privileges, p) {
				group.privileges = append(group.privileges, p)
			}
		}
	}
	return groups
}

func (t *target) label() string {
	kind := strings.ReplaceAll(t.objectType, "_", " ")
	switch len(t.names) {
	case 0:
		return kind
	case 1:
		if t.schema != "" {
			return visible(t.schema + "." + t.names[0])
		}
		return kind + " " + visible(t.names[0])
	}
	text := grouped(len(t.names)) + " " + kind + "s"
	if t.schema != "" {
		text += " in " + visible(t.schema)
	}
	return text
}

// place gives each node its place: a column by the longest way to it, a row by the leaves below it.
func (d *drawing) place(start *node) {
	d.deepen(start, 0)
	rows := 0
	var widths []int
	var walk func(n *node) float64
	walk = func(n *node) float64 {
		n.placed = true
		for len(widths) <= n.column {
			widths = append(widths, minWidth)
		}
		n.fit()
		widths[n.column] = max(widths[n.column], n.Width)
		var sum float64
		count := 0
		for _, below := range n.below {
			if !below.placed {
				sum += walk(below)
				count++
			}
		}
		row := float64(rows)
		if count == 0 {
			rows++
		} else {
			row = sum / float64(count)
		}
		n.Y = margin + int(row*rowHeight)
		d.Nodes = append(d.Nodes, n)
		return row
	}
	if at := slices.IndexFunc(start.below, func(n *node) bool { return n.key == "role "+catalog.Public }); at >= 0 {
		public := start.below[at]
		start.below = append(slices.Delete(start.below, at, at+1), public)
	}
	walk(start)
	d.Height = 2*margin + rows*rowHeight - (rowHeight - nodeHeight)
	left := make([]int, len(widths)+1)
	left[0] = margin
	for i, width := range widths {
		left[i+1] = left[i] + width + columnGap
	}
	d.Width = left[len(widths)] - columnGap + margin
	for _, n := range d.Nodes {
		n.X, n.Width = left[n.column], widths[n.column]
	}
	for i, e := range d.Edges {
		d.Edges[i].Path = curve(e)
	}
}

// deepen puts a node, and the nodes below it, at least so many columns to the right. Memberships have no circles, and ways are bounded.
func (d *drawing) deepen(n *node, column int) {
	if column > len(d.nodes) || n.column > column || n.column == column && column > 0 {
		return
	}
	n.column = column
	for _, below := range n.below {
		d.deepen(below, column+1)
	}
}

// fit cuts the texts of a node to the width that it may have.
func (n *node) fit() {
	n.Full = n.Label
	if n.Sub != "" {
		n.Full += ": " + n.Sub
	}
	n.Label, n.Sub = cut(n.Label, labelRunes), cut(n.Sub, subRunes)
	width := max(float64(utf8.RuneCountInString(n.Label))*labelRune, float64(utf8.RuneCountInString(n.Sub))*subRune)
	n.Width = min(max(int(width)+padding, minWidth), maxWidth)
}

func cut(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

func curve(e edge) string {
	x1, y1 := e.from.X+e.from.Width, e.from.Y+nodeHeight/2
	x2, y2 := e.to.X, e.to.Y+nodeHeight/2
	bend := max((x2-x1)/2, columnGap/2)
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
}
