package explain

import (
	"context"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// membership explains how the role is a member of another: whether it inherits from it, and whether it may SET ROLE to it.
func (e *explainer) membership(ctx context.Context, x *Explanation, group string) error {
	other, _, err := readRole(ctx, e.q, group)
	if err != nil {
		return err
	}
	if e.desired, err = readDesired(ctx, e.q, e.reach(), &catalog.Object{Type: catalog.Role, Name: group}); err != nil {
		return err
	}
	o := Object{Type: catalog.Role, Name: group, BlockedBy: []string{}, Notes: []string{}}
	inherit, set := Privilege{Privilege: "INHERIT", Paths: []Path{}}, Privilege{Privilege: "SET", Paths: []Path{}}
	var byItself []Path
	for _, p := range e.subject.PathsTo(other) {
		w := e.way(p, "MEMBER", catalog.Object{Type: catalog.Role, Name: group})
		if p.Effective() {
			inherit.Paths = append(inherit.Paths, w)
		}
		if p.CanSet() {
			w.SetRole = ""
			set.Paths = append(set.Paths, w)
		}
		if p.Join != "" {
			w.SetRole = ""
			byItself = append(byItself, w)
		}
	}
	inherit.Has, set.Has = len(inherit.Paths) > 0, len(set.Paths) > 0
	// Rows say MEMBER, which is there when SET is.
	member := Privilege{Privilege: "MEMBER", Paths: set.Paths}
	inherit.Paths, set.Paths = append(inherit.Paths, byItself...), append(set.Paths, byItself...)
	list, err := e.addUnfulfilled(ctx, &access.Object{Object: catalog.Object{Type: catalog.Role, Name: group}}, []Privilege{member})
	if err != nil {
		return err
	}
	set.Unfulfilled = list[0].Unfulfilled
	o.Privileges = []Privilege{inherit, set}
	x.Memberships = e.memberships()
	x.Objects = append(x.Objects, o)
	return nil
}
