package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var passedBySQL = query("passed_by")

// dropPassedBy takes out of the drift what patterns match and do not mean: what comes with a type, such as a range's constructors, or with an
// extension. It belongs to a superuser, as a rule, and would keep the pattern blocked for ever.
func (d *Drift) dropPassedBy(ctx context.Context, tx pgx.Tx) error {
	type part struct {
		Class, OID catalog.OID
		Privilege  string
	}
	set := map[part]bool{}
	for _, m := range d.Missing {
		if m.NameMatch != "exact" && m.OID != 0 && m.AskedPrivilege != "MEMBER" {
			set[part{m.Class, m.OID, m.Privilege}] = true
		}
	}
	if len(set) == 0 {
		return nil
	}
	var classes, oids []catalog.OID
	var privileges []string
	for p := range set {
		classes, oids, privileges = append(classes, p.Class), append(oids, p.OID), append(privileges, p.Privilege)
	}
	list, err := collect[part](ctx, tx, passedBySQL, classes, oids, privileges)
	if err != nil {
		return fmt.Errorf("look for what comes with types and extensions: %w", err)
	}
	passed := map[part]bool{}
	for _, p := range list {
		passed[p] = true
	}
	if len(passed) > 0 {
		d.Missing = slices.DeleteFunc(d.Missing, func(m Missing) bool { return m.NameMatch != "exact" && passed[part{m.Class, m.OID, m.Privilege}] })
	}
	return nil
}
