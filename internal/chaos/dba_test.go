//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver"
)

// dba is a superuser who does by hand what superusers do: grants and revokes, DDL, and surgery on roles, intermediate ones included.
type dba struct {
	*actor
	cluster  *cluster
	model    *model
	sessions []*session
	renamed  int // how many roles were
}

func newDBA(c *cluster, m *model) *actor {
	d := &dba{actor: &actor{name: "DBA", pause: 80 * time.Millisecond}, cluster: c, model: m}
	for _, database := range databases {
		d.sessions = append(d.sessions, &session{
			url: c.server.URL(pgserver.Superuser, database),
			tolerated: []string{
				"42P01", "3F000", "42704", "42703", "42883", // it is not there
				"42P07", "42P06", "42710", "42701", "42723", // it is there already
				"42804", "42P16", // a table that cannot inherit, or change
				"2BP01", "0LP01", // others depend on it; a circular membership, or no right to grant
				"42501",          // as somebody who is no superuser
				"40P01", "55P03", // a deadlock; a lock that took too long
			},
		})
	}
	d.deeds = []deed{
		{14, d.grant},
		{8, d.revoke},
		{6, d.grantColumn},
		{6, d.grantSchema},
		{4, d.grantAsAnother},
		{4, d.member},
		{3, d.alterRole},
		{14, d.create},
		{8, d.drop},
		{6, d.rename},
		{4, d.swap},
		{4, d.column},
		{8, d.renameColumn},
		{5, d.inherit},
		{8, d.routine},
		{6, d.schema},
		{6, d.dropRole},
		{2, d.dropRoleOnly},
		{3, d.renameRole},
		{8, d.meddle},
	}
	return d.actor
}

// inherit has a table inherit from another one, or no more.
func (d *dba) inherit(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, table := d.table()
	of, parent := d.table()
	how := pick(d.random, "inherit", "inherit", "no inherit")
	return d.done(ctx, "let a table "+how, s, func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "alter table %s %s %s", quote(schema, table), how, quote(of, parent))
	})
}

func (d *dba) somewhere() (int, *session) {
	n := d.random.IntN(len(databases))
	return n, d.sessions[n]
}

func (d *dba) anybody() string {
	return pick(d.random, append(append([]string{publicRole}, users...), groups...)...)
}

func (d *dba) table() (schema, table string) {
	return pick(d.random, schemas...), pick(d.random, tables...)
}

func grantee(role string) string {
	if role == publicRole {
		return "public"
	}
	return quote(role)
}

// byHand finds the cell, and an error if there is no such object or role.
func (d *dba) byHand(ctx context.Context, tx pgx.Tx, n int, role, schema, table, column, privilege string) (c cell, err error) {
	c = cell{database: n, column: column, privilege: privilege}
	if role != publicRole {
		if c.role, err = roleOID(ctx, tx, role); err != nil {
			return c, err
		}
		if c.role == 0 {
			return c, errRollback
		}
	}
	if table == "" {
		c.object, err = schemaOID(ctx, tx, schema)
	} else {
		c.object, err = tableOID(ctx, tx, schema, table)
	}
	if err == nil && c.object == 0 {
		err = errRollback
	}
	return c, err
}

func (d *dba) grant(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, table := d.table()
	role, privilege := d.anybody(), pick(d.random, "SELECT", "INSERT", "UPDATE", "REFERENCES", "TRIGGER")
	option := role != publicRole && chance(d.random, 10)
	return d.done(ctx, "granted", s, func(ctx context.Context, tx pgx.Tx) error {
		c, err := d.byHand(ctx, tx, n, role, schema, table, "", privilege)
		if err != nil {
			return err
		}
		d.model.give(c, option)
		return run(ctx, tx, "grant %s on table %s to %s%s", privilege, quote(schema, table), grantee(role), ifOption(option))
	})
}

func ifOption(option bool) string {
	if option {
		return " with grant option"
	}
	return ""
}

// done is use, with another word for the tally.
func (d *dba) done(ctx context.Context, what string, s *session, f func(context.Context, pgx.Tx) error) (string, error) {
	word, err := s.use(ctx, f)
	if word == done {
		word = what
	}
	return word, err
}

func (d *dba) revoke(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, table := d.table()
	role, privilege := d.anybody(), pick(d.random, "SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES", "TRIGGER")
	var gone *cell
	word, err := d.done(ctx, "revoked", s, func(ctx context.Context, tx pgx.Tx) error {
		c, err := d.byHand(ctx, tx, n, role, schema, table, "", privilege)
		if err != nil {
			return err
		}
		if err := run(ctx, tx, "revoke %s on table %s from %s cascade", privilege, quote(schema, table), grantee(role)); err != nil {
			return err
		}
		// What another grantor gave has stayed.
		left, err := oid(ctx, tx, "select c.oid from pg_class c, aclexplode(c.relacl) a where c.oid = $1 and a.grantee = $2 and a.privilege_type = $3 limit 1", c.object, c.role, privilege)
		if left == 0 {
			gone = &c
		}
		return err
	})
	if word == "revoked" && gone != nil {
		d.model.take(*gone)
	}
	return word, err
}

func (d *dba) grantColumn(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, table := d.table()
	role, privilege, column := d.anybody(), pick(d.random, "SELECT", "UPDATE"), pick(d.random, columns...)
	return d.done(ctx, "granted a column", s, func(ctx context.Context, tx pgx.Tx) error {
		c, err := d.byHand(ctx, tx, n, role, schema, table, column, privilege)
		if err != nil {
			return err
		}
		d.model.give(c, false)
		return run(ctx, tx, "grant %s (%s) on table %s to %s", privilege, quote(column), quote(schema, table), grantee(role))
	})
}

func (d *dba) grantSchema(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, role, privilege := pick(d.random, schemas...), d.anybody(), pick(d.random, "USAGE", "CREATE")
	revoke := chance(d.random, 40)
	return d.done(ctx, "granted a schema", s, func(ctx context.Context, tx pgx.Tx) error {
		if revoke {
			return run(ctx, tx, "revoke %s on schema %s from %s", privilege, quote(schema), grantee(role))
		}
		c, err := d.byHand(ctx, tx, n, role, schema, "", "", privilege)
		if err != nil {
			return err
		}
		d.model.give(c, false)
		return run(ctx, tx, "grant %s on schema %s to %s", privilege, quote(schema), grantee(role))
	})
}

// grantAsAnother lets somebody with the grant option grant.
func (d *dba) grantAsAnother(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, table := d.table()
	grantor := pick(d.random, leadRole, leadRole, leadRole, strangerRole)
	role, privilege := d.anybody(), pick(d.random, "SELECT", "INSERT")
	return d.done(ctx, "granted as another", s, func(ctx context.Context, tx pgx.Tx) error {
		c, err := d.byHand(ctx, tx, n, role, schema, table, "", privilege)
		if err != nil {
			return err
		}
		d.model.give(c, false)
		return run(ctx, tx, "grant usage on schema %s to %s; grant %s on table %s to %[2]s with grant option; set local role %[2]s; grant %[3]s on table %[4]s to %[5]s; reset role",
			quote(schema), grantor, privilege, quote(schema, table), grantee(role))
	})
}

// member gives and takes memberships.
func (d *dba) member(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	group, role := pick(d.random, groups...), pick(d.random, users...)
	revoke, admin := chance(d.random, 50), ""
	if chance(d.random, 15) {
		admin = " with admin option"
	}
	return d.done(ctx, "changed a membership", s, func(ctx context.Context, tx pgx.Tx) error {
		if revoke {
			return run(ctx, tx, "revoke %s from %s", quote(group), quote(role))
		}
		c, err := d.membership(ctx, tx, group, role)
		if err != nil {
			return err
		}
		d.model.give(c, admin != "")
		c.database = 1 - n // roles are the cluster's
		d.model.give(c, admin != "")
		return run(ctx, tx, "grant %s to %s%s", quote(group), quote(role), admin)
	})
}

func (d *dba) membership(ctx context.Context, tx pgx.Tx, group, role string) (c cell, err error) {
	c.privilege = "MEMBER"
	if c.object, err = roleOID(ctx, tx, group); err != nil {
		return c, err
	}
	if c.role, err = roleOID(ctx, tx, role); err == nil && (c.role == 0 || c.object == 0) {
		err = errRollback
	}
	return c, err
}

func (d *dba) alterRole(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	role, how := pick(d.random, users...), pick(d.random, "login", "nologin", "connection limit 7", "valid until '2030-01-01'", "noinherit", "inherit")
	return d.done(ctx, "altered a role", s, func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "alter role %s %s", quote(role), how)
	})
}

func (d *dba) create(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, table := d.table()
	owner := ownerRole
	if chance(d.random, 3) {
		owner = pgserver.Superuser
	}
	sequence := chance(d.random, 15)
	return d.done(ctx, "created", s, func(ctx context.Context, tx pgx.Tx) error {
		if sequence {
			return run(ctx, tx, "%s", createSequence(schema, pick(d.random, sequences...), owner))
		}
		return run(ctx, tx, "%s", createTable(schema, table, owner))
	})
}

func (d *dba) drop(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, table := d.table()
	rebuild := chance(d.random, 60)
	return d.done(ctx, "dropped", s, func(ctx context.Context, tx pgx.Tx) error {
		if rebuild {
			return run(ctx, tx, "drop table %s; %s", quote(schema, table), createTable(schema, table, ownerRole))
		}
		return run(ctx, tx, "drop table %s", quote(schema, table))
	})
}

func (d *dba) rename(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, from := d.table()
	to := pick(d.random, append([]string{"z"}, tables...)...)
	if chance(d.random, 50) {
		from, to = to, from
	}
	return d.done(ctx, "renamed", s, func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "alter table %s rename to %s", quote(schema, from), quote(to))
	})
}

func (d *dba) swap(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, one := d.table()
	other := pick(d.random, tables...)
	return d.done(ctx, "swapped", s, func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "alter table %s rename to swapping; alter table %s rename to %s; alter table %s rename to %s",
			quote(schema, one), quote(schema, other), quote(one), quote(schema, "swapping"), quote(other))
	})
}

func (d *dba) column(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, table := d.table()
	column, how := pick(d.random, columns...), d.random.IntN(10)
	return d.done(ctx, "altered", s, func(ctx context.Context, tx pgx.Tx) error {
		if how < 6 {
			return run(ctx, tx, "alter table %s add column %s int", quote(schema, table), quote(column))
		}
		return run(ctx, tx, "alter table %s drop column %s", quote(schema, table), quote(column))
	})
}

func (d *dba) renameColumn(ctx context.Context) (string, error) {
	n, s := d.somewhere()
	schema, table := d.table()
	from, to := pick(d.random, columns...), pick(d.random, append([]string{"z", "z"}, columns...)...)
	if chance(d.random, 50) {
		from, to = to, from
	}
	return d.done(ctx, "renamed a column", s, func(ctx context.Context, tx pgx.Tx) error {
		c, err := d.byHand(ctx, tx, n, publicRole, schema, table, "", "")
		if err != nil {
			return err
		}
		d.model.renameColumn(n, c.object, from, to)
		return run(ctx, tx, "alter table %s rename column %s to %s", quote(schema, table), quote(from), quote(to))
	})
}

// schema drops one, renames one away or back, or makes one that is missing.
func (d *dba) schema(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, how := pick(d.random, schemas...), d.random.IntN(10)
	word := "changed a schema"
	if how >= 1 && how <= 5 {
		word = "renamed a schema"
	}
	return d.done(ctx, word, s, func(ctx context.Context, tx pgx.Tx) error {
		switch how {
		case 0:
			return run(ctx, tx, "drop schema %s cascade", quote(schema))
		case 1:
			return run(ctx, tx, "alter schema s0 rename to swapping; alter schema s1 rename to s0; alter schema swapping rename to s1")
		case 2:
			return run(ctx, tx, "alter schema %s rename to apart", quote(schema))
		case 3:
			return run(ctx, tx, "alter schema %s rename to apart; %s", quote(schema), createSchema(schema))
		case 4:
			return run(ctx, tx, "alter schema apart rename to %s", quote(schema))
		case 5:
			return run(ctx, tx, "drop schema if exists %s cascade; alter schema apart rename to %[1]s", quote(schema))
		default:
			return run(ctx, tx, "%s", createSchema(schema))
		}
	})
}

// dropRole does what the manual says: DROP OWNED in each database, then DROP ROLE. Between the two, a daemon may be quicker.
func (d *dba) dropRole(ctx context.Context) (string, error) {
	role := pick(d.random, append(append([]string{}, users...), groups...)...)
	if d.renamed > 0 && chance(d.random, 30) {
		role = renamedRole(1 + d.random.IntN(d.renamed))
	}
	if word, err := d.dropOwned(ctx, role); err != nil || word != done {
		return word, err
	}
	return d.dropping(ctx, role, "dropped a role")
}

func (d *dba) dropOwned(ctx context.Context, role string) (string, error) {
	d.cluster.acls.Lock()
	defer d.cluster.acls.Unlock()
	for _, s := range d.sessions {
		word, err := s.use(ctx, func(ctx context.Context, tx pgx.Tx) error { return run(ctx, tx, "drop owned by %s", quote(role)) })
		if err != nil || word != done {
			return word, err
		}
	}
	return done, nil
}

// dropRoleOnly hopes that nothing depends on the role.
func (d *dba) dropRoleOnly(ctx context.Context) (string, error) {
	return d.dropping(ctx, pick(d.random, append(append([]string{}, users...), groups...)...), "just dropped a role")
}

func (d *dba) dropping(ctx context.Context, role, word string) (string, error) {
	return d.done(ctx, word, d.sessions[0], func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "drop role %s", quote(role))
	})
}

func renamedRole(n int) string { return fmt.Sprintf("left_%d", n) }

// renameRole takes a role out of the rows' reach. It does not come back.
func (d *dba) renameRole(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	role := pick(d.random, append(append([]string{}, users...), groups...)...)
	d.renamed++
	return d.done(ctx, "renamed a role", s, func(ctx context.Context, tx pgx.Tx) error {
		return run(ctx, tx, "alter role %s rename to %s", quote(role), renamedRole(d.renamed))
	})
}

// meddle does to an intermediate role what nobody should.
func (d *dba) meddle(ctx context.Context) (string, error) {
	_, s := d.somewhere()
	schema, table := d.table()
	role, how, nth := pick(d.random, users...), d.random.IntN(9), d.random.IntN(1000)
	d.cluster.acls.Lock()
	defer d.cluster.acls.Unlock()
	return d.done(ctx, "meddled", s, func(ctx context.Context, tx pgx.Tx) error {
		var victim, privilege string
		var place *string
		err := tx.QueryRow(ctx, `
			select role_name, privilege, case when object_type = 'table' and name_match = 'exact' and column_name is null then format('%I.%I', schema_name, object_name) end
			from sync_roles.intermediate_roles order by role_name offset $1 % greatest((select count(*) from sync_roles.intermediate_roles), 1) limit 1`, nth).Scan(&victim, &privilege, &place)
		if errors.Is(err, pgx.ErrNoRows) {
			return errRollback
		}
		if err != nil {
			return err
		}
		victim = quote(victim)
		switch how {
		case 0, 1:
			return run(ctx, tx, "grant %s to %s", victim, quote(role))
		case 2:
			return run(ctx, tx, "revoke %s from %s", victim, quote(role))
		case 3:
			return run(ctx, tx, "grant delete on table %s to %s", quote(schema, table), victim)
		case 4:
			if place == nil {
				return errRollback
			}
			return run(ctx, tx, "revoke %s on table %s from %s", privilege, *place, victim)
		case 5:
			return run(ctx, tx, "alter role %s login", victim)
		case 6:
			return run(ctx, tx, "alter role %s rename to %s", victim, quote(fmt.Sprintf("_pgsr_stray_%d", nth)))
		case 7:
			return run(ctx, tx, "grant %s to %s", quote(pick(d.random, groups...)), victim)
		default:
			return run(ctx, tx, "drop owned by %s; drop role %[1]s", victim)
		}
	})
}

func createSchema(schema string) string {
	return fmt.Sprintf("create schema %s authorization %s; %s %s", quote(schema), ownerRole, createTable(schema, tables[0], ownerRole), createTable(schema, tables[1], ownerRole))
}
