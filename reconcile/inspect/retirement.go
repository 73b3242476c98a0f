package inspect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	retiringSQL            = query("retiring")
	retiringGrantsSQL      = query("retiring_grants")
	retiringMembershipsSQL = query("retiring_memberships")
	retiringOwnershipsSQL  = query("retiring_ownerships")
	retiringLeftoversSQL   = query("retiring_leftovers")
)

// retiringMembership is a membership of a role that is being retired, or that it gave.
type retiringMembership struct {
	RoleName    string
	GrantedOID  catalog.OID
	GrantedName string
	MemberOID   catalog.OID
	MemberName  string
	GrantorOID  catalog.OID
	Regrant     bool   // the member keeps it
	Options     string // with which
}

// readRetiring reads what roles have that are being retired, into the drift: all of it is surplus.
func readRetiring(ctx context.Context, tx pgx.Tx, s *Scope, into *plan.Drift) error {
	if len(s.retired) == 0 {
		return nil
	}
	d := &plan.Drift{}
	var retirements []plan.Retirement
	var leftovers []plan.Leftover
	var memberships []retiringMembership
	batch := &pgx.Batch{}
	catalog.Queue(batch, retiringSQL, &retirements, s.retired, s.Owner)
	catalog.Queue(batch, retiringGrantsSQL, &d.Grants, s.retired)
	catalog.Queue(batch, retiringOwnershipsSQL, &d.Ownerships, s.retired)
	catalog.Queue(batch, retiringMembershipsSQL, &memberships, s.retired)
	catalog.Queue(batch, retiringLeftoversSQL, &leftovers, s.retired, s.Owner)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read what is left of roles that are being retired: %w", err)
	}
	d.Retiring = map[string]plan.Retirement{}
	for _, r := range retirements {
		d.Retiring[r.RoleName] = r
	}
	for _, l := range leftovers {
		r := d.Retiring[l.RoleName]
		r.Leftovers = append(r.Leftovers, l)
		d.Retiring[l.RoleName] = r
	}
	for _, m := range memberships {
		surplus := plan.SurplusMembership{
			Role: m.RoleName, GrantedOID: m.GrantedOID, GrantedName: m.GrantedName, MemberOID: m.MemberOID, MemberName: m.MemberName, GrantorOID: m.GrantorOID,
		}
		if !m.Regrant {
			d.Memberships = append(d.Memberships, surplus)
			continue
		}
		r := d.Retiring[m.RoleName]
		r.Given = append(r.Given, surplus)
		r.Rejoins = append(r.Rejoins, plan.MembershipChange{Granted: m.GrantedName, Member: m.MemberName, Role: m.RoleName, Options: m.Options})
		d.Retiring[m.RoleName] = r
	}
	if err := addDependents(ctx, tx, d); err != nil {
		return err
	}
	into.Add(d)
	into.Retiring = d.Retiring
	return nil
}
