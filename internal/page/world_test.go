package page_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
	"github.com/pg-sync-roles/pg-sync-roles/internal/daemon"
	"github.com/pg-sync-roles/pg-sync-roles/internal/page"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// The server that the package's tests share asks for passwords, as the page wants it.
var shared struct {
	sync.Once
	server *pgserver.Server
	err    error
	stop   func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.stop != nil {
		shared.stop()
	}
	if shared.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if err := shared.server.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		cancel()
	}
	os.Exit(code)
}

const (
	password  = "a secret's \"password\"" // of every login of the tests
	strange   = "o'neil <b>\"x\"</b>\n&amp;"
	rescanned = 300 * time.Millisecond
)

// server starts PostgreSQL once, with a database shop, a daemon at work in it that is no superuser, and people.
func server(tb testing.TB) *pgserver.Server {
	tb.Helper()
	shared.Do(func() { shared.err = start() })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

func start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bin, err := pgserver.Locate(ctx, os.Stderr)
	if err != nil {
		return err
	}
	shared.server, err = pgserver.Start(ctx, pgserver.Config{
		BinDir: bin, Dir: pgtest.MemoryDir(), AuthMethod: "scram-sha-256", Settings: map[string]string{"fsync": "off", "synchronous_commit": "off"},
		Logins: []string{"host all daemon 127.0.0.1/32 trust", "host all trusted 127.0.0.1/32 trust"},
	})
	if err != nil {
		return err
	}
	if err := as(ctx, pgserver.Superuser, "postgres", "create role daemon login createrole", "create database shop owner daemon"); err != nil {
		return err
	}
	if err := as(ctx, pgserver.Superuser, "shop", strings.ReplaceAll(people, "$password", "'"+strings.ReplaceAll(password, "'", "''")+"'")); err != nil {
		return err
	}
	config, err := pgx.ParseConfig(shared.server.URL("daemon", "shop"))
	if err != nil {
		return err
	}
	if _, err := migrations.Up(ctx, config); err != nil {
		return err
	}
	if config, err = pgx.ParseConfig(shared.server.URL(pgserver.Superuser, "shop")); err != nil {
		return err
	}
	if err := migrations.SetEventTriggers(ctx, config, true); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- daemon.Run(running, []connect.Source{{Text: shared.server.URL("daemon", "shop")}}, daemon.Config{
			Engine: reconcile.Config{Policy: daemon.DefaultPolicy(), Log: zerolog.Nop(), LockTimeout: time.Minute, StatementTimeout: time.Minute},
			Policy: audit.StoredPolicy{}, RescanInterval: rescanned,
		})
	}()
	shared.stop = func() {
		stop()
		if err := <-done; err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if err := as(ctx, "daemon", "shop", grants, rows); err != nil {
		return err
	}
	if err := until(ctx, "select not exists (select from sync_roles.role_status where status = 'pending')"); err != nil {
		return err
	}
	if err := as(ctx, pgserver.Superuser, "shop", byHand...); err != nil {
		return err
	}
	if err := until(ctx, "select exists (select from sync_roles.violation_history) and (select since from sync_roles.history_begin) is not null"); err != nil {
		return err
	}
	return drift(ctx)
}

// drift has a person revoke what the daemon granted, until a row of the audit names the culprit.
func drift(ctx context.Context) error {
	const named = "exists (select from sync_roles.audit where requested_by[1] like 'hand change by %')"
	for {
		begun := time.Now().UTC().Format("2006-01-02 15:04:05.000000Z")
		if err := until(ctx, "select exists (select from sync_roles.rescans where at > '"+begun+"')"); err != nil { // between two rescans
			return err
		}
		if err := as(ctx, pgserver.Superuser, "shop", "revoke /* <u>by hand</u> */ select on sales.orders from alice"); err != nil {
			return err
		}
		if err := until(ctx, "select has_table_privilege('alice', 'sales.orders', 'select')"); err != nil {
			return err
		}
		err := as(ctx, pgserver.Superuser, "shop", "do $$ begin assert "+named+"; end $$")
		if pgErr := new(pgconn.PgError); err == nil || !errors.As(err, &pgErr) || pgErr.Code != "P0004" {
			return err
		}
	}
}

// byHand is what people do beside the daemon: a review is opened, and access asked for, and a person grants what a rule forbids.
var byHand = []string{
	`insert into sync_roles.reviews (object_type, schema_name, object_name, reviewers, deadline, undecided, reason)
	values ('table', 'mart', 'stock', '{reviewer,"O''Hara <u>"}', now() + interval '14 days', 'end', 'Q4 2026 <b>')`,
	"insert into sync_roles.reviews (role_name, object_type, reviewers, deadline, reason) values ('gina', 'table', '{reviewer}', now() + interval '7 days', 'of Gina alone')",
	"set session authorization gina",
	`insert into sync_roles.requests (privilege, object_type, schema_name, object_name, duration, reason)
	values ('SELECT', 'table', 'mart', 'weekly', '2 hours', 'INC-4711 <i>')`,
	"reset session authorization",
	"set application_name = 'psql <i>'",
	`grant select on hr.payroll to temp`,
}

// people are an auditor who sees all, a scoped writer, one with no right at all, one who is a superuser, and one whom the server trusts.
const people = `
	create role shop_owner; create role hr_owner;
	grant shop_owner to daemon;
	create schema sales authorization shop_owner; create schema mart authorization shop_owner; create schema hr authorization hr_owner;
	set role shop_owner;
	create table sales.orders (id int, price numeric);
	create table sales.customers (id int, email text);
	create table mart.daily (d date); create table mart.weekly (d date); create table mart.stock (d date); create table mart.forecast (d date);
	create table mart."<i>odd</i> ""one""" (d date);
	create view mart."revenue ""<u>""" as select price from sales.orders;
	create function mart.refresh() returns void language plpgsql security definer as 'begin delete from sales.orders; end';
	alter table mart.stock enable row level security;
	create policy recent on mart.stock using (d > '2026-01-01');
	set role hr_owner;
	create table hr.payroll (id int, salary numeric);
	reset role;
	create role auditor login password $password;
	create role writer login password $password;
	create role stranger login password $password;
	create role boss login superuser password $password;
	create role trusted login password $password;
	create role outsider login password $password;
	create role leaver login password $password;
	create role "O'Hara <u>" login password $password;
	create role reviewer login password $password;
	create role gina login password $password;
	create role temp login;
	grant usage on schema hr to temp;
	revoke connect on database shop from public;
	grant connect on database shop to auditor, writer, stranger, trusted, leaver, "O'Hara <u>", reviewer, gina`

const grants = `
	grant usage on schema sync_roles to auditor, writer, leaver, "O'Hara <u>";
	grant select on sync_roles.role_status, sync_roles.grant_status, sync_roles.audit, sync_roles.rescans, sync_roles.held, sync_roles.desired_grants,
		sync_roles.intermediate_roles, sync_roles.memberships, sync_roles.objects, sync_roles.holders, sync_roles.violation_history, sync_roles.hand_changes,
		sync_roles.access_history, sync_roles.desired_history, sync_roles.review_status, sync_roles.request_status to auditor, leaver, "O'Hara <u>";
	grant usage on schema sync_roles to reviewer, gina;
	grant select on sync_roles.reviews, sync_roles.review_items, sync_roles.requestable, sync_roles.requests, sync_roles.request_approvals to reviewer, gina, "O'Hara <u>";
	grant update (decision, comment) on sync_roles.review_items to reviewer, "O'Hara <u>";
	grant insert on sync_roles.requests to gina;
	insert into sync_roles.requestable (requester_role, object_type, privileges, schema_like, max_duration, approver_role)
	values ('gina', 'table', '{SELECT}', 'mart', '8 hours', 'reviewer');
	grant select, insert, delete on sync_roles.desired_grants to writer;
	grant select on sync_roles.intermediate_roles, sync_roles.memberships, sync_roles.objects, sync_roles.holders, sync_roles.grant_status to writer;
	insert into sync_roles.writers (writer_role, public) values ('auditor', true);
	insert into sync_roles.writers (writer_role, grantee_like, object_type, schema_like) values ('writer', 'erin', 'table', 'sales')`

const rows = `
	insert into sync_roles.forbidden (privilege, object_type, schema_name, object_name, except_roles, reason)
	values ('SELECT', 'table', 'hr', 'payroll', '{hr_owner,dave}', 'HR-1: payroll is for HR alone');
	insert into sync_roles.desired_roles (role_name, login) values ('alice', true), ('dave', true), ('erin', true), ('frank', true);
	insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, note) values
	('analysts', 'USAGE', 'schema', null, 'mart', 'exact', 'DATA-12'), ('analysts', 'SELECT', 'table', 'mart', '%', 'like', 'DATA-12'),
	('alice', 'MEMBER', 'role', null, 'analysts', 'exact', 'DATA-17'), ('alice', 'CONNECT', 'database', null, 'shop', 'exact', 'DATA-17'),
	('alice', 'USAGE', 'schema', null, 'sales', 'exact', 'DATA-17'), ('alice', 'SELECT', 'table', 'sales', 'orders', 'exact', 'DATA-17'),
	('alice', 'INSERT', 'table', 'sales', 'orders', 'exact', 'DATA-21: corrections'),
	('dave', 'MEMBER', 'role', null, 'analysts', 'exact', 'DATA-18'), ('dave', 'SELECT', 'table', 'hr', 'payroll', 'exact', 'HR-4: yearly bonus'),
	('erin', 'SELECT', 'table', 'sales', 'returns', 'exact', 'SHOP-40'), ('erin', 'USAGE', 'schema', null, 'sales', 'exact', 'SHOP-40'),
	('frank', 'MEMBER', 'role', null, 'pg_read_all_data', 'exact', 'to have a look'),
	('loader', 'INSERT', 'table', 'sales', '%', 'like', 'nightly load'), ('loader', 'USAGE', 'schema', null, 'sales', 'exact', 'nightly load'),
	('gina', 'USAGE', 'schema', null, 'mart', 'exact', 'DATA-30'), ('gina', 'SELECT', 'table', 'mart', 'stock', 'exact', 'DATA-30 <script>'),
	('gina', 'SELECT', 'table', 'mart', 'forecast', 'exact', 'DATA-31'), ('reviewer', 'SELECT', 'table', 'mart', 'stock', 'exact', 'for myself'),
	(E'o''neil <b>"x"</b>\n&amp;', 'SELECT', 'table', 'sales', 'customers', 'exact', '<script>document.title = "owned"</script>')`

func as(ctx context.Context, role, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, shared.server.URL(role, database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %s: %w", sql, err)
		}
	}
	return nil
}

// until waits until a query says true.
func until(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, shared.server.URL(pgserver.Superuser, "shop"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for {
		var yes bool
		if err := conn.QueryRow(ctx, sql).Scan(&yes); err != nil || yes {
			return err
		}
		if _, err := conn.Exec(ctx, "select pg_sleep(0.02)"); err != nil {
			return err
		}
	}
}

// superuser runs SQL as superuser.
func superuser(tb testing.TB, sql string) {
	tb.Helper()
	server(tb)
	if err := as(tb.Context(), pgserver.Superuser, "shop", sql); err != nil {
		tb.Fatal(err)
	}
}

// site is the page of the shared server, and a clock that tests can turn.
type site struct {
	*httptest.Server
	log   *lines
	clock *clock
}

type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// lines are the log's.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func databases(tb testing.TB) *page.Databases {
	tb.Helper()
	one := &page.Databases{}
	url := server(tb).URL("daemon", "shop")
	one.Add(&page.Database{Name: "shop", Configure: func() (*pgx.ConnConfig, error) { return pgx.ParseConfig(url) }})
	return one
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	s := &site{log: &lines{}, clock: &clock{}}
	s.Server = httptest.NewServer(page.New(page.Config{Log: zerolog.New(s.log), Now: s.clock.now}, databases(tb)))
	tb.Cleanup(s.Close)
	return s
}

// visitor is a browser without a screen.
type visitor struct {
	tb     testing.TB
	site   *site
	client *http.Client
}

// answer is what a visitor got.
type answer struct {
	status int
	header http.Header
	body   string
	url    string
}

func (s *site) visitor(tb testing.TB) *visitor {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &visitor{tb, s, &http.Client{Jar: jar}}
}

func (v *visitor) do(r *http.Request) answer {
	v.tb.Helper()
	response, err := v.client.Do(r)
	if err != nil {
		v.tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.tb.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body), response.Request.URL.RequestURI()}
}

func (v *visitor) get(path string) answer {
	v.tb.Helper()
	r, err := http.NewRequestWithContext(v.tb.Context(), http.MethodGet, v.site.URL+path, http.NoBody)
	if err != nil {
		v.tb.Fatal(err)
	}
	return v.do(r)
}

func (v *visitor) post(path string, form url.Values, header ...string) answer {
	v.tb.Helper()
	r, err := http.NewRequestWithContext(v.tb.Context(), http.MethodPost, v.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return v.do(r)
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

func (a answer) token(tb testing.TB) string {
	tb.Helper()
	found := tokenField.FindStringSubmatch(a.body)
	if found == nil {
		tb.Fatalf("%s has no form: %s", a.url, a.body)
	}
	return found[1]
}

// tryLogin sends the form, and follows to where that leads.
func (v *visitor) tryLogin(role, password string) answer {
	v.tb.Helper()
	token := v.get("/login").token(v.tb)
	return v.post("/login", url.Values{"token": {token}, "role": {role}, "password": {password}, "next": {"/"}})
}

// login logs in, which must be possible.
func (s *site) login(tb testing.TB, role string) *visitor {
	tb.Helper()
	v := s.visitor(tb)
	if a := v.tryLogin(role, password); a.url != "/" {
		tb.Fatalf("log in as %s: %d %s", role, a.status, a.body)
	}
	return v
}

// want checks the status, and what stands in the answer; a text after ! must not.
func (a answer) want(tb testing.TB, status int, texts ...string) {
	tb.Helper()
	if a.status != status {
		tb.Errorf("%s: status %d, want %d: %s", a.url, a.status, status, a.body)
	}
	for _, text := range texts {
		if text, not := strings.CutPrefix(text, "!"); strings.Contains(a.body, text) == not {
			tb.Errorf("%s: %q is there: %t; %s", a.url, text, !not, a.body)
		}
	}
}
