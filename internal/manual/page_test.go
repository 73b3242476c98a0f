package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
)

// Each command has a page with its own options, and the same commands give the same bytes.
func TestPages(t *testing.T) {
	t.Parallel()
	once, again := t.TempDir(), t.TempDir()
	for _, folder := range []string{once, again} {
		if err := run([]string{folder}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(once + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	nested, err := filepath.Glob(once + "/*/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, nested...) {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		name, err := filepath.Rel(once, file)
		if err != nil {
			t.Fatal(err)
		}
		if text := readFile(t, file); text == "" || text != readFile(t, filepath.Join(again, name)) {
			t.Errorf("%s is empty, or differs the second time", name)
		}
	}
	runPage := readFile(t, filepath.Join(once, "man", "pg-sync-roles-run.1"))
	for _, want := range []string{`.TH "PG-SYNC-ROLES-RUN" 1`, `\-\-rescan\-interval`, "(default 1m0s)", ".BR pg\\-sync\\-roles\\-plan (1)"} {
		if !strings.Contains(runPage, want) {
			t.Errorf("pg-sync-roles-run.1 lacks %q:\n%s", want, runPage)
		}
	}
	for _, command := range cli.Command().Commands() {
		if file := filepath.Join(once, "man", pageName(command)+".1"); command.Name() != "completion" && command.Name() != "help" {
			readFile(t, file)
		}
	}
}

// Text of a command is text, whatever it begins with.
func TestEscape(t *testing.T) {
	t.Parallel()
	text := page(&cobra.Command{Use: "x", Short: `a\b`, Long: ".SH no\n'so\n\n  code -d", Run: func(*cobra.Command, []string) {}})
	for _, want := range []string{`a\eb`, "\n\\&.SH no\n\\&'so\n", ".nf\n  code \\-d\n.fi"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

func TestFolderIsNeeded(t *testing.T) {
	t.Parallel()
	if err := run(nil); err == nil || !strings.Contains(err.Error(), "give the folder") {
		t.Errorf("%v, want an error that asks for the folder", err)
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
