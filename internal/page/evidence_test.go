package page_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// What breaks a rule is there at first sight, with the path and the reason, and at the role that it is about.
func TestViolations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.login(t, "auditor")
	v.get("/").want(t, 200, "a rule is broken", "HR-1: payroll is for HR alone", "temp: granted")
	v.get("/violations").want(t, 200, "HR-1: payroll is for HR alone", "temp: granted")
	v.get("/violations?role=alice").want(t, 200, "There is no such violation")
	v.get("/violations?rule=99").want(t, 200, "There is no such violation")
	v.get("/role?name=temp").want(t, 200, "Broken rules", "HR-1: payroll is for HR alone")
	if err := as(t.Context(), "daemon", "shop", `insert into sync_roles.forbidden (privilege, object_type, schema_name, object_name, except_roles, reason)
		values ('INSERT', 'table', 'hr', 'payroll', '{hr_owner}', '<b>"HR"</b>')`); err != nil {
		t.Fatal(err)
	}
	superuser(t, `create role "v'<b>""" login; grant insert on hr.payroll to "v'<b>"""`)
	if err := until(t.Context(), "select count(*) = 2 from sync_roles.violation_history where until is null"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/violations", "/role?name=" + url.QueryEscape(`v'<b>"`)} {
		v.get(path).want(t, 200, "&lt;b&gt;&#34;HR&#34;&lt;/b&gt;", "v&#39;&lt;b&gt;&#34;: granted", "!<b>")
	}
	v.get("/violations").want(t, 200, "2 privileges break 2 rules")
	superuser(t, `revoke insert on hr.payroll from "v'<b>"""`)
	if err := until(t.Context(), "select count(*) = 1 from sync_roles.violation_history where until is null"); err != nil {
		t.Fatal(err)
	}
	v.get("/violations").want(t, 200, "1 privilege breaks 1 rule", "!HR&#34;")
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
	lines := func(query string) []string {
		_, table, _ := strings.Cut(v.get("/as-of?at="+url.QueryEscape(now)+query).body, "<tbody>")
		return strings.Split(table, "<tr>")[1:]
	}
	all := lines("")
	for skip := range all {
		if got := lines(fmt.Sprintf("&skip=%d", skip+1)); !slices.Equal(got, all[skip+1:]) {
			t.Errorf("%d of %d lines are skipped, and %d are left", skip+1, len(all), len(got))
		}
	}
	if len(all) < 5 {
		t.Errorf("%d lines", len(all))
	}
	s.login(t, "writer").get("/as-of?at="+url.QueryEscape(now)).want(t, 403, "GRANT SELECT ON sync_roles.access_history", "!alice")
}

// Paths through views and functions are said, also the merely possible ones; and the effect of row-level security.
func TestThroughCode(t *testing.T) {
	t.Parallel()
	v := newSite(t).login(t, "auditor")
	const view = "view mart.revenue &#34;&lt;u&gt;&#34;, owned by shop_owner"
	v.get("/object?type=table&schema=sales&name=orders").want(t, 200, "through", view, "dave", "possible:", "function mart.refresh()", "!<u>")
	v.get("/role?name=dave&type=table&schema=sales&object=orders").want(t, 200, view, "SELECT (price)", "SELECT on it")
	v.get("/role?name=dave").want(t, 200, view, "Possible through code", "function mart.refresh()", "!<u>")
	v.get("/object?type=table&schema=mart&name=stock").want(t, 200, "policies apply")
}
