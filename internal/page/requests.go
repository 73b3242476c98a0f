package page

import "time"

// accessRequest is access that a person has asked for.
type accessRequest struct {
	ID                              int64
	RoleName, Privilege, ObjectType string
	SchemaName, ObjectName          string
	ColumnName                      string
	Duration, Reason                string
	Extends                         *int64
	Requester                       string
	RequestedAt                     time.Time
	Status                          string
	ApprovedBy                      []string
	ApprovalsNeeded                 int32
	ApproverRole                    string
	DecidedAt, ExpiresAt            *time.Time
	IsToDecide                      bool
}

// requestList is the reader's own requests and those that it decides; or all.
type requestList struct {
	All, SeesAll bool
	Requests     []accessRequest
	ToDecide     bool // one of these waits for the reader
	Next         string
}

func showRequests(r *request) (*result, error) {
	l := &requestList{All: r.URL.Query().Has("all"), SeesAll: r.reader.may("request_status")}
	source, all := "my_requests", ""
	if l.All {
		source, all = "request_status", "1"
	}
	if err := r.reader.need("Requests", source); err != nil {
		return nil, err
	}
	skip, err := idOf("skip", r.query("skip"))
	if err != nil {
		return nil, err
	}
	if l.Requests, err = collect[accessRequest](r, source, skip, someLines+1); err != nil {
		return nil, err
	}
	if len(l.Requests) > someLines {
		l.Requests = l.Requests[:someLines]
		l.Next = link("/requests", "all", all, "skip", skip+someLines)
	}
	for _, q := range l.Requests {
		l.ToDecide = l.ToDecide || q.IsToDecide
	}
	return &result{template: "requests", title: "Requests", data: l}, nil
}
