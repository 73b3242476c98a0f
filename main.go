// Command pg-sync-roles keeps PostgreSQL roles' privileges equal to rows in a table.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default is back: a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
