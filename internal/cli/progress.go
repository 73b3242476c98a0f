package cli

import (
	"fmt"
	"io"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
)

// showProgress shows on a terminal how far a bulk load has come, until stop is called.
func showProgress(w io.Writer, engine *reconcile.Engine) (stop func()) {
	if !isTerminal(w) {
		return func() {}
	}
	w = unwrapped(w) // which takes \r from us
	shown := false
	engine.OnPass = func(done, total int) {
		if total <= 1 && !shown {
			return
		}
		shown = true
		_, _ = fmt.Fprintf(w, "\r%d of %d roles inspected", done, total)
	}
	return func() {
		engine.OnPass = nil
		if shown {
			_, _ = fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
