package page_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// dial logs in as a person does from elsewhere, with the password.
func dial(tb testing.TB, role string) *pgx.Conn {
	tb.Helper()
	config, err := pgx.ParseConfig(server(tb).URL(role, "shop"))
	if err != nil {
		tb.Fatal(err)
	}
	config.Password = password
	conn, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(tb.Context()) })
	return conn
}

func value[T any](tb testing.TB, sql string, args ...any) (v T) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), server(tb).URL(pgserver.Superuser, "shop"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(tb.Context()) }()
	if err := conn.QueryRow(tb.Context(), sql, args...).Scan(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// item is the item of a row in the review of Gina's access.
func item(tb testing.TB, selector string) string {
	tb.Helper()
	return value[string](tb, `select i.id::text from sync_roles.review_items as i join sync_roles.reviews as r on r.id = i.review_id
		where r.reason = 'of Gina alone' and i.selector like $1`, "%"+selector+"%")
}

// A reviewer decides by keyboard and mouse: what it ends, the daemon takes away; what it keeps, stays. Both are final, and on record with its name.
func TestDecideInBrowser(t *testing.T) {
	t.Parallel()
	b := newTab(t, newSite(t))
	gina := dial(t, "gina")
	for _, table := range []string{"stock", "forecast"} {
		if _, err := gina.Exec(t.Context(), "select from mart."+table); err != nil {
			t.Fatalf("before the review: %v", err)
		}
	}
	review := value[string](t, "select id::text from sync_roles.reviews where reason = 'of Gina alone'")
	kept, ended := item(t, "stock"), item(t, "forecast")
	b.login("reviewer", password, "#h-decide")
	b.examine("overview-reviewer")
	b.open("/reviews?id=" + review)
	b.examine("reviews-to-decide")
	form := func(item, decision string) string {
		return `form.decide:has(input[name="item"][value="` + item + `"]) button[value="` + decision + `"]`
	}
	b.run(chromedp.SendKeys("#c"+ended, "has changed <b>teams</b>"), chromedp.Click(form(ended, "end")), chromedp.WaitReady(".done"))
	b.run(chromedp.Click(form(kept, "keep")), chromedp.WaitReady(".done"), chromedp.WaitNotPresent(form(kept, "keep")))
	b.examine("reviews-decided")
	b.open("/requests")
	b.examine("requests-to-decide")
	b.quiet()
	const decided = `select coalesce(decision, '') || ' by ' || coalesce(decided_by, '') || ': ' || coalesce(comment, '') from sync_roles.review_items where id::text = $1`
	if got := value[string](t, decided, ended); got != "end by reviewer: has changed <b>teams</b>" {
		t.Errorf("the one is %q", got)
	}
	if got := value[string](t, decided, kept); got != "keep by reviewer: " {
		t.Errorf("the other is %q", got)
	}
	if err := until(t.Context(), "select not has_table_privilege('gina', 'mart.forecast', 'select')"); err != nil {
		t.Fatal(err)
	}
	if _, err := gina.Exec(t.Context(), "select from mart.forecast"); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("what was ended is still there: %v", err)
	}
	if _, err := gina.Exec(t.Context(), "select from mart.stock"); err != nil {
		t.Errorf("what was kept has gone: %v", err)
	}
}

// The page decides nothing for who may not: not without the token, not twice, nothing that is one's own, and not as another role than the login.
func TestDecideWithoutRight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := func(role string) (item, review string) {
		const of = " from sync_roles.review_items as i join sync_roles.reviews as r on r.id = i.review_id where r.reason = 'Q4 2026 <b>' and i.role_name = $1 and i.selector like '%stock%'"
		return value[string](t, "select i.id::text"+of, role), value[string](t, "select i.review_id::text"+of, role)
	}
	own, review := id("reviewer")
	others, _ := id("gina")
	v := s.login(t, "reviewer")
	page := v.get("/reviews?id=" + review)
	page.want(t, 200, "DATA-30 &lt;script&gt;", "Q4 2026 &lt;b&gt;", "!<b>", "!<script", "!for myself", `value="`+others+`"`, `!value="`+own+`"`)
	form := func(token, item, decision string) url.Values {
		return url.Values{"token": {token}, "item": {item}, "review": {review}, "after": {""}, "decision": {decision}}
	}
	token := page.token(t)
	v.post("/reviews", form("", others, "end")).want(t, 403, "too old")
	v.post("/reviews", form(token+"x", others, "end")).want(t, 403, "too old")
	v.post("/reviews", form(token, others, "end"), "Sec-Fetch-Site", "cross-site").want(t, 403, "another site")
	v.post("/reviews", form(token, others, "perhaps")).want(t, 400)
	v.post("/reviews", form(token, "1; select 1", "end")).want(t, 400)
	v.post("/reviews", form(token, own, "keep")).want(t, 409, "Not decided", "Log out")
	v.post("/reviews", form(token, "0", "keep")).want(t, 409)
	// Who has no right to UPDATE; who is superuser, and no reviewer.
	for role, want := range map[string]string{"auditor": "permission denied", "gina": "permission denied", "boss": "not for login boss to decide"} {
		v := s.login(t, role)
		v.post("/reviews", form(v.get("/").token(t), others, "end")).want(t, 403, want)
	}
	if n := value[int](t, "select count(*) from sync_roles.review_items where decision is not null and review_id::text = $1", review); n > 0 {
		t.Errorf("%d items were decided", n)
	}
	v.post("/reviews", form(token, others, "keep")).want(t, 200, "Decided.")
	v.post("/reviews", form(token, others, "end")).want(t, 409, "decided by somebody else meanwhile")
}

// An approver sees what waits for it, whoever asked what became of it, and others nothing.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.login(t, "reviewer").get("/requests").want(t, 200, "yours to decide", "INC-4711 &lt;i&gt;", "INSERT INTO sync_roles.request_approvals", "!<i>")
	s.login(t, "reviewer").get("/").want(t, 200, "Yours to decide", "Request 1")
	s.login(t, "gina").get("/requests").want(t, 200, "INC-4711 &lt;i&gt;", "!yours to decide")
	s.login(t, "writer").get("/requests").want(t, 200, "!INC-4711")
	s.login(t, "writer").get("/requests?all=1").want(t, 403, "GRANT SELECT ON sync_roles.request_status")
	s.login(t, "auditor").get("/requests").want(t, 200, "!INC-4711")
	s.login(t, "auditor").get("/requests?all=1").want(t, 200, "INC-4711 &lt;i&gt;")
}
