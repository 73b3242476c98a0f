package metrics_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/metrics"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// An address that cannot be had is an error that names it, and the option.
func TestListen(t *testing.T) {
	t.Parallel()
	listener, err := metrics.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	taken := listener.Addr().String()
	for address, want := range map[string]string{
		taken:             "listen on " + taken + " (--listen-address): bind: address already in use",
		"127.0.0.1":       "listen on 127.0.0.1 (--listen-address): address 127.0.0.1: missing port in address",
		"127.0.0.1:70000": "listen on 127.0.0.1:70000 (--listen-address): address 70000: invalid port",
	} {
		if _, err := metrics.Listen(t.Context(), address); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}

// Over a real connection: it is served until the context ends, and then the port is free, and the database rid of us.
func TestServe(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	install(t, env)
	m, d := metrics.New("test", zerolog.Nop()), newDoor(t, env)
	m.Database("db", time.Minute, d.open)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listener, err := metrics.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, listener, nil) }()
	url := "http://" + listener.Addr().String()
	for path, want := range map[string]string{"/healthz": "ok\n", "/metrics": "pg_sync_roles_scrape_ok{database=\"db\"} 1\n", "/readyz": "database \"db\": not connected"} {
		if body, err := fetch(t, http.DefaultClient, url+path); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s is %q (%v), want %q", path, body, err, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if again, err := metrics.Listen(t.Context(), listener.Addr().String()); err != nil {
		t.Error(err)
	} else {
		_ = again.Close()
	}
	if !d.conns[0].IsClosed() {
		t.Error("the connection to the database is still open")
	}
}

// A listener that breaks is an error.
func TestServeWithoutListener(t *testing.T) {
	t.Parallel()
	listener, err := metrics.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	err = metrics.New("test", zerolog.Nop()).Serve(t.Context(), listener, nil)
	if !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serve on "+listener.Addr().String()+" (--listen-address): ") {
		t.Errorf("got %v", err)
	}
}

// What is being served when the daemon is told to stop is served to its end, if that does not take long.
func TestServeEndsGracefully(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		answer, stopped time.Duration // after the context has ended
	}{
		{"soon", time.Second, time.Second},
		{"never", time.Hour, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				asked := make(chan struct{})
				m := metrics.New("test", zerolog.Nop())
				m.Database("db", time.Minute, func(ctx context.Context) (*pgx.Conn, error) {
					close(asked)
					select {
					case <-time.After(c.answer):
					case <-ctx.Done():
					}
					return nil, errors.New("nobody is there")
				})
				pipes := newPipes()
				done := make(chan error, 1)
				go func() { done <- m.Serve(ctx, pipes, nil) }()
				body := make(chan string, 1)
				go func() {
					text, err := fetch(t, pipes.client(), "http://daemon/metrics")
					if err != nil {
						text = ""
					}
					body <- text
				}()
				<-asked
				stop()
				started := time.Now()
				if err := <-done; err != nil {
					t.Error(err)
				}
				// The server looks every now and then whether all is quiet.
				if took := time.Since(started); took < c.stopped || took > c.stopped+time.Second/2 {
					t.Errorf("it took %s to stop, want %s", took, c.stopped)
				}
				if text := <-body; strings.Contains(text, "pg_sync_roles_scrape_ok") != (c.answer < time.Hour) {
					t.Errorf("the scrape that was under way got %q", text)
				}
			})
		})
	}
}

func fetch(tb testing.TB, client *http.Client, url string) (body string, err error) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	r.Close = true
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// pipes are a network that synctest can follow.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		p.conns <- there
		return here, nil
	}}}
}
