package reconcile

import "github.com/pg-sync-roles/pg-sync-roles/catalog"

// Revoking a privilege on a table takes the same privilege on its columns along, and PostgreSQL has no way to spare them (the manual: REVOKE). What
// the role holds there by the same grantor, and is to keep, is granted again in the same transaction.

// columnEntry is a privilege on a column that a role holds from one grantor.
type columnEntry struct {
	class, oid        catalog.OID
	column, privilege string
	role, as          string
}

func (t cell) columnEntry() columnEntry {
	return columnEntry{t.object.Class, t.object.OID, t.column, t.privilege, t.role, t.as}
}

// keepColumns notes the privileges on columns that revoking this one takes along, or that it is itself such a privilege and ends.
func (c *decision) keepColumns(s SurplusGrant, taken cell) {
	if s.ColumnName != "" && !s.OptionOnly {
		c.ending[taken.columnEntry()] = true
	}
	for i, column := range s.Columns {
		if s.OptionOnly && !s.ColumnOptions[i] {
			continue
		}
		kept := taken
		kept.column, kept.withOption = column, s.ColumnOptions[i]
		c.columns = append(c.columns, kept)
	}
}

// columnSteps grants again what does not end by itself. It counts as nothing: the roles have it before and after.
func (c *decision) columnSteps() []Step {
	var kept []cell
	for _, t := range c.columns {
		if !c.ending[t.columnEntry()] {
			kept = append(kept, t)
		}
	}
	steps := aclSteps(grant, kept, maxNames)
	for i := range steps {
		for j := range steps[i].Effects {
			steps[i].Effects[j].Granted = 0
		}
	}
	return steps
}
