package failure_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
)

// What ends another connection than ours, as the server's to a node of Citus, is an ERROR with the codes of what ends ours.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		severity, state string
		want            failure.Class
	}{
		{"FATAL", "08006", failure.Disconnected},
		{"", "08006", failure.Disconnected}, // of a server that does not say
		{"ERROR", "08006", failure.Unreachable},
		{"ERROR", "08001", failure.Unreachable},
		{"ERROR", "57P01", failure.Unreachable},
		{"FATAL", "57P01", failure.Disconnected},
		{"ERROR", "25006", failure.Disconnected}, // a standby says so
		{"ERROR", "42501", failure.NeedsHelp},
	} {
		err := fmt.Errorf("apply: %w", &pgconn.PgError{SeverityUnlocalized: c.severity, Code: c.state})
		if got := failure.Of(err); got != c.want {
			t.Errorf("%s %s is %d, want %d", c.severity, c.state, got, c.want)
		}
		if failure.IsRejection(err) != (c.want == failure.NeedsHelp) {
			t.Errorf("%s %s is a rejection: %t", c.severity, c.state, failure.IsRejection(err))
		}
	}
}
