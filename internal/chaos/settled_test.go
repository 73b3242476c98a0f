//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// settle waits until the daemons have nothing more to do: the queue is empty, nothing is to be tried again or to expire, and looks
// at all roles that began after that had nothing to say.
func (c *cluster) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), convergence)
	defer cancel()
	started := time.Now()
	for _, database := range databases {
		conn := c.connect(t, database)
		for last := ""; ; {
			restless, err := c.restless(ctx, conn)
			if ctx.Err() != nil {
				conn = c.connect(t, database) // a query that was cut short ended the other
				t.Errorf("%s is not quiet after %s: %s\n%s", database, convergence, last, c.dump(t, conn))
				return
			}
			if err != nil {
				t.Fatalf("wait until %s is quiet: %v", database, err)
			}
			if restless == "" {
				break
			}
			last = restless
			rest(ctx, 100*time.Millisecond)
		}
	}
	t.Logf("quiet after %s", time.Since(started).Round(time.Millisecond))
}

// restless says what is still to be done, after it has waited for some of it.
func (c *cluster) restless(ctx context.Context, conn *pgx.Conn) (string, error) {
	// In a long run, a role that was in everybody's way may be waiting for minutes.
	if _, err := conn.Exec(ctx, "update sync_roles.retries set next_retry_at = now() where next_retry_at between now() + interval '10 s' and now() + interval '4 min'"); err != nil {
		return "", err
	}
	_, err := conn.Exec(ctx, "select sync_roles.wait_for_sync(timeout => '2 s')")
	var refused *pgconn.PgError
	// Rows that are refused or blocked stay so.
	if err != nil && ctx.Err() == nil && (!errors.As(err, &refused) || refused.Code != "55000") {
		return err.Error(), nil
	}
	var since time.Time
	var soon int
	var restless *string
	// What is blocked for want of rights is inspected every 5 minutes.
	err = conn.QueryRow(ctx, `
		select clock_timestamp(),
			(select count(*) from sync_roles.desired_grants where expires_at < now() + interval '5 min'),
			(select string_agg(role_name || ' is ' || status, ', ') from sync_roles.role_status where status in ('pending', 'failed', 'held'))`).Scan(&since, &soon, &restless)
	if err != nil {
		return "", err
	}
	if soon > 0 {
		return fmt.Sprintf("%d rows are about to expire", soon), nil
	}
	if restless != nil {
		return *restless, nil
	}
	// Some of what is blocked is tried again with each look, in vain: what counts is that the audit has nothing to say.
	for range 50 {
		var looked, audited int
		err := conn.QueryRow(ctx, `
			select (select count(*) from sync_roles.rescans where at - duration > $1), (select count(*) from sync_roles.audit where role_name is not null and at > $1)`,
			since).Scan(&looked, &audited)
		switch {
		case err != nil:
			return "", err
		case audited > 0:
			return fmt.Sprintf("%d audit rows were written meanwhile", audited), nil
		case looked >= 2: // one of each daemon, or so
			return "", nil
		}
		rest(ctx, 100*time.Millisecond)
	}
	return "nobody looks at all roles", nil
}

// dump is what to know about a database that does not come to rest.
func (c *cluster) dump(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, q := range []string{
		"select format('status: %s %s: %s %s', role_name, status, left(problems::text, 300), error) from sync_roles.role_status where status not in ('in_sync', 'waiting')",
		"select format('retry: %s', r) from sync_roles.retries r",
		"select format('pending: %s', p) from sync_roles.pending p limit 20",
		"select format('session: %s %s %s since %s: %s', pid, state, wait_event, clock_timestamp() - query_start, left(query, 200)) from pg_stat_activity where datname = current_database()",
		"select format('audit: %s %s %s %s %s %s %s %s', id, at, role_name, cause, outcome, left(statements::text, 300), left(problems::text, 300), error) from (select * from sync_roles.audit order by id desc limit 12) as a order by id",
	} {
		for _, line := range all[string](t, conn, q) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// legitimate are the problems, by code, for which a role may not have what its rows ask for, or still have what they do not: each was checked
// by hand. Another one is a failure of the test.
var legitimate = map[plan.Code]*regexp.Regexp{
	plan.ObjectMissing:      regexp.MustCompile(`does not exist yet(; there is \w+\(\w+\)(, \w+\(\w+\))*)?$`),
	plan.PatternUnmatched:   anyReason,
	plan.ColumnMissing:      anyReason,
	plan.OwnerConflict:      anyReason,
	plan.MembershipCircular: anyReason,
	plan.OwnerPrivileges:    regexp.MustCompile(`belongs to role postgres, whose privileges the daemon does not have$`),
	plan.SuperuserOnly:      regexp.MustCompile(`belongs to role postgres, a superuser$|role postgres is a superuser, whose default privileges only superusers change$`),
	// A superuser's membership, since 16, and what chaos_stranger granted; or a role that has left.
	plan.GrantorOnly: regexp.MustCompile(`it was granted by role (postgres|chaos_stranger|chaos_owner), and only that role can revoke it$` +
		`|it was granted by role .*, only that role can revoke it, and it has no USAGE on schema \w+, without which it cannot name`),
	plan.NewGrantMissing: anyReason,
	plan.NoEffect:        anyReason,
	plan.NoInherit:       anyReason,
	// Tables of chaos_owner in a schema that another role owns.
	plan.SchemaUsage: regexp.MustCompile(`the daemon has no USAGE on schema own0, without which it cannot name`),
	// The daemon had USAGE by a membership that it had borrowed, and has given back; or the grantor has come to be a member of the owner, as whom
	// PostgreSQL then takes this role. These ought to have better reasons, or none.
	plan.Rejected: regexp.MustCompile(`permission denied for schema|cannot be dropped because some objects depend on it`),
}

var anyReason = regexp.MustCompile("")

// isLegitimate reports whether a problem is among these, or is that a membership which a superuser granted cannot be replaced.
func (p problem) isLegitimate() bool {
	if strings.HasPrefix(p.Reason, "cannot end the membership of ") && strings.Contains(p.Reason, ": it was granted by role postgres, and the role cannot be made anew: ") {
		return true
	}
	reason, ok := legitimate[p.Code]
	return ok && reason.MatchString(p.Reason)
}

// report counts what roles cannot have, and fails for a reason that was not checked.
func (w *world) report(t *testing.T) {
	t.Helper()
	counts, outcomes := map[string]int{}, map[string]int{}
	names := strings.NewReplacer(w.name, "DB")
	digits := regexp.MustCompile(`\b(desired grant) \d+`)
	for role, list := range w.problems {
		if w.outcomes[role] == "failed" {
			t.Errorf("%s: the last pass over %s failed", w.name, role)
		}
		for _, p := range list {
			counts[p.Kind+": "+digits.ReplaceAllString(names.Replace(p.Reason), "$1 …")]++
			if !p.isLegitimate() {
				t.Errorf("%s: role %s is %s for a reason that is not known to be one: %s: %s %s: %s", w.name, role, p.Kind, p.Code, p.Privilege, p.Object, p.Reason)
			}
		}
	}
	for _, status := range all[string](t, w.conn, "select status from sync_roles.role_status") {
		outcomes[status]++
	}
	drifted := one[int](t, w.conn, "select coalesce((select drifted from sync_roles.rescans order by id desc limit 1), 0)")
	t.Logf("%s: the last look found %d roles not as desired, in vain", w.name, drifted)
	t.Logf("%s: %d rows, %d intermediate roles; roles by status: %v", w.name, len(w.rows), len(w.registry), outcomes)
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %4d × %s", w.name, counts[reason], reason)
	}
}
