package plan_test

import (
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// Alice has a row for SELECT on a table, and does not have the privilege. She has UPDATE, by a row that was deleted. The daemon has the privileges of the table's owner.
func ExampleMake() {
	const owner, alice, table = 20000, 30000, 40000
	drift := &plan.Drift{
		Roles: map[string]plan.Role{"alice": {Name: "alice", OID: alice, Inherit: true, Managed: true}},
		Missing: []plan.Missing{{GrantID: 1, Role: "alice", Target: &plan.Target{
			Privilege: "SELECT", DesiredPrivilege: "SELECT", ObjectType: catalog.Table, SchemaName: "sales", DesiredName: "orders", ObjectName: "orders",
			NameMatch: "exact", ObjectOID: table, OwnerOID: owner, MayGrant: true,
		}}},
		Grants: []plan.SurplusGrant{{
			Role: "alice", Privilege: "UPDATE", ObjectType: catalog.Table, SchemaName: "sales", ObjectName: "orders", ObjectOID: table,
			OwnerOID: owner, GrantorOID: owner,
		}},
	}
	facts := &plan.Facts{
		Server: catalog.Server{Version: 18, Role: "daemon", Inherit: true},
		Rights: map[catalog.OID]catalog.Rights{owner: {OID: owner, Name: "etl", Usage: true}},
	}
	p := plan.Make(drift, facts, plan.Policy{MaxDirectGrantees: 500})
	for _, step := range p.All() {
		fmt.Println(step.SQL)
	}
	// Output:
	// GRANT SELECT ON TABLE "sales"."orders" TO "alice"
	// REVOKE UPDATE ON TABLE "sales"."orders" FROM "alice"
}
