package adopt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Suggestion is a group that would hold what several roles hold each for itself.
type Suggestion struct {
	Group      string
	Exists     bool // the role is there, and holds just that
	Privileges int  // how many rows each member has of it, or would have were it adopted
	Members    []Member

	rows     []row    // for the group; of one that exists, those that are missing
	replaced []string // selectors of the members' rows
}

// Member is a role that would be one of a suggested group.
type Member struct {
	Name    string
	ByHand  bool // it holds some of it without a row
	inherit bool // its membership needs the INHERIT option, which its attribute does not give
}

// Statement is one of those that make a suggestion true.
type Statement struct {
	Why string
	SQL string
}

// Statements write the group's rows and its members' first, and then delete what these replace: passes grant before they revoke.
func (g Suggestion) Statements() []Statement {
	var list []Statement
	add := func(why, sql string) { list = append(list, Statement{why, catalog.Printable(sql)}) }
	if !g.Exists {
		add("The group. It cannot log in.", fmt.Sprintf("INSERT INTO sync_roles.desired_roles (role_name, login, note) VALUES (%s, false, 'suggested: what %d roles held alike')", literal(g.Group), len(g.Members)))
	}
	if len(g.rows) > 0 {
		why := "What it may do."
		if slices.ContainsFunc(g.rows, func(r row) bool { return r.match == "like" && r.Name == anyName }) {
			why += " The pattern % is all that its schema has of the kind, and what comes later."
		}
		add(why, "INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name, note) VALUES\n"+
			values(g.rows, g.grantValues)+g.onConflict())
	}
	for _, inherit := range []bool{false, true} {
		members := slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return m.inherit != inherit })
		if len(members) == 0 {
			continue
		}
		why, columns, more := "Its members.", "", ""
		if inherit {
			why, columns, more = "Members that are NOINHERIT: the membership itself says INHERIT.", ", inherit_option", ", true"
		}
		add(why, "INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, object_name"+columns+", note) VALUES\n"+
			values(members, func(m Member) string {
				return fmt.Sprintf("(%s, 'MEMBER', 'role', %s%s, 'suggested')", literal(m.Name), literal(g.Group), more)
			})+"\nON CONFLICT DO NOTHING")
	}
	if byHand := g.names(func(m Member) bool { return m.ByHand }); len(byHand) > 0 {
		add("These hold some of it without a row. A row that is written and deleted again has it revoked, whoever granted it.",
			"INSERT INTO sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, name_match, column_name)\n"+
				"SELECT m.role_name, g.privilege, g.object_type, g.schema_name, g.object_name, g.name_match, g.column_name\n"+
				"FROM sync_roles.desired_grants AS g\nCROSS JOIN unnest(ARRAY["+lines(byHand)+"]) AS m (role_name)\nWHERE g.role_name = "+literal(g.Group)+"\nON CONFLICT DO NOTHING")
	}
	add("What the members no longer need for themselves. Their access goes on through the group.",
		"DELETE FROM sync_roles.desired_grants\nWHERE role_name IN ("+lines(g.names(func(Member) bool { return true }))+")\n"+
			"    AND NOT grantable AND direct IS NULL AND expires_at IS NULL AND source IS NULL\n"+
			"    AND (selector IN (SELECT g.selector FROM sync_roles.desired_grants AS g WHERE g.role_name = "+literal(g.Group)+")\n"+
			"        OR selector IN (\n            "+strings.Join(literals(g.replaced), ",\n            ")+"))")
	return list
}

func (g Suggestion) names(which func(Member) bool) []string {
	var names []string
	for _, m := range g.Members {
		if which(m) {
			names = append(names, m.Name)
		}
	}
	return names
}

// onConflict lets rows be there already, of a group that is.
func (g Suggestion) onConflict() string {
	if g.Exists {
		return "\nON CONFLICT DO NOTHING"
	}
	return ""
}

func (g Suggestion) grantValues(r row) string {
	return fmt.Sprintf("(%s, %s, %s, %s, %s, %s, %s, 'suggested')", literal(g.Group), literal(r.Privilege), literal(string(r.ObjectType)), orNull(r.Schema), literal(r.Name), literal(r.match), orNull(r.Column))
}

// Replaced is how many rows of members are deleted.
func (g Suggestion) Replaced() int { return len(g.Members) * len(g.replaced) }

// values is the list behind VALUES, a line for each.
func values[T any](list []T, tuple func(T) string) string {
	var texts []string
	for _, element := range list {
		texts = append(texts, "    "+tuple(element))
	}
	return strings.Join(texts, ",\n")
}

// lines are string constants, as many on a line as a reader can take in.
func lines(names []string) string {
	var b strings.Builder
	width := 0
	for i, text := range literals(names) {
		switch {
		case i == 0:
		case width > 100:
			b.WriteString(",\n    ")
			width = 0
		default:
			b.WriteString(", ")
		}
		b.WriteString(text)
		width += len(text) + 2
	}
	return b.String()
}

func literals(list []string) []string {
	var texts []string
	for _, text := range list {
		texts = append(texts, literal(text))
	}
	return texts
}

// literal is a string constant: in the plain form, where it can be.
func literal(text string) string {
	if strings.Contains(text, `\`) {
		return catalog.Literal(text)
	}
	return catalog.Literal(text)[1:]
}

func orNull(text string) string {
	if text == "" {
		return "NULL"
	}
	return literal(text)
}
