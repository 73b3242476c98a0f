package cli

import (
	"regexp"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// roleText is a role's name among other words: quoted as in SQL where there is a need (quote_ident), so that a role "PUBLIC" is not taken for PUBLIC.
func roleText(name string) string {
	switch {
	case name == catalog.Public:
		return "PUBLIC"
	case plainName.MatchString(name) && !keywords[name]:
		return name
	default:
		return catalog.Quote(name)
	}
}

// roleArgument is a role's name as roleText prints it, or as it is.
func roleArgument(text string) string {
	if name, n := firstIdentifier(text); n == len(text) && strings.HasPrefix(text, `"`) {
		return name
	}
	return text
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// keywords cannot be names without quotes, on one server at least from 14 to 19.
var keywords = func() map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(keywordList) {
		set[word] = true
	}
	return set
}()

const keywordList = `
all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check
coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
freeze from full grant graph_table greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join json
json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading
least left like limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
only or order out outer overlaps overlay placing position precision primary real references returning right row select session_user setof
similar smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique user
using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse
xmlpi xmlroot xmlserialize xmltable`
