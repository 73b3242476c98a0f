//go:build !unix

package connect

import "io/fs"

// Permissions are no bits here; libpq does not look at them either.
func readableByOthers(fs.FileInfo) bool { return false }

func ownedByRoot(fs.FileInfo) bool { return false }
