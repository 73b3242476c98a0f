package page_test

import (
	"net/url"
	"testing"
)

// What breaks a rule is there at first sight, with the path and the reason, and at the role that it is about.
func TestViolations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.login(t, "auditor")
	reason := "HR-1: &lt;b&gt;payroll&lt;/b&gt; is for HR alone"
	v.get("/").want(t, 200, "a rule is broken", reason, "temp &lt;b&gt;: granted")
	v.get("/violations").want(t, 200, reason, "temp &lt;b&gt;: granted", "1 privilege breaks 1 rule", "!<b>")
	v.get("/violations?role=alice").want(t, 200, "There is no such violation")
	v.get("/violations?rule=99").want(t, 200, "There is no such violation")
	v.get("/role?name="+url.QueryEscape("temp <b>")).want(t, 200, "Broken rules", reason)
	s.login(t, "writer").get("/violations").want(t, 403, "GRANT SELECT ON sync_roles.violation_history", "!payroll")
}

// Drift is tied to who made it, as far as event triggers saw it.
func TestCulprit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.login(t, "auditor").get("/drift").want(t, 200, "hand change by postgres", "&lt;u&gt;by hand&lt;/u&gt;", "psql &lt;i&gt;", "GRANT SELECT ON TABLE &#34;sales&#34;.&#34;orders&#34; TO &#34;alice&#34;", "!<u>", "!<i>")
}

// Access at a time in the past stands with who had asked for it, and with whether its beginning is exact.
func TestAsOf(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.login(t, "auditor")
	v.get("/as-of").want(t, 200, "History begins at")
	v.get("/as-of?at=2020-01-01").want(t, 400, "the history of access begins at", "Overview")
	now := value[string](t, "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')")
	v.get("/as-of?at="+url.QueryEscape(now)+"&role=gina&q=stock").want(t, 200, "DATA-30 &lt;script&gt;", "in row", "!<script", "!forecast")
	v.get("/as-of?at="+url.QueryEscape(now)+"&role=nobody").want(t, 200, "No managed role held such a thing then")
	s.login(t, "writer").get("/as-of?at="+url.QueryEscape(now)).want(t, 403, "GRANT SELECT ON sync_roles.access_history", "!alice")
}

// Paths through views and functions are said, with what is only possible; and what row-level security does.
func TestThroughCode(t *testing.T) {
	t.Parallel()
	v := newSite(t).login(t, "auditor")
	const view = "view mart.revenue &#34;&lt;u&gt;&#34;, owned by shop_owner"
	v.get("/object?type=table&schema=sales&name=orders").want(t, 200, "through", view, "dave", "possible:", "function mart.refresh()", "!<u>")
	v.get("/role?name=dave&type=table&schema=sales&object=orders").want(t, 200, view, "SELECT (price)", "SELECT on it")
	v.get("/role?name=dave").want(t, 200, view, "Possible through code", "function mart.refresh()", "!<u>")
	v.get("/object?type=table&schema=mart&name=stock").want(t, 200, "policies apply")
}
