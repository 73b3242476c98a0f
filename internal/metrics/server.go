package metrics

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// complaints are what the server says of clients that do not speak HTTP, or not TLS: for those who look for it.
type complaints struct{ log zerolog.Logger }

func (c complaints) Write(line []byte) (int, error) {
	c.log.Debug().Msg("listen address: " + strings.TrimSpace(string(line)))
	return len(line), nil
}

// graceful is how long requests may take once the process is told to stop.
const graceful = 2 * time.Second

// Listen takes an address, host:port. That it cannot be had is to be known before the work begins.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // without the address, which we say ourselves
		}
		return nil, fmt.Errorf("listen on %s (--listen-address): %w", address, err)
	}
	return listener, nil
}

// Serve serves until the context ends, and then returns nil. It closes the listener, and the connections to the databases. Other paths are the other handler's;
// nil: they are not found.
func (m *Metrics) Serve(ctx context.Context, listener net.Listener, other http.Handler) error {
	// Requests may go on for a moment after the context has ended.
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:           m.Handler(other),
		ErrorLog:          stdlog.New(complaints{m.log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * scrapeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 14,
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		patience, enough := context.WithTimeout(requests, graceful)
		defer enough()
		if server.Shutdown(patience) != nil {
			cancel()
			_ = server.Close()
		}
	})
	err := server.Serve(listener)
	if !stop() {
		<-stopped
		err = nil
	}
	m.close(requests)
	if err != nil {
		return fmt.Errorf("serve on %s (--listen-address): %w", listener.Addr(), err)
	}
	return nil
}

// close closes the connections to the databases.
func (m *Metrics) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, d := range m.all() {
		d.close(ctx)
	}
}
