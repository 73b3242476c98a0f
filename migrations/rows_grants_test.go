package migrations_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A grant that can never be obeyed is refused at once, and who wrote it learns why.
func TestBadGrants(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	table := grantRow("alice")
	pattern := func(match, pattern string) row {
		return table.with(row{"name_match": match, "object_name": pattern})
	}
	routine := func(name string) row {
		return row{"role_name": "alice", "privilege": "EXECUTE", "object_type": "routine", "schema_name": "s", "object_name": name}
	}

	bad := []badRow{
		{"an unknown privilege", table.with(row{"privilege": "READ"}), "privilege", []string{"'READ'", "SELECT", "INSERT", "ALL", "OWNER"}},
		{"a privilege in lower case", table.with(row{"privilege": "select"}), "privilege", []string{"'select'", "SELECT"}},
		{"an empty privilege", table.with(row{"privilege": ""}), "privilege", []string{"''", "SELECT"}},
		{"an unknown type", table.with(row{"object_type": "view"}), "object_type", []string{"'view'", "table", "large_object"}},
		{"a privilege of another type", table.with(row{"privilege": "USAGE"}), "privilege", []string{"'USAGE'", "'table'", "SELECT"}},
		{"EXECUTE on a schema", schemaRow.with(row{"privilege": "EXECUTE"}), "privilege", []string{"'EXECUTE'", "USAGE, CREATE, ALL, OWNER"}},
		{"MEMBER of a table", table.with(row{"privilege": "MEMBER"}), "privilege", []string{"'MEMBER'"}},
		{"ALL on a role", memberRow.with(row{"privilege": "ALL"}), "privilege", []string{"'ALL'", "MEMBER"}},
		{"OWNER of a role", memberRow.with(row{"privilege": "OWNER"}), "privilege", []string{"'OWNER'", "MEMBER"}},
		{"OWNER of a parameter", row{"role_name": "alice", "privilege": "OWNER", "object_type": "parameter", "object_name": "work_mem"}, "privilege", []string{"'OWNER'"}},

		{"a table without schema", table.without("schema_name"), "schema_name", []string{"NULL", "'table'"}},
		{"a routine without schema", row{"role_name": "alice", "privilege": "EXECUTE", "object_type": "routine", "object_name": "f"}, "schema_name", []string{"'routine'"}},
		{"a database with a schema", row{"role_name": "alice", "privilege": "CONNECT", "object_type": "database", "schema_name": "s", "object_name": "d"}, "schema_name", []string{"'s'", "'database'", "NULL"}},
		{"a schema with a schema", schemaRow.with(row{"schema_name": "s"}), "schema_name", []string{"'s'", "'schema'"}},
		{"a role with a schema", memberRow.with(row{"schema_name": "s"}), "schema_name", []string{"'s'", "'role'"}},

		{"a role_name of 64 bytes", table.with(row{"role_name": long}), "role_name", []string{long, "64 bytes", "63"}},
		{"a role_name of 64 bytes in 32 characters", table.with(row{"role_name": longBytes}), "role_name", []string{longBytes, "64 bytes"}},
		{"a schema_name of 64 bytes", table.with(row{"schema_name": long}), "schema_name", []string{long, "64 bytes"}},
		{"a schema_name of 64 bytes in 32 characters", table.with(row{"schema_name": longBytes}), "schema_name", []string{"64 bytes"}},
		{"an object_name of 64 bytes", table.with(row{"object_name": long}), "object_name", []string{long, "64 bytes"}},
		{"an object_name of 64 bytes in 32 characters", table.with(row{"object_name": longBytes}), "object_name", []string{"64 bytes"}},
		{"a routine's name of 64 bytes", row{"role_name": "alice", "privilege": "EXECUTE", "object_type": "routine", "schema_name": "s", "object_name": long + "(integer)"}, "object_name", []string{"64 bytes"}},
		{"a routine without closing parenthesis", routine("f(integer"), "object_name", []string{"'f(integer'", "closing"}},
		{"a routine with something behind it", routine("f(integer) x"), "object_name", []string{"closing"}},
		{"an alias of a type", routine("f(int, text)"), "object_name", []string{"'f(integer, text)'"}},
		{"a type with a length", routine("f(varchar(10),numeric(10,2))"), "object_name", []string{"'f(character varying, numeric)'"}},
		{"types without a space between", routine(`f("a,b".t,s."x"" y")`), "object_name", []string{`'f("a,b".t, s."x"" y")'`}},
		{"a type of pg_catalog with its schema", routine("f(pg_catalog.int4)"), "object_name", []string{"'f(integer)'"}},
		{"a name and a type", routine("f(a integer)"), "object_name", []string{"'a integer'", "format_type"}},
		{"a type that needs its schema", routine("f(color)"), "object_name", []string{"'color'", "with their schema"}},
		{"an argument too few", routine("f(integer, )"), "object_name", []string{"''"}},
		{"an open quote", routine(`f("x)`), "object_name", nil},
		{"spaces for no arguments", routine("f( )"), "object_name", []string{"'f()'"}},
		{"a parenthesis alone", routine("f("), "object_name", []string{"closing"}},
		{"a number", routine("f(23)"), "object_name", []string{"'23'"}},
		{"a dash", routine("f(-)"), "object_name", []string{"'-'"}},
		{"an untrusted language", row{"role_name": "alice", "privilege": "OWNER", "object_type": "language", "object_name": "c"}, "object_name", []string{"'c'", "untrusted"}},
		{"a column_name of 64 bytes", table.with(row{"column_name": long}), "column_name", []string{long, "64 bytes"}},
		{"a column_name of 64 bytes in 32 characters", table.with(row{"column_name": longBytes}), "column_name", []string{"64 bytes"}},
		{"an empty role_name", table.with(row{"role_name": ""}), "role_name", []string{"empty", "1 to 63"}},
		{"an empty schema_name", table.with(row{"schema_name": ""}), "schema_name", []string{"empty"}},
		{"an empty object_name", table.with(row{"object_name": ""}), "object_name", []string{"empty"}},
		{"an empty column_name", table.with(row{"column_name": ""}), "column_name", []string{"empty"}},
		{"an empty like pattern", pattern("like", ""), "object_name", []string{"empty", "1000"}},
		{"an empty regex", pattern("regex", ""), "object_name", []string{"empty"}},

		{"an unknown name_match", pattern("glob", "t*"), "name_match", []string{"'glob'", "exact, like, regex"}},
		{"a regex with an open bracket", pattern("regex", "t[a"), "object_name", []string{"'t[a'", "regex"}},
		{"a regex that only closes what surrounds it", pattern("regex", "a)|(b"), "object_name", []string{"'a)|(b'"}},
		{"a regex that only closes", pattern("regex", "a)"), "object_name", []string{"'a)'"}},
		{"a regex that ends in a backslash", pattern("regex", `a\`), "object_name", nil},
		{"a regex that ends in an open comment", pattern("regex", "a(?#"), "object_name", nil},
		{"a regex with embedded options", pattern("regex", "(?i)x"), "object_name", []string{"'(?i)x'"}},
		{"a regex with two embedded options", pattern("regex", "(?xn)x"), "object_name", []string{"'(?xn)x'"}},
		{"a regex that says it is a literal", pattern("regex", "***=x"), "object_name", []string{"'***=x'"}},
		{"a regex that says it is a regex", pattern("regex", "***:x"), "object_name", []string{"'***:x'"}},
		{"a like pattern that ends in a lone backslash", pattern("like", `a\`), "object_name", []string{`a\`, "backslash"}},
		{"a like pattern that ends in three backslashes", pattern("like", `a\\\`), "object_name", []string{"backslash"}},
		{"a like pattern of 1,001 bytes", pattern("like", strings.Repeat("x", 1001)), "object_name", []string{"1001 bytes", "1000"}},
		{"a regex of 1,002 bytes in 501 characters", pattern("regex", strings.Repeat("é", 501)), "object_name", []string{"1002 bytes", "1000"}},

		{"the grantee none", table.with(row{"role_name": "none"}), "role_name", []string{"'none'", "reserved"}},
		{"the grantee pg_x", table.with(row{"role_name": "pg_x"}), "role_name", []string{"'pg_x'", "reserved"}},
		{"the grantee pg_monitor", table.with(row{"role_name": "pg_monitor"}), "role_name", []string{"'pg_monitor'"}},
		{"the grantee _pgsr_x", table.with(row{"role_name": "_pgsr_x"}), "role_name", []string{"'_pgsr_x'", "reserved"}},

		{"a table in sync_roles", table.with(row{"schema_name": "sync_roles"}), "schema_name", []string{"'sync_roles'", "protected"}},
		{"a table in pg_catalog", table.with(row{"schema_name": "pg_catalog"}), "schema_name", []string{"'pg_catalog'"}},
		{"a pattern in information_schema", pattern("like", "%").with(row{"schema_name": "information_schema"}), "schema_name", []string{"'information_schema'"}},
		{"a table in pg_toast", table.with(row{"schema_name": "pg_toast"}), "schema_name", []string{"'pg_toast'"}},
		{"a table in pg_temp", table.with(row{"schema_name": "pg_temp_3"}), "schema_name", []string{"'pg_temp_3'"}},
		{"the schema sync_roles", schemaRow.with(row{"object_name": "sync_roles"}), "object_name", []string{"'sync_roles'", "protected"}},
		{"the schema pg_catalog", schemaRow.with(row{"object_name": "pg_catalog"}), "object_name", []string{"'pg_catalog'"}},
		{"OWNER of information_schema", schemaRow.with(row{"privilege": "OWNER", "object_name": "information_schema"}), "object_name", []string{"'information_schema'"}},

		{"a column of a schema", schemaRow.with(row{"column_name": "c"}), "column_name", []string{"'c'", "SELECT, INSERT, UPDATE and REFERENCES"}},
		{"a column of a sequence", table.with(row{"object_type": "sequence", "column_name": "c"}), "column_name", []string{"'c'"}},
		{"DELETE on a column", table.with(row{"privilege": "DELETE", "column_name": "c"}), "column_name", []string{"'c'", "DELETE", "SELECT, INSERT, UPDATE and REFERENCES"}},
		{"ALL on a column", table.with(row{"privilege": "ALL", "column_name": "c"}), "column_name", []string{"'c'"}},
		{"OWNER of a column", table.with(row{"privilege": "OWNER", "column_name": "c"}), "column_name", []string{"'c'"}},

		{"create_if_not_exists for USAGE", schemaRow.with(row{"create_if_not_exists": true}), "create_if_not_exists", []string{"true", "OWNER"}},
		{"create_if_not_exists for a table", table.with(row{"privilege": "OWNER", "create_if_not_exists": true}), "create_if_not_exists", []string{"true"}},
		{"create_if_not_exists for a pattern", schemaRow.with(row{"privilege": "OWNER", "name_match": "like", "object_name": "s%", "create_if_not_exists": true}), "create_if_not_exists", []string{"true"}},

		{"membership in oneself", memberRow.with(row{"object_name": "alice"}), "object_name", []string{"'alice'"}},
		{"membership in an intermediate role", memberRow.with(row{"object_name": "_pgsr_lock"}), "object_name", []string{"'_pgsr_lock'"}},
		{"membership in public", memberRow.with(row{"object_name": "public"}), "object_name", []string{"'public'"}},
		{"membership of public", memberRow.with(row{"role_name": "public"}), "role_name", []string{"'public'", "MEMBER"}},
		{"a grantable row for public", table.with(row{"role_name": "public", "grantable": true}), "role_name", []string{"'public'", "grantable"}},
		{"a grantable OWNER", table.with(row{"privilege": "OWNER", "grantable": true}), "grantable", []string{"true", "OWNER"}},
		{"a large object that is no number", row{"role_name": "alice", "privilege": "SELECT", "object_type": "large_object", "object_name": "x"}, "object_name", []string{"'x'"}},
		{"a large object that is no OID", row{"role_name": "alice", "privilege": "SELECT", "object_type": "large_object", "object_name": "4294967296"}, "object_name", []string{"'4294967296'"}},
	}
	if env.Version < 17 {
		bad = append(bad, badRow{"MAINTAIN before 17", table.with(row{"privilege": "MAINTAIN"}), "privilege", []string{"'MAINTAIN'", "on this server", "SELECT"}})
	}
	if env.Version < 15 {
		parameter := row{"role_name": "alice", "privilege": "SET", "object_type": "parameter", "object_name": "work_mem"}
		bad = append(bad,
			badRow{"SET on a parameter before 15", parameter, "privilege", []string{"'SET'", "on this server"}},
			badRow{"ALL on a parameter before 15", parameter.with(row{"privilege": "ALL"}), "privilege", []string{"'ALL'", "on this server"}})
	}
	refuse(t, conn, "desired_grants", bad)

	if env.Version < 15 {
		// What is named as allowed must be.
		err := row{"role_name": "alice", "privilege": "SET", "object_type": "parameter", "object_name": "work_mem"}.try(t, conn, "desired_grants")
		if err != nil && strings.Contains(err.Error(), "allowed are ALL") {
			t.Errorf("the message names ALL as allowed, which is refused too: %v", err)
		}
	}
	if n := pgtest.One[int](t, conn, "select count(*) from sync_roles.pending"); n != 0 {
		t.Errorf("refused rows queued %d requests", n)
	}
}

// A column that must not be NULL is PostgreSQL's to refuse, and the message names it.
func TestMissingColumns(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	for _, column := range []string{"role_name", "privilege", "object_type", "object_name"} {
		err := grantRow("alice").without(column).try(t, conn, "desired_grants")
		if sqlState(err) != "23502" || !strings.Contains(err.Error(), column) {
			t.Errorf("without %s: %v", column, err)
		}
	}
}

// Odd names are names, objects need not exist, and every type has its privileges.
func TestGoodGrants(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	table := grantRow("alice")
	pattern := func(match, pattern string) row {
		return table.with(row{"name_match": match, "object_name": pattern})
	}
	good := map[string]row{
		"the least":                                    table,
		"PUBLIC in upper case is a name":               table.with(row{"role_name": "PUBLIC"}),
		"Public is a name":                             table.with(row{"role_name": "Public"}),
		"public is PUBLIC":                             table.with(row{"role_name": "public"}),
		"None is a name":                               table.with(row{"role_name": "None"}),
		"PG_x is a name":                               table.with(row{"role_name": "PG_x"}),
		"pgx is a name":                                table.with(row{"role_name": "pgx"}),
		"quotes":                                       table.with(row{"role_name": `a"b'c`, "schema_name": `s"'`, "object_name": `t"';--`, "column_name": `c"'`}),
		"newlines":                                     table.with(row{"role_name": "a\nb", "object_name": "t\r\nt"}),
		"spaces, dots, backslashes":                    table.with(row{"role_name": " ", "schema_name": "a.b", "object_name": `a\b.c`}),
		"63 bytes":                                     table.with(row{"role_name": strings.Repeat("é", 31) + "x", "schema_name": strings.Repeat("x", 63), "object_name": strings.Repeat("x", 63), "column_name": strings.Repeat("x", 63)}),
		"a routine with long arguments":                {"role_name": "alice", "privilege": "EXECUTE", "object_type": "routine", "schema_name": "s", "object_name": strings.Repeat("f", 63) + "(timestamp without time zone, character varying)"},
		"a routine of types that may come":             {"role_name": "alice", "privilege": "EXECUTE", "object_type": "routine", "schema_name": "s", "object_name": `f(s.color, "A, (b".c[], "char", timestamp with time zone[])`},
		"a routine without arguments":                  {"role_name": "alice", "privilege": "EXECUTE", "object_type": "routine", "schema_name": "s", "object_name": "f()"},
		"a regex of alternatives":                      pattern("regex", "a|b"),
		"a regex of a group":                           pattern("regex", "(?:a)"),
		"a regex that looks ahead":                     pattern("regex", "(?=a).*"),
		"a regex that captures":                        pattern("regex", "(a)(b)?"),
		"a regex of three stars":                       pattern("regex", `\*\*\*`),
		"a regex of a newline":                         pattern("regex", "a\nb"),
		"a regex of 1,000 bytes":                       pattern("regex", strings.Repeat("x", 1000)),
		"a like pattern":                               pattern("like", `orders\_%`),
		"a like pattern, two backslashes at the end":   pattern("like", `a\\`),
		"a like pattern longer than a name":            pattern("like", strings.Repeat("x", 1000)),
		"a column":                                     table.with(row{"privilege": "REFERENCES", "column_name": "c"}),
		"a pattern with a column":                      pattern("like", "t%").with(row{"column_name": "c"}),
		"ALL":                                          table.with(row{"privilege": "ALL"}),
		"direct":                                       table.with(row{"direct": true, "grantable": true}),
		"through an intermediate role":                 table.with(row{"direct": false}),
		"membership with the admin option":             memberRow.with(row{"grantable": true}),
		"membership in a predefined role":              memberRow.with(row{"object_name": "pg_monitor"}), // the engine decides
		"a schema to be made":                          schemaRow.with(row{"privilege": "OWNER", "create_if_not_exists": true}),
		"all schemas, of which protected are left out": schemaRow.with(row{"name_match": "like", "object_name": "%"}),
		"expired already":                              table.with(row{"expires_at": "2001-01-01", "note": "JIRA-17"}),
		"a large object":                               {"role_name": "alice", "privilege": "UPDATE", "object_type": "large_object", "object_name": "4294967295"},
	}
	for object, privileges := range map[string][]string{
		"table":                {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"},
		"sequence":             {"USAGE", "SELECT", "UPDATE"},
		"routine":              {"EXECUTE"},
		"type":                 {"USAGE"},
		"database":             {"CONNECT", "CREATE", "TEMPORARY"},
		"schema":               {"USAGE", "CREATE"},
		"language":             {"USAGE"},
		"foreign_data_wrapper": {"USAGE"},
		"foreign_server":       {"USAGE"},
		"tablespace":           {"CREATE"},
	} {
		for _, privilege := range append(privileges, "ALL", "OWNER") {
			r := row{"role_name": "alice", "privilege": privilege, "object_type": object, "object_name": "x"}
			switch object {
			case "table", "sequence", "routine", "type":
				r["schema_name"] = "s"
			}
			good[privilege+" on "+object] = r
		}
	}
	if env.Version >= 17 {
		good["MAINTAIN"] = table.with(row{"privilege": "MAINTAIN"})
	}
	if env.Version >= 15 {
		for _, privilege := range []string{"SET", "ALTER SYSTEM", "ALL"} {
			good[privilege+" on parameter"] = row{"role_name": "alice", "privilege": privilege, "object_type": "parameter", "object_name": "work_mem"}
		}
	}
	for name, r := range good {
		if err := r.try(t, conn, "desired_grants"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
