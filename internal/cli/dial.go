package cli

import (
	"context"
	"net"
	"time"
)

// goneAfter is how long a server may be silent below TCP before it counts as gone: what a firewall, a failover or a pulled cable leaves
// behind looks like an idle connection.
const goneAfter = 25 * time.Second

// dial connects so that a server that is gone is noticed, whether we wait for it to speak or to hear.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: goneAfter - 15*time.Second, Interval: 5 * time.Second, Count: 3},
		ControlContext:  limitUnacknowledged,
	}
	return d.DialContext(ctx, network, address)
}
