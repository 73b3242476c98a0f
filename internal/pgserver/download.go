package pgserver

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	downloadVersion = embeddedpostgres.V18
	mavenCentral    = "https://repo1.maven.org/maven2"
)

// download returns the bin folder of the PostgreSQL in the cache, and fetches it when it is not there yet.
// A context that ends leaves the download to itself: the library cannot be interrupted.
func (l locator) download(ctx context.Context, progress io.Writer) (string, error) {
	cache, err := l.cacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder for PostgreSQL: %w", err)
	}
	if l.repository == "" {
		l.repository = mavenCentral
	}

	done := make(chan error, 1)
	dir := filepath.Join(cache, "embedded-"+string(downloadVersion))
	go func() { done <- l.fetchOnce(ctx, dir, progress) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("no PostgreSQL on this machine (name a bin folder in %s), download PostgreSQL %s from %s: %w",
			BinEnv, downloadVersion, l.repository, err)
	}
	return filepath.Join(dir, "bin"), nil
}

// fetchOnce lets one of many test binaries download while the others wait for it.
func (l locator) fetchOnce(ctx context.Context, dir string, progress io.Writer) error {
	unlock, err := lockFile(dir + ".lock")
	if err != nil {
		return err
	}
	defer unlock()

	if _, err := majorVersion(ctx, filepath.Join(dir, "bin")); err == nil {
		return nil
	}
	_, _ = fmt.Fprintf(progress, "downloading PostgreSQL %s (15 MB) to %s, once\n", downloadVersion, dir)

	temp, err := os.MkdirTemp(filepath.Dir(dir), ".download-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()

	fetched := filepath.Join(temp, "postgres")
	if err := fetch(l.repository, temp, fetched); err != nil {
		return err
	}
	if err := openToAll(fetched); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil { //nolint:gosec // the server's user must be able to look inside
		return err
	}
	if _, err := majorVersion(ctx, filepath.Join(fetched, "bin")); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fetched, dir)
}

// fetch makes the library download and unpack, and no more. Its one function for that, Start, goes on to run initdb as
// the current user, which fails for root; so it is given a data folder that it cannot accept ("/." cannot be removed),
// and stops at that, right after unpacking. What tells success is whether the programs are there.
func fetch(repository, temp, dir string) error {
	logs := libraryLogs()
	defer func() {
		for log := range libraryLogs() {
			if !logs[log] {
				_ = os.Remove(log)
			}
		}
	}()
	err := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(downloadVersion).
		BinaryRepositoryURL(repository).
		CachePath(temp).
		RuntimePath(filepath.Join(temp, "runtime")).
		BinariesPath(dir).
		DataPath(temp + string(os.PathSeparator) + ".").
		Port(0). // it insists on a free one
		Logger(io.Discard),
	).Start()
	if _, statErr := os.Stat(filepath.Join(dir, "bin", "initdb")); statErr != nil {
		if err != nil {
			return err
		}
		return statErr
	}
	return nil
}

// libraryLogs lists the empty log files of the library, which leaves one behind.
func libraryLogs() map[string]bool {
	logs := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(os.TempDir(), "embedded_postgres_log*"))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() == 0 {
			logs[file] = true
		}
	}
	return logs
}

// openToAll lets every user read what our umask may have closed.
func openToAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode) //nolint:gosec // the folder is our own and new: nobody can swap what is in it
	})
}
