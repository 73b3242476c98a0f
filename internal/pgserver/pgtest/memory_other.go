//go:build !linux

package pgtest

// MemoryDir returns a folder that is kept in memory: none is known here.
func MemoryDir() string { return "" }
