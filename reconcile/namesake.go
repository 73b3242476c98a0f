package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// namesake is an unregistered role that has the name of an intermediate role or keeper to be made: one of ours from before the schema was removed and
// installed again, or of a plan that was run by hand; or another role's work, made to be given what ours gets. (sql/namesakes.sql)
type namesake struct {
	Name    string
	OID     catalog.OID
	Problem string // why it cannot be ours; empty: it is as we would have made it
	keeper  bool   // the name is a keeper's
	instead string // the name for the role that is made in its place
}

var namesakesSQL = query("namesakes")

const keeperNamesakesSQL = `
	select r.rolname, r.oid, coalesce(sync_roles.keeper_problem(r.oid, false), '')
	from pg_catalog.pg_roles as r
	where r.rolname = any ($1::name[])
	order by 1`

// readNamesakes asks about the names of this plan that were not asked about yet. again reports whether one is taken, so that the plan must be made
// again.
func (d *Drift) readNamesakes(ctx context.Context, tx pgx.Tx, p *Plan) (again bool, err error) {
	if d.Namesakes == nil {
		d.Namesakes = map[string]*namesake{}
	}
	var keepers []string
	for _, name := range keys(p.keeperSlots) {
		if _, asked := d.Namesakes[name]; !asked {
			keepers = append(keepers, name)
			d.Namesakes[name] = nil
		}
	}
	var found []namesake
	if len(keepers) > 0 {
		if found, err = collectNamesakes(ctx, tx, keeperNamesakesSQL, keepers); err != nil {
			return false, err
		}
	}
	for i := range found {
		found[i].keeper, found[i].instead = true, freshName(d.Server.DatabaseOID, "keeper_")
	}
	roles, err := d.readIntermediateNamesakes(ctx, tx, p, d.ownKeepers(found))
	if err != nil {
		return false, err
	}
	for _, n := range append(found, roles...) {
		d.Namesakes[n.Name] = &n
		again = true
	}
	return again, nil
}

// ownKeepers lists the keepers that are there, unregistered, and can be ours.
func (d *Drift) ownKeepers(found []namesake) []catalog.OID {
	own := []catalog.OID{}
	for _, n := range found {
		if n.Problem == "" {
			own = append(own, n.OID)
		}
	}
	for _, name := range keys(d.Namesakes) {
		if n := d.Namesakes[name]; n != nil && n.keeper && n.Problem == "" {
			own = append(own, n.OID)
		}
	}
	return own
}

func (d *Drift) readIntermediateNamesakes(ctx context.Context, tx pgx.Tx, p *Plan, keepers []catalog.OID) ([]namesake, error) {
	var columns [7][]string
	for _, name := range keys(p.selectors) {
		if _, asked := d.Namesakes[name]; asked {
			continue
		}
		d.Namesakes[name] = nil
		s := p.selectors[name]
		for i, value := range []string{name, s.Privilege, string(s.ObjectType), s.SchemaName, s.ObjectName, s.NameMatch, s.ColumnName} {
			columns[i] = append(columns[i], value)
		}
	}
	if len(columns[0]) == 0 {
		return nil, nil
	}
	found, err := collectNamesakes(ctx, tx, namesakesSQL, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], keepers)
	for i := range found {
		found[i].instead = freshName(d.Server.DatabaseOID, "")
	}
	return found, err
}

func collectNamesakes(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]namesake, error) {
	rows, err := tx.Query(ctx, sql, args...)
	var list []namesake
	if err == nil {
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n namesake, err error) {
			err = row.Scan(&n.Name, &n.OID, &n.Problem)
			return n, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("look for unregistered roles with names of intermediate roles: %w", err)
	}
	return list, nil
}

// freshName is a name that no one can have taken beforehand.
func freshName(database catalog.OID, kind string) string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never returns an error
	return fmt.Sprintf("_pgsr_%d_%s%s", database, kind, hex.EncodeToString(random[:]))
}

// free returns the name under which to make a role whose derived name this is, and notes the role that keeps it from having that name.
func (c *decision) free(name, purpose string) string {
	n := c.drift.Namesakes[name]
	if n == nil || n.Problem == "" {
		return name
	}
	c.strangers[name] = strangerProblem(name, purpose, n.Problem)
	return n.instead
}

// adoptable reports whether there is an unregistered role of this name that is as it would be made.
func (c *decision) adoptable(name string) bool {
	n := c.drift.Namesakes[name]
	return n != nil && n.Problem == ""
}

// intermediateFor is the name that the selector's intermediate role has or gets.
func (d *Drift) intermediateFor(t *Target) string {
	name := t.intermediateName(d.Server.DatabaseOID)
	if n := d.Namesakes[name]; n != nil && n.Problem != "" {
		return n.instead
	}
	return name
}

// strangerProblem tells of a role that has a name of ours and is not ours. It is given nothing, and keeps nobody from anything.
func strangerProblem(name, purpose, why string) Problem {
	return Problem{
		Kind: Refused, Object: "role " + name,
		Reason: fmt.Sprintf("it has the name of %s, and was not made by this daemon: %s; a role of another name is used", purpose, why),
		Fix:    strangerFix(name),
	}
}

// unregisteredSQL leaves out two of ours that had changed names.
const unregisteredSQL = `
	select r.rolname
	from pg_catalog.pg_roles as r
	where r.rolname = any ($1::name[])
		and not exists (select from sync_roles.intermediate_roles as i where i.role_oid = r.oid)
		and not exists (select from sync_roles.keepers as k where k.role_oid = r.oid)
	order by 1`

// addStrangers puts the roles that have a name of ours, and are not ours, among those that the pass reports about.
func (s *state) addStrangers(ctx context.Context, tx pgx.Tx) error {
	if len(s.strangers) == 0 {
		return nil
	}
	list, err := names(ctx, tx, unregisteredSQL, keys(s.strangers))
	if err != nil {
		return fmt.Errorf("look for unregistered roles: %w", err)
	}
	roles, err := readRoles(ctx, tx, list)
	if err != nil {
		return err
	}
	for _, name := range list {
		s.roles[name] = roles[name]
		s.problems.add(name, s.strangers[name])
	}
	return nil
}

// noteStrangers keeps what a plan found about roles that have a name of ours until the pass ends: the next plan has nothing to do with them.
func (s *state) noteStrangers(p *Plan) {
	for name, problem := range p.strangers {
		if s.strangers == nil {
			s.strangers = map[string]Problem{}
		}
		s.strangers[name] = problem
	}
}
