package explain

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// NewObjects is what a role will have on each object that a creator makes: by default privileges.
type NewObjects struct {
	Type       catalog.ObjectType `json:"object_type"`
	Creator    string             `json:"creator"`
	Schema     string             `json:"schema_name,omitempty"` // empty: in all schemas
	Privileges []Privilege        `json:"privileges"`
}

// defaults is a default ACL, as if it were that of an object.
type defaults struct {
	access.Object
	creator string
}

//go:embed newobjects.sql
var newObjectsSQL string

// readDefaults reads the default ACLs of a creator, or of all.
func readDefaults(ctx context.Context, q catalog.Querier, creator *catalog.OID) ([]defaults, error) {
	type row struct {
		CreatorOID      catalog.OID
		Creator, Schema string
		Type            catalog.ObjectType
		Grantee         catalog.OID
		Privilege       string
		Grantable       bool
	}
	rows, err := catalog.Collect[row](ctx, q, newObjectsSQL, creator)
	if err != nil {
		return nil, fmt.Errorf("read default privileges: %w", err)
	}
	var list []defaults
	for _, r := range rows {
		n := len(list) - 1
		if n < 0 || list[n].creator != r.Creator || list[n].Schema != r.Schema || list[n].Type != r.Type {
			list = append(list, defaults{access.Object{Object: catalog.Object{Type: r.Type, Schema: r.Schema}}, r.Creator})
			n++
		}
		if !slices.Contains(list[n].Privileges, r.Privilege) {
			list[n].Privileges = append(list[n].Privileges, r.Privilege)
		}
		list[n].Entries = append(list[n].Entries, access.Entry{Privilege: r.Privilege, Grantee: r.Grantee, Grantor: r.CreatorOID, GrantorName: r.Creator, Grantable: r.Grantable})
	}
	return list, nil
}

// newObjects explains what the role will have by default ACLs.
func (e *explainer) newObjects(list []defaults) []NewObjects {
	found := []NewObjects{}
	for _, d := range list {
		privileges := e.held(&d.Object)
		for i := range privileges {
			privileges[i].Paths = slices.DeleteFunc(privileges[i].Paths, func(w Path) bool { return w.Means != access.Granted && w.Means != access.Public })
		}
		privileges = slices.DeleteFunc(privileges, func(p Privilege) bool { return len(p.Paths) == 0 })
		if len(privileges) > 0 {
			found = append(found, NewObjects{d.Type, d.creator, d.Schema, privileges})
		}
	}
	return found
}

// like are the default ACLs of an object's owner for others of its type and schema.
func like(ctx context.Context, q catalog.Querier, o *access.Object) ([]defaults, error) {
	list, err := readDefaults(ctx, q, &o.Owner)
	return slices.DeleteFunc(list, func(d defaults) bool { return d.Type != o.Type || d.Schema != "" && d.Schema != o.Schema }), err
}
