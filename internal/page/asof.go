package page

import "strconv"

// asOf is what roles held at a time.
type asOf struct {
	At, Role, Search string
	Asked            bool
	Access           []pastAccess
	Next             string
}

type pastAccess struct {
	RoleName, Privilege, ObjectType    string
	SchemaName, ObjectName, ColumnName string
	Grantable                          bool
	Via                                string
}

func showAsOf(r *request) (*result, error) {
	if !r.reader.AccessAsOf {
		return nil, errNotFound
	}
	a := &asOf{At: r.query("at"), Role: r.query("role"), Search: r.query("q")}
	at, err := timeOf("The time", a.At)
	if err != nil {
		return nil, err
	}
	if at == nil {
		return &result{template: "asof", title: "Access as of a date", data: a}, nil
	}
	a.Asked = true
	skip, err := idOf("skip", r.query("skip"))
	if err != nil {
		return nil, err
	}
	if a.Access, err = collect[pastAccess](r, "access_as_of", at, a.Role, a.Search, skip, manyLines+1); err != nil {
		return nil, err
	}
	if len(a.Access) > manyLines {
		a.Access = a.Access[:manyLines]
		a.Next = link("/as-of", "at", a.At, "role", a.Role, "q", a.Search, "skip", strconv.FormatInt(skip+manyLines, 10))
	}
	return &result{template: "asof", title: "Access as of a date", data: a}, nil
}
