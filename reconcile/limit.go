package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Limit is how much may be taken away at once without a person: an ETL job that empties desired_grants by mistake must harm nobody.
type Limit struct {
	Revokes int // so many privileges; 0: no limit
	Percent int // and this share of what all managed roles hold through rows; 0: the number alone decides
}

// exceeded reports whether it takes a person to take so much away, of so much that roles hold through rows.
func (l Limit) exceeded(taken, held int64) bool {
	return l.Revokes > 0 && taken > int64(l.Revokes) && 100*taken > int64(l.Percent)*held
}

// holding is what is not taken away from a role before somebody approves.
type holding struct {
	what   []string
	digest string
}

// holdingOf describes what would be taken away. The digest does not depend on the order.
func holdingOf(what []string) holding {
	what = slices.Sorted(slices.Values(what))
	sum := sha256.Sum256([]byte(strings.Join(what, "\x00")))
	return holding{what, hex.EncodeToString(sum[:])}
}

// problem is the same in every pass that holds the same: only what is new is audited.
func (h holding) problem(role string, l Limit) Problem {
	shown := h.what
	more := ""
	if len(shown) > 3 {
		shown, more = shown[:3], fmt.Sprintf(" and %d more", len(h.what)-3)
	}
	limit := fmt.Sprintf("more than --max-revokes %d and --max-revokes-percent %d allow at once", l.Revokes, l.Percent)
	if l.Percent == 0 {
		limit = fmt.Sprintf("more than --max-revokes %d allows at once", l.Revokes)
	}
	return Problem{
		Kind: Held, Object: "role " + role, Taking: true,
		Reason: fmt.Sprintf("taking away %s%s is held: with what goes from others it is %s", strings.Join(shown, ", "), more, limit),
		Fix:    "pg-sync-roles sync --approve",
	}
}

var (
	limitElsewhereSQL = query("limit_elsewhere")
	limitHeldSQL      = query("limit_held")
)

// hold takes out of the plan what would be taken away, where that is too much at once and nobody has approved it.
func (e *Engine) hold(ctx context.Context, tx pgx.Tx, w work, s *state) error {
	s.held, s.taking = nil, 0
	limit := e.policy.Limit
	holdings := s.takenAway()
	if len(holdings) == 0 || limit.Revokes == 0 {
		return nil
	}
	elsewhere, approved, err := readElsewhere(ctx, tx, keys(s.roles), keys(holdings))
	if err != nil {
		return err
	}
	var taken int64
	for role, h := range holdings {
		if approved[role] == h.digest {
			delete(holdings, role)
			continue
		}
		taken += int64(len(h.what))
	}
	taken = max(taken, w.taking) + elsewhere
	if len(holdings) == 0 || taken <= int64(limit.Revokes) {
		return nil
	}
	var held int64
	if err := tx.QueryRow(ctx, limitHeldSQL).Scan(&held); err != nil {
		return fmt.Errorf("count what roles hold through rows: %w", err)
	}
	if !limit.exceeded(taken, held+taken-s.drift.besides(holdings)) {
		return nil
	}
	s.held, s.taking = holdings, taken
	s.plan = Decide(s.drift.keeping(holdings), e.policy)
	for role, h := range holdings {
		s.problems.add(role, h.problem(role, limit))
	}
	return nil
}

// takenAway is what the plan takes from each role. Intermediate roles are looked at through their members.
func (s *state) takenAway() map[string]holding {
	holdings := map[string]holding{}
	for unit, what := range s.plan.Taking {
		if !s.roles[unit].Intermediate {
			holdings[unit] = holdingOf(what)
		}
	}
	return holdings
}

// readElsewhere reads how much is taken away from other roles than those of a pass, and which digests were approved.
func readElsewhere(ctx context.Context, tx pgx.Tx, pass, roles []string) (elsewhere int64, approved map[string]string, err error) {
	approved = map[string]string{}
	batch := &pgx.Batch{}
	batch.Queue(limitElsewhereSQL, pass).QueryRow(func(row pgx.Row) error { return row.Scan(&elsewhere) })
	batch.Queue("select role_name, digest from sync_roles.approvals where role_name = any ($1)", roles).Query(func(rows pgx.Rows) error {
		var role, digest string
		_, err := pgx.ForEachRow(rows, []any{&role, &digest}, func() error {
			approved[role] = digest
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return 0, nil, fmt.Errorf("read what is taken away elsewhere, and what was approved: %w", err)
	}
	return elsewhere, approved, nil
}

// besides counts what exclusive roles hold of which no row ever spoke.
func (d *Drift) besides(roles map[string]holding) (n int64) {
	for _, g := range d.Grants {
		if _, ok := roles[g.Role]; ok && g.Other {
			n++
		}
	}
	return n
}

// keeping is the drift without what these roles have too much. What has expired goes all the same: it was never meant to stay.
func (d *Drift) keeping(roles map[string]holding) *Drift {
	kept := *d
	keeps := func(role string, expired bool) bool {
		_, ok := roles[role]
		return ok && !expired
	}
	kept.Grants = slices.DeleteFunc(slices.Clone(d.Grants), func(g SurplusGrant) bool { return keeps(g.Role, g.Expired) })
	kept.Memberships = slices.DeleteFunc(slices.Clone(d.Memberships), func(m SurplusMembership) bool { return keeps(m.Unit, m.Expired) })
	kept.Ownerships = slices.DeleteFunc(slices.Clone(d.Ownerships), func(o SurplusOwnership) bool { return keeps(o.Role, o.Expired) })
	return &kept
}

// recordHeld writes down what is held, and forgets what no longer is. An approval is for one pass, whether it was for what that found or not.
func recordHeld(records *pgx.Batch, before []string, s *state) {
	var gone []string
	for _, role := range before {
		if _, ok := s.held[role]; !ok {
			gone = append(gone, role)
		}
	}
	if len(before) > 0 {
		records.Queue("delete from sync_roles.approvals where role_name = any ($1)", before)
	}
	if len(gone) > 0 {
		records.Queue("delete from sync_roles.held where role_name = any ($1)", gone)
	}
	for _, role := range keys(s.held) {
		records.Queue(`
			insert into sync_roles.held (role_name, revokes, digest) values ($1, $2, $3)
			on conflict (role_name) do update set revokes = excluded.revokes, digest = excluded.digest
			where held.digest <> excluded.digest`, role, len(s.held[role].what), s.held[role].digest)
	}
}

// Approve lets what is held now be taken away from these roles, or from all, once. It returns how many roles that are.
func (e *Engine) Approve(ctx context.Context, roles []string) (int, error) {
	tag, err := e.conn.Exec(ctx, `
		insert into sync_roles.approvals (role_name)
		select h.role_name from sync_roles.held as h where cardinality($1::text[]) = 0 or h.role_name = any ($1)
		order by h.role_name`, append([]string{}, roles...))
	if err != nil {
		return 0, fmt.Errorf("approve what is held: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
