//go:build !linux

package cli

import (
	"context"
	"syscall"
)

// limitUnacknowledged has no equivalent here: ping finds what it would.
func limitUnacknowledged(context.Context, string, string, syscall.RawConn) error { return nil }
