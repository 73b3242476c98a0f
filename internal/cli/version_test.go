package cli_test

import (
	"strings"
	"testing"
)

// --version says what the command does.
func TestVersionFlag(t *testing.T) {
	t.Parallel()
	want := call(t, "version")
	if got := call(t, "--version"); got.code != 0 || got.stdout != want.stdout || !strings.Contains(got.stdout, "schema") {
		t.Errorf("%+v, want %+v", got, want)
	}
}
