package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Adoption is what rows were written for what roles hold, and what could not be said in rows.
type Adoption struct {
	Roles   []string
	Grants  int // rows written to desired_grants
	Refused []Unsaid
	Beyond  []Unsaid // what is none of the daemon's business, whatever rows say
}

// Unsaid is something that a role has and that no row says.
type Unsaid struct {
	Role string
	What string
	Why  string
}

var (
	holdingsSQL    = query("holdings")
	populationsSQL = query("populations")
	adoptRolesSQL  = query("adopt_roles")
	adoptGrantsSQL = query("adopt_grants")
	beyondRowsSQL  = query("beyond_rows")
)

// Adopt writes rows for what these roles are and hold now, so that a pass over them has nothing to do; for all roles that may be managed
// if none is named. With patterns, what a role has on all objects of a schema becomes one row, which covers later objects too.
//
// What rows cannot say is found by the engine itself: what it would grant for the new rows, and what it would take away were the
// roles exclusive. It is all one transaction, under the lock of every pass.
func (e *Engine) Adopt(ctx context.Context, roles []string, patterns bool) (*Adoption, error) {
	tx, err := e.beginLocked(ctx, e.lockTimeout, e.statementTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	a := &Adoption{}
	if a.Roles, err = e.adoptable(ctx, tx, roles); err != nil {
		return nil, err
	}
	if err := nothingWithdrawn(ctx, tx, a.Roles); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, adoptRolesSQL, slices.DeleteFunc(slices.Clone(a.Roles), isPublic), append([]string{}, e.policy.AllowAttribute...)); err != nil {
		return nil, fmt.Errorf("write rows of desired_roles: %w", err)
	}
	holdings, err := collect[Holding](ctx, tx, holdingsSQL, a.Roles, e.policy.allowedMemberships())
	if err != nil {
		return nil, fmt.Errorf("read what the roles hold: %w", err)
	}
	populations, err := collect[Population](ctx, tx, populationsSQL)
	if err != nil {
		return nil, fmt.Errorf("count objects: %w", err)
	}
	if err := e.adoptGrants(ctx, tx, a, fewestRows(holdings, populations, patterns)); err != nil {
		return nil, err
	}
	if a.Beyond, err = collect[Unsaid](ctx, tx, beyondRowsSQL, a.Roles, append([]string{}, e.policy.AllowAttribute...), e.policy.allowedMemberships()); err != nil {
		return nil, fmt.Errorf("look for what rows cannot name: %w", err)
	}
	if err := e.findUnsaid(ctx, tx, a); err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return a, nil
}

func isPublic(role string) bool { return role == catalog.Public }

// adoptable returns the roles that can be managed: all of them, or these, of which none may be missing or protected.
func (e *Engine) adoptable(ctx context.Context, tx pgx.Tx, roles []string) ([]string, error) {
	asked := len(roles) > 0
	if !asked {
		var err error
		if roles, err = names(ctx, tx, "select rolname from pg_catalog.pg_roles order by rolname"); err != nil {
			return nil, fmt.Errorf("read roles: %w", err)
		}
	}
	known, err := readRoles(ctx, tx, roles)
	if err != nil {
		return nil, err
	}
	var list []string
	var wrong []error
	for _, name := range roles {
		r := known[name]
		why := protection(r, e.server, e.policy)
		switch {
		case name != catalog.Public && r.OID == 0:
			why = "it does not exist"
		case r.Intermediate:
			why = "it is an intermediate role"
		}
		if why == "" {
			list = append(list, name)
		} else if asked {
			wrong = append(wrong, fmt.Errorf("role %q cannot be adopted: %s", name, why))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), errors.Join(wrong...)
}

// nothingWithdrawn keeps what a deleted row gave, and no pass has taken away yet, from being asked for again.
func nothingWithdrawn(ctx context.Context, tx pgx.Tx, roles []string) error {
	list, err := names(ctx, tx, "select distinct format('%I', role_name) from sync_roles.withdrawn where role_name = any ($1) order by 1", roles)
	if err != nil {
		return fmt.Errorf("look for deleted rows: %w", err)
	}
	if len(list) > 0 {
		return fmt.Errorf("rows of %s were deleted, and what they gave is still to be taken away: run pg-sync-roles sync first", strings.Join(list, ", "))
	}
	return nil
}

// written is what became of a row. (sql/adopt_grants.sql)
type written struct {
	ID      int64 // 0: not written
	Problem string
}

// adoptGrants writes rows, but for those that the engine would have something to do for.
func (e *Engine) adoptGrants(ctx context.Context, tx pgx.Tx, a *Adoption, rows []adopted) error {
	var wrong map[int]string
	err := rolledBack(ctx, tx, func(tx pgx.Tx) error {
		results, err := writeRows(ctx, tx, rows)
		if err != nil {
			return err
		}
		wrong, err = e.unfit(ctx, tx, a.Roles, results)
		return err
	})
	if err != nil {
		return err
	}
	var fit []adopted
	for i, row := range rows {
		if why, ok := wrong[i]; ok {
			a.Refused = append(a.Refused, Unsaid{row.Role, row.String(), why})
		} else {
			fit = append(fit, row)
		}
	}
	results, err := writeRows(ctx, tx, fit)
	for _, r := range results {
		if r.ID != 0 {
			a.Grants++
		}
	}
	return err
}

func writeRows(ctx context.Context, tx pgx.Tx, rows []adopted) ([]written, error) {
	n := len(rows)
	roles, privileges, types, schemas := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	objects, matches, columns, grantable := make([]string, n), make([]string, n), make([]string, n), make([]bool, n)
	for i, r := range rows {
		roles[i], privileges[i], types[i], schemas[i] = r.Role, r.Privilege, string(r.ObjectType), r.Schema
		objects[i], matches[i], columns[i], grantable[i] = r.Name, r.match, r.Column, r.Grantable
	}
	results, err := collect[written](ctx, tx, adoptGrantsSQL, roles, privileges, types, schemas, objects, matches, columns, grantable)
	if err != nil {
		return nil, fmt.Errorf("write rows of desired_grants: %w", err)
	}
	return results, nil
}

// unfit says which of the rows, by their position, ask for something that is not so, or are none.
func (e *Engine) unfit(ctx context.Context, tx pgx.Tx, roles []string, results []written) (map[int]string, error) {
	wrong := map[int]string{}
	position := map[int64]int{}
	for i, r := range results {
		position[r.ID] = i
		if r.Problem != "" {
			wrong[i] = r.Problem
		}
	}
	for chunk := range slices.Chunk(roles, batchSize) {
		drift, err := e.readAll(ctx, tx, chunk)
		if err != nil {
			return nil, err
		}
		for _, m := range drift.Missing {
			if i, ok := position[m.GrantID]; ok && m.GrantID != 0 {
				wrong[i] = whyMissing(m)
			}
		}
	}
	return wrong, nil
}

// whyMissing says why a row that says what a role holds would have something granted.
func whyMissing(m Missing) string {
	switch {
	case m.AskedPrivilege == "MEMBER":
		return "a MEMBER row gives INHERIT (as the role's attribute is) and SET, and this membership has not both"
	case !m.exists():
		return "rows cannot name it"
	default:
		return fmt.Sprintf("a row would grant %s on %s as well", m.Privilege, m.object())
	}
}

// readAll reads how roles differ from their rows, but for what they are.
func (e *Engine) readAll(ctx context.Context, tx pgx.Tx, roles []string) (*Drift, error) {
	_, scope, err := readScope(ctx, tx, slices.Clone(roles), work{}, e.policy)
	if err != nil {
		return nil, err
	}
	return readDifferences(ctx, tx, scope)
}

// findUnsaid lists what would be taken away from the roles, were they exclusive.
func (e *Engine) findUnsaid(ctx context.Context, tx pgx.Tx, a *Adoption) error {
	known := map[string]bool{}
	for _, u := range slices.Concat(a.Refused, a.Beyond) {
		known[u.Role+" "+u.What] = true
	}
	add := func(h Holding, why string) {
		u := Unsaid{h.Role, h.String(), why}
		if key := u.Role + " " + u.What; !known[key] {
			known[key] = true
			a.Refused = append(a.Refused, u)
		}
	}
	return rolledBack(ctx, tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "update sync_roles.desired_roles set revoke_other = '{all}' where role_name = any ($1)", a.Roles); err != nil {
			return fmt.Errorf("make the roles exclusive for a moment: %w", err)
		}
		for chunk := range slices.Chunk(a.Roles, batchSize) {
			drift, err := e.readAll(ctx, tx, chunk)
			if err != nil {
				return err
			}
			for _, s := range drift.Grants {
				add(Holding{Role: s.Role, Privilege: s.Privilege, ObjectType: s.ObjectType, Schema: s.SchemaName, Name: cmp.Or(s.Signature, s.ObjectName), Column: s.ColumnName}, whyUnsaid(s.OptionOnly, s.StillAsked, "rows cannot name it, or it came meanwhile"))
			}
			for _, s := range drift.Memberships {
				add(Holding{Role: s.Unit, Privilege: "MEMBER", ObjectType: catalog.Role, Name: s.RoleName}, whyUnsaid(s.OptionOnly, s.StillAsked, "rows give no such membership"))
			}
			if err := addElsewhere(ctx, tx, chunk, add); err != nil {
				return err
			}
			for _, s := range drift.Ownerships {
				add(Holding{Role: s.Role, Privilege: "OWNER", ObjectType: s.ObjectType, Schema: s.SchemaName, Name: cmp.Or(s.Signature, s.ObjectName)}, "rows want another owner, or cannot name it")
			}
		}
		return nil
	})
}

// addElsewhere lists memberships that pass for those of another database, and give something in this one.
func addElsewhere(ctx context.Context, tx pgx.Tx, roles []string, add func(Holding, string)) error {
	type membership struct{ Role, Group string }
	list, err := collect[membership](ctx, tx, elsewhereSQL, roles)
	if err != nil {
		return fmt.Errorf("look for memberships in intermediate roles of other databases: %w", err)
	}
	for _, m := range list {
		add(Holding{Role: m.Role, Privilege: "MEMBER", ObjectType: catalog.Role, Name: m.Group}, "that role has the name of another database's intermediate role, and holds privileges in this one")
	}
	return nil
}

const elsewhereSQL = `
	select distinct u.rolname, r.rolname
	from pg_catalog.pg_roles as u
	join sync_roles.memberships as m on m.member_oid = u.oid
	join pg_catalog.pg_roles as r on r.oid = m.role_oid
	join pg_catalog.pg_shdepend as d
		on d.refclassid = 'pg_catalog.pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'a'
		and d.dbid = (select b.oid from pg_catalog.pg_database as b where b.datname = current_database())
	where u.rolname = any ($1::name[]) and starts_with(r.rolname::text, '_pgsr_') and sync_roles.foreign_database(r.rolname) is not null
		and not exists (select from sync_roles.intermediate_roles as i where i.role_oid = r.oid)
	order by 1, 2`

// whyUnsaid says why rows that are there do not keep what a role has.
func whyUnsaid(optionOnly, stillAsked bool, otherwise string) string {
	switch {
	case optionOnly:
		return "the row for it is not grantable, and this is held with the grant or ADMIN option"
	case stillAsked:
		return "the row for it asks for another encoding (direct)"
	}
	return otherwise
}

// rolledBack runs something of which nothing is to stay.
func rolledBack(ctx context.Context, tx pgx.Tx, do func(pgx.Tx) error) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("set a savepoint: %w", err)
	}
	err = do(inner)
	if rollback := inner.Rollback(ctx); err == nil && rollback != nil {
		err = fmt.Errorf("roll back to a savepoint: %w", rollback)
	}
	return err
}
