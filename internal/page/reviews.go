package page

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// reviewList is the reviews, and the items of one of them.
type reviewList struct {
	Reviews []review
	Status  []reviewStatus // of all reviews, where the reader may see that
	Chosen  *review
	Items   []reviewItem
	Token   string
	Next    string
	Done    bool // a decision has just been made
	After   string
}

type review struct {
	ID               int64
	Reason, OpenedBy string
	Deadline         time.Time
	InTime           bool // the deadline is yet to come
	Undecided        string
	ClosedAt         *time.Time
	Items, Open      int64 // that the reader sees
}

// reviewStatus is how far a review is, all items counted.
type reviewStatus struct {
	ID                                          int64
	Reason, OpenedBy                            string
	Reviewers                                   []string
	Deadline                                    time.Time
	Undecided, Status                           string
	Items, Open, Kept, Ended, ByDeadline, Stale int64
}

type reviewItem struct {
	ID                           int64
	RoleName, Selector           string
	Grantable                    bool
	ExpiresAt                    *time.Time
	Note, CreatedBy              string
	CreatedAt                    time.Time
	Decision, Comment, DecidedBy string
	DecidedAt                    *time.Time
	Stale                        bool
	Decidable                    bool // by the reader
}

func showReviews(r *request) (*result, error) {
	l := &reviewList{Token: r.session.token, Done: r.URL.Query().Has("done"), After: r.query("after")}
	var err error
	if r.reader.may("review_status") {
		if l.Status, err = collect[reviewStatus](r, "review_status", someLines); err != nil {
			return nil, err
		}
	}
	if !r.reader.may("reviews", "review_items") && r.reader.may("review_status") {
		return &result{template: "reviews", title: "Reviews", data: l}, nil
	}
	if err := r.reader.need("Reviews", "reviews", "review_items"); err != nil {
		return nil, err
	}
	if l.Reviews, err = collect[review](r, "reviews", manyLines); err != nil {
		return nil, err
	}
	id, err := idOf("id", r.query("id"))
	if err != nil {
		return nil, err
	}
	for i, one := range l.Reviews {
		if one.ID == id || id == 0 && i == 0 && one.ClosedAt == nil {
			l.Chosen = &l.Reviews[i]
		}
	}
	if l.Chosen == nil {
		return &result{template: "reviews", title: "Reviews", data: l}, nil
	}
	after, err := idOf("after", r.query("after"))
	if err != nil {
		return nil, err
	}
	if l.Items, err = collect[reviewItem](r, "review_items", l.Chosen.ID, after, someLines+1); err != nil {
		return nil, err
	}
	if len(l.Items) > someLines {
		l.Items = l.Items[:someLines]
		l.Next = link("/reviews", "id", l.Chosen.ID, "after", l.Items[someLines-1].ID)
	}
	return &result{template: "reviews", title: "Reviews", data: l}, nil
}

// errUndecided is that there was nothing for this reader to decide.
var errUndecided = errors.New("nothing was decided: the item was decided by somebody else meanwhile, its review is closed, or it is not yours to decide")

// decide is the one request that writes: a decision, as the person's own role.
func (p *Page) decide(w http.ResponseWriter, r *http.Request) {
	s := p.session(r)
	if s == nil {
		p.toLogin(w, r, "next")
		return
	}
	if !s.genuine(r.PostFormValue("token")) {
		p.fail(w, http.StatusForbidden, "This form was too old", "Go back, load the page again, and decide.")
		return
	}
	d, err := decisionOf(r)
	if err != nil {
		p.fail(w, http.StatusBadRequest, "Not understood", err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	done, err := p.seat(ctx, s)
	if err == nil {
		defer done()
		err = s.decide(ctx, d)
	}
	pgErr := new(pgconn.PgError)
	switch {
	case errors.Is(err, errUndecided):
		p.failDecision(w, s, http.StatusConflict, errUndecided.Error())
	case errors.As(err, &pgErr) && !isRefusal(err):
		p.failDecision(w, s, http.StatusForbidden, "PostgreSQL: "+pgErr.Message)
	case err != nil:
		p.failSession(w, r, s, err)
	default:
		http.Redirect(w, r, link("/reviews", "id", d.review, "after", d.after, "done", "1"), http.StatusSeeOther)
	}
}

func (p *Page) failDecision(w http.ResponseWriter, s *session, status int, text string) {
	p.render(w, status, "message", layout{Title: "Not decided", Session: s}, message{"Not decided", text})
}

func isRefusal(err error) bool { return errors.As(err, new(refusalError)) }

type decision struct {
	item, review int64
	after        string
	decision     string
	comment      *string
}

func decisionOf(r *http.Request) (d decision, err error) {
	if d.item, err = strconv.ParseInt(r.PostFormValue("item"), 10, 64); err != nil {
		return d, errors.New("the form names no item")
	}
	if d.review, err = strconv.ParseInt(r.PostFormValue("review"), 10, 64); err != nil {
		return d, errors.New("the form names no review")
	}
	if d.decision = r.PostFormValue("decision"); d.decision != "keep" && d.decision != "end" {
		return d, errors.New("a decision is to keep or to end")
	}
	if comment := strings.TrimSpace(r.PostFormValue("comment")); comment != "" {
		d.comment = &comment
	}
	if d.after = r.PostFormValue("after"); d.after != "" {
		if _, err := strconv.ParseInt(d.after, 10, 64); err != nil {
			return d, errors.New("the form is damaged")
		}
	}
	return d, nil
}

// decide writes a decision, in a transaction of its own.
func (s *session) decide(ctx context.Context, d decision) error {
	config, err := s.database.configuration(s.role, s.password)
	if err != nil {
		return err
	}
	tx, err := catalog.BeginWrite(ctx, config, writeLimits())
	if err != nil {
		return refusalOf(err)
	}
	defer func() { _ = catalog.Close(ctx, tx.Conn()) }()
	tag, err := tx.Exec(ctx, query("decide"), d.item, d.review, d.decision, d.comment)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 1 {
		return errUndecided
	}
	return tx.Commit(ctx)
}

// writeLimits are the limits of a request that writes.
func writeLimits() map[string]string {
	all := map[string]string{}
	for name, value := range limits {
		if name != "default_transaction_read_only" {
			all[name] = value
		}
	}
	return all
}
