package explain

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// codeUse is a role that runs code by a privilege on it: of an object that is a view, too.
type codeUse struct {
	role       string
	class, oid catalog.OID
	privilege  string
}

// lacking is what keeps roles from that.
type lacking map[codeUse][]string

//go:embed lacking.sql
var lackingSQL string

// readLacking asks what these roles lack to use the code that is on their ways to objects.
func readLacking(ctx context.Context, q catalog.Querier, roles []string, objects []Object) (lacking, error) {
	uses := map[codeUse]bool{}
	for _, o := range objects {
		for _, p := range o.Privileges {
			for _, w := range p.Paths {
				if use, ok := useOf(w, o.object, p.Privilege); ok {
					uses[use] = true
				}
			}
		}
	}
	classes, oids, privileges := []catalog.OID{}, []catalog.OID{}, []string{}
	for use := range uses {
		classes, oids, privileges = append(classes, use.class), append(oids, use.oid), append(privileges, use.privilege)
	}
	rows, err := q.Query(ctx, lackingSQL, distinct(roles), classes, oids, privileges) //nolint:rowserrcheck // ForEachRow does
	if err != nil {
		return nil, fmt.Errorf("ask what views need: %w", err)
	}
	result := lacking{}
	var use codeUse
	var closedSchema, missing *string
	if _, err = pgx.ForEachRow(rows, []any{&use.role, &use.class, &use.oid, &use.privilege, &closedSchema, &missing}, func() error {
		if closedSchema != nil {
			result[use] = append(result[use], "no USAGE on schema "+*closedSchema)
		}
		if missing != nil {
			result[use] = append(result[use], *missing)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("ask what views need: %w", err)
	}
	return result, nil
}

// useOf is the code that a way runs, if any.
func useOf(w Path, o *access.Object, privilege string) (use codeUse, ok bool) {
	switch {
	case w.code != nil:
		return codeUse{class: w.code.Class, oid: w.code.OID, privilege: w.code.Privilege}, true
	case o.HasCode:
		return codeUse{class: o.Class, oid: o.OID, privilege: privilege}, true
	}
	return use, false
}

// mark says of each way what the role, or the one that it must SET ROLE to, lacks for the code on it. Of an object itself, the schema is told already.
func (l lacking) mark(ways []Path, role string, o *access.Object, privilege string) {
	for i, w := range ways {
		use, ok := useOf(w, o, privilege)
		if !ok {
			continue
		}
		use.role = role
		if w.SetRole != "" {
			use.role = w.SetRole
		}
		for _, why := range l[use] {
			if w.code != nil || why != "no USAGE on schema "+o.Schema {
				ways[i].BlockedBy = append(ways[i].BlockedBy, why)
			}
		}
	}
}

//go:embed rowsecurity.sql
var rowSecuritySQL string

// readRowSecurity says how row-level security of these tables treats a role.
func readRowSecurity(ctx context.Context, q catalog.Querier, role string, objects []Object) (map[catalog.OID][]string, error) {
	tables := []catalog.OID{}
	for _, o := range objects {
		if o.object.RowSecurity {
			tables = append(tables, o.object.OID)
		}
	}
	result := map[catalog.OID][]string{}
	if len(tables) == 0 {
		return result, nil
	}
	rows, err := q.Query(ctx, rowSecuritySQL, role, tables) //nolint:rowserrcheck // ForEachRow does
	if err != nil {
		return nil, fmt.Errorf("read row-level security: %w", err)
	}
	var table catalog.OID
	var note string
	if _, err = pgx.ForEachRow(rows, []any{&table, &note}, func() error {
		result[table] = []string{"row-level security: " + note}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read row-level security: %w", err)
	}
	return result, nil
}
