package plan

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// replacing is a scene in which bob is to be a member of an intermediate role on which the daemon has no ADMIN option.
func replacing() *scene {
	s := newScene(18)
	s.intermediate(selectorRole, false)
	s.contents([]string{"guest"}, heldBy(testOwner))
	s.f.Slots = map[int]string{}
	for slot := range 16 {
		s.f.Slots[slot] = "k"
	}
	s.lacks("bob", "SELECT", pattern, through(selectorOID))
	return s
}

// A new owner is another grantor of what the replaced role holds, so foundations come first. Bob's role is due all the same: a rescan must not pass it by.
func TestReplacementsWaitForFoundations(t *testing.T) {
	t.Parallel()
	s := replacing()
	s.lacks("alice", "OWNER")
	s.owner(func(f *OwnerFacts) { f.ToOID = aliceOID })
	s.f.Rights[aliceOID] = catalog.Rights{OID: aliceOID, Name: "alice", Lender: "alice", Admin: true}
	p := Make(s.d, s.f, s.p)
	if len(p.foundations) == 0 || len(p.replacements) > 0 || !p.Touched["bob"] {
		t.Fatalf("with a foundation: %d foundations, %d steps of replacements, touched %v", len(p.foundations), len(p.replacements), p.Touched)
	}
	s.f.Rejected = map[StepKey]Rejection{}
	for _, step := range p.foundations {
		s.f.Rejected[step.Key()] = Rejection{Kind: Blocked, Code: Rejected}
	}
	if p := Make(s.d, s.f, s.p); len(p.foundations) > 0 || len(p.replacements) == 0 {
		t.Errorf("with a refused foundation: %d foundations, %d steps of replacements", len(p.foundations), len(p.replacements))
	}
}

// An intermediate role that was renamed is not registered under the name that the plan knows. The question for its contents must end.
func TestReplacementOfRenamedRoleEnds(t *testing.T) {
	t.Parallel()
	s := replacing()
	s.f.Intermediates[selectorRole] = &Contents{OldName: "o", NewName: "n"}
	if p := Make(s.d, s.f, s.p); !p.Questions.Empty() || len(p.replacements) > 0 || !p.Touched["bob"] {
		t.Errorf("questions %+v, %d steps of replacements, touched %v", p.Questions, len(p.replacements), p.Touched)
	}
}

// A problem without a statement tells nothing about statements.
func TestKnownIneffectiveGoesByStatements(t *testing.T) {
	t.Parallel()
	s := newScene(18)
	s.lacks("alice", "SELECT")
	p := Make(s.d, s.f, s.p)
	statement := p.grants[0].Effects[0].SQL
	for _, c := range []struct {
		statement string
		known     bool
	}{{"", false}, {"GRANT other", false}, {statement, true}} {
		r := s.d.Roles["alice"]
		r.LastProblems = []Problem{{Kind: Blocked, Code: Rejected, Statement: c.statement}}
		if got := p.KnownIneffective(r); got != c.known {
			t.Errorf("statement %q: got %v, want %v", c.statement, got, c.known)
		}
	}
	idle := Make(&Drift{Roles: s.d.Roles}, s.f, s.p)
	if r := (Role{Name: "alice", LastProblems: []Problem{{Kind: Blocked, Code: Rejected}}}); idle.KnownIneffective(r) {
		t.Error("a role without steps, whose problem has no statement, is known")
	}
}
