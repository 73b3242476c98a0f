package reconcile

import "github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"

// Report is the result of one call, over all of its passes.
type Report struct {
	Rows       []audit.Row     // that were written to the audit
	Statements []string        // that ran, in order, secrets redacted
	Roles      int             // how many were inspected
	MoreToCome bool            // transactions of writers are under way that may end without a notification: the queue is to be looked at again
	keeps      bool            // a role has what it should not have
	asDesired  map[string]bool // the roles that passes left as their rows ask, and inspected whole
}

func (r *Report) add(p *Pass) {
	r.Rows = append(r.Rows, p.Rows...)
	r.Statements = append(r.Statements, p.Statements...)
	r.Roles += len(p.roles)
	r.keeps = r.keeps || p.keeps
	if p.prepared || r.asDesired == nil {
		r.asDesired = map[string]bool{} // patterns of other roles can match what it has made
	}
	for _, role := range p.roles {
		delete(r.asDesired, role)
	}
	for _, role := range p.asDesired {
		r.asDesired[role] = true
	}
}

func (r *Report) merge(other *Report) {
	r.Rows = append(r.Rows, other.Rows...)
	r.Statements = append(r.Statements, other.Statements...)
	r.Roles += other.Roles
	r.keeps = r.keeps || other.keeps
	r.asDesired = other.asDesired
}
