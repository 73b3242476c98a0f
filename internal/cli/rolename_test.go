package cli

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

// A name is quoted wherever the server would quote it. Keywords of other versions are quoted, too, which does no harm.
func TestRoleTextQuotesAsTheServerDoes(t *testing.T) {
	t.Parallel()
	conn := pgtest.New(t).Superuser(t)
	rows, err := conn.Query(t.Context(), `
		select n, quote_ident(n) from (
			select word from pg_get_keywords()
			union values ('alice'), ('PUBLIC'), ('public '), (' public'), ('Alice'), ('a-b'), ('a.b'), ('a"b'), ('a$b'), ('1a'), ('_a1'), ('ä'), ('a, b'), (e'a\nb'), ('→')
		) as x (n)`)
	if err != nil {
		t.Fatal(err)
	}
	type name struct{ Name, Quoted string }
	names, err := pgx.CollectRows(rows, pgx.RowToStructByPos[name])
	if err != nil {
		t.Fatal(err)
	}
	quoted := map[string]bool{}
	for _, n := range names {
		quoted[n.Name] = true
		if got := roleText(n.Name); got != n.Quoted && (!keywords[n.Name] || got != `"`+n.Name+`"`) {
			t.Errorf("roleText(%q) is %s, and the server says %s", n.Name, got, n.Quoted)
		}
	}
	if len(names) < 400 {
		t.Errorf("only %d names", len(names))
	}
	if got := roleText("public"); got != "PUBLIC" {
		t.Errorf("PUBLIC is %s", got)
	}
}
