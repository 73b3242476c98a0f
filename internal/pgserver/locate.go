package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// BinEnv names the environment variable that tells Locate which PostgreSQL to use.
const BinEnv = "TEST_POSTGRES_BIN"

// oldestMajor is the oldest version that we support.
const oldestMajor = 14

// Locate returns a bin folder with the programs of a PostgreSQL that is not too old: the one that TEST_POSTGRES_BIN
// names, else one that is on the machine, else one that it downloads from Maven Central into the user's cache folder,
// where the next call finds it. Only a download is announced, by one line to progress.
func Locate(ctx context.Context, progress io.Writer) (binDir string, err error) {
	return systemLocator().locate(ctx, progress)
}

// A locator is where to look. The tests hide the machine's own PostgreSQL with it.
type locator struct {
	binDir     string   // what the user named; empty: look further
	path       string   // as $PATH
	patterns   []string // globs of bin folders in which packages install
	cacheDir   func() (string, error)
	repository string // of Maven; empty: Maven Central
}

func systemLocator() locator {
	return locator{
		binDir: os.Getenv(BinEnv),
		path:   os.Getenv("PATH"),
		patterns: []string{
			"/usr/lib/postgresql/*/bin",                                // Debian, Ubuntu
			"/usr/pgsql-*/bin",                                         // Red Hat, from postgresql.org
			"/usr/libexec/postgresql*",                                 // Alpine
			"/opt/homebrew/opt/postgresql*/bin",                        // Homebrew on Apple silicon,
			"/usr/local/opt/postgresql*/bin",                           // on Intel,
			"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",           // on Linux
			"/Applications/Postgres.app/Contents/Versions/[1-9]*/bin/", // Postgres.app
		},
		cacheDir: cacheDir,
	}
}

func (l locator) locate(ctx context.Context, progress io.Writer) (string, error) {
	if l.binDir != "" {
		return l.named(ctx)
	}
	for _, dir := range filepath.SplitList(l.path) {
		if !filepath.IsAbs(dir) {
			continue // run nothing from wherever we happen to be
		}
		if major, err := majorVersion(ctx, dir); err == nil && major >= oldestMajor {
			return dir, nil
		}
	}
	if dir := l.newest(ctx); dir != "" {
		return dir, nil
	}
	return l.download(ctx, progress)
}

// named insists on what the user asked for: a fallback would test another version than the one that was meant.
func (l locator) named(ctx context.Context) (string, error) {
	dir, err := filepath.Abs(l.binDir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", BinEnv, err)
	}
	major, err := majorVersion(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("%s must be a folder with postgres and initdb that the server's user can enter (root uses another): %w", BinEnv, err)
	}
	if major < oldestMajor {
		return "", fmt.Errorf("%s: %s holds PostgreSQL %d, and the oldest supported is %d", BinEnv, dir, major, oldestMajor)
	}
	return dir, nil
}

func (l locator) newest(ctx context.Context) (best string) {
	newest := oldestMajor - 1
	for _, pattern := range l.patterns {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue // a bad pattern: the tests would have seen it
		}
		for _, dir := range dirs {
			if major, err := majorVersion(ctx, dir); err == nil && major > newest {
				newest, best = major, dir
			}
		}
	}
	return best
}

// versionLine is what postgres -V prints: "postgres (PostgreSQL) 18.3", "… 19beta1", "… 15.14 (Debian 15.14-0+deb12u1)".
var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// majorVersion asks the programs themselves, as the user who would run them: a folder that this user cannot enter is as
// good as none.
func majorVersion(ctx context.Context, dir string) (int, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return 0, err
	}
	server := filepath.Join(dir, "postgres")
	if _, err := exec.LookPath(server); err != nil {
		return 0, err
	}
	cmd, err := command(ctx, "/", server, "-V")
	if err != nil {
		return 0, err
	}
	output, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return 0, fmt.Errorf("run %s -V: %w: %s", server, err, strings.TrimSpace(string(exit.Stderr)))
		}
		return 0, fmt.Errorf("run %s -V: %w", server, err)
	}
	match := versionLine.FindSubmatch(output)
	if match == nil {
		return 0, fmt.Errorf("run %s -V: unexpected answer %q", server, output)
	}
	return strconv.Atoi(string(match[1]))
}
