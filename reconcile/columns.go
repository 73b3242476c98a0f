package reconcile

import (
	"slices"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

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
		c.columns[taken.columnEntry()] = append(c.columns[taken.columnEntry()], kept)
	}
}

// keptColumns are the privileges on columns that revoking this one takes along, and that do not end by themselves.
func (c *decision) keptColumns(taken cell) []cell {
	if taken.object == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.columns[taken.columnEntry()]), func(t cell) bool { return c.ending[t.columnEntry()] })
}

// columnSteps grants them again. It counts as nothing: the roles have them before and after.
func columnSteps(kept []cell, maxObjects int) []Step {
	steps := aclSteps(grant, kept, maxObjects)
	for i := range steps {
		for j := range steps[i].Effects {
			steps[i].Effects[j].Granted = 0
		}
	}
	return steps
}

// revokeSteps revokes privileges on objects. What must be granted again on columns is bundled with the REVOKE that takes it along: where PostgreSQL refuses
// the one, the other has not run either.
func (c *decision) revokeSteps(maxObjects int) []Step {
	var plain []cell
	var together [][]cell
	for _, taken := range c.take {
		switch {
		case len(c.keptColumns(taken)) == 0:
			plain = append(plain, taken)
		case c.drift.separate || len(together) == 0:
			together = append(together, []cell{taken})
		default:
			together[0] = append(together[0], taken)
		}
	}
	steps := aclSteps(revoke, plain, maxObjects)
	for _, list := range together {
		var kept []cell
		for _, taken := range list {
			kept = append(kept, c.keptColumns(taken)...)
		}
		steps = append(steps, c.bundled(append(aclSteps(revoke, list, maxObjects), columnSteps(kept, maxObjects)...))...)
	}
	return steps
}

// bundled lets steps stand or fall together.
func (c *decision) bundled(steps []Step) []Step {
	c.bundles++
	for i := range steps {
		steps[i].bundle = c.bundles
	}
	return steps
}
