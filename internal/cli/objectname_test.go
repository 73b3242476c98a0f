package cli

import (
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

func TestParseObject(t *testing.T) {
	t.Parallel()
	schema := func(s string) *string { return &s }
	for text, want := range map[string]*access.Filter{
		"orders":                       {Type: "table", Name: "orders"},
		"sales.orders":                 {Type: "table", Schema: schema("sales"), Name: "orders"},
		"Sales.Orders":                 {Type: "table", Schema: schema("sales"), Name: "orders"},
		`"Sales"."Or""d.ers"`:          {Type: "table", Schema: schema("Sales"), Name: `Or"d.ers`},
		`"a:b"`:                        {Type: "table", Name: "a:b"},
		"Ärger":                        {Type: "table", Name: "Ärger"},
		"schema:sales":                 {Type: "schema", Name: "sales"},
		`schema:"S x"`:                 {Type: "schema", Name: "S x"},
		"role:analysts":                {Type: "role", Name: "analysts"},
		"routine:s.f":                  {Type: "routine", Schema: schema("s"), Name: "f"},
		"routine:s.f(integer, text)":   {Type: "routine", Schema: schema("s"), Name: "f(integer, text)"},
		`routine:f("S"".s"."E", name)`: {Type: "routine", Name: `f("S"".s"."E", name)`},
		"parameter:Work_mem":           {Type: "parameter", Name: "work_mem"},
		"parameter:a.b":                {Type: "parameter", Name: "a.b"},
		"large_object:4711":            {Type: "large_object", Name: "4711"},
		"":                             nil,
		".":                            nil,
		"a.":                           nil,
		".a":                           nil,
		"a.b.c":                        nil,
		"schema:a.b":                   nil,
		`"open`:                        nil,
		`""`:                           nil,
		"f(integer)":                   nil,
		"routine:f(integer":            nil,
		"routine:f(integer)x":          nil,
		"view:v":                       nil,
		"parameter:":                   nil,
	} {
		got, err := parseObject(text)
		switch {
		case want == nil && err == nil:
			t.Errorf("%q is %+v", text, got)
		case want == nil:
		case err != nil:
			t.Errorf("%q: %v", text, err)
		case got.Type != want.Type || got.Name != want.Name || (got.Schema == nil) != (want.Schema == nil) || got.Schema != nil && *got.Schema != *want.Schema:
			t.Errorf("%q is %+v, want %+v", text, got, *want)
		}
	}
}
