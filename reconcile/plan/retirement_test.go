package plan

import (
	"slices"
	"strings"
	"testing"
)

// Each leftover goes by these statements, which never drop what another session may be making.
func TestLeftoverStatements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		leftover Leftover
		want     []string
	}{
		{Leftover{Kind: "owner", Type: "collation", Object: `app."C"`}, []string{`ALTER COLLATION app."C" OWNER TO "heir"`}},
		{Leftover{Kind: "owner", Type: "statistics object", Object: "app.s"}, []string{`ALTER STATISTICS app.s OWNER TO "heir"`}},
		{Leftover{Kind: "owner", Type: "operator class", Object: "app.o USING btree"}, []string{`ALTER OPERATOR CLASS app.o USING btree OWNER TO "heir"`}},
		{Leftover{Kind: "owner", Type: "extension", Object: "x"}, []string{`REASSIGN OWNED BY "alice" TO "heir"`}},
		{Leftover{Kind: "acl", Type: "function", Object: "pg_catalog.f(text)"}, []string{`REVOKE ALL ON ROUTINE pg_catalog.f(text) FROM "alice" CASCADE`}},
		{Leftover{Kind: "acl", Type: "view", Object: "sync_roles.role_status"}, []string{`REVOKE ALL ON TABLE sync_roles.role_status FROM "alice" CASCADE`}},
		{Leftover{Kind: "policy", Type: "p", Object: "t", SchemaName: "app"}, []string{`DROP POLICY "p" ON "app"."t"`}},
		{Leftover{Kind: "policy", Type: "p", Object: "t", SchemaName: "app", Grantees: []string{"bob", "Carol"}}, []string{`ALTER POLICY "p" ON "app"."t" TO "bob", "Carol"`}},
		{Leftover{Kind: "user_mapping", Object: "s"}, []string{`DROP USER MAPPING FOR "alice" SERVER "s"`}},
		{Leftover{Kind: "defaults", Type: "r", Object: "owner"}, []string{`ALTER DEFAULT PRIVILEGES FOR ROLE "owner" REVOKE ALL ON TABLES FROM "alice"`}},
		{Leftover{Kind: "own_defaults", Type: "S", SchemaName: "app", Grantees: []string{"bob"}}, []string{`ALTER DEFAULT PRIVILEGES FOR ROLE "alice" IN SCHEMA "app" REVOKE ALL ON SEQUENCES FROM "bob"`}},
		{Leftover{Kind: "own_defaults", Type: "T", Grantees: []string{"alice", "public"}}, []string{
			`ALTER DEFAULT PRIVILEGES FOR ROLE "alice" REVOKE ALL ON TYPES FROM "alice", PUBLIC`,
			`ALTER DEFAULT PRIVILEGES FOR ROLE "alice" GRANT ALL ON TYPES TO "alice"`,
			`ALTER DEFAULT PRIVILEGES FOR ROLE "alice" GRANT USAGE ON TYPES TO PUBLIC`,
		}},
	} {
		c.leftover.RoleName = "alice"
		got := c.leftover.statements("heir")
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.leftover, got, c.want)
		}
		if strings.Contains(strings.Join(got, ";"), "DROP OWNED") {
			t.Errorf("%s: DROP OWNED drops what another session makes at that moment", c.leftover)
		}
	}
}

// What is left, and where, is said in words.
func TestRetirementInWords(t *testing.T) {
	t.Parallel()
	r := Retirement{
		Remains: []Remains{{Database: "x", Owns: 3, Holds: 1}, {Database: "y", Other: 2}, {Holds: 2}}, Sessions: 1, Prepared: []string{"'gid' in database x"},
	}
	want := "owns 3 objects, has privileges on 1 object in database x; is named by 2 policies, default privileges, user mappings or memberships in database y; " +
		"has privileges on 2 objects in what the databases share; has 1 session; has prepared transaction 'gid' in database x"
	if got := r.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if r.Left() != 8 {
		t.Errorf("%d are left, want 8", r.Left())
	}
}
