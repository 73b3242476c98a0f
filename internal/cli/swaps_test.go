package cli_test

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

var swaps = flag.Int("cli.swaps", 20, "how often each writer of TestSwapsNeverFail replaces its objects")

// swapped is a kind of object that tools rebuild beside the old one, and swap in by renaming.
type swapped struct {
	kind      string // in DDL
	create    string // with %s for the name
	rowType   string
	privilege string
	signature string // after the name, in a row
}

var swappedKinds = []swapped{
	{"table", "table %s (id int primary key)", "table", "SELECT", ""},
	{"view", "view %s as select 1 as id", "table", "SELECT", ""},
	{"materialized view", "materialized view %s as select 1 as id", "table", "SELECT", ""},
	{"sequence", "sequence %s", "sequence", "USAGE", ""},
	{"function", "function %s (int) returns int language sql as 'select $1'", "routine", "EXECUTE", "(integer)"},
	{"type", "type %s as enum ('a')", "type", "USAGE", ""},
	{"domain", "domain %s as int", "type", "USAGE", ""},
	{"schema", "schema %s", "schema", "USAGE", ""},
}

// Tools rebuild objects beside the old ones, and rename. Whatever the daemon does meanwhile, none of their statements fails because of it; in the end
// the new objects are granted.
func TestSwapsNeverFail(t *testing.T) {
	for name, args := range map[string][]string{"event triggers": nil, "rescans": {"--rescan-interval", "1s"}} {
		t.Run(name, func(t *testing.T) {
			env, conn := installed(t)
			if args == nil {
				call(t, "migrate", "--event-triggers", "-d", env.URL(pgserver.Superuser)).want(t, 0, "event triggers", "")
			}
			env.Exec(t, "grant create on database "+env.Database+" to "+env.Owner)
			alice := env.Role("alice")
			for _, k := range swappedKinds {
				env.Exec(t, "set role "+env.Owner+"; create "+fmt.Sprintf(k.create, k.place()+k.object())+k.private())
				var schema any = "app"
				if k.kind == "schema" {
					schema = nil
				}
				exec(t, conn, "insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name) values ($1, $2, $3, $4, $5)",
					alice, k.privilege, k.rowType, schema, k.object()+k.signature)
			}
			exec(t, conn, `insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match) values
				($1, 'SELECT', 'table', 'app', 'the%', 'like')`, env.Role("bob"))
			defer start(t, append([]string{"-d", env.URL(env.Daemon)}, args...)...)()
			exec(t, conn, "select sync_roles.wait_for_sync()")

			var writers sync.WaitGroup
			for _, k := range swappedKinds {
				writer := env.Superuser(t)
				writers.Go(func() { k.swap(t, env, writer) })
			}
			writers.Wait()

			for _, k := range swappedKinds {
				until(t, conn, "select has_"+strings.NewReplacer("routine", "function").Replace(k.rowType)+"_privilege($1, $2, $3)", alice, k.place()+k.object()+k.signature, k.privilege)
			}
			until(t, conn, "select has_table_privilege($1, 'app.the_table', 'SELECT')", env.Role("bob"))
			exec(t, conn, "select sync_roles.wait_for_sync()")
		})
	}
}

func (k swapped) object() string { return "the_" + strings.ReplaceAll(k.kind, " ", "_") }

func (k swapped) place() string {
	if k.kind == "schema" {
		return ""
	}
	return "app."
}

// private revokes what PUBLIC has on new objects, by which everybody would have the privilege.
func (k swapped) private() string {
	switch k.rowType {
	case "routine", "type":
		return fmt.Sprintf("; revoke all on %s %s from public", k.kind, k.place()+k.object()+k.signature)
	default:
		return ""
	}
}

// swap replaces the object again and again, each statement in its own transaction and all in one by turns.
func (k swapped) swap(t *testing.T, env *pgtest.Env, conn *pgx.Conn) {
	t.Helper()
	exec(t, conn, "set role "+env.Owner)
	place, object := k.place(), k.object()
	statements := []string{
		"create " + fmt.Sprintf(k.create, place+object+"_new"),
		fmt.Sprintf("alter %s %s rename to %s", k.kind, place+object+k.signature, object+"_old"),
		fmt.Sprintf("alter %s %s rename to %s", k.kind, place+object+"_new"+k.signature, object),
		fmt.Sprintf("drop %s %s", k.kind, place+object+"_old"+k.signature),
	}
	if k.rowType == "routine" || k.rowType == "type" {
		statements = append(statements[:1], append([]string{fmt.Sprintf("revoke all on %s %s from public", k.kind, place+object+"_new"+k.signature)}, statements[1:]...)...)
	}
	failed := 0
	for n := range *swaps {
		if n%2 == 0 {
			if _, err := conn.Exec(t.Context(), strings.Join(statements, ";")); err != nil {
				failed++
				t.Errorf("swap %d of a %s: %v", n, k.kind, err)
			}
			continue
		}
		for _, sql := range statements {
			for {
				_, err := conn.Exec(t.Context(), sql)
				if err == nil {
					break
				}
				failed++
				t.Errorf("swap %d of a %s: %s: %v", n, k.kind, sql, err)
				if failed > 10 {
					return
				}
			}
		}
	}
}
