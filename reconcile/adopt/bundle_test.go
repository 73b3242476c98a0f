package adopt

import (
	"fmt"
	"slices"
	"testing"
)

func profilesOf(rows ...[]int) []profile {
	var profiles []profile
	for i, r := range rows {
		profiles = append(profiles, profile{role: fmt.Sprint(i), rows: r})
	}
	return profiles
}

func TestFindBundles(t *testing.T) {
	t.Parallel()
	group := profilesOf([]int{1, 2, 3}, []int{1, 2, 3}, []int{1, 2, 3, 4})
	group[1].bundle = true
	for _, c := range []struct {
		name     string
		profiles []profile
		want     []bundle
	}{
		{"nothing", profilesOf([]int{1, 2}, []int{3}, nil, nil), nil},
		{"the same", profilesOf([]int{1, 2}, []int{3}, []int{1, 2}), []bundle{{[]int{1, 2}, []int{0, 2}, -1, 2}}},
		{"too little", profilesOf([]int{1}, []int{1}, []int{1}, []int{1}), nil},
		{"more besides", profilesOf([]int{1, 2, 3, 4, 5}, []int{1, 2, 3, 4, 5}, []int{0, 1, 2, 3, 4, 5, 9}), []bundle{{[]int{1, 2, 3, 4, 5}, []int{0, 1, 2}, -1, 5}}},
		{"a part", profilesOf([]int{1, 2, 3, 4, 5, 6}, []int{0, 1, 2, 3, 4, 5}), []bundle{{[]int{1, 2, 3, 4, 5}, []int{0, 1}, -1, 0}}},
		{"too small a part", profilesOf([]int{1, 2, 3, 4, 6}, []int{0, 1, 2, 3, 4}), nil},
		{"a group", group, []bundle{{[]int{1, 2, 3}, []int{0, 2}, 1, 3}}},
		{"a group alone", group[1:2], nil},
	} {
		if got := findBundles(c.profiles); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Whatever roles hold, a row of a role is in one bundle at most, and each role of a bundle has all of it.
func TestBundlesDoNotOverlap(t *testing.T) {
	t.Parallel()
	var profiles []profile
	for i := range 5000 { // 40 teams with 50 rows each, and some of one's own
		p := profile{role: fmt.Sprint(i)}
		for n := range 50 {
			p.rows = append(p.rows, i%40*50+n)
		}
		for n := range i % 7 {
			p.rows = append(p.rows, 10_000+10*i+n)
		}
		if i%11 == 0 {
			p.rows = slices.Delete(p.rows, i%50, i%50+1)
		}
		profiles = append(profiles, p)
	}
	seen := map[[2]int]bool{}
	for _, b := range findBundles(profiles) {
		for _, role := range b.roles {
			for _, row := range b.rows {
				if seen[[2]int{role, row}] || !slices.Contains(profiles[role].rows, row) {
					t.Fatalf("role %d, row %d: in two bundles, or not the role's", role, row)
				}
				seen[[2]int{role, row}] = true
			}
		}
	}
	if len(seen) < 5000*40 {
		t.Errorf("only %d rows are in bundles", len(seen))
	}
}

func TestNameFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows []row
		want string
	}{
		{[]row{{ActualGrant{Privilege: "SELECT", ObjectType: "table", Schema: "mart"}, exact}, {ActualGrant{Privilege: "USAGE", ObjectType: "schema", Name: "mart"}, exact}}, "mart_reader"},
		{[]row{{ActualGrant{Privilege: "DELETE", ObjectType: "table", Schema: "b"}, exact}, {ActualGrant{Privilege: "CREATE", ObjectType: "schema", Name: "A b"}, exact}}, "a_b_b_writer"},
		{[]row{{ActualGrant{Privilege: "CREATE", ObjectType: "database", Name: "db"}, exact}}, "warehouse_user"},
		{[]row{{ActualGrant{Privilege: "SELECT", ObjectType: "table", Schema: "pg_x"}, exact}}, "in_pg_x_reader"},
		{[]row{{ActualGrant{Privilege: "SELECT", ObjectType: "table", Schema: "Ünï"}, exact}, {ActualGrant{Privilege: "SELECT", ObjectType: "table", Schema: "表"}, exact}}, "n_reader"},
	} {
		if got := nameFor(c.rows, "warehouse"); got != c.want {
			t.Errorf("the name is %s, want %s", got, c.want)
		}
	}
}
