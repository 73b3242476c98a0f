//go:build !linux

package pgtest

// memoryDir returns a folder that is kept in memory: none is known here.
func memoryDir() string { return "" }
