package connect

import (
	"context"
	"fmt"
	"net"
	"time"
)

// goneAfter is how long a server may be silent below TCP before it counts as gone: what a firewall, a failover or a pulled cable leaves
// behind looks like an idle connection.
const goneAfter = 25 * time.Second

// A dialer connects so that a server that is gone is noticed, whether we wait for it to speak or to hear.
type dialer struct {
	keepAlive      net.KeepAliveConfig
	unacknowledged time.Duration
}

// dialer is as the settings say: keepalives…, and tcp_user_timeout.
func (s settings) dialer() (dialer, error) {
	d := dialer{net.KeepAliveConfig{Enable: true, Idle: goneAfter - 15*time.Second, Interval: 5 * time.Second, Count: 3}, goneAfter}
	for name, set := range map[string]func(n int){
		"keepalives":          func(n int) { d.keepAlive.Enable = n != 0 },
		"keepalives_idle":     func(n int) { d.keepAlive.Idle = time.Duration(n) * time.Second },
		"keepalives_interval": func(n int) { d.keepAlive.Interval = time.Duration(n) * time.Second },
		"keepalives_count":    func(n int) { d.keepAlive.Count = n },
		"tcp_user_timeout":    func(n int) { d.unacknowledged = time.Duration(n) * time.Millisecond },
	} {
		n, err := s.number(name, -1)
		if err != nil {
			return d, err
		}
		if n < -1 || n == -1 && s.get(name) != "" {
			return d, fmt.Errorf("%s must not be negative", s.where(name))
		}
		if n >= 0 && (n > 0 || name == "keepalives") { // 0 is the default
			set(n)
		}
	}
	return d, nil
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n := net.Dialer{KeepAliveConfig: d.keepAlive, ControlContext: limitUnacknowledged(d.unacknowledged)}
	if !d.keepAlive.Enable {
		n.KeepAlive = -1
	}
	return n.DialContext(ctx, network, address)
}
