package plan

import (
	"maps"
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// A plan is verified by the ACLs that it wrote if no statement of it can undo what another did, and all that it changes is in those ACLs.
func TestExpectations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(*scene)
		want map[Expectation][]catalog.OID // nil: all differences must be read again
	}{
		"a grant": {
			func(s *scene) { s.lacks("alice", "SELECT") },
			map[Expectation][]catalog.OID{{1259, 40000, "SELECT", false, true}: {aliceOID}},
		},
		"two roles, and one with the grant option": {
			func(s *scene) {
				s.lacks("alice", "SELECT")
				s.lacks("bob", "SELECT")
				s.lacks("bob", "UPDATE", grantable)
			},
			map[Expectation][]catalog.OID{{1259, 40000, "SELECT", false, true}: {aliceOID, bobOID}, {1259, 40000, "UPDATE", true, true}: {bobOID}},
		},
		"PUBLIC": {
			func(s *scene) { s.role(catalog.Public, 0); s.lacks(catalog.Public, "SELECT") },
			map[Expectation][]catalog.OID{{1259, 40000, "SELECT", false, true}: {0}},
		},
		"a revoke": {
			func(s *scene) { s.has("alice", "SELECT") },
			map[Expectation][]catalog.OID{{1259, 40000, "SELECT", false, false}: {aliceOID}},
		},
		"a grant and a revoke": {
			func(s *scene) { s.lacks("bob", "SELECT"); s.has("alice", "SELECT") },
			map[Expectation][]catalog.OID{{1259, 40000, "SELECT", false, true}: {bobOID}, {1259, 40000, "SELECT", false, false}: {aliceOID}},
		},
		"a column": {func(s *scene) { s.lacks("alice", "SELECT", func(m *Missing) { m.ColumnName = "a" }) }, nil},
		"a revoke that takes columns along": {
			func(s *scene) {
				s.has("alice", "SELECT", func(g *SurplusGrant) { g.Columns, g.ColumnOptions = []string{"a"}, []bool{false} })
			}, nil,
		},
		"a revoke that takes others along": {func(s *scene) { s.has("alice", "SELECT", passedTo(Dependent{Role: "bob", Grantor: aliceOID})) }, nil},
		"a grant option revoked":           {func(s *scene) { s.has("alice", "SELECT", func(g *SurplusGrant) { g.OptionOnly = true }) }, nil},
		"a type":                           {func(s *scene) { s.lacks("alice", "USAGE", on(catalog.Type, "ty")) }, nil},
		"a membership":                     {func(s *scene) { s.member() }, nil},
		"a revoke that waits for a grant": {func(s *scene) {
			s.lacks("alice", "SELECT")
			s.has("alice", "SELECT", from(strangerOID), func(g *SurplusGrant) { g.StillDesired = true })
		}, nil},
		"an ownership":                    {func(s *scene) { s.lacks("alice", "OWNER"); s.owner(func(f *OwnerFacts) { f.ToOID = aliceOID }) }, nil},
		"an intermediate role":            {func(s *scene) { s.lacks("alice", "SELECT", pattern) }, nil},
		"a grant that waits for its role": {func(s *scene) { s.role("new", 0); s.lacks("new", "SELECT") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(18)
			c.set(s)
			got, all := Make(s.d, s.f, s.p).Expectations(s.d.Roles)
			for _, roles := range got {
				slices.Sort(roles)
			}
			if all != (c.want != nil) || all && !maps.EqualFunc(got, c.want, slices.Equal) {
				t.Errorf("expected is %v, all %t; want %v", got, all, c.want)
			}
		})
	}
}
