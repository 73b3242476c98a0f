package catalog

import "slices"

// ObjectType is a kind of object on which privileges are granted, in the words of desired_grants.object_type.
type ObjectType string

// The object types that the engine treats apart. All others are only data.
const (
	Role               ObjectType = "role"
	Database           ObjectType = "database"
	Schema             ObjectType = "schema"
	Table              ObjectType = "table"
	Routine            ObjectType = "routine"
	Sequence           ObjectType = "sequence"
	Type               ObjectType = "type"
	LargeObject        ObjectType = "large_object"
	ForeignDataWrapper ObjectType = "foreign_data_wrapper"
	PropertyGraph      ObjectType = "property_graph" // since PostgreSQL 19
)

// Keywords is how an object type is spelled in statements.
type Keywords struct {
	Grant string // GRANT … ON <Grant> name
	Alter string // ALTER <Alter> name OWNER TO …; empty: it has no owner that can be changed
}

// keywords of every object type: the matrix in the manual's GRANT. ROUTINE and TYPE also stand for what FUNCTION,
// PROCEDURE and DOMAIN name; ALTER TABLE also serves views, materialized views and foreign tables.
var keywords = map[ObjectType]Keywords{
	"database":             {Grant: "DATABASE", Alter: "DATABASE"},
	"schema":               {Grant: "SCHEMA", Alter: "SCHEMA"},
	"table":                {Grant: "TABLE", Alter: "TABLE"},
	"sequence":             {Grant: "SEQUENCE", Alter: "SEQUENCE"},
	"routine":              {Grant: "ROUTINE", Alter: "ROUTINE"},
	"type":                 {Grant: "TYPE", Alter: "TYPE"},
	"language":             {Grant: "LANGUAGE", Alter: "LANGUAGE"},
	"foreign_data_wrapper": {Grant: "FOREIGN DATA WRAPPER", Alter: "FOREIGN DATA WRAPPER"},
	"foreign_server":       {Grant: "FOREIGN SERVER", Alter: "SERVER"},
	"tablespace":           {Grant: "TABLESPACE", Alter: "TABLESPACE"},
	"parameter":            {Grant: "PARAMETER"},
	"large_object":         {Grant: "LARGE OBJECT", Alter: "LARGE OBJECT"},
	"property_graph":       {Grant: "PROPERTY GRAPH", Alter: "PROPERTY GRAPH"},
}

// Keywords returns how the type is spelled in statements; ok is false for roles, which GRANT treats in its own way.
func (t ObjectType) Keywords() (k Keywords, ok bool) {
	k, ok = keywords[t]
	return k, ok
}

// TypeNames lists all object types by name, role included.
func TypeNames() []string {
	names := []string{string(Role)}
	for t := range keywords {
		names = append(names, string(t))
	}
	slices.Sort(names)
	return names
}
