package plan

import (
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Revoking a privilege on a table revokes the same privilege on its columns, and PostgreSQL has no way to spare them (the manual: REVOKE). What
// the role holds there by the same grantor, and is to keep, is granted again in the same transaction.

// columnEntry is a privilege on a column that a role holds from one grantor.
type columnEntry struct {
	class, oid        catalog.OID
	column, privilege string
	role, as          string
}

func (c PrivilegeChange) columnEntry() columnEntry {
	return columnEntry{c.Object.Class, c.Object.OID, c.Column, c.Privilege, c.Role, c.As}
}

// keepColumns notes the privileges on columns that a revoke of the table's revokes too, or that it is itself such a privilege and ends.
func (m *maker) keepColumns(r Revocation) {
	s, entry := r.Surplus, r.columnEntry()
	if s.ColumnName != "" && !s.OptionOnly {
		m.ending[entry] = true
	}
	for i, column := range s.Columns {
		if s.OptionOnly && !s.ColumnOptions[i] {
			continue
		}
		kept := r.PrivilegeChange
		kept.Column, kept.Option = column, s.ColumnOptions[i]
		m.kept[entry] = append(m.kept[entry], kept)
	}
	if s.ColumnName == "" && !s.OptionOnly {
		m.kept[entry] = append(m.kept[entry], m.newOnColumns(r.PrivilegeChange)...)
	}
}

// newOnColumns are the grants of this plan on columns of a table of which the same privilege is revoked: they come first.
func (m *maker) newOnColumns(c PrivilegeChange) []PrivilegeChange {
	if m.onColumns == nil {
		m.onColumns = map[columnEntry][]PrivilegeChange{}
		for _, g := range m.plan.Grants {
			if g.Column != "" {
				table := columnEntry{class: g.Object.Class, oid: g.Object.OID, privilege: g.Privilege, role: g.Role}
				m.onColumns[table] = append(m.onColumns[table], g)
			}
		}
	}
	return m.onColumns[columnEntry{class: c.Object.Class, oid: c.Object.OID, privilege: c.Privilege, role: c.Role}]
}

// keptColumns are the privileges on columns that a revoke of the table's revokes too, and that do not end by themselves.
func (m *maker) keptColumns(c PrivilegeChange) []PrivilegeChange {
	return slices.DeleteFunc(slices.Clone(m.kept[c.columnEntry()]), func(c PrivilegeChange) bool { return m.ending[c.columnEntry()] })
}

// columnSteps grants them again. It counts as nothing: the roles have them before and after.
func columnSteps(kept []PrivilegeChange, maxObjects int) []Step {
	steps := aclSteps(grant, kept, maxObjects)
	for i := range steps {
		for j := range steps[i].Effects {
			steps[i].Effects[j].Granted = 0
		}
	}
	return steps
}

// privilegeRevokes renders the revokes that do not cascade. What must be granted again on columns is bundled with the REVOKE that revokes it: where
// PostgreSQL refuses the one, the other has not run either.
func (m *maker) privilegeRevokes(maxObjects int) []Step {
	var plain []PrivilegeChange
	var together [][]PrivilegeChange
	for _, r := range m.plan.Revocations {
		switch {
		case r.Surplus.cascades():
		case len(m.keptColumns(r.PrivilegeChange)) == 0:
			plain = append(plain, r.PrivilegeChange)
		case m.facts.Separate || len(together) == 0:
			together = append(together, []PrivilegeChange{r.PrivilegeChange})
		default:
			together[0] = append(together[0], r.PrivilegeChange)
		}
	}
	steps := aclSteps(revoke, plain, maxObjects)
	for _, list := range together {
		var kept []PrivilegeChange
		for _, change := range list {
			kept = append(kept, m.keptColumns(change)...)
		}
		steps = append(steps, m.bundle(append(aclSteps(revoke, list, maxObjects), columnSteps(kept, maxObjects)...))...)
	}
	return steps
}
