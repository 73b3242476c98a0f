//go:build unix

package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// judge holds what is against what should be. Of what the gone rows spoke of, nothing may be left, also not what was given by hand.
func (w *world) judge(t *testing.T, m *model, gone []desired) {
	t.Helper()
	byHand := m.without(func(c cell) bool {
		o, ok := w.objects[c.object]
		return ok && c.database == w.nth && slices.ContainsFunc(gone, func(d desired) bool {
			return d.Role == w.roleName(c.role) && d.names(o) && d.asks(c.privilege, c.column)
		})
	})
	w.judgeMissing(t)
	w.judgeEntries(t, byHand)
	w.judgeMemberships(t, byHand)
	w.judgeOwners(t)
	w.judgeDefaults(t)
	w.judgeAttributes(t)
	w.judgeQueue(t)
}

// judgeMissing: what rows ask for is there, in the way that they ask for it, and PostgreSQL agrees.
func (w *world) judgeMissing(t *testing.T) {
	t.Helper()
	held := map[cell]entry{}
	for _, e := range w.entries {
		key := cell{w.nth, e.Grantee, e.Object, e.Column, e.Privilege}
		e.Grantable = e.Grantable || held[key].Grantable
		held[key] = e
	}
	joined := map[[2]uint32][]membership{} // by member and role
	for _, m := range w.memberships {
		key := [2]uint32{m.Member, m.Role}
		joined[key] = append(joined[key], m)
	}
	effective := effectives{}
	for _, d := range w.rows {
		r, exists := w.byName[d.Role]
		if !exists && d.Role != publicRole {
			t.Errorf("%s: role %s does not exist, and row %d is about it", w.name, d.Role, d.ID)
			continue
		}
		var found bool
		for _, o := range w.objects {
			if !d.names(o) {
				continue
			}
			found = true
			switch d.Privilege {
			case "MEMBER":
				if !slices.ContainsFunc(joined[[2]uint32{r.OID, o.OID}], func(m membership) bool {
					return m.Set && (m.Inherit || w.mayLackInherit(d.Role)) && (m.Admin || !d.Grantable)
				}) {
					w.missing(t, d, o, d.Privilege)
				}
				continue
			case "OWNER":
				if o.Owner != r.OID && w.winner(o) == d.ID {
					w.missing(t, d, o, d.Privilege)
				}
				continue
			}
			columns := d.columns(o)
			if d.Column != "" && !o.columns[d.Column] || len(columns) == 0 {
				w.mustWait(t, d)
				continue
			}
			through := uint32(0)
			if (d.Direct == nil || !*d.Direct) && !d.Grantable {
				for oid, i := range w.registry {
					if i.selects(d) && slices.ContainsFunc(joined[[2]uint32{r.OID, oid}], func(m membership) bool { return m.Inherit }) {
						through = oid
					}
				}
			}
			privileges := []string{d.Privilege}
			if d.Privilege == "ALL" {
				privileges = w.privileges(d.Type)
			}
			for _, p := range privileges {
				for _, column := range columns {
					direct, isDirect := held[cell{w.nth, r.OID, o.OID, column, p}]
					_, isThrough := held[cell{w.nth, through, o.OID, column, p}]
					isDirect = isDirect && (direct.Grantable || !d.Grantable) && (d.Direct == nil || *d.Direct)
					isThrough = isThrough && through != 0
					if !isDirect && !isThrough {
						w.missing(t, d, o, p)
						continue
					}
					if r.OID == 0 {
						continue
					}
					if d.Grantable {
						effective.add(r.OID, o, column, p+" WITH GRANT OPTION")
					} else {
						effective.add(r.OID, o, column, p)
					}
				}
			}
		}
		if !found {
			w.mustWait(t, d)
		}
	}
	effective.judge(t, w)
}

// winner is the row by which the object has its owner: the exact one before patterns, then the oldest.
func (w *world) winner(o object) int64 {
	var best *desired
	for i := range w.rows {
		d := &w.rows[i]
		if d.Privilege != "OWNER" || !d.names(o) {
			continue
		}
		if best == nil || d.exact() || !best.exact() && d.CreatedAt.Before(best.CreatedAt) {
			best = d
		}
	}
	if best == nil {
		return 0
	}
	return best.ID
}

// missing is a failure, unless the daemon says why.
func (w *world) missing(t *testing.T, d desired, o object, privilege string) {
	t.Helper()
	for _, p := range w.problems[d.Role] {
		if p.Kind == "waiting" {
			continue
		}
		if p.GrantID == d.ID && p.Object == o.String() && p.Privilege == privilege || p.about(o, privilege) {
			return
		}
	}
	for _, i := range w.registry {
		if i.selects(d) && slices.ContainsFunc(w.problems[i.Role], func(p problem) bool {
			return p.Object == o.String() && p.Privilege == privilege || p.about(o, privilege)
		}) {
			return
		}
	}
	t.Errorf("%s: role %s lacks %s on %s %s, which row %d asks for (%+v); its last audit row is %s with %+v", w.name, d.Role, privilege, o, d.Column, d.ID, d, w.outcomes[d.Role], w.problems[d.Role])
}

// about reports whether the problem is a statement, one that did not help, with this object and privilege.
func (p problem) about(o object, privilege string) bool {
	return p.Kind == "blocked" && strings.Contains(p.Statement, o.quoted()) && (strings.Contains(p.Statement, privilege) || privilege == "MEMBER" || privilege == "OWNER")
}

// mustWait: a row for which there is nothing says so.
func (w *world) mustWait(t *testing.T, d desired) {
	t.Helper()
	if !slices.ContainsFunc(w.problems[d.Role], func(p problem) bool { return p.GrantID == d.ID }) {
		t.Errorf("%s: row %d of role %s finds nothing, and its status does not say so: %+v; its last audit row is %s with %+v", w.name, d.ID, d.Role, d, w.outcomes[d.Role], w.problems[d.Role])
	}
}

// judgeEntries: whatever stands in an ACL was asked for, or given by hand to a role that keeps such things.
func (w *world) judgeEntries(t *testing.T, byHand map[cell]bool) {
	t.Helper()
	for _, e := range w.entries {
		o := w.objects[e.Object]
		name := w.roleName(e.Grantee)
		if i, ok := w.registry[e.Grantee]; ok {
			d := desired{
				Role: name, Privilege: i.Privilege, Type: i.Type, Schema: i.Schema, Name: i.Name, Match: i.Match, Column: i.Column,
				SchemaMatch: i.SchemaMatch, ExceptNames: i.ExceptNames, ExceptSchemas: i.ExceptSchemas, ExceptColumns: i.ExceptColumns, Partitions: i.Partitions,
			}
			d.compile(t)
			if !d.names(o) || !d.asks(e.Privilege, e.Column) || e.Grantable {
				w.surplus(t, name, o, e.Privilege, "intermediate role for %+v, %+v", i, e)
			}
			continue
		}
		if _, exists := w.roles[e.Grantee]; !exists && e.Grantee != 0 {
			t.Errorf("%s: on %s %s there is %s for %s", w.name, o, e.Column, e.Privilege, name)
			continue
		}
		lent := name == ownerRole || name == daemonRole
		if e.Grantee == o.Owner || !w.rowable(e.Grantee) && !lent {
			continue
		}
		asked, option := false, false
		for _, d := range w.rows {
			if d.Role == name && d.names(o) && d.asks(e.Privilege, e.Column) && (d.Direct == nil || *d.Direct) {
				asked, option = true, option || d.Grantable
			}
		}
		optionByHand, given := byHand[cell{w.nth, e.Grantee, e.Object, e.Column, e.Privilege}]
		if w.exclusive(name, o, e.Privilege) {
			given, optionByHand = false, false
		}
		if !asked && !given || e.Grantable && !option && !optionByHand {
			w.surplus(t, name, o, e.Privilege, "column %q, granted by %s, with grant option: %t", e.Column, w.roleName(e.Grantor), e.Grantable)
		}
	}
}

// surplus is a failure, unless the daemon says why.
func (w *world) surplus(t *testing.T, role string, o object, privilege, format string, args ...any) {
	t.Helper()
	for _, p := range w.problems[role] {
		if p.Taking && (p.Object == o.String() && p.Privilege == privilege || p.about(o, privilege)) {
			return
		}
	}
	t.Errorf("%s: role %s has %s on %s, and no row asks for it: "+format+"; its last audit row is %s with %+v",
		append(append([]any{w.name, role, privilege, o}, args...), w.outcomes[role], w.problems[role])...)
}

// mayLackInherit reports whether a membership of the role may lack the INHERIT option: unless its row says INHERIT, options stay as they are.
func (w *world) mayLackInherit(role string) bool {
	inherit := w.desiredRoles[role].Inherit
	return inherit == nil || !*inherit
}

// judgeMemberships: members are those that rows ask for, and those that were made members by hand of a group of their own.
func (w *world) judgeMemberships(t *testing.T, byHand map[cell]bool) {
	t.Helper()
	for _, m := range w.memberships {
		member := w.roleName(m.Member)
		if i, ok := w.registry[m.Role]; ok {
			w.judgeMember(t, i, m)
			continue
		}
		o := w.objects[m.Role]
		if w.nth != 0 || o.Type != "role" || !w.rowable(m.Member) {
			continue // memberships are for the rows of the first database
		}
		asked, admin := false, false
		for _, d := range w.rows {
			if d.Privilege == "MEMBER" && d.Role == member && d.names(o) {
				asked, admin = true, admin || d.Grantable
			}
		}
		adminByHand, given := byHand[cell{w.nth, m.Member, m.Role, "", "MEMBER"}]
		if w.exclusive(member, o, "MEMBER") {
			given, adminByHand = false, false
		}
		inherit := w.desiredRoles[member].Inherit
		if !asked && !given || m.Admin && !admin && !adminByHand || asked && m.Inherit && inherit != nil && !*inherit {
			w.surplus(t, member, o, "MEMBER", "%+v, granted by %s", m, w.roleName(m.Grantor))
		}
	}
}

// judgeMember: in an intermediate role there are those whose rows it serves, and who looks after it.
func (w *world) judgeMember(t *testing.T, i intermediate, m membership) {
	t.Helper()
	member := w.roleName(m.Member)
	if w.keepers[m.Member] || m.Member == w.byName[daemonRole].OID {
		return
	}
	if _, exists := w.roles[m.Member]; !exists {
		return // see judgeRoles
	}
	if !slices.ContainsFunc(w.rows, func(d desired) bool {
		return d.Role == member && i.selects(d) && (d.Direct == nil || !*d.Direct) && !d.Grantable
	}) && !slices.ContainsFunc(slices.Concat(w.problems[member], w.problems[i.Role]), func(p problem) bool {
		return p.Taking && p.Object == "role "+i.Role
	}) {
		t.Errorf("%s: role %s is a member of %s, and no row asks for it: %+v, %+v, granted by %s", w.name, member, i.Role, i, m, w.roleName(m.Grantor))
	}
}

// judgeOwners: roles own what rows ask for.
func (w *world) judgeOwners(t *testing.T) {
	t.Helper()
	for _, o := range w.objects {
		if o.Owner == 0 || !w.rowable(o.Owner) {
			continue
		}
		name := w.roleName(o.Owner)
		if !slices.ContainsFunc(w.rows, func(d desired) bool { return d.Role == name && d.Privilege == "OWNER" && d.names(o) }) {
			w.surplus(t, name, o, "OWNER", "")
		}
	}
}

// judgeDefaults: default privileges are those of rows with at_creation, and of intermediate roles alone.
func (w *world) judgeDefaults(t *testing.T) {
	t.Helper()
	t.Logf("%s: %d default privileges", w.name, len(w.defaults))
	for _, e := range w.defaults {
		i, ok := w.registry[e.Grantee]
		if !ok || !slices.ContainsFunc(w.rows, func(d desired) bool { return d.AtCreation && i.selects(d) && d.asks(e.Privilege, "") }) {
			if !slices.ContainsFunc(w.problems[i.Role], func(p problem) bool { return p.Taking && strings.HasPrefix(p.Object, "default privileges of ") }) {
				t.Errorf("%s: role %s has %s on each new object of %s, and no row asks for it", w.name, w.roleName(e.Grantee), e.Privilege, e.Creator)
			}
		}
	}
}

// judgeAttributes: roles are what rows say.
func (w *world) judgeAttributes(t *testing.T) {
	t.Helper()
	for name, d := range w.desiredRoles {
		r := w.byName[name]
		if name == publicRole {
			continue
		}
		if r.OID == 0 || d.Login != nil && *d.Login != r.Login || d.Inherit != nil && *d.Inherit != r.Inherit || d.Limit != nil && *d.Limit != r.Limit ||
			d.Until != nil && (r.Until == nil || !r.Until.Equal(*d.Until)) {
			t.Errorf("%s: role %s is %+v, and should be %+v", w.name, name, r, d)
		}
		if d.Settings == nil {
			continue
		}
		var settings map[string]any
		if err := json.Unmarshal([]byte(*d.Settings), &settings); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "work_mem=" + str(settings["work_mem"])}[settings["work_mem"] != nil]
		if settings["search_path"] != nil {
			want += `,search_path=s0, "c d"`
		}
		got := slices.Clone(r.Settings)
		slices.Sort(got)
		slices.Reverse(got)
		if strings.Join(got, ",") != want {
			t.Errorf("%s: role %s has settings %q, and should have %q", w.name, name, got, want)
		}
	}
}

func str(value any) string {
	text, _ := value.(string)
	return text
}

// judgeQueue: nothing waits, and what was withdrawn is forgotten but where it could not be revoked.
func (w *world) judgeQueue(t *testing.T) {
	t.Helper()
	if n := one[int](t, w.conn, "select count(*) from sync_roles.pending"); n > 0 {
		t.Errorf("%s: %d requests are in the queue", w.name, n)
	}
	for _, role := range all[string](t, w.conn, "select distinct role_name from sync_roles.withdrawn") {
		if !slices.ContainsFunc(w.problems[role], func(p problem) bool { return p.Taking }) {
			t.Errorf("%s: withdrawn rows of %s are still there, and nothing was in the way: %+v", w.name, role, w.problems[role])
		}
	}
}

// judgeBare: without rows there are no intermediate roles, and nothing that is not in order, but for what cannot be revoked.
func (w *world) judgeBare(t *testing.T) {
	t.Helper()
	for _, i := range w.registry {
		if len(w.problems[i.Role]) == 0 {
			t.Errorf("%s: no row is left, and there still is %+v", w.name, i)
		}
	}
}

// judgeRoles: intermediate roles are those that are registered, no membership is left of what is gone, and the daemon has given back
// what it borrowed.
func (c *cluster) judgeRoles(t *testing.T, worlds []*world) {
	t.Helper()
	known := map[uint32]bool{}
	for _, w := range worlds {
		for oid, i := range w.registry {
			known[oid] = true
			if w.roleName(oid) != i.Role {
				t.Errorf("%s: the registry has %+v, and the role is %s", w.name, i, w.roleName(oid))
			}
		}
		for oid := range w.keepers {
			known[oid] = true
		}
	}
	w := worlds[0]
	for oid, r := range w.roles {
		if strings.HasPrefix(r.Name, "_pgsr_") && r.Name != "_pgsr_lock" && !known[oid] {
			t.Errorf("role %s is nobody's: neither database knows it", r.Name)
		}
	}
	dangling := 0
	for _, m := range w.memberships {
		_, roleThere := w.roles[m.Role]
		_, memberThere := w.roles[m.Member]
		_, grantorThere := w.roles[m.Grantor]
		// A GRANT, here the DBA's, can outlive a DROP ROLE of either role at the same time; before 16 PostgreSQL does not care for the grantor at all.
		switch {
		case c.version >= 18 && m.Grantor != 10 && (!roleThere || !memberThere), c.version >= 16 && !grantorThere:
			t.Errorf("a membership is left of what is gone: %+v: %s, %s, %s", m, w.roleName(m.Role), w.roleName(m.Member), w.roleName(m.Grantor))
		case !roleThere || !memberThere:
			dangling++
		}
		if roleThere && w.roleName(m.Member) == daemonRole && !w.lasting(m) {
			t.Errorf("the daemon is a member of %s, and should not be any more: %+v, granted by %s", w.roleName(m.Role), m, w.roleName(m.Grantor))
		}
	}
	if dangling > 0 {
		t.Logf("%d memberships are left of roles that were dropped at the same time, as PostgreSQL %d lets happen", dangling, c.version)
	}
}

// lasting reports whether it is a membership that the daemon has for good: what a DBA gave it, what it has in a keeper, and what
// PostgreSQL, since 16, gives whoever creates a role.
func (w *world) lasting(m membership) bool {
	name := w.roleName(m.Role)
	if name == ownerRole || name == leadRole || w.version >= 16 && strings.Contains(name, "_keeper_") && !m.Inherit {
		return true
	}
	return w.version >= 16 && m.Grantor == 10 && m.Admin && !m.Inherit && !m.Set
}

// judgeAudit: each role that was written about was inspected after that, and no internal error is the last word.
func (c *cluster) judgeAudit(t *testing.T, m *model) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, at := range m.touched {
		conn := c.connect(t, databases[p.database])
		if !one[bool](t, conn, "select exists (select from sync_roles.audit where role_name = $1 and at > $2)", p.role, at) {
			t.Errorf("%s: role %s was last written about at %s, and the audit has nothing of it after that", databases[p.database], p.role, at)
		}
		_ = conn.Close(t.Context())
	}
	for _, database := range databases {
		conn := c.connect(t, database)
		for _, line := range all[string](t, conn, "select format('%s: %s', role_name, error) from (select distinct on (role_name) * from sync_roles.audit order by role_name, id desc) as a where outcome = 'failed' and sqlstate = 'XX000'") {
			t.Errorf("%s: an internal error is the last word about role %s", database, line)
		}
		counts := all[string](t, conn, "select format('%s %s', outcome, count(*)) from sync_roles.audit group by outcome order by 1")
		t.Logf("%s: audit rows: %s; by SQLSTATE: %v", database, strings.Join(counts, ", "),
			all[string](t, conn, "select format('%s %s', sqlstate, count(*)) from sync_roles.audit where sqlstate is not null group by sqlstate order by 1"))
	}
}

// judgePlans: the command plan has nothing to do, but for roles of which the status says why.
func (c *cluster) judgePlans(t *testing.T, worlds []*world, program string) {
	t.Helper()
	for _, w := range worlds {
		var stdout, stderr bytes.Buffer
		args := append([]string{"plan", "--output", "json", "--lock-timeout", "1m", "-d", c.server.URL(daemonRole, w.name)}, policy...)
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2) {
			t.Errorf("%s: plan: %v: %s", w.name, err, &stderr)
			continue
		}
		var plan struct {
			Statements []string
			Roles      []struct {
				Role       string `json:"role_name"`
				Statements []string
			}
		}
		if err := json.Unmarshal(stdout.Bytes(), &plan); err != nil {
			t.Errorf("%s: plan: %v: %s", w.name, err, &stdout)
			continue
		}
		if (exit == nil) != (len(plan.Statements) == 0) {
			t.Errorf("%s: plan ended with %v, and has %d statements", w.name, err, len(plan.Statements))
		}
		for _, r := range plan.Roles {
			if len(r.Statements) > 0 && !slices.Contains([]string{"blocked", "refused", "waiting"}, w.outcomes[r.Role]) {
				t.Errorf("%s: plan has something to do for role %s, which is %s: %q", w.name, r.Role, w.outcomes[r.Role], r.Statements)
			}
		}
		if len(plan.Statements) > 0 {
			t.Logf("%s: plan would run %q", w.name, plan.Statements)
		}
	}
}
