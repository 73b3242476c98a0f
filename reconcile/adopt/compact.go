package adopt

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// ActualGrant is something that a role has, in the words of desired_grants. (sql/actual_grants.sql)
type ActualGrant struct {
	Role       string `db:"role_name"`
	Privilege  string
	ObjectType catalog.ObjectType
	Schema     string `db:"schema_name"`
	Name       string `db:"object_name"` // or a pattern, in a row
	Column     string `db:"column_name"`
	Grantable  bool
	Implied    bool // by owning the object

	InheritOption, SetOption pgtype.Bool // of a membership, where they are not what GRANT gives by itself
}

// String names the grant for people. (The name is no object's where it is a pattern.)
func (h ActualGrant) String() string {
	if h.ObjectType == catalog.Role {
		return "MEMBER of role " + h.Name
	}
	preposition := "on"
	if h.Privilege == "OWNER" {
		preposition = "of"
	}
	text := fmt.Sprintf("%s %s %s", h.Privilege, preposition, catalog.Object{Type: h.ObjectType, Schema: h.Schema, Name: h.Name})
	if h.Column != "" {
		text += " column " + h.Column
	}
	return text
}

// ObjectCount is how many objects of a type a schema has. (sql/object_counts.sql)
type ObjectCount struct {
	ObjectType catalog.ObjectType
	Schema     string `db:"schema_name"`
	Objects    int
	Privileges []string // that the type has on this server
}

// row is a row for desired_grants.
type row struct {
	ActualGrant
	match string
}

// compact expresses the grants in the fewest rows: ALL for every privilege on an object and, with patterns, one
// row for what a role has on all objects of a schema.
func compact(grants []ActualGrant, counts []ObjectCount, patterns bool) []row {
	var rows []row
	if patterns {
		rows, grants = byPattern(grants, counts)
	}
	for _, h := range grants {
		if !h.Implied {
			rows = append(rows, row{h, "exact"})
		}
	}
	privileges := map[catalog.ObjectType]int{}
	for _, p := range counts {
		privileges[p.ObjectType] = len(p.Privileges)
	}
	return withAll(rows, privileges)
}

// byPattern makes rows for what roles have on all objects of a schema, if there are two at least, and returns what these do not say.
// What an owner has on its own objects counts, though it is nothing to ask for. Ownership is not asked for by pattern: that would
// take what others create.
func byPattern(grants []ActualGrant, counts []ObjectCount) (rows []row, rest []ActualGrant) {
	type place struct {
		objectType catalog.ObjectType
		schema     string
	}
	objects := map[place]int{}
	for _, p := range counts {
		objects[place{p.ObjectType, p.Schema}] = p.Objects
	}
	for _, list := range grouped(grants, func(h ActualGrant) ActualGrant {
		return ActualGrant{Role: h.Role, Privilege: h.Privilege, ObjectType: h.ObjectType, Schema: h.Schema, Column: h.Column}
	}) {
		h := list[0]
		asked := slices.ContainsFunc(list, func(h ActualGrant) bool { return !h.Implied })
		if h.Schema == "" || h.Column != "" || h.Privilege == "OWNER" || !asked || len(list) < 2 || len(list) < objects[place{h.ObjectType, h.Schema}] {
			rest = append(rest, list...)
			continue
		}
		grantable := !slices.ContainsFunc(list, func(h ActualGrant) bool { return !h.Grantable })
		rows = append(rows, row{ActualGrant{Role: h.Role, Privilege: h.Privilege, ObjectType: h.ObjectType, Schema: h.Schema, Name: "%", Grantable: grantable}, "like"})
		if !grantable {
			rest = append(rest, slices.DeleteFunc(list, func(h ActualGrant) bool { return !h.Grantable })...)
		}
	}
	return rows, rest
}

// withAll puts rows for every privilege of an object type together. Those with grant option stay apart if not all have it.
func withAll(rows []row, privileges map[catalog.ObjectType]int) []row {
	var result []row
	for _, list := range grouped(rows, func(a row) row {
		return row{ActualGrant{Role: a.Role, ObjectType: a.ObjectType, Schema: a.Schema, Name: a.Name, Column: a.Column, Grantable: a.Privilege == "OWNER"}, a.match}
	}) {
		all := list[0]
		if n := privileges[all.ObjectType]; n < 2 || len(list) < n || all.Column != "" {
			result = append(result, list...)
			continue
		}
		all.Privilege = "ALL"
		all.Grantable = !slices.ContainsFunc(list, func(a row) bool { return !a.Grantable })
		result = append(result, all)
		if !all.Grantable {
			result = append(result, slices.DeleteFunc(list, func(a row) bool { return !a.Grantable })...)
		}
	}
	slices.SortFunc(result, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.ObjectType, b.ObjectType), cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Privilege, b.Privilege))
	})
	return result
}

// grouped puts the elements with the same key together.
func grouped[T any, K comparable](list []T, key func(T) K) map[K][]T {
	groups := map[K][]T{}
	for _, element := range list {
		k := key(element)
		groups[k] = append(groups[k], element)
	}
	return groups
}
