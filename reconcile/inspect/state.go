package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var (
	versionsSQL     = query("versions")
	roleVersionsSQL = query("role_versions")
)

// stateRelations are what an inspection of all roles reads, beside pg_roles. Not among them are pg_shdepend, which follows from the others, and what passes
// alone write when they change no access: the audit, and what is counted for the limits.
var stateRelations = []string{
	"pg_catalog.pg_attribute", "pg_catalog.pg_auth_members", "pg_catalog.pg_class", "pg_catalog.pg_database", "pg_catalog.pg_db_role_setting",
	"pg_catalog.pg_default_acl", "pg_catalog.pg_depend", "pg_catalog.pg_foreign_data_wrapper", "pg_catalog.pg_foreign_server", "pg_catalog.pg_inherits",
	"pg_catalog.pg_language",
	"pg_catalog.pg_largeobject_metadata", "pg_catalog.pg_namespace", "pg_catalog.pg_proc", "pg_catalog.pg_shdescription", "pg_catalog.pg_tablespace",
	"pg_catalog.pg_type",
	"sync_roles.applied_passwords", "sync_roles.approvals", "sync_roles.contested", "sync_roles.costly_patterns", "sync_roles.desired_grants",
	"sync_roles.desired_roles", "sync_roles.forbidden", "sync_roles.held", "sync_roles.installation", "sync_roles.intermediate_roles", "sync_roles.keepers", "sync_roles.pending",
	"sync_roles.resolved_objects", "sync_roles.retries", "sync_roles.suspended_roles", "sync_roles.withdrawn",
}

// parameterACL is a catalog since PostgreSQL 15.
const parameterACL = "pg_catalog.pg_parameter_acl"

// State is a text that differs from that of an earlier call if something has been committed since then, by whoever and how, that an inspection of all roles
// reads. It costs a look at the version of each row (ctid and xmin), and compares nothing.
func State(ctx context.Context, conn *pgx.Conn, server catalog.Server) (string, error) {
	relations := stateRelations
	if server.Version >= 15 {
		relations = append(slices.Clone(relations), parameterACL)
	}
	versions := make([]string, len(relations)+1)
	batch := &pgx.Batch{}
	batch.Queue("set local enable_seqscan = on")
	for i, relation := range relations {
		catalog.QueueValue(batch, strings.ReplaceAll(versionsSQL, ":relation", relation), &versions[i])
	}
	catalog.QueueValue(batch, roleVersionsSQL, &versions[len(relations)])
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return "", fmt.Errorf("read the versions of what roles depend on: %w", err)
	}
	return strings.Join(versions, "\n"), nil
}
