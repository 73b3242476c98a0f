package explain

import (
	"context"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// addThrough adds what the role has through code: to the objects that it has something on already, and those on which it has nothing else. What is
// only possible is told by the code alone: the owner of one function can reach everything.
func (e *explainer) addThrough(ctx context.Context, x *Explanation, objects []*access.Object, holders []catalog.OID) ([]*access.Object, error) {
	list, err := access.ReadThrough(ctx, e.q, nil, holders)
	if err != nil {
		return nil, err
	}
	byOID := map[catalog.OID][]access.Through{}
	for _, t := range list {
		if t.Object != 0 {
			byOID[t.Object] = append(byOID[t.Object], t)
			continue
		}
		p := Possible{Through: t.Code.Text, Objects: t.Objects, Paths: []Path{}}
		for _, path := range e.subject.PathsToCode(t) {
			p.Paths = append(p.Paths, e.way(path, t.Code.Privilege, catalog.Object{}))
		}
		x.Possible = append(x.Possible, p)
	}
	for _, o := range objects {
		o.Through = byOID[o.OID]
		delete(byOID, o.OID)
	}
	if len(byOID) == 0 {
		return objects, nil
	}
	others, err := access.ReadObjects(ctx, e.q, access.Filter{})
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o.Through = byOID[o.OID]; len(o.Through) > 0 && slices.ContainsFunc(o.Through, func(t access.Through) bool { return t.Class == o.Class }) {
			o.Entries = nil // none is for this role
			objects = append(objects, o)
		}
	}
	return objects, nil
}
