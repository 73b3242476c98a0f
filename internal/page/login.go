package page

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// loginTimeout is how long the database has to accept a login.
const loginTimeout = 10 * time.Second

// loginForm is what the page to log in shows.
type loginForm struct {
	Token, Role, Database, Next string
	Several                     bool // databases: the form asks for one
	Error                       string
}

func (p *Page) loginCookie() string { return p.config.Cookie + "-login" }

func (p *Page) setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where it is served over TLS; else requests from elsewhere are refused
		Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: p.config.Secure, SameSite: http.SameSiteStrictMode,
	})
}

func cookieOf(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// session is that of a request; nil: there is none, or its database is served no more.
func (p *Page) session(r *http.Request) *session {
	s := p.sessions.get(cookieOf(r, p.config.Cookie))
	if s != nil && p.databases.find(s.database.Name) != s.database {
		p.sessions.remove(s.id)
		return nil
	}
	return s
}

func (p *Page) showLogin(w http.ResponseWriter, r *http.Request) {
	if p.session(r) != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	form := loginForm{Next: localPath(r.URL.Query().Get("next"))}
	if r.URL.Query().Has("ended") {
		form.Error = "Your session has ended: the database does not accept your login any more. Log in again if you still may."
	}
	p.askLogin(w, http.StatusOK, form)
}

// askLogin shows the form, with a token that a cookie must confirm: no other site can have a browser log in.
func (p *Page) askLogin(w http.ResponseWriter, status int, form loginForm) {
	form.Token, form.Several = rand.Text(), p.databases.several()
	p.setCookie(w, p.loginCookie(), form.Token, 3600)
	p.render(w, status, "login", layout{Title: "Log in"}, form)
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	form := loginForm{Role: r.PostFormValue("role"), Database: r.PostFormValue("database"), Next: localPath(r.PostFormValue("next"))}
	if !sameSecret(cookieOf(r, p.loginCookie()), r.PostFormValue("token")) {
		form.Error = "This form was too old. Please log in again."
		p.askLogin(w, http.StatusForbidden, form)
		return
	}
	attempt, wait := p.limiter.take(addressOf(r), form.Role)
	if wait > 0 {
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		w.Header().Set("Retry-After", seconds)
		form.Error = "Too many logins failed. Try again in " + seconds + " s."
		p.askLogin(w, http.StatusTooManyRequests, form)
		return
	}
	database, password := p.databases.find(form.Database), r.PostFormValue("password")
	err := p.tryLogin(r.Context(), database, form.Role, password)
	if refusal := new(refusalError); errors.As(err, refusal) {
		p.config.Log.Warn().Str("address", addressOf(r)).Str("reason", refusal.code).Msg("page: a login was refused")
		form.Error = refusal.text
		p.askLogin(w, http.StatusUnauthorized, form)
		return
	}
	attempt.giveBack()
	if err != nil {
		p.config.Log.Warn().Str("address", addressOf(r)).Str("reason", inShort(err)).Msg("page: a login could not be tried")
		form.Error = unavailable(err)
		p.askLogin(w, http.StatusServiceUnavailable, form)
		return
	}
	p.sessions.remove(cookieOf(r, p.config.Cookie))
	s := p.sessions.add(form.Role, password, database)
	p.config.Log.Info().Str("address", addressOf(r)).Str("role", form.Role).Str("database", database.Name).Msg("page: logged in")
	p.setCookie(w, p.loginCookie(), "", -1)
	p.setCookie(w, p.config.Cookie, s.id, 0)
	http.Redirect(w, r, form.Next, http.StatusSeeOther)
}

// tryLogin logs in once. A database that is not there, and a name or password that cannot be one, are refused like a wrong password.
func (p *Page) tryLogin(ctx context.Context, database *Database, role, password string) error {
	if database == nil || role == "" || password == "" || strings.ContainsRune(role+password, 0) {
		return refusalError{"form", wrongLogin}
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	done, err := p.seat(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	config, err := database.configuration(role, password)
	if err != nil {
		return err
	}
	tx, err := catalog.BeginRead(ctx, config, limits)
	if err != nil {
		return refusalOf(err)
	}
	return catalog.Close(ctx, tx.Conn())
}

func (p *Page) logout(w http.ResponseWriter, r *http.Request) {
	s := p.session(r)
	if s != nil && !s.genuine(r.PostFormValue("token")) {
		p.fail(w, http.StatusForbidden, "This form was too old", "Go back, load the page again, and log out.")
		return
	}
	if s != nil {
		p.sessions.remove(s.id)
	}
	p.setCookie(w, p.config.Cookie, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// localPath is where to go after the login: a path of this page, else its beginning.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// refusalError is that the database does not let a login in.
type refusalError struct {
	code string // SQLSTATE, for the log
	text string // for the person
}

func (e refusalError) Error() string { return e.text }

const wrongLogin = "The database does not accept this role name and password."

// refusalOf is the error of a connection, as a refusal where it is one.
func refusalOf(err error) error {
	if pgErr := new(pgconn.PgError); errors.As(err, &pgErr) {
		switch pgErr.Code {
		case "28P01":
			return refusalError{pgErr.Code, wrongLogin}
		case "28000":
			return refusalError{pgErr.Code, wrongLogin + " It may also be that the role may not log in, or that pg_hba.conf does not let it in from the daemon's host."}
		case "42501":
			return refusalError{pgErr.Code, "This role may not connect to the database. It needs GRANT CONNECT ON DATABASE."}
		case "3D000":
			return refusalError{pgErr.Code, wrongLogin}
		}
	}
	if isUnasked(err) {
		return refusalError{"require_auth", "The server did not ask for a password in a way that the page accepts (in pg_hba.conf: scram-sha-256, md5 or password). Whom it lets in by trust, peer or a certificate cannot use the page."}
	}
	return err
}

// isUnasked reports whether pgx refused how the server wanted to check the login, or that it did not.
func isUnasked(err error) bool {
	return strings.Contains(err.Error(), "authentication method requirement")
}

// unavailable is an error of the database, for a person.
func unavailable(err error) string {
	switch pgErr := new(pgconn.PgError); {
	case errors.As(err, &pgErr) && pgErr.Code == "53300":
		return "The database has no connection left. Try again in a moment."
	case errors.Is(err, errBusy):
		return "The page is busy. Try again in a moment."
	}
	return "The database cannot be reached at the moment. Try again."
}

// inShort is an error for the log, without what a person has typed.
func inShort(err error) string {
	if pgErr := new(pgconn.PgError); errors.As(err, &pgErr) {
		return "SQLSTATE " + pgErr.Code
	}
	if errors.Is(err, errBusy) {
		return errBusy.Error()
	}
	return "the database cannot be reached"
}
