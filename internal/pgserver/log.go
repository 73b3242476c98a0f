package pgserver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// tailSize is how much of the log an error shows.
const tailSize = 4096

func logPath(dir string) string { return filepath.Join(dir, "log") }

// logged adds to the error what the server said last, and what that means for us.
func logged(err error, dir string) error {
	log, readErr := os.ReadFile(logPath(dir))
	if readErr != nil {
		return fmt.Errorf("%w (and no log: %w)", err, readErr)
	}
	// The language of the log is English: the cluster was made without locale.
	if bytes.Contains(log, []byte("could not bind IPv4 address")) {
		err = fmt.Errorf("%w: %w", err, errPortTaken)
	}
	return fmt.Errorf("%w; the end of its log:\n%s", err, log[max(0, len(log)-tailSize):])
}
