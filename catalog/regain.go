package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// regainNames is for how many roles the statement of RegainAdmin names each.
const regainNames = 20

var series = regexp.MustCompile(`^_pgsr_([0-9]+)_`)

// RegainAdmin is the statement by which a superuser gives a daemon the ADMIN option on roles that the daemon made. For many roles it finds those of the
// same databases by their names. It reads nothing but PostgreSQL's own catalogs, and leaves nothing to the search_path of who runs it.
func RegainAdmin(roles []string, daemon string) string {
	const options = " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
	if len(roles) <= regainNames {
		quoted := make([]string, len(roles))
		for i, role := range roles {
			quoted[i] = Quote(role)
		}
		return "GRANT " + strings.Join(quoted, ", ") + " TO " + Quote(daemon) + options
	}
	var databases, others []string
	for _, role := range roles {
		if match := series.FindStringSubmatch(role); match != nil {
			databases = append(databases, match[1])
		} else {
			others = append(others, role)
		}
	}
	slices.Sort(databases)
	pattern := "^_pgsr_(" + strings.Join(slices.Compact(databases), "|") + ")_"
	for _, role := range others {
		pattern += "|^" + regexp.QuoteMeta(role) + "$"
	}
	body := fmt.Sprintf(`DECLARE r name; BEGIN FOR r IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.~) %s LOOP EXECUTE pg_catalog.format('GRANT %%I TO %%I%s', r, %s); END LOOP; END`,
		Literal(pattern), options, Literal(daemon))
	tag := "$do$"
	for strings.Contains(body, tag) { // a role can have any name
		tag = "$" + tag[1:len(tag)-1] + "o$"
	}
	return "DO " + tag + " " + body + " " + tag
}
