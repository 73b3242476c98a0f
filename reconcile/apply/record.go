package apply

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query returns the text of sql/<name>.sql.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}

// errRoleChanged is for a pass to begin anew.
var errRoleChanged = failure.New(failure.Again, "an unregistered role was changed while it was registered as an intermediate role or keeper")

// record writes a step's record.
func (a *Applier) record(ctx context.Context, s plan.Step) error {
	a.statements = append(a.statements, recordText(query(string(s.Record.Kind)), s.Record.Args))
	tag, err := a.tx.Exec(ctx, query(string(s.Record.Kind)), s.Record.Args...)
	if err != nil {
		return fmt.Errorf("record %s: %w", s.SQL, err)
	}
	if s.Record.Sure && tag.RowsAffected() == 0 {
		return errRoleChanged
	}
	return nil
}

// recordText is a record with its arguments in place, for a plan that can be run by hand.
func recordText(sql string, args []any) string {
	var lines []string
	for line := range strings.Lines(sql) {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	sql = strings.TrimSuffix(strings.Join(strings.Fields(strings.Join(lines, "")), " "), ";")
	// In one go: an argument may hold what looks like another parameter.
	values := make([]string, 0, 2*len(args))
	for i := len(args); i > 0; i-- {
		values = append(values, "$"+strconv.Itoa(i), catalog.Literal(fmt.Sprint(args[i-1])))
	}
	return strings.NewReplacer(values...).Replace(sql)
}
