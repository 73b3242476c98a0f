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
	if e.wishes, err = readWishes(ctx, e.q, e.reach(), &catalog.Object{Type: catalog.Role, Name: group}); err != nil {
		return err
	}
	o := Object{Type: catalog.Role, Name: group, InTheWay: []string{}, Notes: []string{}}
	inherit, set := Privilege{Privilege: "INHERIT", Ways: []Way{}}, Privilege{Privilege: "SET", Ways: []Way{}}
	var byItself []Way
	for _, p := range e.subject.PathsTo(other) {
		w := e.way(p, "MEMBER", catalog.Object{Type: catalog.Role, Name: group})
		if p.Effective() {
			inherit.Ways = append(inherit.Ways, w)
		}
		if p.CanSet() {
			w.SetRole = ""
			set.Ways = append(set.Ways, w)
		}
		if p.Join != "" {
			w.SetRole = ""
			byItself = append(byItself, w)
		}
	}
	inherit.Has, set.Has = len(inherit.Ways) > 0, len(set.Ways) > 0
	// Rows say MEMBER, which is there when SET is.
	member := Privilege{Privilege: "MEMBER", Ways: set.Ways}
	inherit.Ways, set.Ways = append(inherit.Ways, byItself...), append(set.Ways, byItself...)
	list, err := e.addAsked(ctx, &access.Object{Object: catalog.Object{Type: catalog.Role, Name: group}}, []Privilege{member})
	if err != nil {
		return err
	}
	set.Asked = list[0].Asked
	o.Privileges = []Privilege{inherit, set}
	x.Memberships = e.memberships()
	x.Objects = append(x.Objects, o)
	return nil
}
