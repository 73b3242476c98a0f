package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/access"
)

// identifier is an SQL identifier at the beginning of a text: quoted, or not.
var identifier = regexp.MustCompile(`^(?:"((?:[^"]|"")+)"|([^".()\s][^".()]*))`)

// parseObject reads [type:][schema.]name, quoted as in SQL. A routine's name may have its argument types behind it.
func parseObject(text string) (w access.Filter, err error) {
	w.Type = catalog.Table
	rest := text
	if before, after, ok := strings.Cut(text, ":"); ok && !strings.Contains(before, `"`) {
		w.Type, rest = catalog.ObjectType(before), after
	}
	if _, ok := w.Type.Keywords(); !ok && w.Type != catalog.Role {
		return w, usageError{fmt.Errorf("object %q: %q is no object type: allowed are %s", text, w.Type, strings.Join(catalog.TypeNames(), ", "))}
	}
	wrong := usageError{fmt.Errorf("object %q: [type:][schema.]name is wanted, quoted as in SQL, such as sales.orders, schema:sales or 'routine:sales.total(integer)'", text)}
	if w.Type == "parameter" { // its name may have dots in it
		w.Name = folded(rest)
		return w, errIf(rest == "", wrong)
	}
	var names []string
	for {
		name, n := firstIdentifier(rest)
		if n == 0 {
			return w, wrong
		}
		names, rest = append(names, name), rest[n:]
		if !strings.HasPrefix(rest, ".") {
			break
		}
		rest = rest[1:]
	}
	if !slices.Contains([]catalog.ObjectType{catalog.Table, catalog.Sequence, catalog.Routine, catalog.Type, catalog.PropertyGraph}, w.Type) {
		w.Name = names[0]
		return w, errIf(len(names) > 1 || rest != "", wrong)
	}
	w.Name = names[len(names)-1] + rest
	if len(names) == 2 {
		w.Schema = &names[0]
	}
	return w, errIf(len(names) > 2 || rest != "" && (w.Type != catalog.Routine || rest[0] != '(' || !strings.HasSuffix(rest, ")")), wrong)
}

// firstIdentifier returns the identifier that a text begins with, as PostgreSQL takes it, and its length; 0 if there is none.
func firstIdentifier(text string) (name string, length int) {
	found := identifier.FindStringSubmatch(text)
	switch {
	case found == nil:
		return "", 0
	case found[1] != "":
		return strings.ReplaceAll(found[1], `""`, `"`), len(found[0])
	default:
		return folded(found[2]), len(found[0])
	}
}

// folded is an unquoted name as PostgreSQL takes it: ASCII letters become small, others are left as they are.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, name)
}

func errIf(wrong bool, err error) error {
	if wrong {
		return err
	}
	return nil
}
