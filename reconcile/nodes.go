package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/desired"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Passes compare rows with this node. Citus repeats what they do on its other nodes, but not on one that is added later (the privileges on the database), and not
// a session's changes with citus.enable_ddl_propagation off. So a rescan compares the nodes, and repeats here the GRANT or REVOKE that makes another node
// like this one: here it changes nothing.

// compareNodes puts right what managed and intermediate roles have on other nodes. It reports whether there was something.
func (e *Engine) compareNodes(ctx context.Context, w work, report *Report) (differ bool, err error) {
	if !e.server.Citus || w.rehearsal {
		return false, nil
	}
	managed, err := desired.Managed(ctx, e.conn)
	if err != nil {
		return false, err
	}
	intermediates, err := inspect.Intermediates(ctx, e.conn)
	if err != nil {
		return false, err
	}
	var list []inspect.NodeDrift
	var missed error
	err = e.briefly(ctx, func(tx pgx.Tx) error {
		list, missed = inspect.NodeDrifts(ctx, tx, slices.Concat(managed, intermediates))
		if list == nil {
			return missed
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if missed != nil {
		e.log.Error().Err(missed).Msg("cannot compare all nodes of Citus; trying again at the next rescan")
	}
	for _, d := range list {
		e.tellOfStuck(d)
		if len(d.Missing)+len(d.Surplus) == 0 {
			continue
		}
		differ = true
		if err := e.repeatOnNodes(ctx, w, d, report); err != nil {
			if e.lost(ctx, err) {
				return true, err
			}
			e.log.Error().Str("role", d.Role).Err(err).Msg("another node of Citus differs, and cannot be put right; trying again at the next rescan")
		}
	}
	return differ || missed != nil, nil
}

// tellOfStuck tells once of what another node has too much and the daemon cannot take away.
func (e *Engine) tellOfStuck(d inspect.NodeDrift) {
	for _, p := range d.Stuck {
		if e.stuckOnNodes[p] {
			continue
		}
		if e.stuckOnNodes == nil {
			e.stuckOnNodes = map[inspect.NodePrivilege]bool{}
		}
		e.stuckOnNodes[p] = true
		e.log.Error().Str("role", d.Role).Str("has", describeNodePrivilege(p)).Str("fix", revokeAgain(p)).
			Msg("another node of Citus has what this one has not, and only the role that granted it there can revoke it; run this there, with citus.enable_ddl_propagation off")
	}
}

// repeatOnNodes is the transaction for one role.
func (e *Engine) repeatOnNodes(ctx context.Context, w work, d inspect.NodeDrift, report *Report) error {
	started := time.Now()
	tx, err := e.beginLocked(ctx, min(apply.ShortLockWait, e.lockTimeout), e.readingTime(w))
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// What a pass has taken away meanwhile is not given again.
	if d, err = d.StillDrift(ctx, tx); err != nil || len(d.Missing)+len(d.Surplus) == 0 {
		return err
	}
	roles, err := inspect.Roles(ctx, tx, []string{d.Role})
	if err != nil {
		return err
	}
	row := audit.NewRow(d.Role, w.cause, plan.Applied, e.instance)
	row.Pass, row.Granted, row.Revoked = tx.id, len(d.Missing), len(d.Surplus)
	if known := roles[d.Role]; len(known.LastProblems) > 0 {
		row.Outcome, row.Problems = known.LastOutcome, known.LastProblems // which this does not solve
	}
	for _, p := range d.Missing {
		row.Statements = append(row.Statements, grantAgain(p))
		row.Changes = append(row.Changes, "on other nodes: + "+describeNodePrivilege(p))
	}
	for _, p := range d.Surplus {
		row.Statements = append(row.Statements, revokeAgain(p))
		row.Changes = append(row.Changes, "on other nodes: - "+describeNodePrivilege(p))
	}
	for _, sql := range row.Statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	row.Duration = time.Since(started)
	p := &Pass{id: tx.id, lockWaited: tx.waited, Rows: []audit.Row{row}, Statements: row.Statements}
	if p.head, err = e.writer().Write(ctx, tx, &pgx.Batch{}, p.Rows, w.rehearsal); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	e.wrote(p.head, len(p.Rows))
	e.observed(w, p, started, nil)
	e.logPass(w, p)
	report.add(p)
	return nil
}

func grantAgain(p inspect.NodePrivilege) string {
	if p.Keyword == "ROLE" {
		options := p.Options
		switch {
		case options != "":
			options = fmt.Sprintf(" WITH ADMIN %t, %s", p.Grantable, options)
		case p.Grantable:
			options = " WITH ADMIN OPTION"
		}
		return fmt.Sprintf("GRANT %s TO %s%s", catalog.Quote(p.Object), catalog.Quote(p.Grantee), options)
	}
	sql := fmt.Sprintf("GRANT %s ON %s %s TO %s", privilegeWithColumn(p), p.Keyword, p.Object, granteeName(p.Grantee))
	if p.Grantable {
		sql += " WITH GRANT OPTION"
	}
	return sql
}

func revokeAgain(p inspect.NodePrivilege) string {
	option := ""
	if p.Grantable {
		option = "GRANT OPTION FOR "
	}
	if p.Keyword == "ROLE" {
		return fmt.Sprintf("REVOKE %s%s FROM %s", strings.Replace(option, "GRANT", "ADMIN", 1), catalog.Quote(p.Object), catalog.Quote(p.Grantee))
	}
	return fmt.Sprintf("REVOKE %s%s ON %s %s FROM %s CASCADE", option, privilegeWithColumn(p), p.Keyword, p.Object, granteeName(p.Grantee))
}

func privilegeWithColumn(p inspect.NodePrivilege) string {
	if p.Column == "" {
		return p.Privilege
	}
	return p.Privilege + " (" + catalog.Quote(p.Column) + ")"
}

func granteeName(role string) string {
	if role == "public" {
		return "PUBLIC"
	}
	return catalog.Quote(role)
}

func describeNodePrivilege(p inspect.NodePrivilege) string {
	if p.Keyword == "ROLE" {
		return "MEMBER of role " + p.Object
	}
	return fmt.Sprintf("%s on %s %s", privilegeWithColumn(p), strings.ToLower(p.Keyword), p.Object)
}
