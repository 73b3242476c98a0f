package pgserver

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

var errPortTaken = errors.New("the port is taken")

// freePort looks below the ports that systems give to outgoing connections. One of those could take the port while the
// server restarts, and a client that keeps on connecting to such a port while nobody listens there ends up connected
// to itself.
func freePort(ctx context.Context) (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(12000) //nolint:gosec // no secret
		var listener net.Listener
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, err
}
