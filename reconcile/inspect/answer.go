package inspect

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	nameHoldersSQL          = query("name_holders")
	keeperHoldersSQL        = query("keeper_holders")
	intermediateContentsSQL = query("intermediate_contents")
	rolePrivilegesSQL       = query("role_privileges")
	limitRelatedRevokesSQL  = query("limit_related_revokes")
	limitTotalSQL           = query("limit_total")
	limitWritersSQL         = query("limit_writers")
)

const (
	heldSQL      = "select role_name, digest, changes, at_once, in_all from sync_roles.held where role_name = any ($1)"
	approvalsSQL = "select role_name, digest, approved_by from sync_roles.approvals where role_name = any ($1)"
	waitingSQL   = `
		select exists (select from sync_roles.pending where role_name <> all ($1))
			or exists (select from sync_roles.retries where role_name <> all ($1))
			or exists (select from sync_roles.held where role_name <> all ($1))`
	recentSQL = "select coalesce(sum(revokes), 0)::bigint from sync_roles.recent_revokes where at > now() - $1::interval"
)

// Answer answers the questions of a plan for the drift into f.
func Answer(ctx context.Context, tx pgx.Tx, q plan.Questions, d *plan.Drift, f *plan.Facts, policy plan.Policy) error {
	answerFreshNames(q.FreshNames, f)
	if err := answerRules(ctx, tx, q.Rules, d, f); err != nil {
		return err
	}
	if err := answerKeepers(ctx, tx, q.Keepers, f); err != nil {
		return err
	}
	if err := answerNames(ctx, tx, q.Names, f); err != nil {
		return err
	}
	if len(q.Contents) > 0 {
		if err := ReadContents(ctx, tx, q.Contents, f, policy); err != nil {
			return err
		}
	}
	if err := answerHeld(ctx, tx, q.Held, f, policy.Limit.Window); err != nil {
		return err
	}
	for _, related := range []struct {
		deletions []int64
		onlyHeld  bool
		answers   *map[int64]int64
	}{{q.Elsewhere, false, &f.Limit.Elsewhere}, {q.ElsewhereHeld, true, &f.Limit.ElsewhereHeld}} {
		if err := answerElsewhere(ctx, tx, d, related.deletions, related.onlyHeld, related.answers); err != nil {
			return err
		}
	}
	return answerWriters(ctx, tx, q.Writers, d, f)
}

// freshName is a name that no role can have been given beforehand.
func freshName(database catalog.OID, kind string) string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never returns an error
	return plan.OwnName(database, kind+hex.EncodeToString(random[:]))
}

func answerFreshNames(roles []plan.Role, f *plan.Facts) {
	for _, r := range roles {
		if f.FreshNames == nil {
			f.FreshNames = map[string]string{}
		}
		kind := ""
		if r.Keeper {
			kind = "keeper_"
		}
		f.FreshNames[r.Name] = freshName(f.Server.DatabaseOID, kind)
	}
}

func answerKeepers(ctx context.Context, tx pgx.Tx, names []string, f *plan.Facts) error {
	if len(names) == 0 {
		return nil
	}
	return holders(ctx, tx, f, names, "keeper_", keeperHoldersSQL, names)
}

func answerNames(ctx context.Context, tx pgx.Tx, questions []plan.NameQuestion, f *plan.Facts) error {
	if len(questions) == 0 {
		return nil
	}
	var columns [8][]string
	for _, q := range questions {
		s := q.Selector
		for i, value := range []string{q.Name, s.Privilege, string(s.ObjectType), s.SchemaName, s.ObjectName, s.NameMatch, s.ColumnName, s.More} {
			columns[i] = append(columns[i], value)
		}
	}
	return holders(ctx, tx, f, columns[0], "", nameHoldersSQL, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], columns[7], f.OurKeepers())
}

// holders notes who has these names. kind is a part of the names that are used instead.
func holders(ctx context.Context, tx pgx.Tx, f *plan.Facts, names []string, kind, sql string, args ...any) error {
	type holder struct {
		Name    string
		OID     catalog.OID
		Problem string
	}
	list, err := catalog.Collect[holder](ctx, tx, sql, args...)
	if err != nil {
		return fmt.Errorf("look for unregistered roles with names of intermediate roles: %w", err)
	}
	if f.Conflicts == nil {
		f.Conflicts = map[string]*plan.NameHolder{}
	}
	for _, name := range names {
		f.Conflicts[name] = nil
	}
	for _, h := range list {
		f.Conflicts[h.Name] = &plan.NameHolder{Name: h.Name, OID: h.OID, Problem: h.Problem, Keeper: kind != "", Instead: freshName(f.Server.DatabaseOID, kind)}
	}
	return nil
}

// ReadContents reads what replacing or dropping these intermediate roles takes, into f.
func ReadContents(ctx context.Context, tx pgx.Tx, names []string, f *plan.Facts, policy plan.Policy) error {
	type row struct {
		RoleName       string
		OID            catalog.OID
		Comment        string
		DesiredMembers []string
		Members        []string
	}
	list, err := catalog.Collect[row](ctx, tx, intermediateContentsSQL, names)
	if err != nil {
		return fmt.Errorf("read members of intermediate roles: %w", err)
	}
	if f.Intermediates == nil {
		f.Intermediates = map[string]*plan.Contents{}
	}
	held := &plan.Drift{}
	for _, r := range list {
		c := &plan.Contents{OID: r.OID, Name: r.RoleName, Comment: r.Comment, DesiredMembers: r.DesiredMembers, Members: r.Members}
		if before := f.Intermediates[r.RoleName]; before != nil {
			c.OldName, c.NewName = before.OldName, before.NewName // so that what PostgreSQL refused is known again
		} else {
			c.OldName, c.NewName = freshName(f.Server.DatabaseOID, "old_"), freshName(f.Server.DatabaseOID, "")
		}
		if c.Grants, err = catalog.Collect[plan.SurplusGrant](ctx, tx, rolePrivilegesSQL, r.RoleName); err != nil {
			return fmt.Errorf("read what role %q holds: %w", r.RoleName, err)
		}
		keepers, err := readKeepers(ctx, tx, f.Server, []catalog.OID{r.OID})
		if err != nil {
			return err
		}
		c.Keeper = keepers[r.OID]
		held.Grants = append(held.Grants, c.Grants...)
		held.Memberships = append(held.Memberships, plan.SurplusMembership{GrantedOID: r.OID}) // so that the rights over it are read
		f.Intermediates[r.RoleName] = c
	}
	for _, name := range names {
		if c := f.Intermediates[name]; c == nil || c.Stale { // registered under another name: the answer is that there is nothing
			f.Intermediates[name] = &plan.Contents{OldName: freshName(f.Server.DatabaseOID, "old_"), NewName: freshName(f.Server.DatabaseOID, "")}
		}
	}
	return addFacts(ctx, tx, held, f, policy)
}

// addFacts adds the schemas and rights that further revokes take.
func addFacts(ctx context.Context, tx pgx.Tx, d *plan.Drift, f *plan.Facts, policy plan.Policy) error {
	further := &plan.Facts{Server: f.Server}
	var err error
	if further.Schemas, err = readSchemas(ctx, tx, d.Needs(f.Server, policy).Schemas); err != nil {
		return err
	}
	if further.Rights, err = catalog.ReadRights(ctx, tx, f.Server, d.RightsOver(further, policy)); err != nil {
		return err
	}
	if f.Schemas == nil {
		f.Schemas = map[string]plan.Schema{}
	}
	if f.Rights == nil {
		f.Rights = map[catalog.OID]catalog.Rights{}
	}
	maps.Copy(f.Schemas, further.Schemas)
	maps.Copy(f.Rights, further.Rights)
	return nil
}

// answerHeld reads what is held of these roles and what was approved, and once in a pass how much was revoked in the last moments.
func answerHeld(ctx context.Context, tx pgx.Tx, roles []string, f *plan.Facts, window time.Duration) error {
	if len(roles) == 0 {
		return nil
	}
	type held struct {
		RoleName, Digest string
		Changes          []string
		AtOnce, InAll    int64
	}
	type approval struct{ RoleName, Digest, ApprovedBy string }
	var helds []held
	var approvals []approval
	l := &f.Limit
	batch := &pgx.Batch{}
	catalog.Queue(batch, heldSQL, &helds, roles)
	catalog.Queue(batch, approvalsSQL, &approvals, roles)
	if l.Before == nil && window > 0 {
		catalog.QueueValue(batch, recentSQL, &l.Recent, window)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read what is held, and what was approved: %w", err)
	}
	if l.Before == nil {
		l.Before, l.Approvals = map[string]*plan.HeldBefore{}, map[string]plan.Approval{}
	}
	for _, role := range roles {
		l.Before[role] = nil
	}
	for _, h := range helds {
		before := &plan.HeldBefore{Digest: h.Digest, Measure: plan.Measure{Revokes: h.AtOnce, Total: h.InAll}}
		if h.Changes != nil {
			before.Changes = map[string]bool{}
			for _, change := range h.Changes {
				before.Changes[change] = true
			}
		}
		l.Before[h.RoleName] = before
	}
	for _, a := range approvals {
		l.Approvals[a.RoleName] = plan.Approval{Digest: a.Digest, By: a.ApprovedBy}
	}
	return nil
}

// answerElsewhere reads what deletions revoke from roles that are not of this batch.
func answerElsewhere(ctx context.Context, tx pgx.Tx, d *plan.Drift, deletions []int64, onlyHeld bool, answers *map[int64]int64) error {
	if len(deletions) == 0 {
		return nil
	}
	type related struct{ Transaction, Privileges int64 }
	roles := make(map[string]bool, len(d.Roles))
	for name := range d.Roles {
		roles[name] = true
	}
	if *answers == nil {
		*answers = map[int64]int64{}
	}
	for _, deletion := range deletions {
		(*answers)[deletion] = 0
	}
	var waiting bool
	if err := tx.QueryRow(ctx, waitingSQL, sorted(roles)).Scan(&waiting); err != nil {
		return fmt.Errorf("look for other roles whose rows were deleted: %w", err)
	}
	if !waiting {
		return nil
	}
	list, err := catalog.Collect[related](ctx, tx, limitRelatedRevokesSQL, sorted(roles), deletions, onlyHeld)
	if err != nil {
		return fmt.Errorf("count what the same deletions revoke from other roles: %w", err)
	}
	for _, r := range list {
		(*answers)[r.Transaction] = r.Privileges
	}
	return nil
}

// answerWriters reads who made deletions, and counts, once in a pass, what all roles hold through rows, but for what the drift lacks: what the pass itself
// grants was not held when the rows were deleted.
func answerWriters(ctx context.Context, tx pgx.Tx, deletions []int64, d *plan.Drift, f *plan.Facts) error {
	if len(deletions) == 0 {
		return nil
	}
	type deletion struct {
		Transaction int64
		WithdrawnBy string
	}
	list, err := catalog.Collect[deletion](ctx, tx, limitWritersSQL, deletions)
	if err != nil {
		return fmt.Errorf("read who deleted rows: %w", err)
	}
	f.Limit.Writers = map[int64]string{}
	for _, transaction := range deletions {
		f.Limit.Writers[transaction] = ""
	}
	for _, d := range list {
		f.Limit.Writers[d.Transaction] = d.WithdrawnBy
	}
	if f.Limit.Total != nil {
		return nil
	}
	var total int64
	count := func(patterns bool) error {
		return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, limitTotalSQL, patterns).Scan(&total) })
	}
	err = count(true)
	if failure.Of(err) == failure.Slow {
		err = count(false) // so that the limit holds rather more than less
	}
	if err != nil {
		return fmt.Errorf("count what roles hold through rows: %w", err)
	}
	total = max(0, total-d.MissingCount())
	f.Limit.Total = &total
	return nil
}
