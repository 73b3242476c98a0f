package boundary

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// lane is a database in which the script is played again and again.
type lane struct {
	t       *testing.T
	ctx     context.Context
	env     *pgtest.Env
	super   *pgx.Conn
	names   *strings.Replacer
	program string
	driver  driver

	first   map[string]bool // access before the first step
	want    map[string]bool // and now
	through int             // how many intermediate roles there should be
	audited int64           // the last audit row before the step

	audits map[string]map[string]bool // what the audit says of each undisturbed step
	trails map[string][]string        // its boundaries
	hits   int
}

// driver lets passes happen.
type driver interface {
	// play makes the change, and returns what was counted, when the pass and one more after a failure are over.
	play(l *lane, s step, strike *strike, change func()) (trail []string)
}

// options are those of every pass. A step revokes 7 privileges at most, or is held. Lanes share a server, and so wait for each other's passes.
func (l *lane) options() []string {
	return []string{"--lock-timeout", "1m", "--fallback-owner", l.env.Owner, "--prune-after", "0s", "--max-revokes", "7", "--max-revokes-percent", "0", "--max-revokes-window", "0s"}
}

func newLane(t *testing.T, program string, start func(*lane) driver) *lane {
	t.Helper()
	env := pgtest.New(t)
	l := &lane{t: t, ctx: t.Context(), env: env, super: env.Superuser(t), program: program, audits: map[string]map[string]bool{}, trails: map[string][]string{}}
	l.names = strings.NewReplacer("{db}", env.Database, "{owner}", env.Owner, "{own}", env.Role("own"),
		"{ann}", env.Role("ann"), "{bob}", env.Role("bob"), "{cat}", env.Role("cat"), "{staff}", env.Role("staff"), "{zoe}", env.Role("zoe"))
	l.run("migrate", "-d", env.URL(env.Daemon))
	l.exec("superuser", setUp)
	var err error
	if l.first, err = l.lines(accessSQL, l.users()); err != nil {
		t.Fatal(err)
	}
	l.driver = start(l)
	return l
}

// users are all roles whose access is judged.
func (l *lane) users() []string {
	return strings.Fields(l.names.Replace("{ann} {bob} {cat} {staff} {zoe} {owner}"))
}

// run runs the program, which must succeed.
func (l *lane) run(args ...string) {
	l.t.Helper()
	code, said, err := execute(l.ctx, l.program, args...)
	if err != nil || code != 0 {
		l.t.Fatalf("%q ended with %d, %v: %s", args, code, err, said)
	}
}

// exec changes something, in one transaction.
func (l *lane) exec(as, sql string) {
	l.t.Helper()
	switch as {
	case "":
		sql = "set role " + l.env.Daemon + ";" + sql + ";reset role"
	case "owner":
		sql = "set role " + l.env.Owner + ";" + sql + ";reset role"
	}
	if _, err := l.super.Exec(l.ctx, l.names.Replace(sql)); err != nil {
		l.t.Fatalf("run %s: %v", sql, err)
	}
}

// cycle plays the script once. Each step may be struck by what the function returns; nil: nothing happens to it.
func (l *lane) cycle(pick func(step) *strike) {
	l.t.Helper()
	l.want, l.through = maps.Clone(l.first), 0
	for _, s := range script {
		l.play(s, pick(s))
	}
	l.repeat()
	l.exec("superuser", restore)
}

// repeat does one more pass, which must find nothing to do.
func (l *lane) repeat() {
	l.t.Helper()
	const last = "select coalesce(max(id), 0) from sync_roles.audit"
	before := pgtest.One[int64](l.t, l.super, last)
	l.run(append([]string{"sync", "-d", l.env.URL(l.env.Daemon)}, l.options()...)...)
	if after := pgtest.One[int64](l.t, l.super, last); after != before {
		l.t.Errorf("one more pass wrote %d rows to the audit", after-before)
	}
}

// play plays one step and judges.
func (l *lane) play(s step, k *strike) {
	l.t.Helper()
	for _, line := range s.gains {
		l.want[l.names.Replace(line)] = true
	}
	for _, line := range s.loses {
		delete(l.want, l.names.Replace(line))
	}
	l.through += s.through
	l.audited = pgtest.One[int64](l.t, l.super, "select coalesce(max(id), 0) from sync_roles.audit")
	trail := l.driver.play(l, s, k, func() { l.exec(s.as, s.sql) })
	wrong, err := l.judge(s)
	if err != nil {
		l.t.Fatal(err)
	}
	wrong = append(wrong, l.logIn()...)
	if k == nil {
		if len(wrong) > 0 {
			l.t.Fatalf("%s, undisturbed: %s", s.name, shown(wrong))
		}
		if l.audits[s.name], err = l.lines(auditSQL, l.audited); err != nil {
			l.t.Fatal(err)
		}
		l.trails[s.name] = trail
		return
	}
	if !k.hit {
		k.at = "no boundary"
	} else {
		l.hits++
	}
	if len(wrong) > 0 {
		l.t.Errorf("%s, %s: %s\nthe audit: %s", s.name, k, shown(wrong), l.audit())
		l.recover(s)
	}
}

// logIn tries by a real login what one line of access says.
func (l *lane) logIn() (wrong []string) {
	ann := l.env.Role("ann")
	all := true
	for _, line := range []string{"{ann} LOGIN", "{ann} CONNECT database {db}", "{ann} USAGE schema app", "{ann} SELECT table app.orders"} {
		all = all && l.want[l.names.Replace(line)]
	}
	conn, err := pgx.Connect(l.ctx, l.env.URL(ann))
	if err == nil {
		_, err = conn.Exec(l.ctx, "select from app.orders")
		_ = conn.Close(l.ctx)
	}
	if (err == nil) != all {
		wrong = append(wrong, fmt.Sprintf("ann logs in and reads app.orders: got %v, want it to work: %t", err, all))
	}
	return wrong
}

// audit is what was written since the step began.
func (l *lane) audit() string {
	list, err := l.lines(`select format('%s %s %s: %s, %s granted, %s revoked, attempt %s: %s %s %s %s', id, cause, role_name, outcome, granted, revoked, attempt, sqlstate, error, statements, problems)
		from sync_roles.audit where id > $1`, l.audited)
	if err != nil {
		l.t.Fatal(err)
	}
	var lines []string
	for line := range list {
		lines = append(lines, line)
	}
	return shown(lines)
}

// recover lets the lane go on after a step that ended wrongly.
func (l *lane) recover(s step) {
	l.t.Helper()
	saved := l.audits[s.name]
	defer func() { l.audits[s.name] = saved }()
	delete(l.audits, s.name)
	for range 3 {
		if _, _, err := execute(l.ctx, l.program, append([]string{"sync", "--prune", "-d", l.env.URL(l.env.Daemon)}, l.options()...)...); err != nil {
			l.t.Fatal(err)
		}
		if _, err := l.super.Exec(l.ctx, "update sync_roles.retries set next_retry_at = now()"); err != nil {
			l.t.Fatal(err)
		}
		wrong, err := l.judge(s)
		if err != nil {
			l.t.Fatal(err)
		}
		if len(wrong) == 0 {
			return
		}
	}
	l.t.Fatal("and no further pass puts it right")
}

// close checks what is left at the end: the chain of the audit.
func (l *lane) close() {
	l.t.Helper()
	l.run("audit", "verify", "-d", l.env.URL(l.env.Daemon))
}

func (l *lane) superURL() string { return l.env.URL(pgserver.Superuser) }
