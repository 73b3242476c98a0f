package clients_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A posted row of the audit, as the webhook gets it.
type posted struct {
	ID         int
	Event      string
	RoleName   string `json:"role_name"`
	Statements []string
}

// A hook is a webhook that may be down.
type hook struct {
	url   string
	posts chan posted
	tries chan struct{} // while it was down
	down  atomic.Bool
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{posts: make(chan posted, 100), tries: make(chan struct{}, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p posted
		body, err := io.ReadAll(r.Body)
		switch {
		case h.down.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
			h.tries <- struct{}{}
		case err != nil || json.Unmarshal(body, &p) != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
			t.Errorf("%s of %q as %q: %v", r.Method, body, r.Header.Get("Content-Type"), err)
		default:
			h.posts <- p
		}
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// next waits for a post.
func (h *hook) next(t *testing.T) posted {
	t.Helper()
	select {
	case p := <-h.posts:
		return p
	case <-time.After(time.Minute):
		t.Fatal("nothing is posted")
		return posted{}
	}
}

// examples/monitoring/events_webhook.py posts what was applied, once each and in order: not what was before its first start, nor what a forged notification
// says; and what happens while the webhook or itself is down, it posts later.
func TestEventsWebhook(t *testing.T) {
	t.Parallel()
	dir := tools(t)
	w, h := newWarehouse(t), newHook(t)
	events := w.Role("events")
	w.Exec(t, "create role "+events+" login; grant connect on database "+w.Database+" to "+events)
	w.exec(t, "grant usage on schema sync_roles to "+events+"; grant select on sync_roles.audit to "+events)
	w.grant(t, "auditors")

	state := filepath.Join(t.TempDir(), "events.id")
	stop := w.startWebhook(t, dir, events, state, h)
	waitFor(t, func() bool { _, err := os.Stat(state); return err == nil })
	if _, err := w.Connect(t, w.writer).Exec(t.Context(), `notify sync_roles_events, '{"event":"applied","audit_id":1,"role_name":"forged"}'`); err != nil {
		t.Fatal(err)
	}
	w.grant(t, "analysts")
	first := h.next(t)
	if want := `GRANT SELECT ON TABLE "sales"."orders" TO "analysts"`; first.RoleName != "analysts" || first.Event != "applied" || len(first.Statements) != 1 || first.Statements[0] != want {
		t.Errorf("posted: %+v", first)
	}
	// The post comes before the state: whoever is ended between the two posts twice.
	waitFor(t, func() bool { return strings.TrimSpace(read(t, state)) == strconv.Itoa(first.ID) })

	h.down.Store(true)
	w.grant(t, "managers")
	<-h.tries
	stop()
	h.down.Store(false)
	w.exec(t, "delete from sync_roles.desired_grants where role_name = 'auditors'")
	w.wait(t)

	w.startWebhook(t, dir, events, state, h)
	second, third := h.next(t), h.next(t)
	if second.RoleName != "managers" || third.RoleName != "auditors" || first.ID >= second.ID || second.ID >= third.ID {
		t.Errorf("posted after a restart: %+v and %+v", second, third)
	}
	rows := pgtest.One[int](t, w.owner, "select count(*) from sync_roles.audit where id >= $1", first.ID)
	if len(h.posts) > 0 || rows != 3 {
		t.Errorf("the audit has %d rows from the first that was posted on, and %d more were posted", rows, len(h.posts))
	}
}

// grant writes a row, and returns when it is applied.
func (w *warehouse) grant(t *testing.T, role string) {
	t.Helper()
	w.exec(t, "select sync_roles.grant($1, 'SELECT', 'table', 'sales', 'orders')", role)
	w.wait(t)
}

// startWebhook returns what kills the program. The end of the test does too.
func (w *warehouse) startWebhook(t *testing.T, tools, login, state string, h *hook) (stop func()) {
	t.Helper()
	program := osexec.CommandContext(t.Context(), "python3", "../../examples/monitoring/events_webhook.py", "--state", state, "", h.url)
	program.Env = append(w.environ(t, login), "PYTHONPATH="+filepath.Join(tools, "python"))
	var out bytes.Buffer
	program.Stdout, program.Stderr = &out, &out
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = program.Process.Kill()
			_ = program.Wait()
			if t.Failed() {
				t.Logf("events_webhook.py: %s", out.String())
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

func waitFor(t *testing.T, isSo func() bool) {
	t.Helper()
	deadline, ticker := time.After(3*time.Minute), time.NewTicker(10*time.Millisecond)
	defer ticker.Stop()
	for !isSo() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it never is so")
		}
	}
}
