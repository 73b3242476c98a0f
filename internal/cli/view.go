package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// checkView says why explain can print no view under this name of what was asked about.
func checkView(name string, filter *access.Filter) (view access.Filter, err error) {
	if filter == nil || filter.Type != catalog.Table {
		return view, usageError{errors.New("--view is for a table: explain ROLE TABLE --view NAME")}
	}
	view, err = parseObject(name)
	if err == nil && view.Type != catalog.Table {
		err = usageError{fmt.Errorf("--view %s: the name of a view is wanted, such as sales.orders_for_analysts", name)}
	}
	return view, err
}

// printView prints the statements that make a view of the columns that a role may read, for those who write SELECT *, and a row for it.
func printView(w io.Writer, view access.Filter, role string, tables []explain.Readable, server catalog.Server) error {
	switch {
	case len(tables) == 0:
		return errors.New("there is no such table")
	case len(tables) > 1:
		return fmt.Errorf("there is a table %s in schemas %s and %s: name the schema", tables[0].Name, tables[0].Schema, tables[1].Schema)
	case len(tables[0].Columns) == 0:
		return fmt.Errorf("role %s may read no column of %s.%s", role, tables[0].Schema, tables[0].Name)
	}
	table := tables[0]
	columns := make([]string, len(table.Columns))
	for i, column := range table.Columns {
		columns[i] = "    " + catalog.Quote(column)
	}
	schema, with := table.Schema, ""
	if view.Schema != nil {
		schema = *view.Schema
	}
	if server.Version >= 15 {
		with = " WITH (security_invoker = true)"
	}
	_, err := fmt.Fprintf(w, `-- The columns of the table that role %s may read now. Columns that come later are not in it.
CREATE VIEW %s.%s%s AS
SELECT
%s
FROM %s.%s;

INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name)
VALUES (%s, 'SELECT', 'table', %s, %s);
`, catalog.Printable(role), catalog.Quote(schema), catalog.Quote(view.Name), with, strings.Join(columns, ",\n"), catalog.Quote(table.Schema), catalog.Quote(table.Name),
		catalog.Literal(role), catalog.Literal(schema), catalog.Literal(view.Name))
	return err //nolint:wrapcheck // of the writer
}
