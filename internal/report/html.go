package report

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed report.html
var page string

var pages = template.Must(template.New("report").Funcs(template.FuncMap{"at": func(i Instant) string {
	if i.IsZero() {
		return ""
	}
	return i.UTC().Format("2006-01-02 15:04:05")
}}).Parse(page))

// HTML writes the report as one file to print: nothing in it runs, and nothing is fetched.
func (r *Reader) HTML(ctx context.Context, w io.Writer) error {
	g, err := r.readGraph(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	show := func(name string, data any) error {
		if err := pages.ExecuteTemplate(out, name, data); err != nil {
			return fmt.Errorf("write HTML: %w", err)
		}
		return nil
	}
	if err := show("begin", r.Report); err != nil {
		return err
	}
	count, roles, role := 0, 0, ""
	err = r.accesses(ctx, g, func(a Access) error {
		if count == 0 || a.Role != role {
			if count > 0 {
				if err := show("role-end", nil); err != nil {
					return err
				}
			}
			role = a.Role
			roles++
			if err := show("role", a); err != nil {
				return err
			}
		}
		count++
		return show("access", a)
	})
	if err != nil {
		return err
	}
	if count > 0 {
		if err := show("role-end", nil); err != nil {
			return err
		}
	}
	if err := show("end", map[string]any{"Accesses": count, "Roles": roles, "Report": r.Report}); err != nil {
		return err
	}
	return out.Flush() //nolint:wrapcheck // of the writer
}
