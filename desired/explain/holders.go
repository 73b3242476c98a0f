package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// ObjectHolders lists the roles that have a privilege on an object.
type ObjectHolders struct {
	Type      catalog.ObjectType `json:"object_type"`
	Schema    string             `json:"schema_name,omitempty"`
	Name      string             `json:"object_name"`
	Privilege string             `json:"privilege"`
	Roles     []Holder           `json:"roles"`
	New       []NewHolder        `json:"new_objects"` // on each new object of the same owner, type and schema
}

// NewHolder is a role that has the privilege by default privileges.
type NewHolder struct {
	Role    string `json:"role_name"`
	Creator string `json:"creator"`
	Schema  string `json:"schema_name,omitempty"` // empty: in all schemas
	Paths   []Path `json:"ways"`
}

// Holder is a role that has the privilege, on the object or on a column. "public" is every role; those with no other way are not listed.
type Holder struct {
	Role   string `json:"role_name"`
	Login  bool   `json:"login"`
	Column string `json:"column_name,omitempty"`
	Has    bool   `json:"has"` // at once, without SET ROLE
	Paths  []Path `json:"ways"`
	// What keeps it from using what it has, by whatever way.
	BlockedBy []string `json:"in_the_way"`
	Notes     []string `json:"notes"` // on row-level security
}

// Holders finds all roles that have a privilege on these objects, by whatever way.
func Holders(ctx context.Context, q catalog.Querier, privilege string, filter access.Filter) ([]ObjectHolders, error) {
	if err := mayRead(ctx, q, "desired_grants", "holders", "intermediate_roles", "memberships", "objects"); err != nil {
		return nil, err
	}
	objects, err := access.ReadObjects(ctx, q, filter)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, notFound(ctx, q, filter)
	}
	if err := access.AddThrough(ctx, q, objects); err != nil {
		return nil, err
	}
	var list []ObjectHolders
	for _, o := range objects {
		if !slices.Contains(o.Privileges, privilege) {
			return nil, fmt.Errorf("object type %s has no privilege %s on this server: it has %s", o.Type, privilege, strings.Join(o.Privileges, ", "))
		}
		w, err := holders(ctx, q, privilege, o)
		if err != nil {
			return nil, err
		}
		if w.New, err = newHolders(ctx, q, privilege, o); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// newHolders finds the roles that have the privilege by default privileges of the object's owner.
func newHolders(ctx context.Context, q catalog.Querier, privilege string, o *access.Object) ([]NewHolder, error) {
	found := []NewHolder{}
	list, err := like(ctx, q, o)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		graph, roles, err := candidates(ctx, q, privilege, &d.Object)
		if err != nil {
			return nil, err
		}
		names := []string{catalog.Public}
		for _, r := range roles {
			names = append(names, r.Name)
		}
		desired, err := readDesired(ctx, q, names, &catalog.Object{Type: o.Type, Schema: o.Schema})
		if err != nil {
			return nil, err
		}
		for _, role := range append([]access.Role{{Name: catalog.Public}}, roles...) {
			e := &explainer{graph: graph, subject: graph.Subject(role), desired: desired}
			for _, n := range e.newObjects([]defaults{{access.Object{Object: d.Object.Object, Privileges: []string{privilege}, Entries: d.Entries}, d.creator}}) {
				found = append(found, NewHolder{role.Name, n.Creator, n.Schema, n.Privileges[0].Paths})
			}
		}
	}
	return found, nil
}

func holders(ctx context.Context, q catalog.Querier, privilege string, o *access.Object) (ObjectHolders, error) {
	w := ObjectHolders{Type: o.Type, Schema: o.Schema, Name: nameOf(o.Object), Privilege: privilege, Roles: []Holder{}}
	var database string
	if err := q.QueryRow(ctx, "select current_database()").Scan(&database); err != nil {
		return w, fmt.Errorf("ask for the database's name: %w", err)
	}
	graph, roles, err := candidates(ctx, q, privilege, o)
	if err != nil {
		return w, err
	}
	names := []string{catalog.Public}
	for _, r := range roles {
		names = append(names, r.Name)
	}
	desired, err := readDesired(ctx, q, names, &o.Object)
	if err != nil {
		return w, err
	}
	var asWhom []string
	for _, role := range append([]access.Role{{Name: catalog.Public}}, roles...) {
		e := &explainer{graph: graph, subject: graph.Subject(role), desired: desired}
		for _, p := range e.privileges(&access.Object{Object: o.Object, Privileges: []string{privilege}, Entries: o.Entries, Through: o.Through}, true) {
			if role.OID != 0 {
				p.Paths = slices.DeleteFunc(p.Paths, func(w Path) bool { return w.Holder == catalog.Public })
			}
			if len(p.Paths) > 0 {
				w.Roles = append(w.Roles, Holder{Role: role.Name, Column: p.Column, Has: p.Has, Paths: p.Paths})
				asWhom = append(asWhom, users(role.Name, p.Paths)...)
			}
		}
	}
	closed, err := readBarriers(ctx, q, asWhom, []string{o.Schema})
	if err != nil {
		return w, err
	}
	asked := []Object{{object: o}}
	for _, h := range w.Roles {
		asked[0].Privileges = append(asked[0].Privileges, Privilege{Privilege: privilege, Paths: h.Paths})
	}
	lacking, err := readLacking(ctx, q, asWhom, asked)
	if err != nil {
		return w, err
	}
	for i, h := range w.Roles {
		notes, err := readRowSecurity(ctx, q, h.Role, asked)
		if err != nil {
			return w, err
		}
		w.Roles[i].Notes = append([]string{}, notes[o.OID]...)
		lacking.mark(h.Paths, h.Role, o, privilege)
		w.Roles[i].Login, w.Roles[i].BlockedBy = closed[h.Role].Login, closed.ofRole(h.Role, o.Type, database)
		closed.mark(h.Paths, h.Role, o.Schema)
	}
	// As a role that cannot log in only its members can use its ADMIN option, and they are listed themselves.
	w.Roles = slices.DeleteFunc(w.Roles, func(h Holder) bool {
		return !h.Login && !slices.ContainsFunc(h.Paths, func(w Path) bool { return w.Join == "" })
	})
	return w, nil
}

// candidates are all roles that can have the privilege by more than PUBLIC's ACL entry, in order of their names.
func candidates(ctx context.Context, q catalog.Querier, privilege string, o *access.Object) (access.Graph, []access.Role, error) {
	var ends []catalog.OID
	for _, e := range o.Entries {
		if e.Privilege == privilege && e.Grantee != 0 {
			ends = append(ends, e.Grantee)
		}
	}
	for _, t := range o.Through {
		if t.Privilege == privilege && t.Holder != 0 {
			ends = append(ends, t.Holder)
		}
	}
	rows, err := q.Query(ctx, `
		select oid, rolname, rolsuper from pg_catalog.pg_roles
		where oid = any ($1) or rolsuper or rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_maintain')`, append([]catalog.OID{}, ends...))
	if err != nil {
		return nil, nil, fmt.Errorf("read who has privileges: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowToStructByPos[access.Role])
	if err != nil {
		return nil, nil, fmt.Errorf("read who has privileges: %w", err)
	}
	for _, r := range roles {
		ends = append(ends, r.OID)
	}
	graph, err := access.ReadGraph(ctx, q, nil, ends)
	if err != nil {
		return nil, nil, err
	}
	for _, memberships := range graph {
		roles = append(roles, memberships[0].Member)
	}
	slices.SortFunc(roles, func(a, b access.Role) int { return cmp.Compare(a.Name, b.Name) })
	return graph, slices.Compact(roles), nil
}
