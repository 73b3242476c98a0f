// Package page serves a page to look at: how roles are, what they can do and by which paths, and what changed.
//
// A person logs in with a database login, and each request reads over a connection of its own as that role, in a transaction that only reads. So the page has
// no powers: it shows what psql would show, and a session ends as soon as the database does not let the login in any more. The daemon's own login is never
// used.
package page

import (
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// Config says how a page is served.
type Config struct {
	Log zerolog.Logger
	// Cookie is the name of the session's cookie. Browsers do not tell the ports of a host apart: two daemons need two names.
	Cookie string
	// Secure says that it is served over TLS alone. Otherwise requests from elsewhere than this machine are refused.
	Secure bool
	// Now is the clock; nil: the machine's.
	Now func() time.Time
}

// Page is the page with its sessions. It implements http.Handler.
type Page struct {
	config    Config
	databases *Databases
	sessions  *sessions
	limiter   *limiter
	work      chan struct{} // a seat for each connection that may be open at once
	handler   http.Handler
}

// maxConnections is how many connections requests may have open at once, all together.
const maxConnections = 8

// New makes a page of these databases.
func New(config Config, databases *Databases) *Page {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Cookie == "" {
		config.Cookie = "pg-sync-roles"
	}
	if config.Secure {
		config.Cookie = "__Host-" + config.Cookie
	}
	p := &Page{
		config: config, databases: databases, sessions: newSessions(config.Now), limiter: newLimiter(config.Now), work: make(chan struct{}, maxConnections),
	}
	p.handler = p.guarded(p.routes())
	return p
}

// ServeHTTP answers a request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Page) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", serveAsset)
	mux.HandleFunc("GET /login", p.showLogin)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("POST /logout", p.logout)
	for path, show := range views {
		mux.HandleFunc("GET "+path, p.view(show))
	}
	mux.HandleFunc("POST /reviews", p.decide)
	mux.HandleFunc("/", p.missing)
	return mux
}
