package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
)

// Options say what a report is to be of.
type Options struct {
	AsOf    *time.Time // nil: now
	Since   *time.Time // when the period begins; nil: 90 days before
	Roles   []string   // none: all
	Command string     // that makes it
	Version string     // of the program
}

// Report is all but the accesses, which are read one by one.
type Report struct {
	Title              string              `json:"title"`
	AsOf               Instant             `json:"as_of"`
	Origin             string              `json:"origin"` // catalogs or history
	PeriodBegins       Instant             `json:"period_begins"`
	Roles              []string            `json:"only_roles"`
	Command            string              `json:"command"`
	Database           Database            `json:"database"`
	History            History             `json:"history"`
	Limits             []string            `json:"limits"`
	Population         []Count             `json:"population"`
	Rules              []Rule              `json:"rules"`
	Violations         []Violation         `json:"violations"`
	ViolationsInPeriod []Violation         `json:"violations_in_period"`
	Reviews            []Review            `json:"reviews_in_period"`
	Requests           []Request           `json:"requests_in_period"`
	Audit              *chain.Verification `json:"audit"`
}

// Database is where the report was made, and by which versions.
type Database struct {
	Name             string  `json:"name"`
	OID              int64   `json:"oid"`
	SystemIdentifier *string `json:"system_identifier"` // of the cluster; nil: the role may not know
	Server           string  `json:"postgresql_version"`
	Program          string  `json:"pg_sync_roles_version"`
	Schema           int64   `json:"schema_version"`
}

// History says how far back the report could go.
type History struct {
	Begins     Instant `json:"begins"`
	ObservedAt Instant `json:"observed_at"`
}

// Count is how many there are of something.
type Count struct {
	What  string `json:"what"`
	Count int64  `json:"count"`
}

// Reader reads a report in one transaction.
type Reader struct {
	Report Report

	tx      pgx.Tx
	options Options
}

// Read checks the request, and reads all but the accesses.
func Read(ctx context.Context, tx pgx.Tx, options Options) (*Reader, error) {
	if err := checkRights(ctx, tx); err != nil {
		return nil, err
	}
	options.Roles = slices.Compact(slices.Sorted(slices.Values(options.Roles)))
	r := &Reader{tx: tx, options: options}
	if err := r.readHeader(ctx); err != nil {
		return nil, err
	}
	if err := r.checkRoles(ctx); err != nil {
		return nil, err
	}
	return r, r.readSections(ctx)
}

type headerLine struct {
	AsOf, Since              time.Time
	IsFuture                 *bool
	HistorySince, ObservedAt *time.Time
	Database, ServerVersion  string
	SchemaVersion            int64
	SystemIdentifier         *string
	DatabaseOID              int64 `db:"database_oid"`
}

func (r *Reader) readHeader(ctx context.Context) error {
	lines, err := collect[headerLine](ctx, r.tx, "header", r.at(), r.options.Since)
	if err != nil {
		return err
	}
	if len(lines) != 1 {
		return errors.New("sync_roles.installation is empty: run pg-sync-roles migrate")
	}
	h := lines[0]
	r.Report = Report{
		Title: "Who has access, and why", Origin: "catalogs", Roles: r.options.Roles, Command: r.options.Command,
		AsOf: instant(&h.AsOf), PeriodBegins: instant(&h.Since),
		Database: Database{h.Database, h.DatabaseOID, h.SystemIdentifier, h.ServerVersion, r.options.Version, h.SchemaVersion},
		History:  History{instant(h.HistorySince), instant(h.ObservedAt)},
		Limits:   limitsNow,
	}
	if r.Report.Roles == nil {
		r.Report.Roles = []string{}
	}
	if r.options.AsOf != nil {
		r.Report.Title, r.Report.Origin, r.Report.Limits = "Who had access, and why", "history", limitsThen
		if err := checkTime(h); err != nil {
			return err
		}
	}
	if h.Since.After(h.AsOf) {
		return fmt.Errorf("the period begins at %s, and that is after %s, of which the report is", r.Report.PeriodBegins, r.Report.AsOf)
	}
	return nil
}

// checkTime refuses a time that history does not know.
func checkTime(h headerLine) error {
	switch at := instant(&h.AsOf); {
	case h.IsFuture != nil && *h.IsFuture:
		return fmt.Errorf("%s is in the future: a report tells what roles have, or had", at)
	case h.HistorySince == nil:
		return errors.New("there is no history of access yet: it begins with the first rescan. Is pg-sync-roles running?")
	case h.AsOf.Before(*h.HistorySince):
		return fmt.Errorf("the history of access begins at %s, and %s is before that: older history was never recorded, or has been deleted by --audit-retention", instant(h.HistorySince), at)
	default:
		return nil
	}
}

func (r *Reader) checkRoles(ctx context.Context) error {
	if len(r.options.Roles) == 0 {
		return nil
	}
	unknown, err := catalog.Column[string](ctx, r.tx, query("known_roles"), r.options.Roles)
	if err != nil {
		return fmt.Errorf("look for roles: %w", err)
	}
	if len(unknown) > 0 {
		quoted := make([]string, len(unknown))
		for i, name := range unknown {
			quoted[i] = fmt.Sprintf("%q", name)
		}
		return fmt.Errorf("no role, no row and no record has the name %s: a report about it would be empty", strings.Join(quoted, ", "))
	}
	return nil
}

func (r *Reader) readSections(ctx context.Context) (err error) {
	asOf, since := r.Report.AsOf.Time, r.Report.PeriodBegins.Time
	if r.then() {
		r.Report.Population, err = collect[Count](ctx, r.tx, "population_then", asOf)
	} else {
		r.Report.Population, err = collect[Count](ctx, r.tx, "population_now")
	}
	if err != nil {
		return err
	}
	if err := r.readRules(ctx, asOf, since); err != nil {
		return err
	}
	if err := r.readReviews(ctx, asOf, since); err != nil {
		return err
	}
	if r.Report.Audit, err = chain.Verify(ctx, r.tx, nil); err != nil {
		return fmt.Errorf("verify the audit: %w", err)
	}
	if r.Report.Audit.Findings == nil {
		r.Report.Audit.Findings = []chain.Finding{}
	}
	r.Report.Audit.BegunAt = r.Report.Audit.BegunAt.UTC()
	if at := r.Report.Audit.Removed.LastAt; at != nil {
		*at = at.UTC()
	}
	return nil
}

// then is whether the report is of a time, and not of now.
func (r *Reader) then() bool { return r.options.AsOf != nil }

// at is the time for queries; NULL is now.
func (r *Reader) at() *time.Time { return r.options.AsOf }

// roles are the names for queries; NULL is all.
func (r *Reader) roles() []string {
	if len(r.options.Roles) == 0 {
		return nil
	}
	return r.options.Roles
}

// held is the query that says what roles hold.
func (r *Reader) held() string {
	if r.then() {
		return "held_then"
	}
	return "held_now"
}
