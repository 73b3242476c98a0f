package pgtest

import (
	"os"
	"syscall"
)

const (
	tmpfsMagic = 0x01021994
	enoughRoom = 4 << 30
)

// MemoryDir returns a folder that is kept in memory, if it is large enough (in a container it seldom is). A database is
// three hundred files, and where a disk takes 30 to 200 ms to make them, according to its mood, memory takes 10.
// Whoever wants to see the files on a disk sets TMPDIR.
func MemoryDir() string {
	const dir = "/dev/shm"
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(dir, &fs) != nil {
		return ""
	}
	if fs.Type != tmpfsMagic || fs.Bavail*uint64(fs.Bsize) < enoughRoom { //nolint:gosec // a block's size is positive
		return ""
	}
	return dir
}
