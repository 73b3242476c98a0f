//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// serverUser is who the server runs as: nil for ourselves, or for root, whom PostgreSQL refuses, somebody else.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is what SysProcAttr takes for "no other user"
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %q has uid %q: %w", name, account.Uid, err)
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %q has gid %q: %w", name, account.Gid, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL cannot run as root, and there is neither a user postgres nor nobody to run it as")
}

// command prepares a program that runs as serverUser, in a folder that this user can enter, in a process group of its
// own, so that a Ctrl-C at the terminal reaches us and not the server, and in an environment in which nothing of the
// user's own PostgreSQL settings or language counts.
func command(ctx context.Context, dir, name string, args ...string) (*exec.Cmd, error) {
	credential, err := serverUser()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the program is the one that Locate found
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // initdb has children
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "PG") {
			cmd.Env = append(cmd.Env, setting)
		}
	}
	// With TZ set initdb does not compare the time zone with all that it knows; macOS wants a valid LC_ALL.
	cmd.Env = append(cmd.Env, "LC_ALL=C", "TZ=UTC")
	return cmd, nil
}

// giveToServer makes the server's user the owner of a folder of ours.
func giveToServer(dir string) error {
	credential, err := serverUser()
	if err != nil || credential == nil {
		return err
	}
	return os.Chown(dir, int(credential.Uid), int(credential.Gid))
}

// cacheDir returns a folder, made if need be, that keeps what we download: the user's own, but for root one that the
// server's user can enter.
func cacheDir() (string, error) {
	if os.Geteuid() == 0 {
		dir := "/var/cache/pg-sync-roles"
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's user must be able to look inside
			return "", err
		}
		return dir, os.Chmod(dir, 0o755) //nolint:gosec // also where root has a strict umask
	}
	if cache, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(cache, "pg-sync-roles")
		if os.MkdirAll(dir, 0o700) == nil {
			return dir, nil
		}
	}
	return tempCacheDir()
}

// tempCacheDir is for users without a home. Anybody can make a folder of this name before us and put programs into it,
// so it must be ours.
func tempCacheDir() (string, error) {
	dir := filepath.Join(os.TempDir(), "pg-sync-roles-"+strconv.Itoa(os.Geteuid()))
	if err := os.Mkdir(dir, 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return dir, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) != os.Geteuid() || info.Mode() != os.ModeDir|0o700 {
		return "", fmt.Errorf("%s is not a folder of our own that is closed to others", dir)
	}
	return dir, nil
}

// lockFile waits until no other process holds the lock, and takes it.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}
