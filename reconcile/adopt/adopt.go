// Package adopt writes rows for the privileges that roles hold now.
package adopt

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query returns the text of sql/<name>.sql.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}

var (
	actualGrantsSQL   = query("actual_grants")
	objectCountsSQL   = query("object_counts")
	writeRolesSQL     = query("write_roles")
	writeGrantsSQL    = query("write_grants")
	notExpressibleSQL = query("not_expressible")
	foreignMembersSQL = query("foreign_members")
)

// Adoption is the result of Run: the rows that were written, and the grants that rows cannot express.
type Adoption struct {
	Roles         []string
	Grants        int             // rows written to desired_grants
	Inexpressible []Inexpressible // grants that no row can express
	Foreign       []Inexpressible // what the daemon leaves alone, whatever rows say
	Defaults      []Inexpressible // default privileges, which roles keep even where they keep nothing else
}

// Inexpressible is something that a role has and for which there is no row.
type Inexpressible struct {
	Role string `db:"role_name"`
	What string
	Why  string
}

// An adopter writes rows in a transaction.
type adopter struct {
	tx     pgx.Tx
	server catalog.Server
	policy plan.Policy
	Adoption
}

// Run writes rows for the attributes and privileges of these roles, so that a pass over them has nothing to do; for all roles that may be managed
// if none is named. With patterns, what a role has on all objects of a schema becomes one row, which covers later objects too.
//
// What rows cannot express is found by the engine's own readings: what they miss for the new rows, and what would be surplus were the
// roles exclusive. The transaction has the lock of every pass.
func Run(ctx context.Context, tx pgx.Tx, server catalog.Server, policy plan.Policy, roles []string, patterns bool) (*Adoption, error) {
	a := &adopter{tx: tx, server: server, policy: policy}
	var err error
	if a.Roles, err = a.adoptable(ctx, roles); err != nil {
		return nil, err
	}
	if err := a.nothingWithdrawn(ctx); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, writeRolesSQL, slices.DeleteFunc(slices.Clone(a.Roles), isPublic), policy.AllowedAttributes()); err != nil {
		return nil, fmt.Errorf("write rows of desired_roles: %w", err)
	}
	grants, err := catalog.Collect[ActualGrant](ctx, tx, actualGrantsSQL, a.Roles, policy.AllowedMemberships())
	if err != nil {
		return nil, fmt.Errorf("read what the roles hold: %w", err)
	}
	counts, err := catalog.Collect[ObjectCount](ctx, tx, objectCountsSQL)
	if err != nil {
		return nil, fmt.Errorf("count objects: %w", err)
	}
	if err := a.writeGrants(ctx, compact(grants, counts, patterns)); err != nil {
		return nil, err
	}
	if a.Foreign, err = catalog.Collect[Inexpressible](ctx, tx, notExpressibleSQL, a.Roles, policy.AllowedAttributes(), policy.AllowedMemberships()); err != nil {
		return nil, fmt.Errorf("look for what rows cannot name: %w", err)
	}
	if err := a.findInexpressible(ctx); err != nil {
		return nil, err
	}
	return &a.Adoption, nil
}

func isPublic(role string) bool { return role == catalog.Public }

// batchSize is how many roles are read at once.
const batchSize = 1000

// adoptable returns the roles that can be managed: all of them, or these, of which none may be missing or protected.
func (a *adopter) adoptable(ctx context.Context, roles []string) ([]string, error) {
	named := len(roles) > 0
	if !named {
		var err error
		if roles, err = catalog.Column[string](ctx, a.tx, "select rolname from pg_catalog.pg_roles order by rolname"); err != nil {
			return nil, fmt.Errorf("read roles: %w", err)
		}
	}
	known, err := inspect.Roles(ctx, a.tx, roles)
	if err != nil {
		return nil, err
	}
	var list []string
	var wrong []error
	for _, name := range roles {
		r := known[name]
		why := plan.Protection(r, a.server, a.policy)
		switch {
		case name != catalog.Public && r.OID == 0:
			why = "it does not exist"
		case r.Intermediate:
			why = "it is an intermediate role"
		case r.State == plan.Retired:
			why = "it is being retired"
		}
		if why == "" {
			list = append(list, name)
		} else if named {
			wrong = append(wrong, fmt.Errorf("role %q cannot be adopted: %s", name, why))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), errors.Join(wrong...)
}

// nothingWithdrawn keeps what a deleted row gave, and no pass has revoked yet, from becoming a row again.
func (a *adopter) nothingWithdrawn(ctx context.Context) error {
	list, err := catalog.Column[string](ctx, a.tx, "select distinct format('%I', role_name) from sync_roles.withdrawn where role_name = any ($1) order by 1", a.Roles)
	if err != nil {
		return fmt.Errorf("look for deleted rows: %w", err)
	}
	if len(list) > 0 {
		return fmt.Errorf("rows of %s were deleted, and what they gave is still to be revoked: run pg-sync-roles sync first", strings.Join(list, ", "))
	}
	return nil
}

// written is what became of a row. (sql/write_grants.sql)
type written struct {
	ID      int64 // 0: not written
	Problem string
}

// writeGrants writes rows, but for those for which a pass would have something to do.
func (a *adopter) writeGrants(ctx context.Context, rows []row) error {
	var wrong map[int]string
	err := rolledBack(ctx, a.tx, func(tx pgx.Tx) error {
		results, err := writeRows(ctx, tx, rows)
		if err != nil {
			return err
		}
		wrong, err = a.unfit(ctx, tx, results)
		return err
	})
	if err != nil {
		return err
	}
	var fit []row
	for i, row := range rows {
		if why, ok := wrong[i]; ok {
			a.Inexpressible = append(a.Inexpressible, Inexpressible{row.Role, row.String(), why})
		} else {
			fit = append(fit, row)
		}
	}
	results, err := writeRows(ctx, a.tx, fit)
	for _, r := range results {
		if r.ID != 0 {
			a.Grants++
		}
	}
	return err
}

func writeRows(ctx context.Context, tx pgx.Tx, rows []row) ([]written, error) {
	n := len(rows)
	roles, privileges, types, schemas := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	objects, matches, columns, grantable := make([]string, n), make([]string, n), make([]string, n), make([]bool, n)
	inherit, set := make([]pgtype.Bool, n), make([]pgtype.Bool, n)
	for i, r := range rows {
		roles[i], privileges[i], types[i], schemas[i] = r.Role, r.Privilege, string(r.ObjectType), r.Schema
		objects[i], matches[i], columns[i], grantable[i] = r.Name, r.match, r.Column, r.Grantable
		inherit[i], set[i] = r.InheritOption, r.SetOption
	}
	results, err := catalog.Collect[written](ctx, tx, writeGrantsSQL, roles, privileges, types, schemas, objects, matches, columns, grantable, inherit, set)
	if err != nil {
		return nil, fmt.Errorf("write rows of desired_grants: %w", err)
	}
	return results, nil
}

// unfit says which of the rows, by their position, would have a pass grant something, or are refused.
func (a *adopter) unfit(ctx context.Context, tx pgx.Tx, results []written) (map[int]string, error) {
	wrong := map[int]string{}
	position := map[int64]int{}
	for i, r := range results {
		position[r.ID] = i
		if r.Problem != "" {
			wrong[i] = r.Problem
		}
	}
	for chunk := range slices.Chunk(a.Roles, batchSize) {
		drift, err := a.readDrift(ctx, tx, chunk)
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

// whyMissing says why a row that expresses what a role holds would have a pass grant something.
func whyMissing(m plan.Missing) string {
	switch {
	case m.DesiredPrivilege == "MEMBER":
		return "it is of no use: it has neither INHERIT nor SET"
	case !m.Exists():
		return "rows cannot name it"
	default:
		return fmt.Sprintf("a row would grant %s on %s as well", m.Privilege, m.Object())
	}
}

// readDrift reads how roles differ from their rows.
func (a *adopter) readDrift(ctx context.Context, tx pgx.Tx, roles []string) (*plan.Drift, error) {
	known, scope, err := inspect.ReadScope(ctx, tx, slices.Clone(roles), inspect.Extent{Allowed: a.policy.AllowedMemberships(), Citus: a.server.Citus})
	if err != nil {
		return nil, err
	}
	d := &plan.Drift{Roles: known}
	return d, inspect.Differences(ctx, tx, scope, d)
}

// findInexpressible lists what would be revoked from the roles, were they exclusive.
func (a *adopter) findInexpressible(ctx context.Context) error {
	known := map[string]bool{}
	for _, u := range slices.Concat(a.Inexpressible, a.Foreign) {
		known[u.Role+" "+u.What] = true
	}
	add := func(g ActualGrant, why string) {
		u := Inexpressible{g.Role, g.String(), why}
		if key := u.Role + " " + u.What; !known[key] {
			known[key] = true
			a.Inexpressible = append(a.Inexpressible, u)
		}
	}
	return rolledBack(ctx, a.tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "update sync_roles.desired_roles set revoke_other = '{all,default_privileges}' where role_name = any ($1)", a.Roles); err != nil {
			return fmt.Errorf("make the roles exclusive for a moment: %w", err)
		}
		for chunk := range slices.Chunk(a.Roles, batchSize) {
			drift, err := a.readDrift(ctx, tx, chunk)
			if err != nil {
				return err
			}
			for _, s := range drift.Grants {
				add(ActualGrant{Role: s.Role, Privilege: s.Privilege, ObjectType: s.ObjectType, Schema: s.SchemaName, Name: cmp.Or(s.Signature, s.ObjectName), Column: s.ColumnName}, whyInexpressible(s.OptionOnly, s.StillDesired, "rows cannot name it, or it was granted meanwhile"))
			}
			for _, s := range drift.Memberships {
				add(ActualGrant{Role: s.Role, Privilege: "MEMBER", ObjectType: catalog.Role, Name: s.GrantedName}, whyInexpressible(s.OptionOnly != "", s.StillDesired, "rows give no such membership"))
			}
			if err := addForeignMembers(ctx, tx, chunk, add); err != nil {
				return err
			}
			for _, s := range drift.Ownerships {
				add(ActualGrant{Role: s.Role, Privilege: "OWNER", ObjectType: s.ObjectType, Schema: s.SchemaName, Name: cmp.Or(s.Signature, s.ObjectName)}, "rows want another owner, or cannot name it")
			}
			for _, s := range drift.Defaults {
				a.Defaults = append(a.Defaults, Inexpressible{s.Role, s.String(), "it stays, unless revoke_other has default_privileges; a row with at_creation gives such to all tables of a schema, also to those that are there"})
			}
		}
		return nil
	})
}

// addForeignMembers lists memberships in roles that have the name of another database's intermediate role, and hold privileges in this one.
func addForeignMembers(ctx context.Context, tx pgx.Tx, roles []string, add func(ActualGrant, string)) error {
	type membership struct{ Member, Granted string }
	list, err := catalog.Collect[membership](ctx, tx, foreignMembersSQL, roles)
	if err != nil {
		return fmt.Errorf("look for memberships in intermediate roles of other databases: %w", err)
	}
	for _, m := range list {
		add(ActualGrant{Role: m.Member, Privilege: "MEMBER", ObjectType: catalog.Role, Name: m.Granted}, "that role has the name of another database's intermediate role, and holds privileges in this one")
	}
	return nil
}

// whyInexpressible says why rows that are there do not keep what a role has.
func whyInexpressible(optionOnly, stillDesired bool, otherwise string) string {
	switch {
	case optionOnly:
		return "its row is not grantable, and this is held with the grant or ADMIN option"
	case stillDesired:
		return "its row asks for another encoding (direct)"
	}
	return otherwise
}

// rolledBack runs do, and undoes it.
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
