package connect

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnacknowledged is for what keepalive does not see: while data that was sent is not acknowledged, the kernel sends no keepalive, and repeats
// the data for a quarter of an hour (tcp(7), TCP_USER_TIMEOUT).
func limitUnacknowledged(limit time.Duration) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, _ string, conn syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var err error
		controlErr := conn.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
		})
		if controlErr != nil {
			err = controlErr
		}
		if err != nil {
			return fmt.Errorf("set TCP_USER_TIMEOUT: %w", err)
		}
		return nil
	}
}
