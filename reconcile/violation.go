package reconcile

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// maxLoggedViolations is how many violations of one look the log has; sync_roles.violations has all.
const maxLoggedViolations = 20

// recordViolations notes which violations of rules are new, and which are over. What fails of it is left for another rescan.
func (s *scan) recordViolations(ctx context.Context, record func(context.Context, catalog.Querier) ([]audit.Violation, error)) error {
	e := s.engine
	var list []audit.Violation
	err := e.briefly(ctx, func(tx pgx.Tx) (err error) {
		list, err = record(ctx, tx)
		return err
	})
	switch {
	case err == nil:
		e.logViolations(list)
	case e.lost(ctx, err):
		return err
	default:
		s.unsettled = true
		e.log.Warn().Err(err).Msg("cannot note the violations of rules; trying again at the next rescan")
	}
	return nil
}

func (e *Engine) logViolations(list []audit.Violation) {
	for _, v := range list[:min(len(list), maxLoggedViolations)] {
		e.log.Warn().Int64("rule", v.Rule).Str("role", v.Role).Str("privilege", v.Privilege).Str("object", v.Object).Str("path", v.Path).
			Str("reason", v.Reason).Msg("a role has what a rule forbids")
	}
	if more := len(list) - maxLoggedViolations; more > 0 {
		e.log.Warn().Int("more", more).Msg("roles have what rules forbid: see sync_roles.violations")
	}
}
