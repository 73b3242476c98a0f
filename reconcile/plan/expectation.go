package plan

import "github.com/pg-sync-roles/pg-sync-roles/catalog"

// Expectation is what grants or revokes must leave in an object's ACL.
type Expectation struct {
	Class, Object catalog.OID
	Privilege     string
	Option        bool // with the grant option
	Held          bool // the grantees hold the privilege; otherwise none of them does, by any grantor
}

// verifiable are the types of objects whose ACLs inspect/sql/acls.sql reads.
var verifiable = map[catalog.ObjectType]bool{catalog.Table: true, catalog.Sequence: true, catalog.Schema: true, catalog.Routine: true, catalog.Database: true}

// Expectations returns what the plan's steps must leave, with the grantees of each. It reports whether that is all there is to verify: a plan that
// does more than grant and revoke on whole objects, or whose statements can undo one another or clear the way for others, is verified by reading all
// differences again.
func (p *Plan) Expectations(roles map[string]Role) (expected map[Expectation][]catalog.OID, all bool) {
	if p.Stage != Access || len(p.AddMembers)+len(p.RemoveMembers)+len(p.Settings)+len(p.Defaults)+len(p.Ownerships)+len(p.Problems)+len(p.setAside) > 0 {
		return nil, false
	}
	expected = map[Expectation][]catalog.OID{}
	expect := func(c PrivilegeChange, held bool) bool {
		role, ok := roles[c.Role]
		if c.Column != "" || !ok || role.OID == 0 && c.Role != catalog.Public || !verifiable[c.Object.Type] {
			return false
		}
		e := Expectation{c.Object.Class, c.Object.OID, c.Privilege, c.Option, held}
		expected[e] = append(expected[e], role.OID)
		return true
	}
	for _, c := range p.Grants {
		if !expect(c, true) {
			return nil, false
		}
	}
	for _, r := range p.Revocations {
		if r.Option || r.Surplus.cascades() || len(r.Surplus.Columns) > 0 || !expect(r.PrivilegeChange, false) {
			return nil, false
		}
	}
	return expected, true
}
