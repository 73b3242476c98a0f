package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

// kindOf tells if revoke_other with this kind takes a line of holdings away.
func kindOf(kind, line string) bool {
	word, _, _ := strings.Cut(line, " ")
	switch kind {
	case "all":
		return word != "attributes" && word != "defaults"
	case "table_selects":
		return strings.HasPrefix(line, "tables SELECT ")
	case "schema_usage":
		return strings.HasPrefix(line, "schemas USAGE ")
	default:
		return word == kind
	}
}

func revocableKinds(version int) []string {
	kinds := []string{
		"role_memberships", "table_selects", "schema_usage", "databases", "schemas", "tables", "sequences", "routines", "types", "languages",
		"foreign_data_wrappers", "foreign_servers", "tablespaces", "large_objects", "ownerships", "all",
	}
	if version >= 15 {
		kinds = append(kinds, "parameters")
	}
	return kinds
}

// Each kind alone: what the role has of it by hand goes, when the row is written and when it is granted again; all else stays, and
// nobody else has less.
func TestRevokeEachKind(t *testing.T) { //nolint:tparallel // its subtests share a database, and the queue in it
	t.Parallel()
	r := newRevocable(t)
	neighbour, additive := r.role(t, "neighbour", ""), r.role(t, "additive", "")
	r.give(t, neighbour)
	r.give(t, additive)
	r.write(t, "insert into sync_roles.desired_roles (role_name, connection_limit) values ($1, -1)", additive)
	granted := r.insert(t, additive, "TRUNCATE", "table", "app", "sales")
	r.pending(t)
	r.delete(t, granted)
	r.pending(t)
	// What follows its table (the serial's sequence) and the row type is not listed in pg_shdepend for its owner's sake.
	same := r.untouched(t, neighbour, additive, "public")
	for _, kind := range revocableKinds(r.Version) {
		t.Run(kind, func(t *testing.T) {
			x := r.role(t, "x_"+kind, "")
			bare := r.holdings(t, x)
			r.give(t, x)
			before := r.holdings(t, x)
			want := slices.DeleteFunc(slices.Clone(before), func(line string) bool { return kindOf(kind, line) && !slices.Contains(bare, line) })
			if len(want) == len(before) {
				t.Fatalf("the role has nothing of kind %s: %v", kind, before)
			}
			nothing := r.nothingBorrowed(t)
			r.write(t, "insert into sync_roles.desired_roles (role_name, revoke_other) values ($1, array[$2])", x, kind)
			r.pending(t)
			r.outcome(t, x, plan.Applied)
			sameList(t, "what the role has left", r.holdings(t, x), want)
			if got, want := r.last(t, x).Revoked, len(before)-len(want); kind != "ownerships" && kind != "all" && got != want {
				t.Errorf("the audit has %d revoked, want %d: %v", got, want, r.last(t, x))
			}
			nothing()
			r.quiet(t)

			// By hand it comes back, and a rescan takes it.
			r.giveAgain(t, x, kind)
			r.rescan(t)
			sameList(t, "what the role has left after a rescan", r.holdings(t, x), want)
			r.quiet(t)
			nothing()

			// Without the row nothing more is taken, and nothing comes back.
			r.write(t, "delete from sync_roles.desired_roles where role_name = $1", x)
			r.pending(t)
			r.giveAgain(t, x, kind)
			again := r.holdings(t, x)
			r.quiet(t)
			sameList(t, "what the role has without the row", r.holdings(t, x), again)
			r.Exec(t, fmt.Sprintf("set role %s; revoke usage on schema app from %s", r.Owner, quote(x)))
		})
	}
	same()
}

// giveAgain grants something of a kind once more.
func (r *revocable) giveAgain(t *testing.T, role, kind string) {
	t.Helper()
	q := quote(role)
	switch kind {
	case "role_memberships":
		r.asDaemon(t, "grant "+r.group+" to "+q)
	case "table_selects", "tables", "all":
		r.asOwner(t, "grant select on app.sales to "+q)
	case "schema_usage", "schemas":
		r.asOwner(t, "grant usage on schema app to "+q)
	case "databases":
		r.asDaemon(t, "grant temporary on database "+r.Database+" to "+q)
	case "sequences":
		r.asOwner(t, "grant usage on sequence app.seq to "+q)
	case "routines":
		r.asOwner(t, "grant execute on function app.fn() to "+q)
	case "types":
		r.asOwner(t, "grant usage on type app.color to "+q)
	case "languages":
		r.asOwner(t, "grant usage on language "+r.language+" to "+q)
	case "foreign_data_wrappers":
		r.asDaemon(t, "grant usage on foreign data wrapper "+r.fdw+" to "+q)
	case "foreign_servers":
		r.asOwner(t, "grant usage on foreign server "+r.server+" to "+q)
	case "tablespaces":
		r.asOwner(t, "grant create on tablespace "+r.space+" to "+q)
	case "large_objects":
		r.asOwner(t, fmt.Sprintf("grant select on large object %d to %s", r.large, q))
	case "parameters":
		r.asDaemon(t, fmt.Sprintf("grant set on parameter %s to %s", r.parameter, q))
	case "ownerships":
		r.Exec(t, fmt.Sprintf("alter table app.%s owner to %s", quote("o_"+role), q))
	}
}
