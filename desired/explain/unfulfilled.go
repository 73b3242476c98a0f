package explain

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// Unfulfilled is a row that asks for a privilege and has not given it.
type Unfulfilled struct {
	Row
	Role      string `json:"role_name"` // for whom: the role itself, one that it is a member of, or "public"
	Grantable bool   `json:"grantable,omitempty"`
	Status    string `json:"status"`
	Reason    string `json:"reason,omitempty"`
}

// addUnfulfilled puts beside the privileges on an object the rows that ask for them and are behind no way, and why not. What only such a row speaks of,
// a column or OWNER, comes to the list.
func (e *explainer) addUnfulfilled(ctx context.Context, o *access.Object, list []Privilege) ([]Privilege, error) {
	rows := e.desired.about(e.reach(), o.Object)
	statuses, err := readStatuses(ctx, e.q, rows)
	if err != nil {
		return nil, err
	}
	for _, a := range rows {
		s, ok := statuses[a.ID]
		if !ok || s.Status == "applied" {
			continue
		}
		privileges := []string{a.Privilege}
		if a.Privilege == "ALL" {
			privileges = o.Privileges
		}
		for _, privilege := range privileges {
			i := slices.IndexFunc(list, func(p Privilege) bool { return p.Privilege == privilege && p.Column == a.Column })
			if i < 0 {
				p := e.privilege(o, privilege, a.Column)
				if p.fulfils(a) {
					continue
				}
				i, list = len(list), append(list, p)
			}
			if !list[i].fulfils(a) {
				list[i].Unfulfilled = append(list[i].Unfulfilled, s)
			}
		}
	}
	return list, nil
}

// about lists the rows of some roles for an object.
func (w *desiredRows) about(roles []string, o catalog.Object) (list []asked) {
	for _, role := range roles {
		for _, a := range w.rows[role] {
			if a.isFor(o) {
				list = append(list, a)
			}
		}
	}
	return list
}

// fulfils reports whether a row is behind one of the ways, with all that it asks for.
func (p Privilege) fulfils(a asked) bool {
	is := func(r Row) bool { return r.ID == a.ID }
	return slices.ContainsFunc(p.Paths, func(w Path) bool {
		if w.Join != "" {
			return false
		}
		if slices.ContainsFunc(w.Rows, is) && (!a.Grantable || w.Grantable || w.Means == access.Owner) {
			return true
		}
		return slices.ContainsFunc(w.Memberships, func(m Membership) bool { return slices.ContainsFunc(m.Rows, is) && (!a.Grantable || m.Admin) })
	})
}

// status is what became of a row.
type status struct {
	ID     int64
	Status string
	Reason string
}

// readStatuses reads what became of rows.
func readStatuses(ctx context.Context, q catalog.Querier, list []asked) (map[int64]Unfulfilled, error) {
	result := map[int64]Unfulfilled{}
	if len(list) == 0 {
		return result, nil
	}
	ids := make([]int64, len(list))
	for i, a := range list {
		ids[i] = a.ID
		result[a.ID] = Unfulfilled{Row: a.Row, Role: a.Role, Grantable: a.Grantable}
	}
	rows, err := q.Query(ctx, "select id, status, coalesce(reason, '') from sync_roles.grant_status where id = any ($1)", ids)
	if err != nil {
		return nil, fmt.Errorf("read the status of rows: %w", err)
	}
	statuses, err := pgx.CollectRows(rows, pgx.RowToStructByPos[status])
	if err != nil {
		return nil, fmt.Errorf("read the status of rows: %w", err)
	}
	for _, s := range statuses {
		a := result[s.ID]
		a.Status, a.Reason = s.Status, s.Reason
		result[s.ID] = a
	}
	return result, nil
}
