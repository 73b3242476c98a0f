package report

import (
	"context"
	"time"
)

// Review is one of sync_roles.reviews.
type Review struct {
	ID         int64    `json:"id"`
	Reason     string   `json:"reason"`
	OpenedBy   string   `json:"opened_by"`
	OpenedAt   Instant  `json:"opened_at"`
	Reviewers  []string `json:"reviewers"`
	Deadline   Instant  `json:"deadline"`
	Undecided  string   `json:"undecided"`
	Items      int64    `json:"items"`
	Kept       int64    `json:"kept"`
	Ended      int64    `json:"ended"`
	ByDeadline int64    `json:"by_deadline"`
	DecidedBy  []string `json:"decided_by"`
	ClosedAt   Instant  `json:"closed_at"`
}

type reviewLine struct {
	ID         int64
	Reason     string
	OpenedBy   string
	OpenedAt   time.Time
	Reviewers  []string
	Deadline   time.Time
	Undecided  string
	Items      int64
	Kept       int64
	Ended      int64
	ByDeadline int64
	DecidedBy  []string
	ClosedAt   *time.Time
}

// Request is one of sync_roles.requests.
type Request struct {
	ID          int64    `json:"id"`
	Role        string   `json:"role"`
	Privilege   string   `json:"privilege"`
	ObjectType  string   `json:"object_type"`
	Schema      string   `json:"schema"`
	Object      string   `json:"object"`
	Column      string   `json:"column"`
	Reason      string   `json:"reason"`
	Requester   string   `json:"requester"`
	RequestedAt Instant  `json:"requested_at"`
	Status      string   `json:"status"`
	ApprovedBy  []string `json:"approved_by"`
	DecidedAt   Instant  `json:"decided_at"`
	RowID       *int64   `json:"row_id"`
	ExpiresAt   Instant  `json:"expires_at"`
}

type requestLine struct {
	ID          int64
	RoleName    string
	Privilege   string
	ObjectType  string
	SchemaName  string
	ObjectName  string
	ColumnName  string
	Reason      string
	Requester   string
	RequestedAt time.Time
	Status      string
	ApprovedBy  []string
	DecidedAt   *time.Time
	GrantID     *int64
	ExpiresAt   *time.Time
}

func (r *Reader) readReviews(ctx context.Context, asOf, since time.Time) error {
	reviews, err := collect[reviewLine](ctx, r.tx, "reviews", asOf, since)
	if err != nil {
		return err
	}
	requests, err := collect[requestLine](ctx, r.tx, "requests", asOf, since)
	if err != nil {
		return err
	}
	r.Report.Reviews, r.Report.Requests = []Review{}, []Request{}
	for _, l := range reviews {
		r.Report.Reviews = append(r.Report.Reviews, Review{
			l.ID, l.Reason, l.OpenedBy, instant(&l.OpenedAt), l.Reviewers, instant(&l.Deadline), l.Undecided, l.Items, l.Kept, l.Ended, l.ByDeadline,
			l.DecidedBy, instant(l.ClosedAt),
		})
	}
	for _, l := range requests {
		r.Report.Requests = append(r.Report.Requests, Request{
			l.ID, l.RoleName, l.Privilege, l.ObjectType, l.SchemaName, l.ObjectName, l.ColumnName, l.Reason, l.Requester, instant(&l.RequestedAt),
			l.Status, l.ApprovedBy, instant(l.DecidedAt), l.GrantID, instant(l.ExpiresAt),
		})
	}
	return nil
}
