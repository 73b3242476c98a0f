package page

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// reader is the person's role in its database, and which relations of the schema it may read.
type reader struct {
	Role       string   `db:"role_name"`
	Superuser  bool     `db:"superuser"`
	Database   string   `db:"database_name"`
	Installed  bool     `db:"installed"`
	Usage      bool     `db:"usage"`
	Relations  []string `db:"relations"` // that there are
	Readable   []string `db:"readable"`  // of these
	AccessAsOf bool     `db:"access_as_of"`
}

//go:embed sql/reader.sql
var readerSQL string

func readReader(ctx context.Context, tx pgx.Tx) (reader, error) {
	list, err := catalog.Collect[reader](ctx, tx, readerSQL)
	if err != nil {
		return reader{}, fmt.Errorf("ask what the role may read: %w", err)
	}
	return list[0], nil
}

// may reports whether there are these relations, and the reader may read them all.
func (r *reader) may(relations ...string) bool {
	return !slices.ContainsFunc(relations, func(name string) bool { return !slices.Contains(r.Readable, name) })
}

// there reports whether the schema has these relations.
func (r *reader) there(relations ...string) bool {
	return !slices.ContainsFunc(relations, func(name string) bool { return !slices.Contains(r.Relations, name) })
}

// lackError is that the reader may not read what a view needs.
type lackError struct {
	View string
	Fix  string // for whoever may grant
}

func (e *lackError) Error() string { return e.View + ": to allow it: " + e.Fix }

// need returns an error where the reader may not read all of these.
func (r *reader) need(view string, relations ...string) error {
	if !r.there(relations...) {
		return errNotFound
	}
	if missing := r.missing(relations...); len(missing) > 0 {
		return &lackError{View: view, Fix: r.grant(missing)}
	}
	return nil
}

func (r *reader) missing(relations ...string) (list []string) {
	for _, name := range relations {
		if r.there(name) && !r.may(name) {
			list = append(list, name)
		}
	}
	return list
}

// grant is the statement that lets the reader read these.
func (r *reader) grant(relations []string) string {
	names := make([]string, len(relations))
	for i, name := range relations {
		names[i] = "sync_roles." + name
	}
	return catalog.Printable("GRANT SELECT ON " + strings.Join(names, ", ") + " TO " + catalog.Quote(r.Role) + ";")
}

// everything is what all views that only read need; docs/page.md has the same list.
var everything = []string{
	"role_status", "grant_status", "held", "rescans", "audit", "desired_grants", "intermediate_roles", "memberships", "objects", "holders", "violation_history",
	"hand_changes", "access_history", "desired_history", "review_status", "request_status",
}

// lacksSchema is what to show to a reader who may see nothing at all.
func (r *reader) lacksSchema() *result {
	switch {
	case !r.Installed:
		return &result{template: "message", title: "Not installed", data: message{
			"Not installed", "This database has no schema sync_roles. The daemon installs it; without one, pg-sync-roles migrate does.",
		}}
	case !r.Usage:
		fix := catalog.Printable("GRANT USAGE ON SCHEMA sync_roles TO "+catalog.Quote(r.Role)+";") + "\n" + r.grant(slices.DeleteFunc(slices.Clone(everything), func(name string) bool { return !r.there(name) }))
		return &result{status: http.StatusForbidden, template: "lack", title: "Nothing to see yet", data: &lackError{View: "The page", Fix: fix}}
	}
	return nil
}

// hidesRows reports whether row-level security may hide rows of desired_grants from the reader.
func (r *request) hidesRows() (bool, error) {
	_, hides, err := explain.HidesRows(r.ctx, r.tx)
	return hides, err
}
