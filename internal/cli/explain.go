package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/desired/explain"
)

func explainCommand() *cobra.Command {
	var c connection
	var out output
	var viewName string
	cmd := &cobra.Command{
		Use:   "explain ROLE [OBJECT]",
		Short: "Show what a role can do, how it can, and which rows ask for it",
		Long: `explain prints what a role can do with an object, or with everything, and why: ACL entries of its own and of PUBLIC, chains of
memberships (with INHERIT and SET told apart), ownership, predefined roles, superuser; what still keeps it from using that; and
beside each of these the row of desired_grants that asks for it. With an object, also rows that are not fulfilled, and why not.

OBJECT is [type:][schema.]name, quoted as in SQL; the type is table if not said: sales.orders, schema:sales, role:analysts,
'routine:sales.total(integer, text)', '"Sales"."Orders"'. The role's name is taken as it is, or quoted as it is printed; "public" is PUBLIC.

With --view, it prints the SQL of a view with the columns of a table that the role may read, for those who write SELECT *.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			var filter *access.Filter
			if len(args) == 2 {
				w, err := parseObject(args[1])
				if err != nil {
					return err
				}
				filter = &w
			}
			if viewName != "" {
				return c.explainView(cmd, roleArgument(args[0]), viewName, filter)
			}
			var x *explain.Explanation
			if err := c.look(ctx, func(tx pgx.Tx) (err error) {
				if x, err = explain.Role(ctx, tx, roleArgument(args[0]), filter); err != nil {
					return err
				}
				if err := noteState(ctx, cmd.ErrOrStderr(), tx, x.Role); err != nil {
					return err
				}
				return noteHidden(ctx, cmd.ErrOrStderr(), tx)
			}); err != nil {
				return err
			}
			if out.json() {
				return writeJSON(cmd.OutOrStdout(), x)
			}
			return printExplanation(cmd.OutOrStdout(), x, filter != nil)
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = inOrder(c.completeRoles, c.completeObjects)
	out.flags(cmd)
	cmd.Flags().StringVar(&viewName, "view", "", "print a view of this `name` ([schema.]name) with the columns of the table that the role may read")
	return cmd
}

func (c *connection) explainView(cmd *cobra.Command, role, name string, filter *access.Filter) error {
	view, err := checkView(name, filter)
	if err != nil {
		return err
	}
	var tables []explain.Readable
	var server catalog.Server
	err = c.look(cmd.Context(), func(tx pgx.Tx) (err error) {
		if server, err = catalog.ReadServer(cmd.Context(), tx); err != nil {
			return err
		}
		tables, err = explain.ReadableColumns(cmd.Context(), tx, role, *filter)
		return err
	})
	if err != nil {
		return err
	}
	return printView(cmd.OutOrStdout(), view, role, tables, server)
}

func whoCommand() *cobra.Command {
	var c connection
	var out output
	cmd := &cobra.Command{
		Use:   "who PRIVILEGE OBJECT",
		Short: "Show which roles have a privilege on an object, how they have it, and which rows ask for it",
		Long: `who is explain the other way round: all roles that have the privilege, on the object or on one of its columns. What PUBLIC has, every
role has; those that have it by PUBLIC alone are not listed. OBJECT is as for explain.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			filter, err := parseObject(args[1])
			if err != nil {
				return err
			}
			if filter.Type == "role" {
				return usageError{errors.New("who is for objects: a role's members are in pg_auth_members, and explain ROLE role:GROUP tells of one")}
			}
			var list []explain.ObjectHolders
			if err := c.look(ctx, func(tx pgx.Tx) (err error) {
				if list, err = explain.Holders(ctx, tx, strings.ToUpper(args[0]), filter); err != nil {
					return err
				}
				return noteHidden(ctx, cmd.ErrOrStderr(), tx)
			}); err != nil {
				return err
			}
			if out.json() {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return printHolders(cmd.OutOrStdout(), list)
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = inOrder(completePrivileges, c.completeObjects)
	out.flags(cmd)
	return cmd
}

const (
	seesStatesSQL = `
		select coalesce(bool_or(has_column_privilege(a.attrelid, a.attnum, 'SELECT')), false)
		from pg_catalog.pg_attribute as a
		where a.attrelid = 'sync_roles.desired_roles'::regclass and a.attname = 'state'`
	stateSQL = "select coalesce((select d.state from sync_roles.desired_roles as d where d.role_name = $1), 'active')"
)

// noteState says that a role is suspended, or being retired, to those who may know.
func noteState(ctx context.Context, w io.Writer, tx pgx.Tx, role string) error {
	var sees bool
	if err := tx.QueryRow(ctx, seesStatesSQL).Scan(&sees); err != nil || !sees {
		return err
	}
	var state string
	if err := tx.QueryRow(ctx, stateSQL, role).Scan(&state); err != nil || state == "active" {
		return err
	}
	_, err := fmt.Fprintf(w, "Note: role %q is %s (sync_roles.desired_roles.state).\n", role, state)
	return err
}

// noteHidden says that there may be rows which the connected role does not see.
func noteHidden(ctx context.Context, w io.Writer, tx pgx.Tx) error {
	user, hides, err := explain.HidesRows(ctx, tx)
	if err != nil || !hides {
		return err
	}
	_, err = fmt.Fprintf(w, "Note: row-level security shows role %q only the rows of sync_roles.desired_grants in its scope (sync_roles.writers): others are missing here.\n", user)
	return err
}

func printExplanation(w io.Writer, x *explain.Explanation, asked bool) error {
	root := &node{text: roleText(x.Role)}
	switch {
	case x.Superuser:
		root.text += ", a superuser: it can do everything"
	case x.Role == catalog.Public:
		root.text += ": every role"
	case !x.Login:
		root.text += ", which cannot log in"
	}
	if !asked {
		for _, m := range x.Memberships {
			root.add("member of " + directMembership(m))
		}
		for _, w := range x.Everything {
			root.add("everything").add(pathText(w))
		}
		for _, e := range x.Everywhere {
			root.add(fmt.Sprintf("every %s", e.Type)).privilege(e.Privilege, x.Role, asked)
		}
		for _, p := range x.Possible {
			code := root.add(fmt.Sprintf("possible: all that %s can do with %d tables, sequences, routines and large objects", p.Through, p.Objects))
			for _, way := range p.Paths {
				code.add(pathText(way))
			}
		}
	}
	for _, o := range x.Objects {
		object := root.add(objectText(string(o.Type), o.Schema, o.Name))
		for _, p := range o.Privileges {
			object.privilege(p, x.Role, asked)
		}
		for _, why := range o.BlockedBy {
			object.add("in the way: " + why)
		}
		for _, note := range o.Notes {
			object.add("note: " + note)
		}
	}
	for _, o := range x.NewObjects {
		object := root.add(newObjectsText(o.Type, o.Creator, o.Schema))
		for _, p := range o.Privileges {
			object.privilege(p, x.Role, asked)
		}
	}
	return root.print(w)
}

// newObjectsText names what default privileges are about.
func newObjectsText(t catalog.ObjectType, creator, schema string) string {
	text := fmt.Sprintf("each new %s of %s", t, roleText(creator))
	if schema != "" {
		text += " in schema " + schema
	}
	return text
}

func printHolders(w io.Writer, list []explain.ObjectHolders) error {
	for _, who := range list {
		root := &node{text: who.Privilege + " on " + objectText(string(who.Type), who.Schema, who.Name)}
		for _, h := range who.Roles {
			name := roleText(h.Role)
			switch {
			case h.Role == catalog.Public:
				name += ": every role"
			case !h.Login:
				name += ", which cannot log in"
			}
			if h.Column != "" {
				name += ", on column " + h.Column
			}
			role := root.add(name)
			for _, way := range h.Paths {
				role.add(pathText(way))
			}
			for _, why := range h.BlockedBy {
				role.add("in the way: " + why)
			}
			for _, note := range h.Notes {
				role.add("note: " + note)
			}
		}
		for _, h := range who.New {
			role := root.add(fmt.Sprintf("%s, on %s", roleText(h.Role), newObjectsText(who.Type, h.Creator, h.Schema)))
			for _, way := range h.Paths {
				role.add(pathText(way))
			}
		}
		if len(who.Roles) == 0 {
			root.add("no role")
		}
		if err := root.print(w); err != nil {
			return err
		}
	}
	return nil
}

func objectText(objectType, schema, name string) string {
	switch {
	case objectType == string(catalog.Role):
		name = roleText(name)
	case schema != "":
		name = schema + "." + name
	}
	return objectType + " " + name
}

// privilege adds a privilege of a role with all its ways. With asked, also that there is none.
func (n *node) privilege(p explain.Privilege, role string, asked bool) {
	text := p.Privilege
	if p.Column != "" {
		text += " (" + p.Column + ")"
	}
	switch {
	case p.Has && !asked:
	case p.Has:
		text += ": yes"
	case has(p.Paths, func(w explain.Path) bool { return w.Join == "" && w.Through == "" }):
		text += ": only after SET ROLE"
	case has(p.Paths, func(w explain.Path) bool {
		return w.Join == "" && w.SetRole == "" && len(w.BlockedBy) == 0 && !w.Possible
	}):
		text += ": only through code"
	case has(p.Paths, func(w explain.Path) bool { return w.Join == "" && len(w.BlockedBy) == 0 }):
		text += ": possible"
	case !has(p.Paths, func(w explain.Path) bool { return w.Join != "" && w.Through == "" }):
		text += ": no"
	case len(p.Paths) > 0:
		text += ": only after a GRANT that it can make itself"
	default:
		text += ": no"
	}
	privilege := n.add(text)
	for _, way := range p.Paths {
		privilege.add(pathText(way))
	}
	for _, a := range p.Unfulfilled {
		privilege.add(askedText(a, role))
	}
}

func has(paths []explain.Path, is func(explain.Path) bool) bool {
	return slices.ContainsFunc(paths, is)
}

// askedText is a row that is not fulfilled, in one line; for whom, where that is another role.
func askedText(a explain.Unfulfilled, role string) string {
	what := ""
	if a.Grantable {
		what = " with grant option"
	}
	text := fmt.Sprintf("asked for%s by %s, which is %s", what, rowText(a.Row), a.Status)
	if a.Role != role {
		text = "for " + roleText(a.Role) + ": " + text
	}
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return text
}

// pathText is a way in one line: the memberships, and how the holder has it.
func pathText(w explain.Path) string {
	var parts []string
	for _, m := range w.Memberships {
		parts = append(parts, "member of "+membership(m))
	}
	how := ""
	switch w.Means {
	case access.Superuser:
		how = "a superuser"
	case access.Predefined:
		how = roleText(w.Holder) + " has it on all"
	case access.Public:
		how = "PUBLIC"
	case access.Member:
		if len(parts) == 0 {
			how = "the role itself"
		}
	case access.Owner:
		how = "the owner"
	case access.ThroughCode:
		how = w.Privilege + " on it granted to " + roleText(w.Holder)
	default:
		how = "granted to " + roleText(w.Holder)
		if w.Grantor != "" {
			how += " by " + roleText(w.Grantor)
		}
	}
	if w.Grantable {
		how += " with grant option"
	}
	if how != "" {
		parts = append(parts, how+rowsText(w.Rows))
	}
	text := strings.Join(parts, " → ")
	switch {
	case w.Through != "" && w.Possible:
		text = "possible: through " + w.Through + ": " + text
	case w.Through != "":
		text = "through " + w.Through + ": " + text
	}
	if w.SetRole != "" {
		text = "after SET ROLE " + roleText(w.SetRole) + ": " + text
	}
	if w.Join != "" {
		text = "after making itself a member of " + roleText(w.Join) + " by its ADMIN option: " + text
	}
	for _, why := range w.BlockedBy {
		text += "; in the way: " + why
	}
	return text
}

// directMembership is a membership that is not part of a way, which would say at its end what it leads to.
func directMembership(m explain.Membership) string {
	text := membership(m)
	if m.Superuser {
		text += ", a superuser"
	}
	return text
}

func membership(m explain.Membership) string {
	var options []string
	for _, o := range []struct {
		name string
		on   bool
	}{{"INHERIT", m.Inherit}, {"SET", m.Set}, {"ADMIN", m.Admin}} {
		if o.on {
			options = append(options, o.name)
		}
	}
	return fmt.Sprintf("%s (%s)%s", roleText(m.Role), strings.Join(options, ", "), rowsText(m.Rows))
}

func rowsText(rows []explain.Row) string {
	if len(rows) == 0 {
		return ""
	}
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = rowText(r)
	}
	return " [" + strings.Join(texts, "; ") + "]"
}

func rowText(r explain.Row) string {
	text := fmt.Sprintf("row %d by %s", r.ID, roleText(r.CreatedBy))
	if r.Note != "" {
		text += ": " + r.Note
	}
	return text
}

// node is a line of a tree.
type node struct {
	text  string
	below []*node
}

func (n *node) add(text string) *node {
	// Neighbours that say the same are one.
	if last := len(n.below) - 1; last >= 0 && n.below[last].text == text && len(n.below[last].below) > 0 {
		return n.below[last]
	}
	n.below = append(n.below, &node{text: text})
	return n.below[len(n.below)-1]
}

func (n *node) print(w io.Writer) error {
	var b strings.Builder
	b.WriteString(printable(n.text) + "\n")
	n.write(&b, "")
	_, err := io.WriteString(w, b.String())
	return err
}

func (n *node) write(b *strings.Builder, indent string) {
	for i, below := range n.below {
		branch, further := "├─ ", "│  "
		if i == len(n.below)-1 {
			branch, further = "└─ ", "   "
		}
		b.WriteString(indent + branch + printable(below.text) + "\n")
		below.write(b, indent+further)
	}
}
