package reconcile_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit/chain"
)

// Whoever may not read the audit's tables is told the statement that allows it.
func TestChainReaderIsToldWhatToGrant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	auditor := f.user(t, "auditor")
	f.busy(t, f.user(t, "x"))
	f.Exec(t, "grant usage on schema sync_roles to "+auditor)
	conn := f.Connect(t, auditor)
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		_, err := chain.Verify(t.Context(), tx, nil)
		return err
	})
	if err == nil {
		t.Fatal("it reads the audit")
	}
	_, fix, _ := strings.Cut(err.Error(), "to allow it: ")
	f.Exec(t, fix)
	if v := verify(t, conn); !v.Intact {
		t.Errorf("the audit is not intact: %+v", v.Findings)
	}
}
