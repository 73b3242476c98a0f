package reconcile_test

import "testing"

// A role that is renamed while the daemon has borrowed its membership, and another that gets its name, leave the daemon a member of neither.
func TestBorrowFromARoleThatIsRenamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner, x, other := f.user(t, "theirs"), f.user(t, "x"), f.Role("other")
	f.Exec(t, "create table app.t (id int); alter table app.t owner to "+owner)
	// The first GRANT of the pass is where somebody renames the owner, and gives its name to a new role.
	f.Exec(t, `create function public.swap() returns event_trigger language plpgsql security definer as $$
		begin
			if current_query() like '%GRANT SELECT ON TABLE "app"."t"%' and not exists (select from pg_roles where rolname = '`+other+`') then
				alter role `+owner+` rename to `+other+`;
				create role `+owner+`;
				grant `+owner+` to `+f.Daemon+` with admin option;
			end if;
		end $$;
		create event trigger `+f.Prefix+`swap on ddl_command_start when tag in ('GRANT') execute function public.swap()`)
	f.insert(t, x, "SELECT", "table", "app", "t")
	f.pending(t)
	f.Exec(t, "drop event trigger "+f.Prefix+"swap")
	f.pending(t)
	f.rescan(t)
	f.is(t, false, "exists (select from pg_auth_members as m join pg_roles as d on d.oid = m.member and d.rolname = $1 join pg_roles as r on r.oid = m.roleid where r.rolname = $2)", f.Daemon, other)
}
