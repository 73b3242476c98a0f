package clients_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const page = "../../docs/clients.md"

var block = regexp.MustCompile("(?s)<!-- test: (\\S+) -->\n```\\w+\n(.*?)\n```\n")

// snippets are the page's blocks that are marked
//
//	<!-- test: FILE -->
//
// by the name of the file that each is.
func snippets(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		files[match[1]] = match[2] + "\n"
	}
	if marks := strings.Count(string(text), "<!-- test:"); marks != len(files) || marks == 0 {
		t.Fatalf("%s has %d marks for tests, and %d blocks to go with them", page, marks, len(files))
	}
	return files
}

// Each block of the page is run by a client of the table, and each client has its block.
func TestEachSnippetIsRun(t *testing.T) {
	t.Parallel()
	files := snippets(t)
	for _, c := range clients {
		for _, name := range c.files {
			if files[name] == "" {
				t.Errorf("%s has no block %s for %s", page, name, c.name)
			}
			delete(files, name)
		}
	}
	for name := range files {
		t.Errorf("%s has block %s, which is not run", page, name)
	}
}

// tools returns where .ci/fetch-clients has put the tools.
func tools(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TEST_CLIENTS")
	if dir == "" {
		t.Skip("TEST_CLIENTS does not say where the clients are (.ci/fetch-clients)")
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
