package report

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Access is one privilege that a role has in one way.
type Access struct {
	Role       string   `json:"role"`
	Managed    bool     `json:"managed"`
	Privilege  string   `json:"privilege"`
	ObjectType string   `json:"object_type"`
	Schema     string   `json:"schema"`
	Object     string   `json:"object"`
	Column     string   `json:"column"`
	Grantable  bool     `json:"grantable"`
	Effective  string   `json:"effective"` // yes, no, possible; empty: not on record
	Means      string   `json:"means"`     // what gives the last role of the path the privilege
	Path       []string `json:"path"`      // from the role upward
	BySetRole  bool     `json:"by_set_role"`
	Via        string   `json:"via"` // the intermediate role
	Through    string   `json:"through"`
	Objects    int64    `json:"objects"` // of how many objects it tells
	Grantors   string   `json:"grantors"`
	Since      Instant  `json:"held_since"`
	Exact      bool     `json:"since_is_exact"`
	Asked      bool     `json:"asked"` // a row asks for the privilege itself, not only for memberships on the path
	Rows       []Row    `json:"rows"`
}

// Row is a row of desired_grants that asks for an access, or for a membership on its path.
type Row struct {
	ID        int64   `json:"id"`
	Role      string  `json:"role"`
	Privilege string  `json:"privilege"`
	Selector  string  `json:"selector"`
	AskedBy   string  `json:"asked_by"`
	WrittenBy string  `json:"last_written_by"`
	Note      string  `json:"why"`
	Source    string  `json:"source"`
	AskedAt   Instant `json:"asked_at"`
	ExpiresAt Instant `json:"expires_at"`
}

// rowLine is a Row among the columns of a query; all are empty where there is none.
type rowLine struct {
	ID           *int64
	RowRole      string
	RowPrivilege string
	Selector     string
	CreatedBy    string
	WrittenBy    string
	Note         string
	Source       string
	CreatedAt    *time.Time
	ExpiresAt    *time.Time
}

func (l rowLine) appendTo(rows []Row) []Row {
	if l.ID == nil {
		return rows
	}
	return append(rows, Row{
		ID: *l.ID, Role: l.RowRole, Privilege: l.RowPrivilege, Selector: l.Selector, AskedBy: l.CreatedBy, WrittenBy: l.WrittenBy,
		Note: l.Note, Source: l.Source, AskedAt: instant(l.CreatedAt), ExpiresAt: instant(l.ExpiresAt),
	})
}

// accessLine is what accesses.sql returns: an access, once for each of its rows.
type accessLine struct {
	RoleName   string
	Managed    bool
	Privilege  string
	ObjectType string
	SchemaName string
	ObjectName string
	ColumnName string
	Grantable  bool
	Grantors   string
	Means      string
	Through    string
	Objects    int64
	Holder     string
	Via        string
	BySetRole  bool
	Effective  string
	Since      *time.Time
	Exact      bool
	rowLine
}

// key tells one access from the next.
func (l accessLine) key() accessKey {
	return accessKey{
		l.RoleName, l.Privilege, l.ObjectType, l.SchemaName, l.ObjectName, l.ColumnName, l.Grantors, l.Means, l.Through, l.Holder, l.Via,
		l.Effective, l.Grantable, l.BySetRole, l.Objects,
	}
}

type accessKey struct {
	role, privilege, objectType, schema, object, column, grantors, means, through, holder, via, effective string
	grantable, bySetRole                                                                                  bool
	objects                                                                                               int64
}

// access is the line without its row.
func (l accessLine) access(g *graph) (Access, error) {
	path, err := g.path(l.RoleName, l.Holder, l.BySetRole, l.Means == "superuser")
	if err != nil {
		return Access{}, err
	}
	a := Access{
		Role: l.RoleName, Managed: l.Managed, Privilege: l.Privilege, ObjectType: l.ObjectType, Schema: l.SchemaName, Object: l.ObjectName,
		Column: l.ColumnName, Grantable: l.Grantable, Effective: l.Effective, Means: l.Means, BySetRole: l.BySetRole, Via: l.Via,
		Through: l.Through, Objects: l.Objects, Grantors: l.Grantors, Since: instant(l.Since), Exact: l.Exact,
		Path: []string{l.RoleName}, Rows: []Row{},
	}
	for _, e := range path {
		a.Path = append(a.Path, e.role)
		a.Rows = append(a.Rows, e.rows...)
		a.Exact = a.Exact && e.exact
		switch {
		case a.Since.IsZero() || e.since.IsZero():
			a.Since = Instant{}
		case e.since.After(a.Since.Time):
			a.Since = e.since
		}
	}
	a.Exact = a.Exact && !a.Since.IsZero()
	if l.Via != "" {
		a.Path = append(a.Path, l.Via)
	}
	return a, nil
}

// accesses hands over what each role has, one by one, in order.
func (r *Reader) accesses(ctx context.Context, g *graph, write func(Access) error) error {
	rows, err := r.tx.Query(ctx, query(r.held(), "rows", "accesses"), r.at(), r.roles())
	if err != nil {
		return fmt.Errorf("read accesses: %w", err)
	}
	defer rows.Close()
	var current Access
	var key accessKey
	some := false
	for rows.Next() {
		line, err := pgx.RowToStructByName[accessLine](rows)
		if err != nil {
			return fmt.Errorf("read an access: %w", err)
		}
		if !some || line.key() != key {
			if some {
				if err := write(current); err != nil {
					return err
				}
			}
			if current, err = line.access(g); err != nil {
				return err
			}
			some, key = true, line.key()
		}
		// What leads to the same by several privileges on the same code is one access.
		if line.ID != nil && !slices.ContainsFunc(current.Rows, func(row Row) bool { return row.ID == *line.ID }) {
			current.Rows = line.appendTo(current.Rows)
			current.Asked = true
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read accesses: %w", err)
	}
	if some {
		return write(current)
	}
	return nil
}
