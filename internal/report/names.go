package report

import (
	"regexp"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var plain = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

// quoted is a name as in SQL, so that no name looks like a path or a sentence.
func quoted(name string) string {
	if plain.MatchString(name) {
		return name
	}
	return catalog.Quote(name)
}

// PathText is how the role has the privilege, in words.
func (a Access) PathText() string {
	names := make([]string, len(a.Path))
	for i, name := range a.Path {
		names[i] = quoted(name)
	}
	if names[0] == catalog.Public {
		names[0] = "PUBLIC"
	}
	text := strings.Join(names, " -> ") + ": " + a.Means
	if a.Through != "" {
		text += ", through " + a.Through
	}
	if a.BySetRole {
		text += ", by SET ROLE"
	}
	return text
}

// Name is the object, as in SQL.
func (a Access) Name() string {
	switch {
	case a.ObjectType == "any":
		return "all objects"
	case a.ObjectType == "routine":
		// Its arguments are not part of the name.
		name, arguments, _ := strings.Cut(a.Object, "(")
		return quoted(a.Schema) + "." + quoted(name) + "(" + arguments
	case a.Schema == "":
		return quoted(a.Object)
	default:
		return quoted(a.Schema) + "." + quoted(a.Object)
	}
}
