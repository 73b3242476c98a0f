package layers

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const maxColumns = 140

var (
	landed     = regexp.MustCompile(`/migrations/0000(0\d|1[0-8])_`) // landed migrations never change
	lowercase  = regexp.MustCompile(`(?m)^\s*(select|from|where|join|left join|insert into|update|delete from|with|group by|order by|union)\b`)
	parameters = regexp.MustCompile(`\$\d`)
)

// SQL files are formatted alike: no line is longer than 140 columns, keywords are in upper case, and a header says what a query does and what its parameters
// are.
func TestSQLFormat(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".sql" || landed.MatchString(filepath.ToSlash(path)) {
			return err
		}
		text := read(t, path)
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > maxColumns {
				t.Errorf("%s:%d: the line has %d columns, and %d at most are allowed", path, i+1, n, maxColumns)
			}
		}
		if found := lowercase.FindString(withoutComments(text)); found != "" {
			t.Errorf("%s: keywords are in upper case, and %q is not", path, strings.TrimSpace(found))
		}
		if folder := filepath.Base(filepath.Dir(path)); folder != "sql" {
			return nil
		}
		header, _, _ := strings.Cut(text, "\n"+strings.TrimLeft(withoutHeader(text), "\n"))
		if !strings.HasPrefix(header, "--") {
			t.Errorf("%s: no header says what it does", path)
		}
		for _, parameter := range parameters.FindAllString(withoutComments(text), -1) {
			if !strings.Contains(header, parameter) && !strings.Contains(header, "...") {
				t.Errorf("%s: the header does not say what %s is", path, parameter)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// withoutHeader is a file from its first line that is no comment.
func withoutHeader(sql string) string {
	lines := strings.Split(sql, "\n")
	for len(lines) > 0 && strings.HasPrefix(lines[0], "--") {
		lines = lines[1:]
	}
	return strings.Join(lines, "\n")
}
