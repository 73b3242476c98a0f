package adopt

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// nameGroups gives each new group a name that is free.
func (s *suggester) nameGroups(ctx context.Context, list []Suggestion) error {
	names, err := catalog.Column[string](ctx, s.tx, takenNamesSQL)
	if err != nil {
		return fmt.Errorf("read the names of roles: %w", err)
	}
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	next := map[string]int{} // the number after the last one of a name
	for i := range list {
		g := &list[i]
		if g.Exists {
			continue
		}
		base := nameFor(g.rows, s.server.Database)
		for g.Group == "" || taken[g.Group] {
			next[base]++
			g.Group = base
			if next[base] > 1 {
				g.Group += "_" + strconv.Itoa(next[base])
			}
		}
		taken[g.Group] = true
	}
	return nil
}

const maxBaseBytes = 40 // of a name to which more is added

var (
	// PostgreSQL, or a managed service, keeps these for itself: sync_roles.is_provider_role.
	reserved = strings.Fields("pg_ rds cloudsql alloydb azure supabase neon doadmin aiven")
	reading  = []string{"SELECT", "USAGE", "CONNECT", "EXECUTE"}
	writing  = []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE", "ALL"}
)

// nameFor derives a name from where the privileges are and what they allow: mart_reader.
func nameFor(rows []row, database string) string {
	var schemas []string
	what := "reader"
	for _, r := range rows {
		schema := r.Schema
		if r.ObjectType == catalog.Schema {
			schema = r.Name
		}
		if word := asWord(schema); word != "" && !slices.Contains(schemas, word) {
			schemas = append(schemas, word)
		}
		switch {
		case slices.Contains(writing, r.Privilege):
			what = "writer"
		case !slices.Contains(reading, r.Privilege) && what == "reader":
			what = "user"
		}
	}
	slices.Sort(schemas)
	if len(schemas) > 2 {
		schemas = append(schemas[:2], "etc")
	}
	where := strings.Join(schemas, "_")
	if where == "" || len(where) > maxBaseBytes {
		where = asWord(database)
	}
	if where == "" {
		where = "shared"
	}
	if slices.ContainsFunc(reserved, func(prefix string) bool { return strings.HasPrefix(where, prefix) }) {
		where = "in_" + where
	}
	return where + "_" + what
}

// asWord is what of a name can stand in one that needs no quotes.
func asWord(name string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ' || r == '-' || r == '.':
			return '_'
		}
		return -1
	}, name)
	word = strings.Trim(word, "_")
	if word != "" && word[0] >= '0' && word[0] <= '9' {
		word = "r" + word
	}
	return word[:min(len(word), maxBaseBytes)]
}
