package daemon

import (
	"slices"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
)

// Each database has a name of its own, as short as that allows.
func TestDatabaseNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ urls, want []string }{
		{[]string{"postgres://u@h/warehouse"}, []string{"warehouse"}},
		{[]string{"host=h user=u"}, []string{"u"}},
		{[]string{"postgres://u@h/a", "postgres://u@h/b"}, []string{"a", "b"}},
		{
			[]string{"postgres://u@h1/warehouse", "postgres://u@h2:5433/warehouse", "postgres://u@h1/crm", "host=/run/pg user=u dbname=warehouse"},
			[]string{"h1:5432/warehouse", "h2:5433/warehouse", "crm", "/run/pg:5432/warehouse"},
		},
		{
			[]string{"postgres://u@h/a", "postgres://v@h/a", "postgres://u@g/a"},
			[]string{"h:5432/a#1", "h:5432/a#2", "g:5432/a"},
		},
		{[]string{"host=h user=u dbname=caf\xe9"}, []string{"caf\uFFFD"}},
	} {
		var list []connect.Source
		for _, url := range c.urls {
			list = append(list, connect.Source{Text: url})
		}
		places, err := placesOf(list)
		if err != nil {
			t.Fatal(err)
		}
		if got := namesOf(places); !slices.Equal(got, c.want) {
			t.Errorf("%q are called %q, want %q", c.urls, got, c.want)
		}
	}
}
