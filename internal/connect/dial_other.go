//go:build !linux

package connect

import (
	"context"
	"syscall"
	"time"
)

// limitUnacknowledged has no equivalent here: ping finds what it would.
func limitUnacknowledged(time.Duration) func(context.Context, string, string, syscall.RawConn) error {
	return nil
}
