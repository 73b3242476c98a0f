package migrations_test

import (
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

// While roles are managed only force removes the schema; it says what stays, and takes nothing away.
func TestDownWhileRolesAreManaged(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	env.Exec(t, "create schema app authorization "+env.Owner+"; set role "+env.Owner+"; create table app.t (id int); create table app.t2 (id int)")
	alice, bob := env.Role("alice"), env.Role("bob")
	row{"role_name": alice, "privilege": "CONNECT", "object_type": "database", "object_name": env.Database}.mustInsert(t, conn, "desired_grants")
	row{"role_name": alice, "privilege": "USAGE", "object_type": "schema", "object_name": "app"}.mustInsert(t, conn, "desired_grants")
	grantRow(alice).with(row{"schema_name": "app", "object_name": "t%", "name_match": "like"}).mustInsert(t, conn, "desired_grants")
	row{"role_name": alice, "login": true}.mustInsert(t, conn, "desired_roles")
	row{"role_name": bob}.mustInsert(t, conn, "desired_roles")
	syncAll(t, engine(t, env))
	if !env.Can(t, alice, "select from app.t") {
		t.Fatal("alice has nothing to begin with")
	}

	config := parse(t, env.URL(env.Daemon))
	_, err := migrations.Down(t.Context(), config, false)
	wantError(t, err, "2 roles", alice, bob, "--force")
	if got, err := migrations.Version(t.Context(), config); err != nil || got != migrations.Latest() {
		t.Fatalf("after a refused Down the version is %d, %v", got, err)
	}

	left, err := migrations.Down(t.Context(), config, true)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{alice, bob}; !slices.Equal(left.Managed, want) {
		t.Errorf("left managed roles %v, want %v", left.Managed, want)
	}
	if len(left.IntermediateRoles) == 0 {
		t.Error("the pattern's intermediate role is not said to be left")
	}
	if pgtest.One[bool](t, conn, "select to_regnamespace('sync_roles') is not null") {
		t.Error("the schema is still there")
	}
	if !env.Can(t, alice, "select from app.t") {
		t.Error("Down took access away")
	}
	if !pgtest.One[bool](t, conn, "select to_regrole('_pgsr_lock') is not null") {
		t.Error("Down took the cluster's lock role away")
	}
}

// Up after Down is as good as the first one, and takes over what the forced Down left.
func TestUpAfterDown(t *testing.T) {
	t.Parallel()
	env := installed(t)
	config := parse(t, env.URL(env.Daemon))
	if _, err := migrations.Down(t.Context(), config, false); err != nil {
		t.Fatal(err)
	}
	up(t, env)
	wantInstalled(t, env)
	grantRow(env.Role("alice")).mustInsert(t, env.Connect(t, env.Daemon), "desired_grants")
	if _, err := migrations.Down(t.Context(), config, true); err != nil {
		t.Fatal(err)
	}
	up(t, env)
	wantInstalled(t, env)
}

// After a forced Down and a new Up, the same rows mean the same roles, and taking them away takes the access away.
func TestRowsAfterDownAndUp(t *testing.T) {
	t.Parallel()
	env := installed(t)
	env.Exec(t, "create schema app authorization "+env.Owner+"; set role "+env.Owner+"; create table app.t (id int)")
	alice := env.Role("alice")
	write := func() {
		t.Helper()
		conn := env.Connect(t, env.Daemon)
		row{"role_name": alice, "privilege": "USAGE", "object_type": "schema", "object_name": "app"}.mustInsert(t, conn, "desired_grants")
		row{"role_name": alice, "privilege": "CONNECT", "object_type": "database", "object_name": env.Database}.mustInsert(t, conn, "desired_grants")
		grantRow(alice).with(row{"schema_name": "app", "object_name": "t%", "name_match": "like"}).mustInsert(t, conn, "desired_grants")
		row{"role_name": alice, "login": true}.mustInsert(t, conn, "desired_roles")
		syncAll(t, engine(t, env))
	}
	write()
	if _, err := migrations.Down(t.Context(), parse(t, env.URL(env.Daemon)), true); err != nil {
		t.Fatal(err)
	}
	up(t, env)
	write()
	if !env.Can(t, alice, "select from app.t") {
		t.Error("alice cannot read")
	}
	execute(t, env.Connect(t, env.Daemon), "delete from sync_roles.desired_grants where object_type = 'table'")
	syncAll(t, engine(t, env))
	if env.Can(t, alice, "select from app.t") {
		t.Error("alice can still read")
	}
}

// What Down cannot find is said.
func TestDownWithoutUp(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	_, err := migrations.Down(t.Context(), parse(t, env.URL(env.Daemon)), false)
	wantError(t, err, "not installed")
}

// What DROP … CASCADE would take along outside of the schema stops Down, and is named.
func TestDownWithADependent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ create, gone string }{
		"view":              {"create view public.report as select * from sync_roles.role_status", "to_regclass('public.report')"},
		"materialized view": {"create materialized view public.report as select role_name from sync_roles.desired_grants", "to_regclass('public.report')"},
		"function":          {"create function public.report() returns setof sync_roles.desired_grants language sql as 'select * from sync_roles.desired_grants'", "to_regprocedure('public.report()')"},
		"foreign key": {
			"create table public.report (id bigint constraint report_fk references sync_roles.desired_grants)",
			"(select max(oid) from pg_constraint where conname = 'report_fk')",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := installed(t)
			env.Exec(t, c.create)
			conn := env.Connect(t, env.Daemon)
			_, err := migrations.Down(t.Context(), parse(t, env.URL(env.Daemon)), false)
			wantError(t, err, "report")
			if !pgtest.One[bool](t, conn, "select "+c.gone+" is not null and to_regnamespace('sync_roles') is not null") {
				t.Error("the refused Down dropped it")
			}
			if _, err := migrations.Down(t.Context(), parse(t, env.URL(env.Daemon)), true); err != nil {
				t.Errorf("with force: %v", err)
			}
		})
	}
}
