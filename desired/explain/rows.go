package explain

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// Row is a row of desired_grants.
type Row struct {
	ID        int64  `json:"id"`
	Note      string `json:"note,omitempty"`
	CreatedBy string `json:"created_by"`
}

// asked is a row, and one object that it asks for. (rows.sql)
type asked struct {
	Row
	Role       string
	Privilege  string
	Column     string
	Indirect   bool // an intermediate role may serve it
	Grantable  bool
	Selector   string
	ObjectType catalog.ObjectType
	Schema     string
	ObjectName string
}

// desiredRows are the rows that some roles have.
type desiredRows struct {
	rows          map[string][]asked // by role
	intermediates map[string]string  // their selectors, by name
}

//go:embed rows.sql
var rowsSQL string

// readDesired reads the rows of roles: those for one object and for memberships, or all.
func readDesired(ctx context.Context, q catalog.Querier, roles []string, object *catalog.Object) (*desiredRows, error) {
	w := &desiredRows{rows: map[string][]asked{}, intermediates: map[string]string{}}
	var objectType, schema, name *string
	if object != nil {
		t, n := string(object.Type), nameOf(*object)
		objectType, schema, name = &t, &object.Schema, &n
	}
	rows, err := q.Query(ctx, rowsSQL, roles, objectType, schema, name)
	if err != nil {
		return nil, fmt.Errorf("read rows of desired_grants: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a asked, err error) {
		err = row.Scan(&a.ID, &a.Role, &a.Privilege, &a.Column, &a.Indirect, &a.Grantable, &a.Selector, &a.Note, &a.CreatedBy, &a.ObjectType, &a.Schema, &a.ObjectName)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows of desired_grants: %w", err)
	}
	for _, a := range list {
		w.rows[a.Role] = append(w.rows[a.Role], a)
	}
	rows, err = q.Query(ctx, "select role_name, selector from sync_roles.intermediate_roles where role_name = any ($1)", roles)
	if err != nil {
		return nil, fmt.Errorf("read intermediate roles: %w", err)
	}
	intermediates, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Role, Selector string }])
	if err != nil {
		return nil, fmt.Errorf("read intermediate roles: %w", err)
	}
	for _, i := range intermediates {
		w.intermediates[i.Role] = i.Selector
	}
	return w, nil
}

func nameOf(o catalog.Object) string {
	if o.Signature != "" {
		return o.Signature
	}
	return o.Name
}

func (a asked) isFor(o catalog.Object) bool {
	return a.ObjectType == o.Type && a.Schema == o.Schema && a.ObjectName == nameOf(o)
}

// forHolder lists the rows that ask for what the holder of a path has.
func (w *desiredRows) forHolder(p access.Path, o catalog.Object) []Row {
	if p.Means != access.Granted && p.Means != access.Public && p.Means != access.Owner {
		return nil
	}
	return w.find(p.Holder, func(a asked) bool {
		return a.isFor(o) && (a.Privilege == "OWNER" && p.Means == access.Owner ||
			p.Entry.Privilege != "" && (a.Privilege == p.Entry.Privilege || a.Privilege == "ALL") && a.Column == p.Entry.Column)
	})
}

// forMembership lists the rows that ask for a membership: a MEMBER row or, in an intermediate role, the rows that it serves.
func (w *desiredRows) forMembership(m access.Membership, privilege string, o catalog.Object) []Row {
	if selector, ok := w.intermediates[m.Role.Name]; ok {
		return w.find(m.Member.Name, func(a asked) bool { return a.Indirect && !a.Grantable && a.Selector == selector })
	}
	if isLegacy(m.Role.Name) {
		return w.find(m.Member.Name, func(a asked) bool {
			return a.Indirect && a.isFor(o) && (a.Privilege == privilege || a.Privilege == "ALL")
		})
	}
	return w.find(m.Member.Name, func(a asked) bool { return a.ObjectType == catalog.Role && a.ObjectName == m.Role.Name })
}

func (w *desiredRows) find(role string, fits func(asked) bool) (list []Row) {
	for _, a := range w.rows[role] {
		if fits(a) && (len(list) == 0 || list[len(list)-1].ID != a.ID) {
			list = append(list, a.Row)
		}
	}
	return list
}

// isLegacy reports whether a role is an intermediate role of the Python library pg-sync-roles, by its name.
func isLegacy(role string) bool {
	return strings.HasPrefix(role, "_pgsr_local_") || strings.HasPrefix(role, "_pgsr_global_")
}
