package adopt

import (
	"maps"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

const (
	exact   = "exact"
	anyName = "%" // as a pattern of like
)

// widened expresses what rows say in fewer: a pattern where they name all objects of a schema, of which there are two at least, and ALL for every privilege
// on an object. found are the objects that each row names now.
func widened(wanted []row, found [][]string, counts []ObjectCount) []row {
	type place struct {
		objectType catalog.ObjectType
		schema     string
	}
	type kind struct {
		place
		privilege string
	}
	objects, privileges := map[place]int{}, map[catalog.ObjectType]int{}
	for _, c := range counts {
		objects[place{c.ObjectType, c.Schema}] = c.Objects
		privileges[c.ObjectType] = len(c.Privileges)
	}
	named := map[kind]map[string]bool{}
	kindOf := func(w row) kind { return kind{place{w.ObjectType, w.Schema}, w.Privilege} }
	for i, w := range wanted {
		for _, name := range found[i] {
			if named[kindOf(w)] == nil {
				named[kindOf(w)] = map[string]bool{}
			}
			named[kindOf(w)][name] = true
		}
	}
	maps.DeleteFunc(named, func(k kind, names map[string]bool) bool {
		return k.schema == "" || len(names) < 2 || len(names) < objects[k.place]
	})
	var rows []row
	for i, w := range wanted {
		if _, all := named[kindOf(w)]; !all || len(found[i]) == 0 {
			rows = append(rows, w)
		}
	}
	for k := range named {
		pattern := wholeSchema(row{ActualGrant: ActualGrant{Privilege: k.privilege, ObjectType: k.objectType, Schema: k.schema}})
		if !slices.Contains(rows, pattern) {
			rows = append(rows, pattern)
		}
	}
	return withAll(rows, privileges)
}

// within is the row of a widened list that says what this one says.
func within(r row, wide map[row]bool) row {
	allOf := func(r row) row {
		r.Privilege = "ALL"
		return r
	}
	for _, candidate := range []row{r, wholeSchema(r), allOf(r), allOf(wholeSchema(r))} {
		if wide[candidate] {
			return candidate
		}
	}
	return r
}

// wholeSchema is the same row for all objects of the schema.
func wholeSchema(r row) row {
	r.Name, r.match = anyName, "like"
	return r
}
