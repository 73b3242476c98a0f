package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CitusPropagation is the setting by which Citus repeats a session's DDL on the other nodes of its cluster, or leaves it on this one.
const CitusPropagation = "citus.enable_ddl_propagation"

// stayLocalSQL turns off what would make Citus take a table, view, role or comment to the other nodes, or turn a new schema into a tenant's. Each version of
// Citus knows other settings, and a server without Citus knows none: only those that are there are set.
const stayLocalSQL = `
	select pg_catalog.set_config(s.name, 'off', false)
	from (values
		('citus.enable_ddl_propagation'), ('citus.enable_metadata_sync'), ('citus.enable_schema_based_sharding'), ('citus.use_citus_managed_tables')
	) as s (name)
	where pg_catalog.current_setting(s.name, true) is not null`

// StayLocal has everything that the session creates stay on this node of a Citus cluster. Elsewhere it changes nothing.
func StayLocal(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.PgConn().Exec(ctx, stayLocalSQL).ReadAll(); err != nil {
		return fmt.Errorf("have Citus leave schema sync_roles on this node: %w", err)
	}
	return nil
}

// oneConnectionSQL has a session wait no longer for another node than a pass may hold the lock that all passes wait for (it is 30 s for each statement), and use one
// connection to each: over several, Citus would change the shards of a table where what was granted a moment ago is not committed yet.
const oneConnectionSQL = `
	select pg_catalog.set_config(s.name, s.value, false)
	from (values ('citus.node_connection_timeout', '3s'), ('citus.multi_shard_modify_mode', 'sequential')) as s (name, value)
	where pg_catalog.current_setting(s.name, true) is not null`

// UseOneConnection has a session reach each of the other nodes of a Citus cluster over one connection.
func UseOneConnection(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.PgConn().Exec(ctx, oneConnectionSQL).ReadAll(); err != nil {
		return fmt.Errorf("choose how to reach the other nodes of Citus: %w", err)
	}
	return nil
}
