package rowfile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Row is what a row of desired_grants says. Its names are those of the columns; empty texts are NULL.
type Row struct {
	Role       string     `json:"role_name"`
	Privilege  string     `json:"privilege"`
	ObjectType string     `json:"object_type"`
	Schema     string     `json:"schema_name,omitempty"`
	Object     string     `json:"object_name"`
	Match      string     `json:"name_match"`
	Column     string     `json:"column_name,omitempty"`
	Direct     *bool      `json:"direct"`
	Grantable  bool       `json:"grantable"`
	Create     bool       `json:"create_if_not_exists"`
	ExpiresAt  *time.Time `json:"expires_at"`
	Note       string     `json:"note,omitempty"`

	SchemaMatch   string   `json:"schema_match"`
	ExceptNames   []string `json:"except_names"`
	ExceptSchemas []string `json:"except_schemas"`
	ExceptColumns []string `json:"except_columns"`
	Partitions    bool     `json:"partitions"`
	AtCreation    bool     `json:"at_creation"`

	InheritOption *bool `json:"inherit_option"`
	SetOption     *bool `json:"set_option"`

	Line int `json:"-"` // of the file, from 1
}

// columns are the keys that an entry of a file may have, in the order in which they are written.
var columns = []string{
	"role_name", "privilege", "object_type", "schema_name", "schema_match", "except_schemas", "object_name", "name_match", "except_names", "column_name",
	"except_columns", "partitions", "at_creation", "direct", "grantable", "create_if_not_exists", "inherit_option", "set_option", "expires_at", "note",
}

// key is what makes a row unique: the role, and all that desired_grants.selector is made of.
type key struct{ role, privilege, objectType, schema, schemaMatch, object, match, column, exceptNames, exceptSchemas, exceptColumns, partitions string }

func (r Row) key() key {
	return key{
		r.Role, r.Privilege, r.ObjectType, r.Schema, r.text("schema_match"), r.Object, r.Match, r.Column,
		r.text("except_names"), r.text("except_schemas"), r.text("except_columns"), r.text("partitions"),
	}
}

// String names the grant for people.
func (r Row) String() string {
	var b strings.Builder
	b.WriteString(r.Privilege)
	if r.Column != "" {
		fmt.Fprintf(&b, " (%s)", r.Column)
	}
	but(&b, "columns", r.ExceptColumns)
	fmt.Fprintf(&b, " on %s ", r.ObjectType)
	if r.Match != exact {
		fmt.Fprintf(&b, "%s ", r.Match)
	}
	if r.Schema != "" {
		fmt.Fprintf(&b, "%s.", r.Schema)
	}
	b.WriteString(r.Object)
	if match := r.text("schema_match"); match != "" {
		fmt.Fprintf(&b, " (schema: %s)", match)
	}
	if r.Partitions {
		b.WriteString(" with partitions")
	}
	but(&b, "schemas", r.ExceptSchemas)
	but(&b, "names", r.ExceptNames)
	fmt.Fprintf(&b, " for %s", r.Role)
	return b.String()
}

func but(b *strings.Builder, what string, exceptions []string) {
	if len(exceptions) > 0 {
		fmt.Fprintf(b, " but %s %s", what, strings.Join(exceptions, ", "))
	}
}

// lists are the columns that have several names. As a text they are a JSON array.
var lists = []string{"except_names", "except_schemas", "except_columns"}

const exact = "exact"

// known reports a key that is no column.
func known(column string) error {
	if slices.Contains(columns, column) {
		return nil
	}
	return fmt.Errorf("unknown key %q: known are %s", column, strings.Join(columns, ", "))
}

// set gives a column of the row its text; an empty one is the column's default.
func (r *Row) set(column, text string) (err error) {
	switch column {
	case "role_name":
		r.Role = text
	case "privilege":
		r.Privilege = text
	case "object_type":
		r.ObjectType = text
	case "schema_name":
		r.Schema = text
	case "object_name":
		r.Object = text
	case "name_match":
		r.Match = cmp.Or(text, exact)
	case "column_name":
		r.Column = text
	case "note":
		r.Note = text
	case "schema_match":
		r.SchemaMatch = text
	case "except_names":
		r.ExceptNames, err = names(text)
	case "except_schemas":
		r.ExceptSchemas, err = names(text)
	case "except_columns":
		r.ExceptColumns, err = names(text)
	case "direct":
		r.Direct, err = truth(text)
	case "inherit_option":
		r.InheritOption, err = truth(text)
	case "set_option":
		r.SetOption, err = truth(text)
	case "partitions":
		var yes *bool
		yes, err = truth(text)
		r.Partitions = yes != nil && *yes
	case "at_creation":
		var yes *bool
		yes, err = truth(text)
		r.AtCreation = yes != nil && *yes
	case "grantable":
		var yes *bool
		yes, err = truth(text)
		r.Grantable = yes != nil && *yes
	case "create_if_not_exists":
		var yes *bool
		yes, err = truth(text)
		r.Create = yes != nil && *yes
	case "expires_at":
		r.ExpiresAt, err = moment(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	return nil
}

func names(text string) (list []string, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf(`%s is no list such as ["a","b"]`, text)
	}
	return list, nil
}

func truth(text string) (*bool, error) {
	switch text {
	case "":
		return nil, nil //nolint:nilnil // NULL
	case "true", "false":
		return new(text == "true"), nil
	default:
		return nil, fmt.Errorf("%q is neither true nor false", text)
	}
}

// moment reads a time with its offset: without one, it would be another in each place where the file is applied.
func moment(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // NULL
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05-07"} {
		if t, err := time.Parse(layout, text); err == nil {
			return new(t.Round(time.Microsecond).UTC()), nil
		}
	}
	return nil, fmt.Errorf("%q is no time such as 2030-01-31T18:00:00Z", text)
}

// text is what set reads.
func (r Row) text(column string) string {
	switch column {
	case "role_name":
		return r.Role
	case "privilege":
		return r.Privilege
	case "object_type":
		return r.ObjectType
	case "schema_name":
		return r.Schema
	case "object_name":
		return r.Object
	case "name_match":
		if r.Match == exact {
			return ""
		}
		return r.Match
	case "column_name":
		return r.Column
	case "schema_match":
		if r.SchemaMatch == exact {
			return ""
		}
		return r.SchemaMatch
	case "except_names":
		return nameList(r.ExceptNames)
	case "except_schemas":
		return nameList(r.ExceptSchemas)
	case "except_columns":
		return nameList(r.ExceptColumns)
	case "note":
		return r.Note
	case "direct":
		return threeWay(r.Direct)
	case "inherit_option":
		return threeWay(r.InheritOption)
	case "set_option":
		return threeWay(r.SetOption)
	case "partitions":
		return onlyTrue(r.Partitions)
	case "at_creation":
		return onlyTrue(r.AtCreation)
	case "grantable":
		return onlyTrue(r.Grantable)
	case "create_if_not_exists":
		return onlyTrue(r.Create)
	default:
		if r.ExpiresAt == nil {
			return ""
		}
		return r.ExpiresAt.UTC().Format(time.RFC3339Nano)
	}
}

// nameList has the names in order and each once, as desired_grants.selector has them.
func nameList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	text, err := json.Marshal(slices.Compact(slices.Sorted(slices.Values(names))))
	if err != nil {
		panic(err) // texts only
	}
	return string(text)
}

func threeWay(yes *bool) string {
	if yes == nil {
		return ""
	}
	return fmt.Sprint(*yes)
}

func onlyTrue(yes bool) string {
	if yes {
		return "true"
	}
	return ""
}

// check reports what a row lacks, or that it is there twice. What its words mean is for PostgreSQL to say.
func check(rows []Row) error {
	seen := map[key]int{}
	for _, r := range rows {
		for _, column := range []string{"role_name", "privilege", "object_type", "object_name"} {
			if r.text(column) == "" {
				return fmt.Errorf("line %d: %s is missing", r.Line, column)
			}
		}
		if first, ok := seen[r.key()]; ok {
			return fmt.Errorf("line %d: %s is there already, in line %d", r.Line, r, first)
		}
		seen[r.key()] = r.Line
	}
	return nil
}

// sorted sorts rows as files have them.
func sorted(rows []Row) []Row {
	return slices.SortedFunc(slices.Values(rows), func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.ObjectType, b.ObjectType), cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Object, b.Object),
			cmp.Compare(a.Match, b.Match), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Privilege, b.Privilege))
	})
}
