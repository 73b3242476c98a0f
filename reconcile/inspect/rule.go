package inspect

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	ruleHitsSQL     = query("rule_hits")
	ruleDefaultsSQL = query("rule_defaults")
	ruleBearersSQL  = query("rule_bearers")
	ruleHoldingsSQL = query("rule_holdings")
)

const rulesSQL = "select id, reason, applies_to, with_privilege is not null as pair from sync_roles.forbidden"

const (
	anyEnforcedSQL = "select exists (select from sync_roles.forbidden where enforce)"
	enforcedSQL    = `
		select e.role_name
		from sync_roles.enforced_entries as e
		union
		select e.role_name
		from sync_roles.enforced_members as e
		order by 1`
)

// EnforcedRoles lists the roles, and PUBLIC, that have what a rule with enforce takes.
func EnforcedRoles(ctx context.Context, q catalog.Querier) ([]string, error) {
	var enforced bool // to plan the other query takes longer than a rescan of a small database
	if err := q.QueryRow(ctx, anyEnforcedSQL).Scan(&enforced); err != nil || !enforced {
		return nil, err
	}
	list, err := catalog.Column[string](ctx, q, enforcedSQL)
	if err != nil {
		return nil, fmt.Errorf("look for roles that break an enforced rule: %w", err)
	}
	return list, nil
}

const ownsCodeSQL = `
	select exists (select from pg_catalog.pg_class as c where c.relhasrules and c.relowner = any ($1::oid[]))
		or exists (select from pg_catalog.pg_proc as p where p.prosecdef and p.proowner = any ($1::oid[]))`

// answerRules reads the rules' word on each missing privilege.
func answerRules(ctx context.Context, tx pgx.Tx, asked bool, d *plan.Drift, f *plan.Facts) error {
	if !asked {
		return nil
	}
	facts := &plan.RuleFacts{
		Rules: map[int64]plan.Rule{}, Hits: map[plan.RuleTarget][]plan.RuleHit{}, Bearers: map[catalog.OID][]plan.Bearer{},
		Holdings: map[catalog.OID][]plan.RuleHit{},
	}
	changes := collectChanges(d)
	var rules []plan.Rule
	var bearers []plan.Bearer
	var hits, defaults []hit
	batch := &pgx.Batch{}
	catalog.Queue(batch, rulesSQL, &rules)
	catalog.Queue(batch, ruleHitsSQL, &hits, changes.classes, changes.objects, changes.privileges, changes.columns)
	catalog.Queue(batch, ruleDefaultsSQL, &defaults, changes.schemas, changes.types, changes.defaults)
	catalog.Queue(batch, ruleBearersSQL, &bearers, slices.Sorted(maps.Keys(changes.roles)))
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read the rules of sync_roles.forbidden: %w", err)
	}
	for _, r := range rules {
		facts.Rules[r.ID] = r
	}
	for _, h := range hits {
		target := changes.targets[h.N-1]
		facts.Hits[target] = append(facts.Hits[target], h.RuleHit)
	}
	for _, h := range defaults {
		target := changes.defaultTargets[h.N-1]
		facts.Hits[target] = append(facts.Hits[target], h.RuleHit)
	}
	holders := changes.granted
	for _, b := range bearers {
		facts.Bearers[b.Start] = append(facts.Bearers[b.Start], b)
		if anyPair(rules) {
			holders[b.OID] = true
		}
	}
	holders[0] = true
	owners := slices.Collect(maps.Keys(changes.roles))
	for _, b := range bearers {
		owners = append(owners, b.OID)
	}
	if err := tx.QueryRow(ctx, ownsCodeSQL, owners).Scan(&facts.ToCode); err != nil {
		return fmt.Errorf("look for views and functions of roles: %w", err)
	}
	facts.ToCode = facts.ToCode || changes.public
	holdings, err := catalog.Collect[holding](ctx, tx, ruleHoldingsSQL, slices.Sorted(maps.Keys(holders)))
	if err != nil {
		return fmt.Errorf("read what roles have of what the rules of sync_roles.forbidden are about: %w", err)
	}
	for _, h := range holdings {
		facts.Holdings[h.StartOID] = append(facts.Holdings[h.StartOID], h.RuleHit)
	}
	f.Rules = facts
	return nil
}

// hit is a rule's word on the Nth change.
type hit struct {
	N int64
	plan.RuleHit
}

type holding struct {
	StartOID catalog.OID
	plan.RuleHit
}

// changes are the missing privileges, as the queries take them.
type changes struct {
	classes, objects    []catalog.OID
	privileges, columns []string
	targets             []plan.RuleTarget

	schemas, types, defaults []string
	defaultTargets           []plan.RuleTarget

	roles   map[catalog.OID]bool // that get something, and those in which they get a membership
	granted map[catalog.OID]bool // of these, the latter
	public  bool                 // PUBLIC gets something
}

func collectChanges(d *plan.Drift) *changes {
	c := &changes{roles: map[catalog.OID]bool{}, granted: map[catalog.OID]bool{}}
	known := map[plan.RuleTarget]bool{}
	for _, m := range d.Missing {
		if !m.Exists() {
			continue
		}
		c.roles[d.Roles[m.Role].OID] = true
		c.public = c.public || m.Role == catalog.Public
		for _, granted := range m.Granted() {
			c.roles[granted], c.granted[granted] = true, true
		}
		if target := m.RuleTarget(); !known[target] {
			known[target] = true
			c.targets = append(c.targets, target)
			c.classes, c.objects = append(c.classes, target.Class), append(c.objects, target.OID)
			c.privileges, c.columns = append(c.privileges, target.Privilege), append(c.columns, target.Column)
		}
	}
	for _, p := range d.Defaults {
		if p.Surplus {
			continue
		}
		c.roles[d.Roles[p.Role].OID] = true
		for _, target := range p.RuleTargets() {
			if !known[target] {
				known[target] = true
				c.defaultTargets = append(c.defaultTargets, target)
				c.schemas, c.types, c.defaults = append(c.schemas, target.Schema), append(c.types, string(target.ObjectType)), append(c.defaults, target.Privilege)
			}
		}
	}
	delete(c.roles, 0)
	return c
}

func anyPair(rules []plan.Rule) bool {
	return slices.ContainsFunc(rules, func(r plan.Rule) bool { return r.Pair })
}

const breachesSQL = `
	select row_to_json(row(v.forbidden_id, v.role_name, v.privilege, v.object_type, v.schema_name, v.object_name, v.column_name))::text as key,
		format('rule %s (%s): role %s would have %s on %s %s, by %s', v.forbidden_id, v.reason, v.role_name, v.privilege, v.object_type,
			concat_ws('.', v.schema_name, v.object_name), v.path) as text
	from sync_roles.violations as v
	order by 1`

// Breaches reads which rules are broken at this moment, in words; by a key for each.
func Breaches(ctx context.Context, tx pgx.Tx) (map[string]string, error) {
	list, err := catalog.Collect[struct{ Key, Text string }](ctx, tx, breachesSQL)
	if err != nil {
		return nil, fmt.Errorf("read which rules are broken: %w", err)
	}
	breaches := make(map[string]string, len(list))
	for _, b := range list {
		breaches[b.Key] = b.Text
	}
	return breaches, nil
}
