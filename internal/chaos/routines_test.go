//go:build unix

package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// routine is a function of one argument.
type routine struct{ name, argument string }

func (r routine) String() string { return r.name + "(" + r.argument + ")" }

func (r routine) in(schema string) string { return quote(schema, r.name) + "(" + r.argument + ")" }

// createRoutine must run as one transaction: nobody sees the routine while PUBLIC still has EXECUTE.
func createRoutine(schema string, r routine) string {
	return fmt.Sprintf(`create function %s returns int language sql as 'select 1'; alter function %[1]s owner to %s; revoke all on function %[1]s from public;`,
		r.in(schema), ownerRole)
}

// routine creates, drops, renames and swaps routines, and grants them by hand.
func (d *dba) routine(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, r, other := pick(d.random, schemas...), pick(d.random, routines...), pick(d.random, "f0", "f1", "h")
	role, how := d.anybody(), d.random.IntN(10)
	return d.done(ctx, "changed a routine", s, func(ctx context.Context, tx pgx.Tx) error {
		switch how {
		case 0, 1, 2:
			return run(ctx, tx, "%s", createRoutine(schema, r))
		case 3:
			return run(ctx, tx, "drop function %s", r.in(schema))
		case 4:
			return run(ctx, tx, "drop function %s; %s", r.in(schema), createRoutine(schema, r))
		case 5:
			return run(ctx, tx, "alter function %s rename to %s", r.in(schema), quote(other))
		case 6:
			return run(ctx, tx, "alter function %s rename to %s", routine{other, r.argument}.in(schema), quote(r.name))
		case 7:
			f0, f1, between := routine{"f0", "integer"}, routine{"f1", "integer"}, routine{"swapping", "integer"}
			return run(ctx, tx, "alter function %s rename to swapping; alter function %s rename to f0; alter function %s rename to f1",
				f0.in(schema), f1.in(schema), between.in(schema))
		case 8:
			return run(ctx, tx, "revoke execute on function %s from %s cascade", r.in(schema), grantee(role))
		default:
			return d.grantRoutine(ctx, tx, n, role, schema, r)
		}
	})
}

func (d *dba) grantRoutine(ctx context.Context, tx pgx.Tx, n int, role, schema string, r routine) (err error) {
	c := cell{database: n, privilege: "EXECUTE"}
	if c.object, err = oid(ctx, tx, "select to_regprocedure($1)", r.in(schema)); err != nil {
		return err
	}
	if role != publicRole {
		if c.role, err = roleOID(ctx, tx, role); err != nil {
			return err
		}
	}
	if c.object == 0 || role != publicRole && c.role == 0 {
		return errRollback
	}
	d.model.give(c, false)
	return run(ctx, tx, "grant execute on function %s to %s", r.in(schema), grantee(role))
}
