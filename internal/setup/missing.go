package setup

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Lack is something that a daemon needs and does not have.
type Lack struct {
	What string `json:"what"`
	Fix  string `json:"fix"` // a statement, for a role with the right to run it
}

// Missing finds what a daemon lacks of what a request asks for.
func Missing(ctx context.Context, q catalog.Querier, r Request) ([]Lack, error) {
	f, err := read(ctx, q, r)
	if err != nil {
		return nil, err
	}
	if err := r.check(f); err != nil {
		return nil, err
	}
	return f.missing(r), nil
}

func (f *facts) missing(r Request) (list []Lack) {
	daemon, database := quote(r.Role), quote(f.Database)
	lack := func(fix, what string, args ...any) { list = append(list, Lack{fmt.Sprintf(what, args...), fix}) }
	if !f.RoleExists {
		lack("CREATE ROLE "+daemon+" LOGIN CREATEROLE", "role %q does not exist", r.Role)
		return list
	}
	if f.Superuser {
		return nil
	}
	if !f.Login {
		lack("ALTER ROLE "+daemon+" LOGIN", "role %q may not log in", r.Role)
	}
	if !f.CreateRole {
		lack("ALTER ROLE "+daemon+" CREATEROLE", "role %q lacks CREATEROLE", r.Role)
	}
	switch {
	case f.DatabaseOwner == r.Role:
	case r.KeepDatabase:
		if !f.MayCreate {
			lack("GRANT CREATE ON DATABASE "+database+" TO "+daemon, "it may not create its schema in database %q", f.Database)
		}
		if !f.MayConnect {
			lack("GRANT CONNECT ON DATABASE "+database+" TO "+daemon+" WITH GRANT OPTION", "rows cannot grant CONNECT on database %q", f.Database)
		}
	case !f.MayCreate:
		lack("ALTER DATABASE "+database+" OWNER TO "+daemon, "it may not create its schema in database %q", f.Database)
	case !f.MayConnect:
		lack("ALTER DATABASE "+database+" OWNER TO "+daemon, "rows cannot grant CONNECT on database %q, nor take it from PUBLIC", f.Database)
	}
	return append(list, f.missingRoles(r)...)
}

// missingRoles finds what the daemon lacks of other roles.
func (f *facts) missingRoles(r Request) (list []Lack) {
	daemon := quote(r.Role)
	for _, owner := range f.named(r.Owners, r) {
		if owner.Inherits && owner.Sets {
			continue
		}
		options := ""
		if f.membershipOptions() {
			options = " WITH INHERIT TRUE, SET TRUE"
		}
		list = append(list, Lack{fmt.Sprintf("it is no member of %q, and grants nothing on what that role owns", owner.Name), "GRANT " + quote(owner.Name) + " TO " + daemon + options})
	}
	if !f.membershipOptions() {
		return list
	}
	const admin = " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
	for _, managed := range r.Manage {
		if !f.role(managed).Admin {
			list = append(list, Lack{fmt.Sprintf("it lacks ADMIN on %q, and sets neither its attributes nor its members", managed), "GRANT " + quote(managed) + " TO " + daemon + admin})
		}
	}
	if f.LockExists && !f.LockAdmin {
		list = append(list, Lack{`it lacks ADMIN on "_pgsr_lock", by which the daemons of a cluster take turns`, "GRANT _pgsr_lock TO " + daemon + admin})
	}
	return list
}
