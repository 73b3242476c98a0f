// Package audit writes what passes have done, found and left to the next ones: the audit itself, retries, holds, withdrawn rows, and the objects to which
// names in use resolve. It also reads how roles are, and deletes what is older than the operator wants to keep.
package audit
