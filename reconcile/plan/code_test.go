package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// docs/problems.md says of each code what to do, and of none that there is not.
func TestCodesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\|.*\\|$").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1])
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			code, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return true
	})
	for _, code := range codes {
		if !slices.Contains(documented, code) {
			t.Errorf("docs/problems.md has no row for %s", code)
		}
	}
	keys := []string{"kind", "code", "reason", "fix", "grant_id", "role", "statement", "taking"}
	for _, code := range documented {
		if !slices.Contains(codes, code) && !slices.Contains(keys, code) {
			t.Errorf("docs/problems.md has a row for %s, and there is no such code", code)
		}
	}
}
