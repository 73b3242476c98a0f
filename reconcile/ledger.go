package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ledger is what a pass has decided about the limit. It decides about each change once, however often it plans.
type ledger struct {
	read     map[string]bool // the roles of which held and approvals were read
	before   map[string]heldBefore
	approved map[string]approval

	free   map[string]map[string]bool // what is taken away from each role
	held   map[string]map[string]bool // and what is not
	over   map[string]measure         // by how much, at most
	counts map[string]int64           // how much of what is taken away counts
	recent int64                      // how much was taken in the last moments, and by this pass
	known  bool                       // recent was read

	approvedBy map[string]string // who let it be taken away
	through    *int64            // what roles hold through rows, where that had to be counted
}

// heldBefore is a row of sync_roles.held.
type heldBefore struct {
	digest  string
	changes map[string]bool // nil: all there was
	measure measure         // zero: not known, because it was held before version 13 of the schema
}

// approval is who let what be taken away.
type approval struct{ digest, by string }

func newLedger() *ledger {
	return &ledger{
		read: map[string]bool{}, before: map[string]heldBefore{}, approved: map[string]approval{},
		free: map[string]map[string]bool{}, held: map[string]map[string]bool{}, over: map[string]measure{}, counts: map[string]int64{}, approvedBy: map[string]string{},
	}
}

func mark(set map[string]map[string]bool, role, what string) {
	if set[role] == nil {
		set[role] = map[string]bool{}
	}
	set[role][what] = true
}

// digestOf identifies what is to be taken away. It does not depend on the order.
func digestOf(what []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(what)), "\x00")))
	return hex.EncodeToString(sum[:])
}

// sort decides about what was held before, and returns what is new. What is held stays so until it is approved, its rows are back, or the limit in
// force is one that it does not exceed.
func (l *ledger) sort(taking map[string][]loss, limit Limit) (fresh map[string][]loss) {
	fresh = map[string][]loss{}
	for role, list := range taking {
		still := l.still(role, list)
		known := asSet(still)
		if a, ok := l.approved[role]; ok && l.approvedBy[role] == "" && len(still) > 0 && a.digest == digestOf(still) {
			l.approvedBy[role] = a.by
			for _, what := range still {
				mark(l.free, role, what)
			}
		}
		for _, t := range list {
			switch {
			case l.free[role][t.what] || l.held[role][t.what]:
			case known[t.what] && l.before[role].exceeds(limit):
				l.hold(role, t.what, l.before[role].measure)
			case known[t.what]:
				l.release(role, t.what)
			default:
				fresh[role] = append(fresh[role], t)
			}
		}
	}
	return fresh
}

// exceeds reports whether what is held would be held under this limit, too. Where its measure is not known, it is: by itself, it may be little.
func (b heldBefore) exceeds(limit Limit) bool {
	return b.measure == measure{} || limit.exceeded(b.measure.revokes, b.measure.held)
}

func (l *ledger) hold(role, what string, m measure) {
	mark(l.held, role, what)
	if m.revokes > l.over[role].revokes {
		l.over[role] = m
	}
}

func (l *ledger) release(role, what string) {
	mark(l.free, role, what)
	l.counts[role]++
	l.recent++
}

// still lists what is to be taken away from a role and was held before.
func (l *ledger) still(role string, list []loss) []string {
	before, ok := l.before[role]
	if !ok {
		return nil
	}
	all, known := make([]string, 0, len(list)), make([]string, 0, len(list))
	for _, t := range list {
		all = append(all, t.what)
		if before.changes[t.what] {
			known = append(known, t.what)
		}
	}
	if before.changes == nil && digestOf(all) == before.digest {
		return all
	}
	return known
}

// holdings are what is held of the plan.
func (l *ledger) holdings(taking map[string][]loss) map[string]holding {
	holdings := map[string]holding{}
	for role, list := range taking {
		h := holding{transactions: map[int64]bool{}}
		for _, t := range list {
			if !l.held[role][t.what] {
				continue
			}
			h.what = append(h.what, t.what)
			for _, transaction := range t.transactions {
				h.transactions[transaction] = true
			}
		}
		if len(h.what) > 0 {
			slices.Sort(h.what)
			h.digest, h.set = digestOf(h.what), asSet(h.what)
			holdings[role] = h
		}
	}
	return holdings
}

var (
	limitElsewhereSQL = query("limit_elsewhere")
	limitHeldSQL      = query("limit_held")
	limitWritersSQL   = query("limit_writers")
)

// hold takes out of the plan what deletions would take away that exceed the limit, where nobody has approved it. What else their roles lose goes.
func (e *Engine) hold(ctx context.Context, tx pgx.Tx, w work, s *state) error {
	s.held, s.taking = nil, 0
	taking := s.takenAway()
	s.undeclared = countOf(taking)[undeclared]
	if len(taking) == 0 || e.policy.Limit.Revokes == 0 {
		return nil
	}
	l := s.ledger
	if err := l.readHeld(ctx, tx, keys(taking), e.policy.Limit.Window); err != nil {
		return err
	}
	if fresh := l.sort(taking, e.policy.Limit); len(fresh) > 0 {
		over, err := e.overLimit(ctx, tx, w, s, taking, fresh)
		if err != nil {
			return err
		}
		l.enter(fresh, over)
	}
	s.approvedBy = l.approvedBy
	if s.held = l.holdings(taking); len(s.held) == 0 {
		return nil
	}
	s.plan = Decide(s.drift.keeping(s.held), e.policy)
	for role, h := range s.held {
		s.problems.add(role, h.problem(role, e.policy.Limit))
		s.taking += int64(len(h.what))
	}
	return nil
}

// enter writes down what becomes of new changes: what one of the deletions asked for that are over the limit is held.
func (l *ledger) enter(fresh map[string][]loss, over map[int64]measure) {
	for role, list := range fresh {
		for _, t := range list {
			by := slices.DeleteFunc(slices.Clone(t.by()), func(transaction int64) bool { return over[transaction] == measure{} })
			for _, transaction := range by {
				l.hold(role, t.what, over[transaction])
			}
			if len(by) == 0 {
				l.release(role, t.what)
			}
		}
	}
}

// countOf counts what each deletion takes away.
func countOf(taking map[string][]loss) map[int64]int64 {
	counts := map[int64]int64{}
	for _, list := range taking {
		for _, t := range list {
			for _, transaction := range t.by() {
				counts[transaction]++
			}
		}
	}
	return counts
}

// overLimit returns the deletions that exceed the limit. Each is measured whole, with what it takes from other roles and what of it is held already.
func (e *Engine) overLimit(ctx context.Context, tx pgx.Tx, w work, s *state, taking, fresh map[string][]loss) (map[int64]measure, error) {
	limit := e.policy.Limit
	unapproved := map[string][]loss{}
	for role, list := range taking {
		for _, t := range list {
			if !s.ledger.free[role][t.what] {
				unapproved[role] = append(unapproved[role], t)
			}
		}
	}
	counts, news := countOf(unapproved), countOf(fresh)
	counts[undeclared] = max(counts[undeclared], w.undeclared)
	transactions := keys(news)
	for _, onlyHad := range []bool{false, true} {
		elsewhere, err := readElsewhere(ctx, tx, keys(s.roles), transactions, onlyHad)
		if err != nil {
			return nil, err
		}
		deletions := make([]deletion, 0, len(transactions))
		var sum int64
		for _, transaction := range transactions {
			d := deletion{transaction: transaction, revokes: counts[transaction] + elsewhere[transaction]}
			deletions, sum = append(deletions, d), sum+d.revokes
		}
		switch {
		case !limit.exceeded(s.ledger.recent+sum, 0):
			return nil, nil
		case !onlyHad && len(elsewhere) > 0:
			continue // what the rows asked for may be more than the roles have
		}
		held, err := e.heldThroughRows(ctx, tx, s, fresh)
		if err != nil {
			return nil, err
		}
		if err := readWriters(ctx, tx, deletions); err != nil {
			return nil, err
		}
		return limit.over(deletions, s.ledger.recent, held+sum+s.ledger.recent), nil
	}
	return nil, nil
}

// heldThroughRows counts what all roles hold through rows, but for what the drift takes away. What the pass itself gives was not held when somebody
// deleted the rest.
func (e *Engine) heldThroughRows(ctx context.Context, tx pgx.Tx, s *state, fresh map[string][]loss) (int64, error) {
	if s.ledger.through == nil {
		var through int64
		count := func(patterns bool) error {
			return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, limitHeldSQL, patterns).Scan(&through) })
		}
		err := count(true)
		if classOf(err) == slow {
			err = count(false) // so that the limit holds rather more than less
		}
		if err != nil {
			return 0, fmt.Errorf("count what roles hold through rows: %w", err)
		}
		through = max(0, through-s.drift.asked())
		s.ledger.through = &through
	}
	return *s.ledger.through - s.drift.besides(fresh), nil
}

func readElsewhere(ctx context.Context, tx pgx.Tx, roles []string, transactions []int64, onlyHad bool) (map[int64]int64, error) {
	type row struct{ Transaction, Revokes int64 }
	list, err := collect[row](ctx, tx, limitElsewhereSQL, roles, transactions, onlyHad)
	if err != nil {
		return nil, fmt.Errorf("count what is taken away elsewhere: %w", err)
	}
	elsewhere := map[int64]int64{}
	for _, r := range list {
		elsewhere[r.Transaction] = r.Revokes
	}
	return elsewhere, nil
}

// readWriters reads who made the deletions.
func readWriters(ctx context.Context, tx pgx.Tx, deletions []deletion) error {
	type row struct {
		Transaction int64
		Writer      string
	}
	transactions := make([]int64, len(deletions))
	for i, d := range deletions {
		transactions[i] = d.transaction
	}
	list, err := collect[row](ctx, tx, limitWritersSQL, transactions)
	if err != nil {
		return fmt.Errorf("read who deleted rows: %w", err)
	}
	writers := map[int64]string{}
	for _, r := range list {
		writers[r.Transaction] = r.Writer
	}
	for i := range deletions {
		deletions[i].writer = writers[deletions[i].transaction]
	}
	return nil
}

// takenAway is what the plan takes from each role. Intermediate roles are looked at through their members, who keep their memberships while an object
// that lost its name is lost to all of them.
func (s *state) takenAway() map[string][]loss {
	taking := map[string][]loss{}
	for unit, list := range s.plan.Taking {
		switch r := s.roles[unit]; {
		case r.Foreign:
		case r.Intermediate:
			if unnamed := slices.DeleteFunc(slices.Clone(list), func(t loss) bool { return !t.unnamed }); len(unnamed) > 0 {
				taking[unit] = unnamed
			}
		default:
			taking[unit] = list
		}
	}
	return taking
}

// readHeld reads what is held of these roles and what was approved, and how much was taken in the last moments: each once in a pass.
func (l *ledger) readHeld(ctx context.Context, tx pgx.Tx, roles []string, window time.Duration) error {
	roles = slices.DeleteFunc(roles, func(role string) bool { return l.read[role] })
	if len(roles) == 0 {
		return nil
	}
	var role, digest, by string
	var changes []string
	var m measure
	batch := &pgx.Batch{}
	batch.Queue("select role_name, digest, changes, at_once, in_all from sync_roles.held where role_name = any ($1)", roles).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&role, &digest, &changes, &m.revokes, &m.held}, func() error {
			before := heldBefore{digest: digest, measure: m}
			if changes != nil {
				before.changes = asSet(changes)
			}
			l.before[role] = before
			return nil
		})
		return err
	})
	batch.Queue("select role_name, digest, approved_by from sync_roles.approvals where role_name = any ($1)", roles).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&role, &digest, &by}, func() error {
			l.approved[role] = approval{digest, by}
			return nil
		})
		return err
	})
	if !l.known && window > 0 {
		batch.Queue("select coalesce(sum(revokes), 0)::bigint from sync_roles.recent_revokes where at > now() - $1::interval", window).
			QueryRow(func(row pgx.Row) error { return row.Scan(&l.recent) })
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read what is held, and what was approved: %w", err)
	}
	l.known = true
	for _, r := range roles {
		l.read[r] = true
	}
	return nil
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
			insert into sync_roles.held (role_name, revokes, digest, changes, at_once, in_all) values ($1, $2, $3, $4, $5, $6)
			on conflict (role_name) do update
			set revokes = excluded.revokes, digest = excluded.digest, changes = excluded.changes, at_once = excluded.at_once, in_all = excluded.in_all
			where held.digest <> excluded.digest or held.changes is null or (held.at_once, held.in_all) <> (excluded.at_once, excluded.in_all)`,
			role, len(s.held[role].what), s.held[role].digest, s.held[role].what, s.ledger.over[role].revokes, s.ledger.over[role].held)
	}
}

// keptRevokes is for how long recent revokes are kept at least: another daemon's window may be longer.
const keptRevokes = 10 * time.Minute

// recordRevokes writes down how much of what the pass took away counts against the next deletion: what neither expired nor was approved, and went.
func recordRevokes(records *pgx.Batch, l *ledger, rows []AuditRow, window time.Duration) {
	var n int64
	for _, r := range rows {
		n += min(l.counts[r.Role], int64(r.Revoked))
	}
	if n == 0 || window == 0 {
		return
	}
	records.Queue("delete from sync_roles.recent_revokes where at < now() - $1::interval", max(window, keptRevokes))
	records.Queue("insert into sync_roles.recent_revokes (revokes) values ($1)", n)
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
