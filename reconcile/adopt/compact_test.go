package adopt

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var testPopulations = []ObjectCount{
	{"table", "app", 3, []string{"SELECT", "INSERT", "UPDATE"}},
	{"table", "one", 1, []string{"SELECT", "INSERT", "UPDATE"}},
	{"sequence", "app", 2, []string{"USAGE", "SELECT"}},
	{"schema", "", 2, []string{"USAGE", "CREATE"}},
}

func TestFewestRows(t *testing.T) {
	t.Parallel()
	table := func(privilege, name string) ActualGrant {
		return ActualGrant{Role: "r", Privilege: privilege, ObjectType: "table", Schema: "app", Name: name}
	}
	grantable := func(h ActualGrant) ActualGrant { h.Grantable = true; return h }
	implied := func(h ActualGrant) ActualGrant { h.Implied = true; return h }
	column := func(h ActualGrant, name string) ActualGrant { h.Column = name; return h }
	for name, c := range map[string]struct {
		grants   []ActualGrant
		patterns bool
		want     []string
	}{
		"one":                             {[]ActualGrant{table("SELECT", "a")}, false, []string{"SELECT a"}},
		"all privileges":                  {[]ActualGrant{table("SELECT", "a"), table("INSERT", "a"), table("UPDATE", "a")}, false, []string{"ALL a"}},
		"all grantable":                   {[]ActualGrant{grantable(table("SELECT", "a")), grantable(table("INSERT", "a")), grantable(table("UPDATE", "a"))}, false, []string{"ALL a grantable"}},
		"one of all grantable":            {[]ActualGrant{table("SELECT", "a"), grantable(table("INSERT", "a")), table("UPDATE", "a")}, false, []string{"ALL a", "INSERT a grantable"}},
		"the owner is not ALL":            {[]ActualGrant{table("SELECT", "a"), table("INSERT", "a"), table("OWNER", "a")}, false, []string{"INSERT a", "OWNER a", "SELECT a"}},
		"implied by owning":               {[]ActualGrant{implied(table("SELECT", "a")), table("OWNER", "a")}, false, []string{"OWNER a"}},
		"columns are never ALL":           {[]ActualGrant{column(table("SELECT", "a"), "x"), column(table("INSERT", "a"), "x"), column(table("UPDATE", "a"), "x")}, false, []string{"INSERT a(x)", "SELECT a(x)", "UPDATE a(x)"}},
		"a whole schema, not asked":       {[]ActualGrant{table("SELECT", "a"), table("SELECT", "b"), table("SELECT", "c")}, false, []string{"SELECT a", "SELECT b", "SELECT c"}},
		"a whole schema":                  {[]ActualGrant{table("SELECT", "a"), table("SELECT", "b"), table("SELECT", "c")}, true, []string{"SELECT % like"}},
		"a whole schema but one":          {[]ActualGrant{table("SELECT", "a"), table("SELECT", "b")}, true, []string{"SELECT a", "SELECT b"}},
		"a whole schema, one owned":       {[]ActualGrant{table("SELECT", "a"), implied(table("SELECT", "b")), table("SELECT", "c")}, true, []string{"SELECT % like"}},
		"a whole schema, all owned":       {[]ActualGrant{implied(table("SELECT", "a")), implied(table("SELECT", "b")), implied(table("SELECT", "c"))}, true, nil},
		"a whole schema, one grantable":   {[]ActualGrant{table("SELECT", "a"), grantable(table("SELECT", "b")), table("SELECT", "c")}, true, []string{"SELECT % like", "SELECT b grantable"}},
		"a column of a whole schema":      {[]ActualGrant{column(table("SELECT", "a"), "x"), column(table("SELECT", "b"), "x"), column(table("SELECT", "c"), "x")}, true, []string{"SELECT a(x)", "SELECT b(x)", "SELECT c(x)"}},
		"ownership of a whole schema":     {[]ActualGrant{table("OWNER", "a"), table("OWNER", "b"), table("OWNER", "c")}, true, []string{"OWNER a", "OWNER b", "OWNER c"}},
		"the one table of a schema":       {[]ActualGrant{{Role: "r", Privilege: "SELECT", ObjectType: "table", Schema: "one", Name: "a"}}, true, []string{"SELECT a"}},
		"all schemas are not a pattern":   {[]ActualGrant{{Role: "r", Privilege: "USAGE", ObjectType: "schema", Name: "a"}, {Role: "r", Privilege: "USAGE", ObjectType: "schema", Name: "b"}}, true, []string{"USAGE a", "USAGE b"}},
		"ALL of a whole schema":           {everything("sequence", "app", "a", "b"), true, []string{"ALL % like"}},
		"a membership with ADMIN":         {[]ActualGrant{{Role: "r", Privilege: "MEMBER", ObjectType: catalog.Role, Name: "g", Grantable: true}}, true, []string{"MEMBER g grantable"}},
		"nothing":                         {nil, true, nil},
		"two roles are not put together":  {[]ActualGrant{table("SELECT", "a"), {Role: "s", Privilege: "SELECT", ObjectType: "table", Schema: "app", Name: "b"}}, true, []string{"SELECT a", "SELECT b"}},
		"the same name in two places":     {[]ActualGrant{table("SELECT", "a"), table("INSERT", "a"), {Role: "r", Privilege: "UPDATE", ObjectType: "table", Schema: "one", Name: "a"}}, true, []string{"INSERT a", "SELECT a", "UPDATE a"}},
		"the same name of another type":   {[]ActualGrant{table("SELECT", "a"), {Role: "r", Privilege: "USAGE", ObjectType: "sequence", Schema: "app", Name: "a"}}, true, []string{"USAGE a", "SELECT a"}},
		"every column beside every table": {[]ActualGrant{table("SELECT", "a"), table("INSERT", "a"), table("UPDATE", "a"), column(table("SELECT", "a"), "x")}, false, []string{"ALL a", "SELECT a(x)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, row := range compact(c.grants, testPopulations, c.patterns) {
				text := row.Privilege + " " + row.Name
				if row.Column != "" {
					text += "(" + row.Column + ")"
				}
				if row.match != "exact" {
					text += " " + row.match
				}
				if row.Grantable {
					text += " grantable"
				}
				got = append(got, text)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func everything(objectType catalog.ObjectType, schema string, names ...string) (list []ActualGrant) {
	for _, p := range testPopulations {
		for _, privilege := range p.Privileges {
			for _, name := range names {
				if p.ObjectType == objectType && p.Schema == schema {
					list = append(list, ActualGrant{Role: "r", Privilege: privilege, ObjectType: objectType, Schema: schema, Name: name})
				}
			}
		}
	}
	return list
}

// Rows say exactly what the grants are: taken apart again they are the same.
func TestFewestRowsLoseNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := testPopulations[r.IntN(2)*2] // table, sequence in app
		held := map[ActualGrant]bool{}
		var grants []ActualGrant
		for object := range p.Objects {
			for _, privilege := range p.Privileges {
				if r.IntN(5) > 0 {
					h := ActualGrant{Role: "r", Privilege: privilege, ObjectType: p.ObjectType, Schema: p.Schema, Name: strconv.Itoa(object), Grantable: r.IntN(4) == 0}
					held[h] = true
					grants = append(grants, h)
				}
			}
		}
		said := map[ActualGrant]bool{}
		rows := compact(grants, testPopulations, r.IntN(2) == 0)
		for _, row := range rows {
			privileges := []string{row.Privilege}
			if row.Privilege == "ALL" {
				privileges = p.Privileges
			}
			for _, privilege := range privileges {
				for object := range p.Objects {
					if name := strconv.Itoa(object); row.match == "like" || row.Name == name {
						said[ActualGrant{Role: "r", Privilege: privilege, ObjectType: p.ObjectType, Schema: p.Schema, Name: name, Grantable: row.Grantable}] = true
					}
				}
			}
		}
		for h := range said { // a row with grant option says the same without
			if h.Grantable {
				h.Grantable = false
				delete(said, h)
			}
		}
		for h := range held {
			if !said[h] {
				t.Fatalf("seed %d: no row says %+v", seed, h)
			}
		}
		for h := range said {
			if !held[h] {
				t.Fatalf("seed %d: a row says %+v", seed, h)
			}
		}
		if len(rows) > len(grants) {
			t.Fatalf("seed %d: %d rows for %d grants", seed, len(rows), len(grants))
		}
	}
}
