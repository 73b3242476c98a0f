package page_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/page"
)

// Without a login there is nothing to see; with a wrong one neither, and it is not said what was wrong.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor(t)
	for path := range paths {
		if a := v.get(path); !strings.HasPrefix(a.url, "/login?next=") {
			t.Errorf("%s leads to %s without a login", path, a.url)
		}
	}
	const refused = "The database does not accept this role name and password."
	v.tryLogin("auditor", "wrong").want(t, 401, refused)
	v.tryLogin("nobody of this name", password).want(t, 401, refused)
	v.tryLogin("analysts", password).want(t, 401, "!Overview")
	v.tryLogin("auditor", "").want(t, 401, refused)
	v.tryLogin("", password).want(t, 401, refused)
	v.tryLogin("aud\x00itor", password).want(t, 401, refused)
	v.tryLogin("outsider", password).want(t, 401, "GRANT CONNECT")
	v.tryLogin("auditor", password).want(t, 200, "Overview", "auditor", "!superuser")
	for _, secret := range []string{password, "a secret", "wrong"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, s.log)
		}
	}
}

// Whom the server lets in without a password cannot log in: the page is reached by more people than the server.
func TestTrustIsNoLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, role := range []string{"trusted", "daemon", "postgres"} {
		for _, secret := range []string{password, "", "x"} {
			s.visitor(t).tryLogin(role, secret).want(t, 401, "!Log out")
		}
	}
}

// After some wrong passwords the page asks for patience, of that address and that role, and for a while alone.
func TestLoginsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor(t)
	for range 10 {
		v.tryLogin("auditor", "wrong").want(t, 401)
	}
	a := v.tryLogin("auditor", password)
	a.want(t, 429, "Try again in")
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	s.clock.turn(time.Minute)
	for range 30 { // right passwords do not count
		v.tryLogin("auditor", password).want(t, 200)
		v.post("/logout", url.Values{"token": {v.get("/").token(t)}}).want(t, 200, "Log in")
	}
}

// A session ends when the person logs out, when it is not used for long, and when the database does not accept the login any more.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	over := func(v *visitor) {
		t.Helper()
		if a := v.get("/roles"); !strings.HasPrefix(a.url, "/login") {
			t.Errorf("the session goes on: %s", a.url)
		}
	}
	v := s.login(t, "auditor")
	v.post("/logout", url.Values{"token": {"wrong"}}).want(t, 403)
	v.get("/").want(t, 200, "Log out")
	v.post("/logout", url.Values{"token": {v.get("/").token(t)}})
	over(v)
	v = s.login(t, "auditor")
	s.clock.turn(31 * time.Minute)
	over(v)
	v = s.login(t, "auditor")
	for range 25 {
		s.clock.turn(29 * time.Minute)
		v.get("/")
	}
	over(v) // twelve hours after its begin

	literal := "'" + strings.ReplaceAll(password, "'", "''") + "'"
	for change, undo := range map[string]string{
		"alter role leaver nologin":                   "alter role leaver login",
		"alter role leaver password 'another'":        "alter role leaver password " + literal,
		"alter role leaver valid until 'yesterday'":   "alter role leaver valid until 'infinity'",
		"revoke connect on database shop from leaver": "grant connect on database shop to leaver",
		"alter role leaver rename to left_it":         "alter role left_it rename to leaver; alter role leaver password " + literal,
		"alter role leaver connection limit 0":        "alter role leaver connection limit -1",
		"alter role leaver password null":             "alter role leaver password " + literal,
	} {
		v := s.login(t, "leaver")
		v.get("/roles").want(t, 200, "alice")
		superuser(t, change)
		a := v.get("/roles")
		if strings.Contains(a.body, "alice") {
			t.Errorf("after %s the page still shows roles", change)
		}
		superuser(t, undo)
		if change != "alter role leaver connection limit 0" { // that ends by itself
			over(v)
		}
	}
}

// With several databases the form asks for one; a session ends when its database is served no more.
func TestDatabasesComeAndGo(t *testing.T) {
	t.Parallel()
	s := &site{log: &lines{}, clock: &clock{}}
	all, url2 := databases(t), server(t).URL("daemon", "postgres")
	other := &page.Database{Name: "postgres", Configure: func() (*pgx.ConnConfig, error) { return pgx.ParseConfig(url2) }}
	all.Add(other)
	s.Server = httptest.NewServer(page.New(page.Config{Log: zerolog.New(s.log), Now: s.clock.now}, all))
	defer s.Close()
	v := s.visitor(t)
	v.get("/login").want(t, 200, `name="database"`)
	form := func(database string) url.Values {
		return url.Values{"token": {v.get("/login").token(t)}, "role": {"auditor"}, "password": {password}, "database": {database}}
	}
	v.post("/login", form("template1")).want(t, 401)
	v.post("/login", form("")).want(t, 401)
	v.post("/login", form("postgres")).want(t, 200, "no schema sync_roles")
	all.Remove(other)
	v.get("/").want(t, 200, "Log in", `!name="database"`)
	v.post("/login", form("shop")).want(t, 200, "Overview")
}

// A session has an id that was unknown before it began, in a cookie that only the browser reads.
func TestSessionIsNew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor(t)
	there, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	v.client.Jar.SetCookies(there, []*http.Cookie{{Name: "pg-sync-roles", Value: "chosen", Path: "/"}})
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a := v.tryLogin("auditor", password)
	a.want(t, 303)
	var session string
	for _, line := range a.header.Values("Set-Cookie") {
		if name, _, _ := strings.Cut(line, "="); name == "pg-sync-roles" {
			session = line
		}
	}
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(session, want) {
			t.Errorf("the cookie %q has no %s", session, want)
		}
	}
	if strings.Contains(session, "chosen") || len(session) < 60 {
		t.Errorf("the cookie is %q", session)
	}
}

// A form that another site sends is not obeyed, nor one without the token that a cookie confirms.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor(t)
	good := url.Values{"token": {v.get("/login").token(t)}, "role": {"auditor"}, "password": {password}}
	v.post("/login", good, "Sec-Fetch-Site", "cross-site").want(t, 403, "another site")
	v.post("/login", good, "Origin", "https://evil.example").want(t, 403, "another site")
	s.visitor(t).post("/login", good).want(t, 403, "too old")
	v = s.login(t, "auditor")
	v.post("/reviews", url.Values{"item": {"1"}, "review": {"1"}, "decision": {"keep"}}).want(t, 403, "too old")
	v.post("/roles", url.Values{}).want(t, 405)
	v.post("/login?next=//evil.example", good)
	for _, next := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "javascript:alert(1)"} {
		a := s.visitor(t).get("/login?next=" + url.QueryEscape(next))
		a.want(t, 200, `name="next" value="/"`)
	}
}

// Over plain HTTP the page answers to its own machine alone, under its own name.
func TestElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	databases := databases(t)
	plain := page.New(page.Config{Log: zerolog.Nop()}, databases)
	secure := page.New(page.Config{Log: zerolog.Nop(), Secure: true}, databases)
	for _, c := range []struct {
		name, remote, host string
		header             string
		plain              int
	}{
		{"this machine", "127.0.0.1:5000", "localhost:8080", "", 200},
		{"this machine, IPv6", "[::1]:5000", "[::1]:8080", "", 200},
		{"another machine", "192.0.2.7:5000", "localhost:8080", "", 403},
		{"a name that leads here", "127.0.0.1:5000", "evil.example:8080", "", 403},
		{"a name that looks local", "127.0.0.1:5000", "localhost.evil.example", "", 403},
		{"no name", "127.0.0.1:5000", "", "", 403},
		{"a proxy", "127.0.0.1:5000", "localhost:8080", "X-Forwarded-For", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/login", http.NoBody)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header != "" {
			r.Header.Set(c.header, "192.0.2.7")
		}
		for p, want := range map[http.Handler]int{plain: c.plain, secure: 200} {
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: status %d, want %d", c.name, w.Code, want)
			}
			cookie := w.Header().Get("Set-Cookie")
			if want == 200 && p == http.Handler(secure) && (!strings.HasPrefix(cookie, "__Host-") || !strings.Contains(cookie, "Secure")) {
				t.Errorf("over TLS the cookie is %q", cookie)
			}
		}
	}
}

// Each answer forbids scripts, frames and copies of it, also one that says no.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.login(t, "auditor")
	for _, path := range []string{"/", "/roles", "/nothing", "/change?id=x", "/role?name=nobody", "/login", "/assets/none.css"} {
		header := v.get(path).header
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

// paths are the addresses of all views that an auditor may see.
var paths = map[string]int{
	"/": 200, "/roles": 200, "/roles?status=in_sync&q=AL": 200, "/role?name=alice": 200, "/role?name=alice&q=mart": 200, "/objects": 200, "/objects?type=": 200,
	"/object?type=table&schema=mart&name=daily": 200, "/object?type=schema&name=mart": 200, "/changes": 200, "/changes?role=alice&outcome=applied&cause=notify": 200,
	"/changes?from=2026-01-01T00:00&to=2126-01-01": 200, "/change?id=1": 200, "/drift": 200,
	"/role?name=alice&type=table&schema=sales&object=orders": 200, "/object?type=table&schema=sales&name=orders": 200, "/violations": 200, "/violations?rule=1&role=temp": 200,
	"/violations?before=1000": 200, "/as-of": 200, "/reviews": 200, "/requests": 200, "/requests?all=1": 200,
}

// A bad address is reported, and is no error of the page's.
func TestAddresses(t *testing.T) {
	t.Parallel()
	v := newSite(t).login(t, "auditor")
	for path, status := range paths {
		v.get(path).want(t, status, "<h1")
	}
	for path, status := range map[string]int{
		"/role": 404, "/role?name=nobody": 404, "/role?name=alice&from=x": 400, "/role?name=alice&rows=x": 400, "/role?name=alice&from=99999": 200,
		"/role?name=alice&type=nonsense&object=x": 404, "/role?name=alice&type=table&schema=mart&object=none": 404, "/object": 404, "/object?type=role&name=alice": 404,
		"/object?type=table&schema=mart&name=none": 404, "/object?type=table&schema=mart&name=daily&privilege=FLY": 400, "/object?type=table&schema=mart&name=daily&from=-1": 400,
		"/change?id=x": 400, "/change": 404, "/change?id=99999999": 404, "/changes?before=-1": 400, "/changes?from=soon": 400, "/roles?after=zzzz": 200, "/roles?q=%25": 200,
		"/changes?role=%00": 400, "/roles?q=%ff": 400, "/role?name=%00": 400, "/violations?rule=x": 400, "/violations?before=x": 400,
		"/as-of?at=soon": 400, "/as-of?at=2020-01-01": 400, "/as-of?at=2126-01-01": 400, "/requests?skip=x": 400, "/nothing": 404,
	} {
		v.get(path).want(t, status, "<h1")
	}
}

// Names and notes are text wherever they stand, whatever is in them.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	v := newSite(t).login(t, "auditor")
	for _, path := range []string{
		"/", "/roles", "/changes", "/role?name=" + url.QueryEscape(strange), "/roles?q=%3Cscript%3E%22%27", "/objects?q=%3Ci%3Eodd",
		"/object?type=table&schema=sales&name=customers", "/object?type=table&schema=mart&name=" + url.QueryEscape(`<i>odd</i> "one"`), "/role?name=%3Cscript%3E",
	} {
		v.get(path).want(t, v.get(path).status, "!<script", "!<b>\"x\"", "!<b>&", "!<i>odd", `!"x"</b>`)
	}
	v.get("/role?name="+url.QueryEscape(strange)).want(t, 200, "o&#39;neil &lt;b&gt;&#34;x&#34;&lt;/b&gt;↵&amp;amp;", "&lt;script&gt;document.title")
	newSite(t).login(t, "O'Hara <u>").get("/").want(t, 200, "O&#39;Hara &lt;u&gt;", "!<u>")
}

// A role sees what it may read in psql, and is told what to ask for.
func TestLessRights(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.login(t, "stranger")
	for path := range paths {
		v.get(path).want(t, 403, "GRANT USAGE ON SCHEMA sync_roles TO &#34;stranger&#34;;", "sync_roles.role_status", "!alice")
	}
	// Row-level security shows a scoped writer the rows in its scope alone.
	v = s.login(t, "writer")
	v.get("/").want(t, 200, "GRANT SELECT ON sync_roles.role_status", "!frank", "table sales.returns does not exist yet")
	v.get("/roles").want(t, 403, "GRANT SELECT ON sync_roles.role_status TO &#34;writer&#34;;")
	v.get("/changes").want(t, 403)
	v.get("/role?name=erin").want(t, 200, "SHOP-40", "Only those in your scopes", "SELECT on table")
	v.get("/role?name=dave").want(t, 200, "!HR-4", "!yearly bonus")
	s.login(t, "auditor").get("/role?name=dave").want(t, 200, "HR-4: yearly bonus", "!Only those in your scopes")
}

// A superuser is warned on every page.
func TestSuperuserIsWarned(t *testing.T) {
	t.Parallel()
	v := newSite(t).login(t, "boss")
	for path := range paths {
		v.get(path).want(t, 200, "You are logged in as a superuser")
	}
}

// Nothing that a request does can change anything.
func TestReadsOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	superuser(t, `create function public.f() returns text language plpgsql as $$ begin create table public.proof (); return 'x'; end $$;
		create view public.role_status as select public.f() as role_name; alter role boss set search_path = public`)
	defer superuser(t, "alter role boss reset search_path; drop view public.role_status; drop function public.f()")
	v := s.login(t, "boss")
	for path := range paths {
		v.get(path).want(t, 200)
	}
	superuser(t, "do $$ begin assert to_regclass('public.proof') is null; end $$")
}
