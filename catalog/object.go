package catalog

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// OID identifies an object within its catalog.
type OID = uint32

// Object is a database object, as the system catalogs have it.
type Object struct {
	Type      ObjectType
	Class     OID // the catalog that it is in
	OID       OID
	Schema    string // empty for types that live in none
	Name      string
	Signature string // routines: the name with its argument types
	Owner     OID
}

// String is the object's name for people, quoted as in SQL where there is a need.
func (o Object) String() string {
	name := o.Name
	if o.Signature != "" {
		name = o.Signature
	}
	if o.Schema != "" {
		name = o.Schema + "." + name
	}
	return string(o.Type) + " " + name
}

// SQL is the object's name in a statement. The names must come from the catalogs.
func (o Object) SQL() string {
	switch {
	case o.Type == "large_object":
		return o.Name // an OID
	case o.Type == "parameter":
		return pgx.Identifier(strings.Split(o.Name, ".")).Sanitize() // a part can be a keyword
	case o.Signature != "":
		// Types come from format_type, which quotes; the name is quoted here.
		return pgx.Identifier{o.Schema, o.Name}.Sanitize() + withModes(strings.TrimPrefix(o.Signature, o.Name))
	case o.Schema != "":
		return pgx.Identifier{o.Schema, o.Name}.Sanitize()
	default:
		return Quote(o.Name)
	}
}

// withModes says of each argument in a list that it is IN. Without modes PostgreSQL also takes a type for that of an OUT argument, and
// finds two procedures p(integer) and p(OUT integer) ambiguous (LookupFuncWithArgs in parse_func.c).
func withModes(arguments string) string {
	if arguments == "()" {
		return arguments
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(arguments); i++ {
		b.WriteByte(arguments[i])
		switch {
		case arguments[i] == '"':
			quoted = !quoted
		case quoted:
		case arguments[i] == '(':
			b.WriteString("IN ")
		case arguments[i] == ',':
			b.WriteString(" IN")
		}
	}
	return b.String()
}

// Public stands for PUBLIC among role names. No role can have this name.
const Public = "public"

// Quote quotes one identifier, always: an unquoted current_user or session_user would be another role.
func Quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// Literal quotes a string constant; a backslash in it needs the E form.
func Literal(s string) string {
	return "E'" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(s) + "'"
}

// Grantee is a role as it stands behind TO and FROM; Public is PUBLIC.
func Grantee(name string) string {
	if name == Public {
		return "PUBLIC"
	}
	return Quote(name)
}
