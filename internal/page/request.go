package page

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// limits bound what a request costs the database.
var limits = map[string]string{
	"statement_timeout":                   "5s",
	"lock_timeout":                        "2s",
	"idle_in_transaction_session_timeout": "30s",
	"default_transaction_read_only":       "on",
	"jit":                                 "off", // to compile takes longer than to run
	"TimeZone":                            "UTC",
	"work_mem":                            "16MB",
}

// requestTime is how long a request may take, from its connection to its last query.
const requestTime = 8 * time.Second

// seatTime is how long a request waits for its turn.
const seatTime = 3 * time.Second

var errBusy = errors.New("all connections of the page are in use")

// seat waits for a turn to connect, among the requests of a session, and among all.
func (p *Page) seat(ctx context.Context, s *session) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, seatTime)
	defer cancel()
	lines := []chan struct{}{p.work}
	if s != nil {
		lines = []chan struct{}{s.work, p.work}
	}
	var taken []chan struct{}
	done = func() {
		for _, line := range taken {
			<-line
		}
	}
	for _, line := range lines {
		select {
		case line <- struct{}{}:
			taken = append(taken, line)
		case <-ctx.Done():
			done()
			return nil, errBusy
		}
	}
	return done, nil
}

// request is a request of a person who has logged in, with a transaction as that role.
type request struct {
	*http.Request
	ctx     context.Context
	tx      pgx.Tx
	session *session
	reader  reader
	now     time.Time
}

// query is a parameter of the address.
func (r *request) query(name string) string { return r.URL.Query().Get(name) }

// result is what a view shows: a template, its data, and the page around it.
type result struct {
	status   int // 0: OK
	template string
	title    string
	data     any
}

// show reads what a view shows.
type show func(r *request) (*result, error)

// views are the pages that are read.
var views = map[string]show{
	"/{$}":        showOverview,
	"/roles":      showRoles,
	"/role":       showRole,
	"/objects":    showObjects,
	"/object":     showObject,
	"/changes":    showChanges,
	"/change":     showChange,
	"/drift":      showDrift,
	"/violations": showViolations,
	"/as-of":      showAsOf,
	"/reviews":    showReviews,
	"/requests":   showRequests,
}

// view serves one of them.
func (p *Page) view(show show) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := p.session(r)
		if s == nil {
			p.toLogin(w, r, "next")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		done, err := p.seat(ctx, s)
		if err != nil {
			p.failSession(w, r, s, err)
			return
		}
		defer done()
		tx, err := s.begin(ctx)
		if err != nil {
			p.failSession(w, r, s, err)
			return
		}
		defer func() { _ = catalog.Close(ctx, tx.Conn()) }() // and the transaction with it
		p.answer(w, r, s, &request{Request: r, ctx: ctx, tx: tx, session: s, now: p.config.Now()}, show)
	}
}

// begin connects as the session's role.
func (s *session) begin(ctx context.Context) (pgx.Tx, error) {
	config, err := s.database.configuration(s.role, s.password)
	if err != nil {
		return nil, err
	}
	tx, err := catalog.BeginRead(ctx, config, limits)
	if err != nil {
		return nil, refusalOf(err)
	}
	return tx, nil
}

// answer shows a view, or what keeps the reader from it.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, s *session, read *request, show show) {
	var err error
	if read.reader, err = readReader(read.ctx, read.tx); err != nil {
		p.failSession(w, r, s, err)
		return
	}
	page := layout{Session: s, Reader: &read.reader, Path: r.URL.Path}
	var answer *result
	if missing := read.reader.lacksSchema(); missing != nil {
		answer = missing
	} else {
		answer, err = show(read)
	}
	lack := new(lackError)
	wrong := new(inputError)
	switch {
	case errors.As(err, &lack):
		answer = &result{status: http.StatusForbidden, template: "lack", title: "Not yours to see", data: lack}
	case errors.As(err, wrong):
		answer = &result{status: http.StatusBadRequest, template: "message", title: "Not understood", data: message{"Not understood", wrong.Error()}}
	case errors.Is(err, errNotFound):
		answer = &result{status: http.StatusNotFound, template: "message", title: "Not found", data: message{"Not found", "There is nothing of this name, or it is not yours to see."}}
	case err != nil:
		p.failRead(w, r, page, err)
		return
	}
	page.Title = answer.title
	if answer.status == 0 {
		answer.status = http.StatusOK
	}
	p.render(w, answer.status, answer.template, page, answer.data)
}

var errNotFound = errors.New("not found")

// inputError is a mistake in the address or a form.
type inputError struct{ error }

// toLogin asks for a login; after it, the page that was asked for is shown.
func (p *Page) toLogin(w http.ResponseWriter, r *http.Request, why string) {
	query := url.Values{"next": {localPath(r.URL.RequestURI())}}
	if why == "ended" {
		query.Set("ended", "")
	}
	http.Redirect(w, r, "/login?"+query.Encode(), http.StatusSeeOther)
}

// failSession answers when the database did not: it ends the session where the login is not accepted any more.
func (p *Page) failSession(w http.ResponseWriter, r *http.Request, s *session, err error) {
	p.failRead(w, r, layout{Session: s, Path: r.URL.Path}, err)
}

// failRead does so with the menu, where it is known what the reader may see.
func (p *Page) failRead(w http.ResponseWriter, r *http.Request, page layout, err error) {
	s := page.Session
	if refusal := new(refusalError); errors.As(err, refusal) {
		p.sessions.remove(s.id)
		p.config.Log.Info().Str("role", s.role).Str("database", s.database.Name).Msg("page: a session has ended, as the database does not accept its login any more")
		p.setCookie(w, p.config.Cookie, "", -1)
		p.toLogin(w, r, "ended")
		return
	}
	p.config.Log.Warn().Str("role", s.role).Str("path", r.URL.Path).Str("reason", inShort(err)).Msg("page: a request failed")
	status, heading, text := failureOf(err)
	page.Title = heading
	p.render(w, status, "message", page, message{heading, text})
}

// failureOf is an error of the database, for a person.
func failureOf(err error) (status int, heading, text string) {
	pgErr := new(pgconn.PgError)
	switch {
	case errors.As(err, &pgErr) && pgErr.Code == "57014", errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "This took too long", "The database did not answer in time. Ask for less, with a filter, or try again."
	case errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, "22"): // such as a name that no encoding has
		return http.StatusBadRequest, "Not understood", "PostgreSQL: " + pgErr.Message
	case errors.As(err, &pgErr) && pgErr.Code == "42501":
		return http.StatusForbidden, "Not yours to see", "PostgreSQL: " + pgErr.Message
	case errors.As(err, &pgErr) && pgErr.Code != "53300" && !strings.HasPrefix(pgErr.Code, "57"):
		return http.StatusInternalServerError, "PostgreSQL reports an error", pgErr.Message + " (SQLSTATE " + pgErr.Code + ")"
	}
	return http.StatusServiceUnavailable, "Not available", unavailable(err)
}

func (p *Page) missing(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.fail(w, http.StatusMethodNotAllowed, "Not possible", "This address takes no such request.")
		return
	}
	p.fail(w, http.StatusNotFound, "Not found", "There is no such page.")
}
