package reconcile

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
)

// resendAfter is when statements that PostgreSQL refused are sent again, although nothing is known to have changed: the reason may be one that
// daemon_rights.sql does not see.
const resendAfter = time.Hour

// rejections keeps rescans from sending again what PostgreSQL refused: each time would fill its log with the same errors.
type rejections struct {
	rights string    // of the daemon when everything was last sent
	sent   time.Time // when that was
	resend *bool     // what this rescan found out; nil: it has not asked
	found  string    // the rights then
}

// mayResend reports whether a rescan should send what PostgreSQL refused before: the daemon has other rights, or it is long ago. A rescan finds
// that out once, and only where something was refused.
func (e *Engine) mayResend(ctx context.Context, tx pgx.Tx) (bool, error) {
	r := &e.rejections
	if r.resend != nil {
		return *r.resend, nil
	}
	var err error
	if r.found, err = inspect.DaemonRights(ctx, tx); err != nil {
		return false, err
	}
	resend := r.found != r.rights || time.Since(r.sent) > resendAfter
	r.resend = &resend
	return resend, nil
}

// begin lets the next rescan find out anew.
func (r *rejections) begin() { r.resend = nil }

// end notes that a rescan has come to all roles. One that ended earlier, as without the lock, may have sent nothing: the next one does.
func (r *rejections) end() {
	if r.resend != nil && *r.resend {
		r.rights, r.sent = r.found, time.Now()
	}
	r.resend = nil
}
