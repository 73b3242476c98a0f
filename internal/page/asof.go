package page

import (
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// asOf is what roles held at a time.
type asOf struct {
	At, Role, Search string
	Begin            *time.Time // of the history; nil: there is none yet
	Problem          string     // why there is no answer
	Asked            bool
	Access           []pastAccess
	Next             string
}

type pastAccess struct {
	RoleName, Privilege, ObjectType    string
	SchemaName, ObjectName, ColumnName string
	Grantable                          bool
	Via                                string
	Since                              time.Time
	Exact                              bool // since is the time of a pass; false: a rescan saw it then
	GrantIDs                           []int64
	Grants                             int32
	RequestedBy, Notes                 []string
}

// MoreGrants is how many rows asked for it besides those that are shown.
func (p pastAccess) MoreGrants() int { return int(p.Grants) - len(p.GrantIDs) }

// historyRelations are what the reader must be allowed to read besides.
var historyRelations = []string{"access_history", "desired_history"}

func showAsOf(r *request) (*result, error) {
	if err := r.reader.need("Access as of a date", historyRelations...); err != nil {
		return nil, err
	}
	if !r.reader.AccessAsOf {
		return nil, errNotFound
	}
	a := &asOf{At: r.query("at"), Role: r.query("role"), Search: r.query("q")}
	answer := &result{template: "asof", title: "Access as of a date", data: a}
	begin, err := collect[struct{ Since *time.Time }](r, "history_begin")
	if err != nil {
		return nil, err
	}
	if len(begin) > 0 {
		a.Begin = begin[0].Since
	}
	at, err := timeOf("The time", a.At)
	if err != nil {
		a.Problem, answer.status = err.Error(), http.StatusBadRequest
		return answer, nil //nolint:nilerr // it stands on the page
	}
	if at == nil {
		return answer, nil
	}
	a.At = at.UTC().Format(formTime)
	skip, err := idOf("skip", r.query("skip"))
	if err != nil {
		return nil, err
	}
	a.Access, err = collect[pastAccess](r, "access_as_of", at, a.Role, a.Search, skip, manyLines+1)
	if pgErr := new(pgconn.PgError); errors.As(err, &pgErr) && (pgErr.Code == "22023" || pgErr.Code == "55000") { // before the first record, or in the future
		a.Problem, answer.status = pgErr.Message+". "+pgErr.Hint, http.StatusBadRequest
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	a.Asked = true
	if len(a.Access) > manyLines {
		a.Access = a.Access[:manyLines]
		a.Next = link("/as-of", "at", a.At, "role", a.Role, "q", a.Search, "skip", skip+manyLines)
	}
	return answer, nil
}
