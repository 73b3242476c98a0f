package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// lostAdminHelp is what follows. It is said also where nothing is to be done otherwise: it costs least before the next row is deleted.
const lostAdminHelp = `
Warning: %s.
This has changed no access. Run this once, as a superuser:

    %s;

Until then, each of these roles whose members change is replaced by a new role, and stays behind empty.
`

// printLostAdmin says, beside what a command prints, what only a superuser can put right.
func printLostAdmin(cmd *cobra.Command, engine *reconcile.Engine) error {
	lost, err := engine.LostAdmin(cmd.Context())
	return sayLostAdmin(cmd, lost, err)
}

// lostAdminOfOwner is for a command without an engine. It is about the rights of the connected role, and finds nothing for another one than the daemon's.
func lostAdminOfOwner(ctx context.Context, q catalog.Querier) (reconcile.LostAdmin, error) {
	server, err := catalog.ReadServer(ctx, q)
	if err != nil || server.SchemaOwner != server.Role {
		return reconcile.LostAdmin{}, err
	}
	return reconcile.ReadLostAdmin(ctx, q, server)
}

func sayLostAdmin(cmd *cobra.Command, lost reconcile.LostAdmin, err error) error {
	if err != nil || len(lost.Roles) == 0 {
		return err
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), lostAdminHelp, printable(lost.Reason()), catalog.Printable(lost.Fix))
	return err
}
