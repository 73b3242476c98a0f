package access

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Role is a role as far as its access goes.
type Role struct {
	OID       catalog.OID
	Name      string
	Superuser bool
}

// Membership is one hop on the way from a role to what it has: it is a member of Role.
type Membership struct {
	Member  Role
	Role    Role
	Inherit bool // it has that role's privileges at once
	Set     bool // it may SET ROLE to it
	Admin   bool // it may give that role to others
	Own     bool // it is not a member, and its ADMIN option lets it make itself one
}

// Graph is memberships by member.
type Graph map[catalog.OID][]Membership

//go:embed graph.sql
var graphSQL string

// ReadGraph reads the memberships from some roles upward and from others downward.
func ReadGraph(ctx context.Context, q catalog.Querier, up, down []catalog.OID) (Graph, error) {
	rows, err := q.Query(ctx, graphSQL, append([]catalog.OID{}, up...), append([]catalog.OID{}, down...))
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Membership, err error) {
		err = row.Scan(&m.Member.OID, &m.Member.Name, &m.Member.Superuser, &m.Role.OID, &m.Role.Name, &m.Role.Superuser, &m.Inherit, &m.Set, &m.Admin)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	g := Graph{}
	for _, m := range list {
		g[m.Member.OID] = append(g[m.Member.OID], m)
	}
	return g, nil
}

// chain is memberships that follow one another. The empty one leads from a role to itself.
type chain []Membership

// maxChains bounds how many ways from one role are followed where they branch and join again. Each role is come to all the same.
const maxChains = 1000

// chains finds the ways from a role to others, the role itself included, shortest first.
func (g Graph) chains(from catalog.OID) map[catalog.OID][]chain {
	type state struct {
		oid               catalog.OID
		inherited, canSet bool // all the way
	}
	type end struct {
		state
		way chain
	}
	found := map[catalog.OID][]chain{from: {nil}}
	known := map[state]bool{}
	followed := 0
	for ends := []end{{state: state{from, true, true}}}; len(ends) > 0; ends = ends[1:] {
		here := ends[0]
		if known[here.state] {
			if followed++; followed > maxChains {
				continue
			}
		}
		known[here.state] = true
		for _, m := range g[here.oid] {
			if !m.Inherit && (!m.Set || !here.canSet) {
				continue
			}
			way := append(slices.Clone(here.way), m)
			found[m.Role.OID] = append(found[m.Role.OID], way)
			ends = append(ends, end{state{m.Role.OID, here.inherited && m.Inherit, here.canSet && m.Set}, way})
		}
	}
	return found
}

// grantable lists the memberships that a role can give itself by an ADMIN option, its own or that of a role that it reaches (select_best_admin in
// acl.c): those in roles that it does not reach otherwise. Before PostgreSQL 16, whoever has the ADMIN option is a member. Superuser roles are granted by
// superusers only.
func (g Graph) grantable(subject Role, known map[catalog.OID][]chain) []Membership {
	var list []Membership
	listed := map[catalog.OID]bool{}
	for _, oid := range slices.Sorted(maps.Keys(known)) {
		for _, m := range g[oid] {
			if m.Admin && !m.Role.Superuser && known[m.Role.OID] == nil && !listed[m.Role.OID] {
				listed[m.Role.OID] = true
				list = append(list, Membership{Member: subject, Role: m.Role, Inherit: true, Set: true, Own: true})
			}
		}
	}
	return list
}

// own is the membership that the role must give itself first, if any.
func (c chain) own() *Membership {
	if len(c) > 0 && c[0].Own {
		return &c[0]
	}
	return nil
}

// setRole is the role that one must SET ROLE to, to have what the chain leads to; nil if it is inherited all the way.
func (c chain) setRole() *Role {
	for i := len(c) - 1; i >= 0; i-- {
		if !c[i].Inherit {
			return &c[i].Role
		}
	}
	return nil
}

// canSet reports whether one may SET ROLE to the role at the end: each membership on the way must allow it.
func (c chain) canSet() bool {
	return !slices.ContainsFunc(c, func(m Membership) bool { return !m.Set })
}

func compareReached(a, b reached) int {
	if a.chain.own() == nil != (b.chain.own() == nil) {
		if a.chain.own() == nil {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(len(a.chain), len(b.chain)); c != 0 {
		return c
	}
	return slices.CompareFunc(a.chain, b.chain, func(a, b Membership) int { return cmp.Compare(a.Role.Name, b.Role.Name) })
}
