package rowfile

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed sql/*.sql
var queries embed.FS

func query(name string) string {
	text, err := queries.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // not in the binary
	}
	return comments.ReplaceAllString(string(text), "") // SQL would have the parameters in them too
}

var comments = regexp.MustCompile(`(?m)^--.*\n`)

// Read returns the rows of a source, or of all (source empty), as far as the connected role sees them. What has expired is left out.
func Read(ctx context.Context, q catalog.Querier, source string) (File, error) {
	list, err := read(ctx, q, source, nil)
	f := File{Source: source}
	for _, s := range list {
		f.Rows = append(f.Rows, s.Row)
	}
	return f, err
}

// read returns the rows of a source, and others' that may have the same keys as these.
func read(ctx context.Context, q catalog.Querier, source string, rows []Row) ([]stored, error) {
	var roles, objects []string
	for _, r := range rows {
		roles, objects = append(roles, r.Role), append(objects, r.Object)
	}
	var only *string
	if source != "" {
		only = &source
	}
	texts, err := catalog.Column[string](ctx, q, query("rows"), only, roles, objects)
	if err != nil {
		return nil, fmt.Errorf("read desired_grants: %w", err)
	}
	list := make([]stored, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &list[i]); err != nil {
			return nil, fmt.Errorf("read desired_grants: %w", err)
		}
	}
	return list, nil
}

// Compare finds what makes the rows of a source those of the file. Until the transaction ends, no other apply of the source comes in between.
func Compare(ctx context.Context, tx pgx.Tx, source string, f File) (Diff, error) {
	if _, err := tx.Exec(ctx, "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sync_roles source ' || $1, 0))", source); err != nil {
		return Diff{}, fmt.Errorf("wait for another apply of source %q: %w", source, err)
	}
	have, err := read(ctx, tx, source, f.Rows)
	if err != nil {
		return Diff{}, err
	}
	return compare(source, have, f.Rows, time.Now())
}

// statement is one that applies a part of the difference to so many rows.
type statement struct {
	sql  string
	args []any
	rows int
}

// statements delete first: an object has one owner.
func (d Diff) statements() ([]statement, error) {
	var list []statement
	add := func(name string, rows any, n int, args ...any) error {
		if n == 0 {
			return nil
		}
		text, err := json.Marshal(rows)
		if err != nil {
			return fmt.Errorf("encode rows: %w", err)
		}
		list = append(list, statement{query(name), append([]any{string(text)}, args...), n})
		return nil
	}
	ids := make([]int64, len(d.deleted))
	for i, s := range d.deleted {
		ids[i] = s.ID
	}
	changed := make([]stored, len(d.changed))
	for i, c := range d.changed {
		changed[i] = stored{c.was.ID, d.source, c.Row}
	}
	err := errors.Join(add("delete", ids, len(ids)), add("update", changed, len(changed), d.source), add("insert", d.added, len(d.added), d.source))
	return list, err
}

// Apply writes the difference. An error of PostgreSQL about a row of the file names its line.
func (d Diff) Apply(ctx context.Context, tx pgx.Tx) error {
	list, err := d.statements()
	if err != nil {
		return err
	}
	for _, s := range list {
		tag, err := tx.Exec(ctx, s.sql, s.args...)
		if err != nil {
			return d.located(err)
		}
		if int(tag.RowsAffected()) != s.rows {
			return fmt.Errorf("%d of %d rows were written: others changed them meanwhile, or they may be seen and not changed. Nothing was changed; try again", tag.RowsAffected(), s.rows)
		}
	}
	return nil
}

// SQL returns the statements as text.
func (d Diff) SQL() (string, error) {
	list, err := d.statements()
	var b strings.Builder
	for _, s := range list {
		var literals []string
		for i, arg := range s.args {
			literals = append(literals, fmt.Sprintf("$%d", i+1), catalog.Literal(fmt.Sprint(arg)))
		}
		b.WriteString(strings.NewReplacer(literals...).Replace(s.sql))
	}
	return b.String(), err
}

// located adds the line of the first row that has the value which PostgreSQL complains about.
func (d Diff) located(err error) error {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.ColumnName == "" {
		return fmt.Errorf("write desired_grants: %w", err)
	}
	rows := d.added
	for _, c := range d.changed {
		rows = append(rows, c.Row)
	}
	for _, r := range rows {
		quoted := "'" + strings.ReplaceAll(r.text(refusal.ColumnName), "'", "''") + "'"
		if strings.HasPrefix(refusal.Message, refusal.ColumnName+" "+quoted) {
			return fmt.Errorf("line %d: %w", r.Line, err)
		}
	}
	return fmt.Errorf("write desired_grants: %w", err)
}
