package cli_test

import (
	"os"
	"testing"
)

// TestRequestsAndReviews runs the blocks of docs/requests.md and docs/reviews.md in order, as TestReadme does.
func TestRequestsAndReviews(t *testing.T) {
	t.Parallel()
	r := newReadme(t)
	const read, other = "select from sales.orders_2024", "select from sales.orders_2025"
	row := func() string {
		return r.last("sync_daemon", "select count(*) || ' ' || coalesce(max(round(extract(epoch from expires_at - now()) / 3600)), 0) from sync_roles.desired_grants where role_name = 'ann' and object_name = 'orders_2024'")
	}
	checks := map[string]func(){
		"people": func() { r.can("ann", read, false) },
		"ask":    func() { r.can("ann", read, false) },
		"approve": func() {
			r.can("ann", read, true)
			r.can("ben", read, false)
			r.can("ann", other, false)
			if got := row(); got != "1 2" {
				t.Errorf("rows and hours: %s", got)
			}
		},
		"extend": func() {
			if got := row(); got != "1 2" {
				t.Errorf("rows and hours: %s", got)
			}
			r.committed("ben", "insert into sync_roles.request_approvals (request_id) select id from sync_roles.my_requests where is_to_decide")
			if got := row(); got != "1 6" {
				t.Errorf("rows and hours: %s", got)
			}
		},
		"withdraw": func() {
			r.sync()
			r.can("ann", read, false)
			if got := row(); got != "0 0" {
				t.Errorf("rows and hours: %s", got)
			}
		},
		"open": func() {
			r.can("ann", other, true)
			r.can("ben", other, true)
		},
		"decide": func() {
			r.sync()
			r.can("ann", other, false)
			r.can("ben", other, true)
		},
		"review-status": func() {
			if got := r.last("sync_daemon", "select concat_ws(' ', status, items, kept, ended) from sync_roles.review_status"); got != "decided 2 1 1" {
				t.Errorf("the review is %s", got)
			}
		},
	}
	for _, page := range []string{"docs/requests.md", "docs/reviews.md"} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range pageBlocks(t, page, string(text)) {
			check, ok := checks[b.name]
			if !ok {
				t.Fatalf("%s has a block %q, and there is no check for it", page, b.name)
			}
			delete(checks, b.name)
			r.run(b)
			check()
			if t.Failed() {
				t.Fatalf("this was block %q of %s; those that follow build upon it", b.name, page)
			}
		}
	}
	for name := range checks {
		t.Errorf("the pages have no block %q", name)
	}
}
