package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// Explanation is what a role can do, and why.
type Explanation struct {
	Role        string       `json:"role_name"`
	Superuser   bool         `json:"superuser"`
	Login       bool         `json:"login"`
	Memberships []Membership `json:"memberships"` // its own, not those of its groups
	Everything  []Path       `json:"everything"`  // by SET ROLE to a superuser; not listed again with each object
	Everywhere  []Everywhere `json:"everywhere"`  // what it has on all objects of a type
	Possible    []Possible   `json:"possible"`    // what code may do for it; without an object, as that can be everything
	Objects     []Object     `json:"objects"`
	NewObjects  []NewObjects `json:"new_objects"` // with an object: of its owner, in its schema
}

// Possible is code of which it cannot be told what it does.
type Possible struct {
	Through string `json:"through"`
	Objects int    `json:"objects"` // how many it may be about
	Paths   []Path `json:"ways"`
}

// Everywhere is a privilege on all objects of a type, which predefined roles have.
type Everywhere struct {
	Type catalog.ObjectType `json:"object_type"`
	Privilege
}

// Object is what a role can do with one object.
type Object struct {
	Type       catalog.ObjectType `json:"object_type"`
	Schema     string             `json:"schema_name,omitempty"`
	Name       string             `json:"object_name"`
	Privileges []Privilege        `json:"privileges"`
	BlockedBy  []string           `json:"in_the_way"` // what keeps it from using what it has, by whatever way
	Notes      []string           `json:"notes"`

	object *access.Object
}

// Privilege is one privilege on an object, or on a column of it.
type Privilege struct {
	Privilege   string        `json:"privilege"`
	Column      string        `json:"column_name,omitempty"`
	Has         bool          `json:"has"`  // at once, without SET ROLE
	Paths       []Path        `json:"ways"` // also those by SET ROLE
	Unfulfilled []Unfulfilled `json:"asked,omitempty"`
}

// Path is one way by which the role has a privilege.
type Path struct {
	Memberships []Membership `json:"memberships"` // one after the other, up to the holder
	Holder      string       `json:"holder"`
	Means       access.Means `json:"how"`
	SetRole     string       `json:"set_role,omitempty"` // the role that one must SET ROLE to
	Join        string       `json:"join,omitempty"`     // the role that it must make itself a member of first, which its ADMIN option allows
	Through     string       `json:"through,omitempty"`  // the view, function or the like on which the holder has a privilege
	Privilege   string       `json:"through_privilege,omitempty"`
	Possible    bool         `json:"possible,omitempty"` // it cannot be told whether that does it
	Grantor     string       `json:"grantor,omitempty"`
	Grantable   bool         `json:"grantable,omitempty"`
	Rows        []Row        `json:"rows"`       // that ask for what the holder has
	BlockedBy   []string     `json:"in_the_way"` // what keeps the role from using this way

	code *access.Code
}

// Membership is one hop of a way.
type Membership struct {
	Role      string `json:"role_name"`
	Superuser bool   `json:"superuser"` // that role is one
	Inherit   bool   `json:"inherit"`
	Set       bool   `json:"set"`
	Admin     bool   `json:"admin"`
	Rows      []Row  `json:"rows"` // that ask for it
}

// explainer explains one role.
type explainer struct {
	q        catalog.Querier
	database string
	subject  *access.Subject
	graph    access.Graph
	desired  *desiredRows
}

// Role explains what a role can do: with these objects, or with all on which it, PUBLIC or a role of which it is a member has a privilege.
func Role(ctx context.Context, q catalog.Querier, name string, filter *access.Filter) (*Explanation, error) {
	sources := []string{"desired_grants", "holders", "intermediate_roles", "memberships", "objects"}
	if filter != nil {
		sources = append(sources, "grant_status")
	}
	if err := mayRead(ctx, q, sources...); err != nil {
		return nil, err
	}
	role, login, err := readRole(ctx, q, name)
	if err != nil {
		return nil, err
	}
	e := &explainer{q: q}
	if err := q.QueryRow(ctx, "select current_database()").Scan(&e.database); err != nil {
		return nil, fmt.Errorf("ask for the database's name: %w", err)
	}
	if e.graph, err = access.ReadGraph(ctx, q, []catalog.OID{role.OID}, nil); err != nil {
		return nil, err
	}
	e.subject = e.graph.Subject(role)
	x := &Explanation{Role: name, Superuser: role.Superuser, Login: login, Memberships: []Membership{}, Everything: []Path{}, Everywhere: []Everywhere{}, Possible: []Possible{}, Objects: []Object{}, NewObjects: []NewObjects{}}
	switch {
	case filter == nil:
		err = e.all(ctx, x)
	case filter.Type == catalog.Role:
		err = e.membership(ctx, x, filter.Name)
	default:
		err = e.some(ctx, x, *filter)
	}
	return x, err
}

func readRole(ctx context.Context, q catalog.Querier, name string) (r access.Role, login bool, err error) {
	if name == catalog.Public {
		return access.Role{Name: name}, false, nil
	}
	err = q.QueryRow(ctx, "select oid, rolname, rolsuper, rolcanlogin from pg_catalog.pg_roles where rolname = $1", name).Scan(&r.OID, &r.Name, &r.Superuser, &login)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, fmt.Errorf("role %q does not exist", name)
	}
	if err != nil {
		return r, false, fmt.Errorf("look for role %q: %w", name, err)
	}
	return r, login, nil
}

// reach lists whose rows matter: the role's, those of the roles that it is a member of, and PUBLIC's.
func (e *explainer) reach() (names []string) {
	for _, r := range e.subject.Reach() {
		names = append(names, r.Name)
	}
	if !slices.Contains(names, catalog.Public) {
		names = append(names, catalog.Public)
	}
	return names
}

// some explains these objects.
func (e *explainer) some(ctx context.Context, x *Explanation, filter access.Filter) error {
	objects, err := access.ReadObjects(ctx, e.q, filter)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return notFound(ctx, e.q, filter)
	}
	if err := access.AddThrough(ctx, e.q, objects); err != nil {
		return err
	}
	for _, o := range objects {
		if e.desired, err = readDesired(ctx, e.q, e.reach(), &o.Object); err != nil {
			return err
		}
		privileges, err := e.addUnfulfilled(ctx, o, e.privileges(o, false))
		if err != nil {
			return err
		}
		x.Objects = append(x.Objects, e.object(o, privileges))
		list, err := like(ctx, e.q, o)
		if err != nil {
			return err
		}
		x.NewObjects = append(x.NewObjects, e.newObjects(list)...)
	}
	x.Memberships = e.memberships()
	return e.addBarriers(ctx, x.Objects)
}

// all explains all that the role has.
func (e *explainer) all(ctx context.Context, x *Explanation) error {
	var err error
	if e.desired, err = readDesired(ctx, e.q, e.reach(), nil); err != nil {
		return err
	}
	x.Memberships = e.memberships()
	if x.Superuser {
		return nil
	}
	for _, p := range e.subject.Superusers() {
		x.Everything = append(x.Everything, e.way(p, "", catalog.Object{}))
	}
	for _, t := range []catalog.ObjectType{catalog.Schema, catalog.Table, "sequence"} {
		o := &access.Object{Object: catalog.Object{Type: t}}
		if err := e.q.QueryRow(ctx, "select sync_roles.privileges_of($1)", string(t)).Scan(&o.Privileges); err != nil {
			return fmt.Errorf("ask for the privileges of object type %s: %w", t, err)
		}
		for _, p := range e.held(o) {
			x.Everywhere = append(x.Everywhere, Everywhere{t, p})
		}
	}
	holders := []catalog.OID{0}
	for _, r := range e.subject.Reach() {
		holders = append(holders, r.OID)
	}
	list, err := readDefaults(ctx, e.q, nil)
	if err != nil {
		return err
	}
	x.NewObjects = e.newObjects(list)
	objects, err := access.ReadObjects(ctx, e.q, access.Filter{Holders: holders})
	if err != nil {
		return err
	}
	if objects, err = e.addThrough(ctx, x, objects, holders); err != nil {
		return err
	}
	for _, o := range objects {
		if privileges := e.held(o); len(privileges) > 0 {
			x.Objects = append(x.Objects, e.object(o, privileges))
		}
	}
	return e.addBarriers(ctx, x.Objects)
}

// memberships lists those of the role itself.
func (e *explainer) memberships() []Membership {
	list := []Membership{}
	for _, m := range e.graph[e.subject.OID] {
		list = append(list, e.hop(m, "", catalog.Object{}))
	}
	return list
}

func (e *explainer) object(o *access.Object, privileges []Privilege) Object {
	return Object{Type: o.Type, Schema: o.Schema, Name: nameOf(o.Object), Privileges: privileges, BlockedBy: []string{}, Notes: e.notes(o), object: o}
}

// addBarriers says what is in the way to objects.
func (e *explainer) addBarriers(ctx context.Context, objects []Object) error {
	var roles, schemas []string
	for _, o := range objects {
		schemas = append(schemas, o.Schema)
		for _, p := range o.Privileges {
			roles = append(roles, users(e.subject.Name, p.Paths)...)
		}
	}
	closed, err := readBarriers(ctx, e.q, roles, schemas)
	if err != nil {
		return err
	}
	lacking, err := readLacking(ctx, e.q, roles, objects)
	if err != nil {
		return err
	}
	notes, err := readRowSecurity(ctx, e.q, e.subject.Name, objects)
	if err != nil {
		return err
	}
	for i, o := range objects {
		objects[i].Notes = slices.Concat([]string{}, notes[o.object.OID], o.Notes)
		objects[i].BlockedBy = closed.ofRole(e.subject.Name, o.Type, e.database)
		for _, p := range o.Privileges {
			closed.mark(p.Paths, e.subject.Name, o.Schema)
			lacking.mark(p.Paths, e.subject.Name, o.object, p.Privilege)
		}
	}
	return nil
}

func (e *explainer) notes(o *access.Object) []string {
	list := []string{}
	if o.SetByAll {
		list = append(list, "every role may SET this parameter for its session, without a privilege")
	}
	return list
}

// held explains the privileges that the role has, but by SET ROLE to a superuser: that is everything, and said once.
func (e *explainer) held(o *access.Object) []Privilege {
	list := e.privileges(o, true)
	for i := range list {
		list[i].Paths = slices.DeleteFunc(list[i].Paths, func(w Path) bool { return w.Means == access.Superuser })
	}
	return slices.DeleteFunc(list, func(p Privilege) bool { return len(p.Paths) == 0 })
}

// privileges explains each privilege on an object, and on its columns where their ACLs say something for the role.
func (e *explainer) privileges(o *access.Object, held bool) []Privilege {
	list := []Privilege{}
	columns := []string{""}
	for _, entry := range o.Entries {
		columns = append(columns, entry.Column)
	}
	for _, t := range o.Through {
		columns = append(columns, t.Column)
	}
	columns = distinct(columns)
	for _, column := range columns {
		for _, privilege := range o.Privileges {
			n := len(e.subject.Paths(o, privilege, column)) + len(e.subject.PathsThrough(o, privilege, column))
			if n > 0 || !held && column == "" {
				list = append(list, e.privilege(o, privilege, column))
			}
		}
	}
	return list
}

// privilege explains one. Where a column's own ACL gives nothing, it is what the table's gives.
func (e *explainer) privilege(o *access.Object, privilege, column string) Privilege {
	p := Privilege{Privilege: privilege, Column: column, Paths: []Path{}}
	var paths []access.Path
	switch privilege {
	case "OWNER":
		paths = e.subject.PathsToOwner(o)
		p.Has = slices.ContainsFunc(paths, access.Path.Effective)
	default:
		p.Has = e.subject.Has(o, privilege, column)
		paths = append(e.subject.Paths(o, privilege, column), e.subject.PathsThrough(o, privilege, column)...)
		if len(paths) == 0 && column != "" {
			paths = append(e.subject.Paths(o, privilege, ""), e.subject.PathsThrough(o, privilege, "")...)
		}
	}
	for _, path := range paths {
		if n := len(p.Paths); path.Join != "" && n > 0 && p.Paths[n-1].Join != "" {
			continue // one such way says it: whoever creates roles has thousands
		}
		p.Paths = append(p.Paths, e.way(path, privilege, o.Object))
	}
	return p
}

func (e *explainer) way(p access.Path, privilege string, o catalog.Object) Path {
	var rows []Row
	if p.Code == nil {
		rows = e.desired.forHolder(p, o)
	}
	w := Path{
		Memberships: []Membership{}, Holder: p.Holder, Means: p.Means, SetRole: p.SetRole, Join: p.Join, Grantor: p.Entry.GrantorName, Grantable: p.Entry.Grantable,
		Rows: append([]Row{}, rows...), BlockedBy: []string{}, code: p.Code,
	}
	if p.Code != nil {
		w.Through, w.Privilege, w.Possible = p.Code.Text, p.Code.Privilege, p.Code.Possible
	}
	for _, m := range p.Chain {
		w.Memberships = append(w.Memberships, e.hop(m, privilege, o))
	}
	return w
}

func (e *explainer) hop(m access.Membership, privilege string, o catalog.Object) Membership {
	if m.Own {
		return Membership{Role: m.Role.Name, Inherit: m.Inherit, Set: m.Set, Rows: []Row{}}
	}
	return Membership{Role: m.Role.Name, Superuser: m.Role.Superuser, Inherit: m.Inherit, Set: m.Set, Admin: m.Admin, Rows: append([]Row{}, e.desired.forMembership(m, privilege, o)...)}
}

// notFound says that there is no such object, and what there is of that name.
func notFound(ctx context.Context, q catalog.Querier, filter access.Filter) error {
	what := string(filter.Type) + " " + filter.Name
	if filter.Schema != nil {
		what = string(filter.Type) + " " + *filter.Schema + "." + filter.Name
	}
	rows, err := q.Query(ctx, `
		select distinct o.object_type || ':' || case o.schema_name when '' then '' else quote_ident(o.schema_name) || '.' end || coalesce(o.signature, quote_ident(o.object_name))
		from sync_roles.objects as o
		where o.object_name = split_part($1, '(', 1) and ($2::text is null or o.schema_name = $2)
		order by 1 limit 10`, filter.Name, filter.Schema)
	if err != nil {
		return fmt.Errorf("look for %s: %w", what, err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for %s: %w", what, err)
	}
	if len(others) > 0 {
		return fmt.Errorf("%s does not exist; there is %s", what, strings.Join(others, ", "))
	}
	return fmt.Errorf("%s does not exist, or is PostgreSQL's own, which rows cannot name", what)
}
