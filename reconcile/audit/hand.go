package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// HandChange is a change by hand: a row of sync_roles.hand_changes.
type HandChange struct {
	At        time.Time
	By        string
	Tag       string
	Object    string // as PostgreSQL spells it; GRANT and REVOKE do not say
	Statement string
}

// A change is recorded before it is committed, and so can be older than the last rescan, which did not see it.
const handChangesSQL = `
	select h.at, h."session_user" as by, h.command_tag as tag, coalesce(h.object_identity, '') as object, h.statement
	from sync_roles.hand_changes as h
	where h.at > (select s.observed_at - interval '1 minute' from sync_roles.history_state as s)
	order by h.at desc
	limit 200`

// HandChanges reads what was done by hand since the last rescan, newest first. Without event triggers it is not known.
func HandChanges(ctx context.Context, q catalog.Querier) ([]HandChange, error) {
	list, err := catalog.Collect[HandChange](ctx, q, handChangesSQL)
	if err != nil {
		return nil, fmt.Errorf("read what was changed by hand: %w", err)
	}
	return list, nil
}

// maxHands is how many changes by hand one row names.
const maxHands = 3

// NameHands says in rows that no request explains which changes by hand they undo, or follow. It reports whether that explains all of them.
func NameHands(rows []Row, changes []HandChange) (all bool) {
	all = true
	for i := range rows {
		r := &rows[i]
		if r.Granted+r.Revoked == 0 || len(r.RequestedBy) > 0 {
			continue
		}
		var list []HandChange
		for _, c := range changes {
			if c.relevance(*r) > 0 {
				list = append(list, c)
			}
		}
		slices.SortStableFunc(list, func(a, b HandChange) int { return cmp.Compare(b.relevance(*r), a.relevance(*r)) })
		all = all && len(list) > 0
		for _, c := range list[:min(len(list), maxHands)] {
			r.RequestedBy = append(r.RequestedBy, c.String())
		}
	}
	return all
}

// relevance is how likely the change is what the row undoes: one of privileges that names the role, another that does, one of an object that the row is about;
// 0: it is not.
func (c HandChange) relevance(r Row) int {
	named := strings.Contains(strings.ToLower(c.Statement), strings.ToLower(r.Role))
	switch {
	case named && (c.Tag == "GRANT" || c.Tag == "REVOKE"):
		return 3
	case named:
		return 2
	}
	name := strings.Trim(c.Object[strings.LastIndexByte(c.Object, '.')+1:], `"`)
	if name != "" && slices.ContainsFunc(r.Statements, func(sql string) bool { return strings.Contains(sql, `"`+name+`"`) }) {
		return 1
	}
	return 0
}

// maxHandStatement is how much of a statement a row of the audit repeats.
const maxHandStatement = 200

func (c HandChange) String() string {
	statement := strings.Join(strings.Fields(c.Statement), " ")
	if list := []rune(statement); len(list) > maxHandStatement {
		statement = string(list[:maxHandStatement]) + "…"
	}
	return fmt.Sprintf("hand change by %s at %s (%s)", c.By, c.At.UTC().Format(time.RFC3339), statement)
}
