package pgserver

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// openDir makes a temporary folder like /tmp: if we are root, the server's user could not enter that of t.TempDir.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fakePostgres makes programs that only know their version.
func fakePostgres(t *testing.T, dir, version string) string {
	t.Helper()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestLocateTakesTheNamedOne(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	named := fakePostgres(t, filepath.Join(dir, "named"), "14.2")
	other := fakePostgres(t, filepath.Join(dir, "other"), "18.1")

	got, err := locator{binDir: named, path: other}.locate(t.Context(), t.Output())
	if got != named || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, named)
	}
}

func TestLocateRefusesABadNamedOne(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	good := fakePostgres(t, filepath.Join(dir, "good"), "18.1")
	half := fakePostgres(t, filepath.Join(dir, "half"), "18.1")
	if err := os.Remove(filepath.Join(half, "initdb")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, binDir, want string }{
		{"nothing there", filepath.Join(dir, "none"), "no such file"},
		{"no initdb", half, "initdb"},
		{"too old", fakePostgres(t, filepath.Join(dir, "old"), "13.9"), "holds PostgreSQL 13, and the oldest supported is 14"},
		{"no PostgreSQL", fakePostgres(t, filepath.Join(dir, "odd"), "of sorts"), "unexpected answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := locator{binDir: test.binDir, path: good}.locate(t.Context(), t.Output())
			if err == nil {
				t.Fatalf("got %q, want an error", got)
			}
			for _, want := range []string{BinEnv, test.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestLocateSearchesTheMachine(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	fakePostgres(t, filepath.Join(dir, "9.6"), "9.6.24")
	fakePostgres(t, filepath.Join(dir, "15"), "15.14 (Debian 15.14-0+deb12u1)")
	newest := fakePostgres(t, filepath.Join(dir, "18"), "18beta1")
	old := fakePostgres(t, filepath.Join(openDir(t), "old"), "12.22")
	installed := []string{filepath.Join(dir, "nothing*"), filepath.Join(dir, "*", "bin")}

	for _, test := range []struct{ name, path, want string }{
		{"the newest of those installed", "", newest},
		{"PATH comes first", filepath.Join(dir, "15", "bin"), filepath.Join(dir, "15", "bin")},
		{"but not with one that is too old", old, newest},
		{"nor with a relative folder", "bin", newest},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := locator{path: test.path, patterns: installed}.locate(t.Context(), t.Output())
			if got != test.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// maven serves testdata/postgres.txz, in which are such programs as fakePostgres makes, as Maven Central serves a
// PostgreSQL: in a jar.
func maven(t *testing.T) (repository string, downloads *atomic.Int64) {
	t.Helper()
	archive, err := os.ReadFile("testdata/postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	writer := zip.NewWriter(&jar)
	file, err := writer.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}

	downloads = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if filepath.Ext(r.URL.Path) != ".jar" {
			http.NotFound(w, r) // the checksum
			return
		}
		downloads.Add(1)
		_, _ = w.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	return server.URL, downloads
}

// Test binaries of several packages start at once, and find no PostgreSQL at once.
func TestLocateDownloadsOnce(t *testing.T) {
	repository, downloads := maven(t)
	cache := openDir(t)
	t.Setenv("TMPDIR", t.TempDir()) // the library forgets an empty log there
	l := locator{repository: repository, cacheDir: func() (string, error) { return cache, nil }}

	var progress bytes.Buffer // written to under the lock
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			binDir, err := l.locate(t.Context(), &progress)
			if err != nil {
				t.Error(err)
			} else if major, err := majorVersion(t.Context(), binDir); major != 18 || err != nil {
				t.Errorf("%s holds PostgreSQL %d, %v", binDir, major, err)
			}
		})
	}
	all.Wait()
	if got := downloads.Load(); got != 1 {
		t.Errorf("%d downloads, want 1", got)
	}
	if got := strings.Count(progress.String(), "\n"); got != 1 || !strings.Contains(progress.String(), cache) {
		t.Errorf("progress is %q, want one line with the folder", progress.String())
	}
	if left, _ := filepath.Glob(filepath.Join(cache, ".download-*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestLocateSaysWhyItCannotDownload(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	cache := openDir(t)
	t.Setenv("TMPDIR", t.TempDir()) // as above
	l := locator{repository: server.URL, cacheDir: func() (string, error) { return cache, nil }}

	_, err := l.locate(t.Context(), t.Output())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{BinEnv, server.URL, "no version found"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}
