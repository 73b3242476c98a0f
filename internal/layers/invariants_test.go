package layers

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The invariants in reconcile/doc.go are numbered for the code that keeps them: each is named where it is kept.
func TestInvariantsAreNamedWhereTheyAreKept(t *testing.T) {
	t.Parallel()
	const documentation = root + "/reconcile/doc.go"
	numbers := regexp.MustCompile(`(?m)^//  (\d+)\. `).FindAllStringSubmatch(read(t, documentation), -1)
	if len(numbers) == 0 {
		t.Fatal("no numbered invariants in reconcile/doc.go")
	}
	var code strings.Builder
	err := filepath.WalkDir(root+"/reconcile", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") && path != documentation {
			code.WriteString(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range numbers {
		if !regexp.MustCompile(fmt.Sprintf(`\binvariant %s\b`, number[1])).MatchString(code.String()) {
			t.Errorf("no code says that it keeps invariant %s", number[1])
		}
	}
}
