//go:build unix

package connect

import (
	"io/fs"
	"syscall"
)

func readableByOthers(file fs.FileInfo) bool { return file.Mode().Perm()&0o077 != 0 }

func ownedByRoot(file fs.FileInfo) bool {
	stat, ok := file.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}
