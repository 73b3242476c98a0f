package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
	"github.com/pg-sync-roles/pg-sync-roles/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// For every role, object and privilege the answer is the server's, at once and after SET ROLE.
func TestHasIsWhatTheServerSays(t *testing.T) {
	t.Parallel()
	env := pgtest.New(t)
	install(t, env)
	env.Exec(t, "set role "+env.Owner+"; create schema app; grant usage on schema app to public")
	roles := env.Mess(t, 40)
	roles = append(roles, env.Daemon, "postgres", "pg_monitor", "pg_read_all_data", "pg_database_owner", "pg_read_all_settings")
	env.Exec(t, strings.NewReplacer("{u}", env.Role("u"), "{owner}", env.Owner).Replace(`
		grant pg_read_all_data to {u}23; grant pg_write_all_data to {u}24; grant postgres to {u}25; grant {owner} to {u}26;
		grant {u}26 to {u}27; grant {u}27 to {u}30; grant {u}23 to {u}28; grant {u}28 to {u}29;
		grant create on schema app to pg_database_owner; grant {u}1 to {u}31, {u}32; grant {u}31, {u}32 to {u}33;
		alter table app.t7 owner to {u}34; revoke select on app.t7 from {u}34; grant {u}34 to {u}35;
		create role {u}super superuser; alter table app.t8 owner to {u}super; grant {u}super to {u}9; grant {u}9 to {u}10`))
	roles = append(roles, env.Role("usuper"), "pg_write_all_data")
	env.Exec(t, "alter database "+env.Database+" owner to "+env.Role("u36")+"; grant "+env.Role("u36")+" to "+env.Role("u37"))
	if env.Version >= 16 {
		env.Exec(t, strings.ReplaceAll(`grant {u}1 to {u}38 with inherit false, set true; grant {u}38 to {u}39 with inherit true, set false;
			grant {u}super to {u}11 with inherit true, set false; grant {u}11 to {u}12; grant {u}super to {u}13 with inherit false, set true;
			grant {u}2 to {u}36 with inherit true, set false; grant {u}3 to {u}36 with inherit false, set false, admin true`, "{u}", env.Role("u")))
	}
	if env.Version >= 15 {
		env.Exec(t, "grant set on parameter work_mem to "+env.Role("u20"))
	}
	if env.Version >= 17 {
		env.Exec(t, "grant pg_maintain to "+env.Role("u22"))
	}
	conn := env.Superuser(t)
	want := env.Effective(t, conn, roles)
	got := map[string]bool{}
	ways := map[string]bool{} // also those by SET ROLE
	sets := map[string]bool{}
	objects, err := access.ReadObjects(t.Context(), conn, access.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	columns := columnsOf(t, conn)
	groups := map[string]access.Role{}
	for line := range want {
		if fields := strings.Split(line, "\t"); fields[2] == "role" {
			groups[fields[3]] = readRole(t, conn, fields[3])
		}
	}
	for _, name := range roles {
		role := readRole(t, conn, name)
		graph, err := access.ReadGraph(t.Context(), conn, []catalog.OID{role.OID}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := graph.Subject(role)
		for group, g := range groups {
			for _, path := range s.PathsTo(g) {
				if path.Effective() {
					got[strings.Join([]string{name, "USAGE", "role", group}, "\t")] = true
				}
				if path.CanSet() && env.Version >= 16 {
					got[strings.Join([]string{name, "SET", "role", group}, "\t")] = true
				}
			}
		}
		for _, o := range objects {
			if skipped(env, o) {
				continue
			}
			object := strings.TrimPrefix(o.String(), string(o.Type)+" ")
			for _, p := range o.Privileges {
				line := strings.Join([]string{name, p, string(o.Type), object}, "\t")
				joins := func(p access.Path) bool { return p.Join != "" } // see TestAdminOptionAlone
				paths := slices.DeleteFunc(s.Paths(o, p, ""), joins)
				if s.Has(o, p, "") {
					got[line] = true
				}
				if len(paths) > 0 {
					ways[line] = true
				}
				for _, column := range columns[o.OID] {
					if o.Type != catalog.Table || !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}, p) {
						continue
					}
					line := strings.Join([]string{name, p, "column", object + "." + column}, "\t")
					if s.Has(o, p, column) {
						got[line] = true
					}
					if len(paths) > 0 || !slices.ContainsFunc(s.Paths(o, p, column), joins) && len(s.Paths(o, p, column)) > 0 {
						ways[line] = true
					}
				}
				for _, path := range paths {
					if !path.Effective() {
						sets[name+"\t"+path.SetRole] = true
					}
				}
			}
		}
	}
	for line := range want {
		if strings.Contains(line, "\tMEMBER WITH ADMIN OPTION\t") {
			delete(want, line) // it is told of each membership, not of chains
		}
	}
	if len(want) < 1000 {
		t.Errorf("only %d privileges to compare", len(want))
	}
	if diff := pgtest.Differences(want, got); diff != "" {
		t.Errorf("against what the server says:%s", diff)
	}
	if len(sets) == 0 {
		t.Error("no privilege by SET ROLE")
	}
	if diff := pgtest.Differences(afterSetRole(t, env, conn, want, roles), ways); diff != "" {
		t.Errorf("with SET ROLE, against what the server says:%s", diff)
	}
	viewAgrees(t, env, conn, want, roles)
	for pair := range sets {
		name, role, _ := strings.Cut(pair, "\t")
		if _, err := conn.Exec(t.Context(), "set session authorization "+catalog.Quote(name)+"; set role "+catalog.Quote(role)+"; reset role; reset session authorization"); err != nil {
			t.Errorf("%s cannot SET ROLE %s: %v", name, role, err)
		}
	}
}

// afterSetRole is what roles have on objects at once, or after a SET ROLE to any role that the server lets them.
func afterSetRole(t *testing.T, env *pgtest.Env, conn *pgx.Conn, want map[string]bool, roles []string) map[string]bool {
	t.Helper()
	type pair struct{ Role, Member string }
	may := "SET"
	if env.Version < 16 {
		may = "MEMBER"
	}
	rows, err := conn.Query(t.Context(), `
		select g.rolname, r.rolname from pg_roles g, pg_roles r
		where g.rolname = any ($1) and r.rolname = any ($1) and pg_has_role(r.oid, g.oid, $2)`, roles, may)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pair])
	if err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{}
	for _, p := range pairs {
		members[p.Role] = append(members[p.Role], p.Member)
	}
	result := map[string]bool{}
	for line := range want {
		role, privilege, _ := strings.Cut(line, "\t")
		if strings.Split(privilege, "\t")[1] == "role" {
			continue
		}
		result[line] = true
		for _, member := range members[role] {
			result[member+"\t"+privilege] = true
		}
	}
	return result
}

// viewAgrees asserts that the view effective_grants says the same.
func viewAgrees(t *testing.T, env *pgtest.Env, conn *pgx.Conn, want map[string]bool, roles []string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select concat_ws(e'\t', role_name, privilege, case when column_name is null then object_type else 'column' end, concat_ws('.', schema_name, object_name, column_name))
		from sync_roles.effective_grants
		where role_name = any ($1) and not possible and (object_type <> 'database' or object_name = current_database())
			and (object_type <> 'parameter' or object_name in ('work_mem', 'log_min_duration_statement')) and (object_type <> 'large_object' or $2 >= 18)`, roles, env.Version)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, line := range lines {
		if got[line] {
			t.Errorf("twice in effective_grants: %s", line)
		}
		got[line] = true
	}
	usage, closed := map[string]bool{}, 0
	for line := range want {
		if fields := strings.Split(line, "\t"); fields[1] == "USAGE" && fields[2] == "schema" {
			usage[fields[0]+"\t"+fields[3]] = true
		}
	}
	// A privilege on the whole table is listed once, not for each of its columns.
	for line := range want {
		fields := strings.Split(line, "\t")
		table, _, isColumn := cutLast(fields[3])
		if fields[2] == "role" || fields[2] == "column" && isColumn && want[strings.Join([]string{fields[0], fields[1], "table", table}, "\t")] && !got[line] {
			delete(want, line)
		}
	}
	for line := range got { // and where both are granted, both are listed
		if strings.Contains(line, "\tcolumn\t") && !want[line] {
			t.Errorf("not a privilege: %s", line)
		}
	}
	for line := range want { // what has a privilege in a schema without USAGE cannot use it
		fields := strings.Split(line, "\t")
		schema, _, isInSchema := strings.Cut(fields[3], ".")
		inSchema := slices.Contains([]string{"table", "column", "sequence", "routine", "type"}, fields[2]) && isInSchema
		if inSchema && !usage[fields[0]+"\t"+schema] && !got[line] {
			delete(want, line)
			closed++
		}
	}
	if closed == 0 {
		t.Error("no privilege in a schema without USAGE")
	}
	if diff := pgtest.Differences(want, got); diff != "" {
		t.Errorf("effective_grants, against what the server says:%s", diff)
	}
}

func cutLast(name string) (before, after string, ok bool) {
	i := strings.LastIndex(name, ".")
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

func skipped(env *pgtest.Env, o *access.Object) bool {
	switch o.Type {
	case catalog.Database:
		return o.Name != env.Database
	case "parameter":
		return o.Name != "work_mem" && o.Name != "log_min_duration_statement"
	case "large_object":
		return env.Version < 18 // no function says it
	}
	return false
}

func install(t *testing.T, env *pgtest.Env) {
	t.Helper()
	config, err := pgx.ParseConfig(env.URL(env.Daemon))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func readRole(t *testing.T, conn *pgx.Conn, name string) (r access.Role) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select oid, rolname, rolsuper from pg_roles where rolname = $1", name).Scan(&r.OID, &r.Name, &r.Superuser); err != nil {
		t.Fatalf("read role %s: %v", name, err)
	}
	return r
}

func columnsOf(t *testing.T, conn *pgx.Conn) map[catalog.OID][]string {
	t.Helper()
	type column struct {
		Table catalog.OID
		Name  string
	}
	rows, err := conn.Query(t.Context(), "select attrelid, attname from pg_attribute where attnum > 0 and not attisdropped and attrelid >= 16384")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		t.Fatal(err)
	}
	columns := map[catalog.OID][]string{}
	for _, c := range list {
		columns[c.Table] = append(columns[c.Table], c.Name)
	}
	return columns
}
