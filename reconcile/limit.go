package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
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

// hold takes out of the plan what would be taken away, where that is too much at once and nobody has approved it. What is held stays so until it is
// approved or its rows are back, and is measured apart from what else there is to take away.
func (e *Engine) hold(ctx context.Context, tx pgx.Tx, w work, s *state) error {
	s.held, s.taking, s.atOnce = nil, 0, 0
	holdings := s.takenAway()
	if len(holdings) == 0 || e.policy.Limit.Revokes == 0 {
		return nil
	}
	known, approvals, err := readHeld(ctx, tx, keys(holdings))
	if err != nil {
		return err
	}
	fresh, still := map[string]holding{}, map[string]holding{}
	for role, h := range holdings {
		switch a, ok := approvals[role]; {
		case ok && a.digest == h.digest:
			s.approvedBy = mapWith(s.approvedBy, role, a.by)
		case known[role] == h.digest:
			still[role] = h
		default:
			fresh[role] = h
		}
	}
	exceeded, err := e.exceeds(ctx, tx, w, s, fresh, still)
	if err != nil {
		return err
	}
	s.held = still
	if exceeded {
		maps.Copy(s.held, fresh)
	}
	if len(s.held) == 0 {
		return nil
	}
	s.plan = Decide(s.drift.keeping(s.held), e.policy)
	for role, h := range s.held {
		s.problems.add(role, h.problem(role, e.policy.Limit))
		s.taking += int64(len(h.what))
	}
	return nil
}

// exceeds reports whether what is to be taken away, with what belongs together with it elsewhere, is more than the limit.
func (e *Engine) exceeds(ctx context.Context, tx pgx.Tx, w work, s *state, fresh, still map[string]holding) (bool, error) {
	var taken, elsewhere int64
	for _, h := range fresh {
		taken += int64(len(h.what))
	}
	if taken == 0 {
		return false, nil
	}
	pass := slices.DeleteFunc(keys(s.roles), func(role string) bool { _, ok := still[role]; return ok })
	if err := tx.QueryRow(ctx, limitElsewhereSQL, pass).Scan(&elsewhere); err != nil {
		return false, fmt.Errorf("count what is taken away elsewhere: %w", err)
	}
	taken = max(taken, w.taking) + elsewhere
	s.atOnce = taken
	if !e.policy.Limit.exceeded(taken, 0) {
		return false, nil
	}
	if s.through == nil {
		// Once in a pass: what the pass itself gives was not held when somebody deleted the rest.
		var through int64
		if err := tx.QueryRow(ctx, limitHeldSQL).Scan(&through); err != nil {
			return false, fmt.Errorf("count what roles hold through rows: %w", err)
		}
		through = max(0, through-s.drift.asked())
		s.through = &through
	}
	return e.policy.Limit.exceeded(taken, *s.through+taken-s.drift.besides(fresh)), nil
}

// asked counts what rows ask for and roles have not.
func (d *Drift) asked() (n int64) {
	for _, m := range d.Missing {
		if m.GrantID != 0 {
			n++
		}
	}
	return n
}

func mapWith(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// takenAway is what the plan takes from each role. Intermediate roles are looked at through their members.
func (s *state) takenAway() map[string]holding {
	holdings := map[string]holding{}
	for unit, what := range s.plan.Taking {
		if r := s.roles[unit]; !r.Intermediate && !r.Foreign {
			holdings[unit] = holdingOf(what)
		}
	}
	return holdings
}

// approval is who let what be taken away.
type approval struct{ digest, by string }

// readHeld reads what is held of these roles, by its digest, and what was approved.
func readHeld(ctx context.Context, tx pgx.Tx, roles []string) (known map[string]string, approvals map[string]approval, err error) {
	known, approvals = map[string]string{}, map[string]approval{}
	var role, digest, by string
	batch := &pgx.Batch{}
	batch.Queue("select role_name, digest from sync_roles.held where role_name = any ($1)", roles).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&role, &digest}, func() error {
			known[role] = digest
			return nil
		})
		return err
	})
	batch.Queue("select role_name, digest, approved_by from sync_roles.approvals where role_name = any ($1)", roles).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&role, &digest, &by}, func() error {
			approvals[role] = approval{digest, by}
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, fmt.Errorf("read what is held, and what was approved: %w", err)
	}
	return known, approvals, nil
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
	var gone, used []string
	for _, role := range before {
		_, held := s.held[role]
		switch {
		case held:
			used = append(used, role)
		case s.approvedBy[role] != "" && slices.ContainsFunc(s.problems[role], func(p Problem) bool { return p.Taking }):
			// It was not to be had this time, and is tried again.
		default:
			used, gone = append(used, role), append(gone, role)
		}
	}
	if len(used) > 0 {
		records.Queue("delete from sync_roles.approvals where role_name = any ($1)", used)
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
