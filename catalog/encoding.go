package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// UseUTF8 has the connection send and receive texts in UTF-8, as Go's strings are and as the audit's hashes are over. Otherwise they are in the
// database's encoding, or in one that was set for the role. In a database without an encoding, texts stay as they are.
func UseUTF8(ctx context.Context, conn *pgx.Conn) error {
	switch conn.PgConn().ParameterStatus("server_encoding") {
	case "SQL_ASCII", "MULE_INTERNAL":
		return nil
	}
	if conn.PgConn().ParameterStatus("client_encoding") == "UTF8" {
		return nil
	}
	if _, err := conn.PgConn().Exec(ctx, "set client_encoding = 'UTF8'").ReadAll(); err != nil {
		return fmt.Errorf("have texts in UTF-8: %w", err)
	}
	return nil
}
