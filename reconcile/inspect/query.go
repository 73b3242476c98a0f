package inspect

import (
	"embed"
	"strconv"
	"strings"
	"sync"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// query returns the text of sql/<name>.sql.
func query(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}

// constants are parameters of queries that decide what there is to plan, such as :renamed. They are explained where they are used.
type constants struct {
	plain, renamed, members, legacy, exclusive, whole, options, enforced bool
	kind                                                                 string // empty: any
}

// rendered has the queries by constants: they are long, and the same pass after pass.
var rendered sync.Map // of text

type text struct {
	constants
	sql string
}

// allRows has a query read, in place of the views of plain rows, those of all rows. They have the same columns, and take longer to plan.
var allRows = strings.NewReplacer(
	"sync_roles.matchable_grants", "sync_roles.all_matchable_grants",
	"sync_roles.matchable_withdrawn", "sync_roles.all_matchable_withdrawn",
	"sync_roles.desired_holdings", "sync_roles.all_desired_holdings",
)

// noRules has a query read nothing in place of the views of what rules take, which take longer to plan than all the rest.
var noRules = strings.NewReplacer(
	"sync_roles.enforced_entries", "(SELECT 0::oid AS grantee, '' AS object_type, 0::oid AS class_oid, 0::oid AS object_oid, '' AS privilege, '' AS column_name)",
	"sync_roles.enforced_members", "(SELECT 0::oid AS role_oid, 0::oid AS member_oid)",
)

// render puts the constants in place of the parameters.
func (c constants) render(sql string) string {
	key := text{c, sql}
	if known, ok := rendered.Load(key); ok {
		return known.(string)
	}
	kind := "NULL::text"
	if c.kind != "" {
		kind = catalog.Literal(c.kind)
	}
	if !c.plain {
		sql = allRows.Replace(sql)
	}
	if !c.enforced {
		sql = noRules.Replace(sql)
	}
	result := strings.NewReplacer(
		":plain", strconv.FormatBool(c.plain),
		":renamed", strconv.FormatBool(c.renamed), ":members", strconv.FormatBool(c.members), ":legacy", strconv.FormatBool(c.legacy),
		":exclusive", strconv.FormatBool(c.exclusive), ":whole", strconv.FormatBool(c.whole), ":options", strconv.FormatBool(c.options),
		":enforced", strconv.FormatBool(c.enforced),
		":kind", kind, ":'object_type'", kind,
	).Replace(sql)
	rendered.Store(key, result)
	return result
}
