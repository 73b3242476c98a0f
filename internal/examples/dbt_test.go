package examples

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// steady is what the project builds, but for recent_orders, a view, which dbt drops together with the orders that it was made of.
var steady = []string{"marts.orders", "marts.events", "marts.stock", "marts.numbers", "marts.countries", "marts.customers", "marts_finance.ledger"}

// The steps build upon one another, as the life of a project does.
func TestDbt(t *testing.T) {
	s := newShop(t)
	s.mustRun(t, "deps")
	if !t.Run("says what is missing", s.saysWhatIsMissing) || !t.Run("says that no daemon runs", s.saysThatNoDaemonRuns) {
		return
	}
	s.startDaemon(t)
	_ = t.Run("grants what is configured", s.grantsWhatIsConfigured) &&
		t.Run("changes nothing twice", s.changesNothingTwice) &&
		t.Run("no read fails", s.noReadFails) &&
		t.Run("revokes what is configured no more", s.revokesWhatIsConfiguredNoMore) &&
		t.Run("leaves the rows of others alone", s.leavesTheRowsOfOthersAlone) &&
		t.Run("prunes what is gone", s.prunesWhatIsGone) &&
		t.Run("verifies its own rows", s.verifiesItsOwnRows) &&
		t.Run("creates no role unasked", s.createsNoRoleUnasked) &&
		t.Run("checks variables", s.checksVariables) &&
		t.Run("can be switched off", s.canBeSwitchedOff)
}

// advice is the SQL in an error of the package.
var advice = regexp.MustCompile(`(?m)^ +((?:GRANT|INSERT)(?:[^;]|\n)*;)`)

// What an error tells the owner to run is what is run; and nothing is half done before.
func (s *shop) saysWhatIsMissing(t *testing.T) {
	s.mustFail(t, []string{"run", "--select", "orders"}, `database "warehouse" has no schema sync_roles`, "pg-sync-roles migrate")
	s.migrate(t)
	var advised []string
	for _, missing := range []string{`role "dbt" may not write desired grants: it lacks USAGE on schema sync_roles, SELECT, INSERT, UPDATE, DELETE on`, `role "dbt" has no scope in sync_roles.writers`} {
		said := s.mustFail(t, []string{"run", "--select", "orders"}, missing, "The owner of schema sync_roles runs:")
		s.wants(t, "SELECT to_regclass('marts.orders') IS NULL", "true")
		said, _, _ = strings.Cut(said, "> in macro") // it is said again in the summary
		for _, statement := range advice.FindAllStringSubmatch(said, -1) {
			if strings.Contains(missing, "may not write") == strings.HasPrefix(statement[1], "GRANT") {
				s.exec(t, "sync_daemon", statement[1])
				advised = append(advised, statement[1])
			}
		}
	}
	readme, err := os.ReadFile("../../examples/dbt/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sql, _ := strings.Cut(string(readme), "```sql\n")
	sql, _, _ = strings.Cut(sql, "```")
	sql = strings.NewReplacer("analytics%", "marts%", "TO dbt", `TO "dbt"`).Replace(sql)
	if got, want := strings.Fields(strings.Join(advised, " ")), strings.Fields(sql); !slices.Equal(got, want) {
		t.Errorf("the error advises %q, and the README %q", got, want)
	}
}

func (s *shop) saysThatNoDaemonRuns(t *testing.T) {
	said := s.mustFail(t, []string{"run", "--select", "orders", "--vars", "sync_roles_timeout: 0.3"},
		"within 0.3 s the daemon has not done all that is in its queue: does it run, on this database?")
	if !strings.Contains(said, "OK created sql table model marts.orders") {
		t.Errorf("the model is not built: %s", said)
	}
}

func (s *shop) grantsWhatIsConfigured(t *testing.T) {
	s.mustRun(t, "build")
	s.reads(t, "analysts", true, append(steady, "marts.recent_orders")...)
	s.reads(t, "auditors", true, "marts_finance.ledger")
	s.reads(t, "auditors", false, "marts.orders")
	s.reads(t, "neighbour", false, "marts.orders", "marts_finance.ledger")
	s.wants(t, `SELECT count(*) FROM sync_roles.desired_grants WHERE source IS DISTINCT FROM 'dbt:shop' OR created_by <> 'dbt'`, "0")
	s.wants(t, `SELECT note FROM sync_roles.desired_grants WHERE object_name = 'ledger' AND role_name = 'auditors'`, "dbt model shop.ledger (target prod, schema marts)")
	s.wants(t, `SELECT string_agg(role_name || ' ' || privilege, ', ' ORDER BY role_name) FROM sync_roles.desired_grants WHERE object_type = 'schema' AND object_name = 'marts_finance'`,
		"analysts USAGE, auditors USAGE")
}

// Neither by rows nor by requests: nobody is woken.
func (s *shop) changesNothingTwice(t *testing.T) {
	rows, audited := s.rows(t), s.audited(t)
	for _, args := range [][]string{{"build"}, {"build", "--full-refresh"}, {"run", "--empty"}} {
		s.mustRun(t, args...)
		s.sync(t)
		if now := s.rows(t); now != rows {
			t.Errorf("dbt %s: the rows are\n%s\nand were\n%s", args, now, rows)
		}
		if now := s.audited(t); now != audited {
			t.Errorf("dbt %s: the daemon does what is not needed:%s", args, strings.TrimPrefix(now, audited))
		}
		s.plansNothing(t)
		s.reads(t, "analysts", true, append(steady, "marts.recent_orders")...)
	}
}

// One role reads by grants of its own and by intermediate roles, of its rows; another by a pattern that somebody else wrote.
func (s *shop) noReadFails(t *testing.T) {
	s.exec(t, "sync_daemon", `
		UPDATE sync_roles.desired_grants SET direct = false WHERE role_name = 'analysts' AND object_name IN ('orders', 'stock', 'countries', 'ledger');
		INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) VALUES
			('neighbour', 'SELECT', 'table', 'marts', '%', 'like'), ('neighbour', 'USAGE', 'schema', NULL, 'marts', 'exact')`)
	s.sync(t)
	if direct := s.last(t, "SELECT count(*) FROM sync_roles.grant_status WHERE encoding = 'intermediate'"); direct != "5" {
		t.Fatalf("%s rows have intermediate roles, want 5", direct)
	}
	for n := range 12 {
		s.write(t, fmt.Sprintf("models/wide_%02d.sql", n), `{{ config(materialized="table", grants={"+select": ["auditors"]}) }} SELECT 1 AS id`)
	}
	s.mustRun(t, "run")
	rows, audited := s.rows(t), s.audited(t)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var polls []<-chan reads
	for _, relation := range steady {
		polls = append(polls, poll(ctx, s.connect(t, "analysts", "warehouse"), relation))
	}
	for _, relation := range []string{"marts.orders", "marts.numbers", "marts.stock", "marts.wide_00"} {
		polls = append(polls, poll(ctx, s.connect(t, "neighbour", "warehouse"), relation))
	}
	polls = append(polls, poll(ctx, s.connect(t, "auditors", "warehouse"), "marts_finance.ledger"), poll(ctx, s.connect(t, "auditors", "warehouse"), "marts.wide_07"))
	for n := range 10 {
		if n%3 == 2 {
			s.mustRun(t, "build", "--full-refresh")
		} else {
			s.mustRun(t, "run")
		}
	}
	stop()
	count := 0
	for _, poll := range polls {
		r := <-poll
		count += r.count
		if r.failed > 0 || r.count == 0 {
			t.Errorf("%d of %d reads failed: %v", r.failed, r.count, r.first)
		}
	}
	t.Logf("%d reads", count)
	s.sync(t)
	if now := s.rows(t); now != rows {
		t.Errorf("the rows are\n%s\nand were\n%s", now, rows)
	}
	if now := s.audited(t); now != audited {
		t.Errorf("the daemon does what is not needed:%s", strings.TrimPrefix(now, audited))
	}
	s.plansNothing(t)
}

func (s *shop) revokesWhatIsConfiguredNoMore(t *testing.T) {
	s.replace(t, "models/events.sql", `materialized="incremental"`, `materialized="incremental", grants={"select": []}`)
	s.replace(t, "models/numbers.sql", "SELECT", `{{ config(grants={"select": ["auditors", '"public"']}) }} SELECT`)
	s.replace(t, "models/wide_03.sql", `"+select": ["auditors"]`, `"select": ["auditors"], "insert": []`)
	s.exec(t, "sync_daemon", "INSERT INTO sync_roles.writers (writer_role, object_type, privileges, schema_like, public) VALUES ('dbt', 'table', '{SELECT}', 'marts', true)")
	s.mustFail(t, []string{"run", "--select", "numbers"}, "role_name 'public' is out of scope")
	s.replace(t, "models/numbers.sql", `, '"public"'`, "")
	s.mustRun(t, "run", "--select", "events", "numbers", "wide_03")
	s.reads(t, "analysts", false, "marts.events", "marts.numbers", "marts.wide_03")
	s.reads(t, "analysts", true, "marts.orders", "marts.wide_04")
	s.reads(t, "auditors", true, "marts.numbers", "marts.wide_03")
	s.reads(t, "neighbour", true, "marts.events", "marts.numbers", "marts.wide_03")
}

// Rows of others for the same tables: of another source, without one, with an end, and for columns.
func (s *shop) leavesTheRowsOfOthersAlone(t *testing.T) {
	s.exec(t, "sync_daemon", `
		INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, column_name, source, expires_at) VALUES
			('neighbour', 'UPDATE', 'table', 'marts', 'orders', 'id', 'dbt:shop', NULL),
			('neighbour', 'SELECT', 'table', 'marts', 'orders', 'id', 'dbt:shop', NULL),
			('neighbour', 'SELECT', 'table', 'marts', 'orders', NULL, 'dbt:other', NULL),
			('auditors', 'SELECT', 'table', 'marts', 'orders', NULL, 'dbt:other', NULL),
			('neighbour', 'INSERT', 'table', 'marts', 'orders', NULL, NULL, NULL),
			('neighbour', 'SELECT', 'table', 'marts', 'wide_01', NULL, NULL, now() + interval '1 day')`)
	s.sync(t) // the daemon might grant on the same table
	s.exec(t, "dbt", "GRANT SELECT ON marts.wide_01 TO guest")
	s.replace(t, "models/orders.sql", `materialized="table"`, `materialized="table", grants={"+select": ["auditors"]}`)
	s.replace(t, "models/wide_01.sql", `["auditors"]`, `["auditors", "neighbour"]`)
	s.mustRun(t, "run", "--select", "orders", "wide_01")
	s.wants(t, `SELECT string_agg(concat_ws(' ', role_name, privilege, column_name, source), ', ' ORDER BY role_name, privilege, source) FROM sync_roles.desired_grants WHERE object_name = 'orders'`,
		"analysts SELECT dbt:shop, auditors SELECT dbt:other, neighbour INSERT, neighbour SELECT dbt:other, neighbour SELECT id dbt:shop, neighbour UPDATE id dbt:shop")
	s.wants(t, `SELECT concat_ws(' ', source, expires_at, note) FROM sync_roles.desired_grants WHERE object_name = 'wide_01' AND role_name = 'neighbour'`,
		"dbt:shop dbt model shop.wide_01 (target prod, schema marts)")

	// By hand, without a row.
	s.wants(t, "SELECT has_table_privilege('guest', 'marts.wide_01', 'SELECT')", "false")

	// What dbt's login may not see the daemon grants again, at once.
	s.sync(t)
	s.wants(t, "SELECT has_table_privilege('neighbour', 'marts.orders', 'INSERT') AND has_column_privilege('neighbour', 'marts.orders', 'id', 'UPDATE')", "true")
	s.reads(t, "auditors", true, "marts.orders")
}

func (s *shop) prunesWhatIsGone(t *testing.T) {
	s.exec(t, "sync_daemon", `
		INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, source, note) VALUES
			('analysts', 'SELECT', 'table', 'marts_finance', 'budget', 'dbt:other', NULL),
			('auditors', 'SELECT', 'table', 'marts_ann', 'orders', 'dbt:shop', 'dbt model shop.orders (target dev, schema marts_ann)'),
			('auditors', 'USAGE', 'schema', NULL, 'marts_ann', 'dbt:shop', 'dbt schema marts_ann (target dev, schema marts_ann)')`)
	s.write(t, "models/finance/ledger.sql", "")
	s.write(t, "models/wide_02.sql", "")
	s.mustRun(t, "run", "--select", "wide_03") // what is not selected stays
	s.reads(t, "auditors", true, "marts_finance.ledger", "marts.wide_02")
	before := s.rows(t)
	dry := s.mustRun(t, "run-operation", "sync_roles_prune", "--args", "dry_run: true")
	if now := s.rows(t); now != before {
		t.Errorf("a dry run has changed the rows to\n%s", now)
	}
	said := s.mustRun(t, "run-operation", "sync_roles_prune")
	for _, want := range []string{
		"deleted SELECT on marts_finance.ledger for role auditors", "deleted SELECT on marts.wide_02 for role analysts",
		"deleted USAGE on schema marts_finance for role auditors", "passed on USAGE on schema marts_finance for role analysts: others have rows in it",
	} {
		if !strings.Contains(said, want) || !strings.Contains(dry, "would have "+want) {
			t.Errorf("%q is not said: %s\nnor in the dry run: %s", want, said, dry)
		}
	}
	s.wants(t, `SELECT string_agg(concat_ws(' ', role_name, privilege, object_name, source), ', ' ORDER BY role_name, privilege, object_name)
		FROM sync_roles.desired_grants WHERE coalesce(schema_name, object_name) IN ('marts_finance', 'marts_ann') OR object_name = 'wide_02'`,
		"analysts SELECT budget dbt:other, analysts USAGE marts_finance dbt:other, auditors SELECT orders dbt:shop, auditors USAGE marts_ann dbt:shop")
	s.sync(t)
	s.reads(t, "auditors", false, "marts_finance.ledger", "marts.wide_02")
	s.reads(t, "analysts", false, "marts_finance.ledger", "marts.wide_02")
	s.reads(t, "auditors", true, "marts.wide_04")
	s.reads(t, "analysts", true, "marts.wide_04", "marts.countries", "marts.customers")
	if said := s.mustRun(t, "run-operation", "sync_roles_prune"); !strings.Contains(said, "nothing to prune of dbt:shop (target prod, schema marts)") {
		t.Errorf("a second time, it says %s", said)
	}
	s.exec(t, "sync_daemon", "DELETE FROM sync_roles.desired_grants WHERE coalesce(schema_name, object_name) = 'marts_ann'")
}

// A superuser is never managed; whose row that is decides whether the run fails.
func (s *shop) verifiesItsOwnRows(t *testing.T) {
	s.exec(t, pgserver.Superuser, "CREATE SCHEMA theirs; CREATE TABLE theirs.plans ()")
	s.exec(t, "sync_daemon", `
		INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, source, note) VALUES
			('postgres', 'SELECT', 'table', 'marts', 'wide_04', 'dbt:other', NULL), ('analysts', 'SELECT', 'table', 'theirs', 'plans', NULL, NULL),
			('postgres', 'SELECT', 'table', 'marts_ann', 'wide_07', 'dbt:shop', 'dbt model shop.wide_07 (target dev, schema marts_ann)')`)
	s.mustRun(t, "run", "--select", "wide_04")
	s.wants(t, "SELECT string_agg(role_name || ' ' || status, ', ' ORDER BY role_name) FROM sync_roles.role_status WHERE status <> 'in_sync'", "analysts blocked, postgres refused")
	s.replace(t, "models/wide_05.sql", `["auditors"]`, `["auditors", "postgres"]`)
	args := []string{"run", "--select", "wide_05"}
	row := "SELECT on marts.wide_05 for role postgres is refused: "
	if said := s.mustFail(t, args, row+"superusers are never managed", "[dbt model shop.wide_05 (target prod, schema marts)]"); strings.Contains(said, "wide_04 for role") || strings.Contains(said, "wide_07 for role") {
		t.Errorf("it fails for the rows of others: %s", said)
	}
	s.exec(t, "sync_daemon", "GRANT SELECT ON sync_roles.grant_status TO dbt")
	s.mustFail(t, args, row+"superusers are never managed") // the same, from there
	s.mustFail(t, []string{"run-operation", "sync_roles_verify"}, row)
	s.replace(t, "models/wide_05.sql", `, "postgres"`, "")
	s.mustRun(t, args...)
}

func (s *shop) createsNoRoleUnasked(t *testing.T) {
	s.replace(t, "models/wide_06.sql", `["auditors"]`, `["auditors", 'Late "comer"']`)
	args := []string{"run", "--select", "wide_06"}
	s.mustFail(t, args, `role_name 'Late "comer"' is out of scope`, "there is no such role, and its may_create_roles is false")
	s.wants(t, `SELECT to_regrole('"Late ""comer"""') IS NULL AND to_regclass('marts.wide_06') IS NOT NULL`, "true")
	s.exec(t, "sync_daemon", "UPDATE sync_roles.writers SET may_create_roles = true")
	s.mustRun(t, args...)
	s.wants(t, `SELECT has_table_privilege('Late "comer"', 'marts.wide_06', 'SELECT') AND has_schema_privilege('Late "comer"', 'marts', 'USAGE')`, "true")

	// With the last of its rows in the schema goes USAGE.
	s.replace(t, "models/wide_06.sql", `, 'Late "comer"'`, "")
	s.mustRun(t, args...)
	s.wants(t, `SELECT has_schema_privilege('Late "comer"', 'marts', 'USAGE') OR EXISTS (SELECT FROM sync_roles.desired_grants WHERE role_name LIKE 'Late%')`, "false")
}

func (s *shop) checksVariables(t *testing.T) {
	for vars, want := range map[string]string{
		"sync_roles_timeout: soon":   `the variable sync_roles_timeout is "soon", and must be a number of seconds, more than 0`,
		"sync_roles_enabled: 'yes'":  `the variable sync_roles_enabled is "yes", and must be true or false`,
		"sync_roles_source: ''":      `the variable sync_roles_source is "", and must be a text that is not empty`,
		"sync_roles_schema_usage: 1": `the variable sync_roles_schema_usage is 1, and must be true or false`,
	} {
		s.mustFail(t, []string{"run", "--select", "numbers", "--vars", vars}, want)
	}
	s.replace(t, "models/numbers.sql", `"select"`, `"selct"`)
	s.mustFail(t, []string{"run", "--select", "numbers"}, "privilege 'SELCT' does not exist for object_type 'table'")
	s.replace(t, "models/numbers.sql", `"selct"`, `"select"`)
}

func (s *shop) canBeSwitchedOff(t *testing.T) {
	rows := s.rows(t)
	s.replace(t, "models/numbers.sql", `["auditors"`, `["auditors", "neighbour"`)
	s.mustRun(t, "run", "--select", "numbers", "--vars", "sync_roles_enabled: false")
	if now := s.rows(t); now != rows {
		t.Errorf("the rows are\n%s\nand were\n%s", now, rows)
	}
	s.wants(t, "SELECT relacl::text LIKE '%neighbour=r/dbt%' FROM pg_class WHERE oid = 'marts.numbers'::regclass", "true")
}
