package reconcile

import (
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// logPass writes one line for each role that was changed, or that has a problem, and none for nothing.
func (e *Engine) logPass(w work, p *Pass) {
	log := e.log.With().Str("pass", p.id).Stringer("audit_head", p.head).Logger()
	if p.held > 0 && slices.ContainsFunc(p.Rows, func(r audit.Row) bool { return r.Outcome == plan.Held }) {
		log.Warn().Int("roles", p.held).Int64("privileges", p.heldSum).
			Msg("too many revokes at once: they are held until the rows are put back or a person runs pg-sync-roles sync --approve")
	}
	for _, r := range p.Rows {
		switch {
		case r.Outcome == plan.Unchanged:
			log.Debug().Str("role", r.Role).Str("cause", string(w.cause)).Msg("nothing to do")
		case r.Outcome.InOrder():
			log.Info().Str("role", r.Role).Str("cause", string(w.cause)).Str("outcome", string(r.Outcome)).
				Int("granted", r.Granted).Int("revoked", r.Revoked).Dur("duration", r.Duration).Msg("synchronized")
		default:
			log.Warn().Str("role", r.Role).Str("cause", string(w.cause)).Str("outcome", string(r.Outcome)).
				Int("granted", r.Granted).Int("revoked", r.Revoked).Str("problems", reasons(r.Problems)).Msg("not as desired")
		}
	}
}

// reasons lists at most three problems in words.
func reasons(list []plan.Problem) string {
	var texts []string
	for _, p := range list {
		if len(texts) == 3 {
			texts = append(texts, "…")
			break
		}
		texts = append(texts, p.Reason)
	}
	return strings.Join(texts, "; ")
}
