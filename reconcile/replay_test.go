package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// The statements of the audit, run in their order in a database without any grants, give after each pass the privileges of the real one.
func TestAuditReplays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewPCG(uint64(seed), 2))
	tables := []string{"sales", "costs", "mart_a", "mart_b"}
	f.asOwner(t, "create table app.mart_a (id int); create table app.mart_b (id int)")
	roles := []string{f.user(t, "alice"), f.user(t, "bob"), f.user(t, `q"x`)}
	config := f.config(t)
	config.User = "postgres"
	config.Database = f.Database + "_copy"
	f.Exec(t, fmt.Sprintf("create database %s owner %s", quote(config.Database), quote(f.Owner)))
	defer f.Exec(t, "drop database "+quote(config.Database)+" with (force)")
	again, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(t.Context()) //nolint:errcheck // the server drops it
	replay := func(sql string) {
		t.Helper()
		if _, err := again.Exec(t.Context(), sql); err != nil {
			t.Errorf("replay %s: %v", sql, err)
		}
	}
	replay("set role " + quote(f.Owner) + "; create schema app; grant usage on schema app to public")
	for _, table := range tables {
		replay("create table app." + table + " (id int, amount int)")
	}
	const acls = `select c.relname || ' ' || coalesce(string_agg(concat_ws(' ', a.grantee::regrole, a.privilege_type, a.is_grantable), ',' order by a.grantee::regrole::text collate "C", a.privilege_type), '')
		from pg_class as c left join lateral aclexplode(c.relacl) as a on a.grantee <> c.relowner where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' group by c.relname order by 1`
	last := f.newestAudit(t)
	replayed := 0
	for step := range 25 {
		for range 1 + r.IntN(4) {
			one := row{role: roles[r.IntN(3)], privilege: []string{"SELECT", "INSERT", "ALL"}[r.IntN(3)], objectType: "table", schema: "app", name: tables[r.IntN(4)]}
			switch r.IntN(4) {
			case 0:
				f.write(t, "delete from sync_roles.desired_grants where id in (select id from sync_roles.desired_grants order by random() limit 2)")
				continue
			case 1:
				one.name, one.match = "mart_%", "like"
			}
			_, _ = f.tryAdd(t, one)
		}
		f.pending(t)
		for _, sql := range textsOf(t, f.super, "select s from sync_roles.audit as a, unnest(a.statements) with ordinality as u (s, n) where a.id > $1 order by a.id, n", last) {
			if strings.Contains(sql, " ON TABLE ") {
				replay(sql)
				replayed++
			}
		}
		last = f.newestAudit(t)
		sameList(t, fmt.Sprintf("seed %d: the privileges after step %d", seed, step), textsOf(t, again, acls), textsOf(t, f.super, acls))
		if t.Failed() {
			return
		}
	}
	if replayed == 0 || pgtest.One[int](t, f.super, "select count(*) from sync_roles.audit") == 0 {
		t.Error("nothing was replayed")
	}
}
