package page

import (
	"slices"
	"strconv"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

// objectView is who can do one thing with an object.
type objectView struct {
	Type, Schema, Name string
	Privilege          string
	Privileges         []string
	Roles              []holderLine
	Total              int  // of the roles
	Possible           int  // of these, how many have it only perhaps, through code
	Public             bool // every role has it
	MaybePublic        bool // perhaps
	From               int  // which of the roles is the first here
	Next               string
	New                []explain.NewHolder
	HidesRows          bool
}

// holderLine is a role that has the privilege.
type holderLine struct {
	explain.Holder
	Shown []explain.Path
	More  int
}

const pathsShown = 5

// Sure is how many roles have it for certain.
func (v *objectView) Sure() int { return v.Total - v.Possible }

// objectRelations are what the paths to an object are read from.
var objectRelations = []string{"desired_grants", "holders", "intermediate_roles", "memberships", "objects"}

func showObject(r *request) (*result, error) {
	if err := r.reader.need("Who has access to an object", objectRelations...); err != nil {
		return nil, err
	}
	v := &objectView{Type: r.query("type"), Schema: r.query("schema"), Name: r.query("name"), Privilege: r.query("privilege")}
	if !slices.Contains(catalog.TypeNames(), v.Type) || v.Type == string(catalog.Role) || v.Name == "" {
		return nil, errNotFound
	}
	var err error
	if v.Privileges, err = catalog.Column[string](r.ctx, r.tx, query("privileges"), v.Type); err != nil {
		return nil, err
	}
	if v.Privilege == "" {
		v.Privilege = v.Privileges[0]
	}
	if !slices.Contains(v.Privileges, v.Privilege) {
		return nil, inputError{errNoPrivilege}
	}
	filter := access.Filter{Type: catalog.ObjectType(v.Type), Name: v.Name}
	if v.Schema != "" {
		filter.Schema = &v.Schema
	}
	list, err := explain.Holders(r.ctx, r.tx, v.Privilege, filter)
	if err != nil {
		return nil, explained(err)
	}
	if err := v.take(list, r.query("from")); err != nil {
		return nil, err
	}
	if v.HidesRows, err = r.hidesRows(); err != nil {
		return nil, err
	}
	return &result{template: "object", title: objectText(v.Type, v.Schema, v.Name), data: v}, nil
}

// take takes those roles that fit the page.
func (v *objectView) take(list []explain.ObjectHolders, from string) error {
	var roles []explain.Holder
	for _, o := range list {
		roles = append(roles, o.Roles...)
		v.New = append(v.New, o.New...)
	}
	v.New = v.New[:min(len(v.New), someLines)]
	v.Total = len(roles)
	for _, h := range roles {
		sure := slices.ContainsFunc(h.Paths, func(p explain.Path) bool { return !p.Possible })
		if !sure {
			v.Possible++
		}
		if h.Role == catalog.Public {
			v.Public, v.MaybePublic = sure, !sure
		}
	}
	if from != "" {
		n, err := strconv.Atoi(from)
		if err != nil || n < 0 {
			return inputError{errNoNumber}
		}
		v.From = min(n, len(roles))
	}
	end := min(v.From+manyLines, len(roles))
	for _, h := range roles[v.From:end] {
		shown := h.Paths[:min(len(h.Paths), pathsShown)]
		v.Roles = append(v.Roles, holderLine{h, shown, len(h.Paths) - len(shown)})
	}
	if end < len(roles) {
		v.Next = link("/object", "type", v.Type, "schema", v.Schema, "name", v.Name, "privilege", v.Privilege, "from", end)
	}
	return nil
}
