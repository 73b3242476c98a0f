package page

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

var (
	errNoPrivilege = errors.New("objects of this type have no such privilege")
	errNoNumber    = errors.New("from is no number")
)

// roleView is all about one role.
type roleView struct {
	Name      string
	Status    *roleStatus // nil: it is not managed, or the reader may not know
	Held      []heldRole
	Broken    []violation
	Object    *objectName // its access to this alone; nil: to all
	Access    *roleAccess // nil: the reader may not know
	Lack      string
	Rows      []desiredRow
	NextRows  string
	SeesRows  bool
	HidesRows bool
	Changes   []change
	SeesAudit bool
}

type objectName struct{ Type, Schema, Name string }

type roleStatus struct {
	RoleName, Status, State, Outcome, Cause string
	Problems                                problems
	Error                                   string
	ChangedAt                               *time.Time
	Attempts                                int32
	NextRetryAt, PendingSince               *time.Time
	Sessions                                int32
}

// desiredRow is a row of desired_grants, and how it is.
type desiredRow struct {
	ID                                int64
	Privilege, ObjectType, SchemaName string
	ObjectName, NameMatch, ColumnName string
	Selector                          string
	Grantable                         bool
	ExpiresAt                         *time.Time
	Note, Source, CreatedBy           string
	CreatedAt                         time.Time
	Status                            *rowStatus `db:"-"`
}

type rowStatus struct {
	ID                    int64
	Status, Encoding, Via string
	Matches               int64
	Reason                string
}

func showRole(r *request) (*result, error) {
	v := &roleView{Name: r.query("name")}
	if v.Name == "" {
		return nil, errNotFound
	}
	if !r.reader.may("role_status") && !r.reader.may("desired_grants") && !r.reader.may(objectRelations...) {
		return nil, r.reader.need("A role", append([]string{"role_status", "grant_status", "audit"}, objectRelations...)...)
	}
	if name := r.query("object"); name != "" {
		v.Object = &objectName{r.query("type"), r.query("schema"), name}
	}
	for _, read := range []func(*request) error{v.readStatus, v.readAccess, v.readRows, v.readRest} {
		if err := read(r); err != nil {
			return nil, err
		}
	}
	if v.Status == nil && v.Access == nil && len(v.Rows) == 0 {
		return nil, errNotFound
	}
	return &result{template: "role", title: "Role " + visible(v.Name), data: v}, nil
}

func (v *roleView) readStatus(r *request) error {
	if !r.reader.may("role_status") {
		return nil
	}
	list, err := collect[roleStatus](r, "role", v.Name)
	if err == nil && len(list) > 0 {
		v.Status = &list[0]
	}
	return err
}

// readRows reads a part of the rows, with how each is.
func (v *roleView) readRows(r *request) error {
	var err error
	if v.SeesRows = r.reader.may("desired_grants"); !v.SeesRows {
		return nil
	}
	if v.HidesRows, err = r.hidesRows(); err != nil {
		return err
	}
	after, err := idOf("rows", r.query("rows"))
	if err != nil {
		return err
	}
	if v.Rows, err = collect[desiredRow](r, "rows", v.Name, after, someLines+1); err != nil {
		return err
	}
	if len(v.Rows) > someLines {
		v.Rows = v.Rows[:someLines]
		v.NextRows = link("/role", "name", v.Name, "rows", v.Rows[someLines-1].ID) + "#rows"
	}
	if !r.reader.may("grant_status") || len(v.Rows) == 0 {
		return nil
	}
	ids := make([]int64, len(v.Rows))
	for i, row := range v.Rows {
		ids[i] = row.ID
	}
	list, err := collect[rowStatus](r, "row_status", v.Name, ids)
	for i := range list {
		if at := slices.Index(ids, list[i].ID); at >= 0 {
			v.Rows[at].Status = &list[i]
		}
	}
	return err
}

// readRest reads held revokes, violations, and the last changes.
func (v *roleView) readRest(r *request) (err error) {
	if r.reader.may("held") {
		if v.Held, err = collect[heldRole](r, "held", v.Name, 1); err != nil {
			return err
		}
	}
	if r.reader.may("violation_history") {
		if v.Broken, err = readViolations(r, v.Name, 0, 0, fewLines); err != nil {
			return err
		}
	}
	if v.SeesAudit = r.reader.may("audit"); v.SeesAudit {
		v.Changes, err = readChanges(r, changeFilter{Role: v.Name}, 5)
	}
	return err
}

// readAccess reads what the role can do, and by which paths.
func (v *roleView) readAccess(r *request) error {
	if missing := r.reader.missing(objectRelations...); len(missing) > 0 {
		v.Lack = r.reader.grant(missing)
		return nil
	}
	var filter *access.Filter
	if v.Object != nil {
		if !slices.Contains(catalog.TypeNames(), v.Object.Type) {
			return errNotFound
		}
		if !r.reader.may("grant_status") {
			v.Lack = r.reader.grant([]string{"grant_status"})
			return nil
		}
		filter = &access.Filter{Type: catalog.ObjectType(v.Object.Type), Name: v.Object.Name}
		if v.Object.Schema != "" {
			filter.Schema = &v.Object.Schema
		}
	}
	x, err := explain.Role(r.ctx, r.tx, v.Name, filter)
	if err != nil {
		if v.Status != nil && strings.HasSuffix(err.Error(), "does not exist") {
			return nil // it is managed, and yet to be made
		}
		return explained(err)
	}
	from := 0
	if text := r.query("from"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return inputError{errNoNumber}
		}
	}
	a := accessOf(x, r.query("q"), from)
	if a.Selectors, err = selectors(r.ctx, r.tx, r.reader, a.groups()); err != nil {
		return err
	}
	a.Graph = drawn(x, a.Selectors)
	if a.more {
		a.Next = link("/role", "name", v.Name, "q", a.Search, "from", from+manyLines) + "#access"
	}
	v.Access = a
	return nil
}

// explained is an error of explain: what it cannot find is nothing to look at.
func explained(err error) error {
	text := err.Error()
	if strings.Contains(text, "does not exist") {
		return errNotFound
	}
	return fmt.Errorf("explain: %w", err)
}
