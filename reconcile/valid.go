package reconcile

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// shape is all of a desired grant by which it can be seen that it can never be obeyed. Of the role's name only PUBLIC matters: the
// others are looked at where roles are.
type shape struct {
	Public     bool
	Privilege  string
	ObjectType catalog.ObjectType
	SchemaName string
	ObjectName string
	NameMatch  string
	ColumnName string
	Direct     string
	Grantable  bool
}

func (m Missing) shape() shape {
	s := shape{m.Role == catalog.Public, m.AskedPrivilege, m.ObjectType, m.SchemaName, m.AskedName, m.NameMatch, m.ColumnName, "", m.Grantable}
	if m.Direct != nil {
		s.Direct = fmt.Sprint(*m.Direct)
	}
	return s
}

const invalidSQL = `
	select n.position, p.problem
	from unnest($1::boolean[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[]) with ordinality
		as n (public, privilege, object_type, schema_name, object_name, name_match, column_name, direct, grantable, position)
	cross join lateral (
		select sync_roles.grant_problem(case when n.public then 'public' else 'somebody' end, n.privilege, n.object_type, nullif(n.schema_name, ''),
			n.object_name, n.name_match, nullif(n.column_name, ''), nullif(n.direct, '')::boolean, n.grantable, false)
	) as p (problem)
	where p.problem is not null`

// readInvalid asks for the rows that no trigger has checked: after a restore, or by logical replication. Many rows have one shape.
func readInvalid(ctx context.Context, tx pgx.Tx, missing []Missing) (map[shape]string, error) {
	seen := map[shape]bool{}
	var shapes []shape
	for _, m := range missing {
		if s := m.shape(); m.GrantID != 0 && !seen[s] {
			seen[s] = true
			shapes = append(shapes, s)
		}
	}
	if len(shapes) == 0 {
		return nil, nil
	}
	var public, grantable []bool
	var privilege, objectType, schema, object, match, column, direct []string
	for _, s := range shapes {
		public, grantable = append(public, s.Public), append(grantable, s.Grantable)
		privilege, objectType, schema = append(privilege, s.Privilege), append(objectType, string(s.ObjectType)), append(schema, s.SchemaName)
		object, match, column, direct = append(object, s.ObjectName), append(match, s.NameMatch), append(column, s.ColumnName), append(direct, s.Direct)
	}
	type row struct {
		Position int
		Problem  string
	}
	list, err := collect[row](ctx, tx, invalidSQL, public, privilege, objectType, schema, object, match, column, direct, grantable)
	if err != nil {
		return nil, fmt.Errorf("look for rows that cannot be obeyed: %w", err)
	}
	invalid := map[shape]string{}
	for _, r := range list {
		invalid[shapes[r.Position-1]] = r.Problem
	}
	return invalid, nil
}
