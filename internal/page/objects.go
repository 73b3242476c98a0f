package page

import (
	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

type objectLine struct {
	ObjectType, SchemaName, ObjectName, Owner string
}

// objectList is a part of the objects, by schema and name.
type objectList struct {
	Type, Search string
	Types        []string
	Objects      []objectLine
	Next         string
}

func showObjects(r *request) (*result, error) {
	if err := r.reader.need("The list of objects", "objects"); err != nil {
		return nil, err
	}
	l := &objectList{Type: r.query("type"), Search: r.query("q")}
	for _, t := range catalog.TypeNames() {
		if t != string(catalog.Role) {
			l.Types = append(l.Types, t)
		}
	}
	if !r.URL.Query().Has("type") {
		l.Type = string(catalog.Table)
	}
	var err error
	l.Objects, err = collect[objectLine](r, "objects", l.Type, l.Search, r.query("schema"), r.query("name"), r.query("after"), manyLines+1)
	if err != nil {
		return nil, err
	}
	if len(l.Objects) > manyLines {
		l.Objects = l.Objects[:manyLines]
		last := l.Objects[manyLines-1]
		l.Next = link("/objects", "q", l.Search, "schema", last.SchemaName, "name", last.ObjectName, "after", last.ObjectType) + "&type=" + l.Type
	}
	return &result{template: "objects", title: "Objects", data: l}, nil
}
