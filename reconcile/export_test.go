package reconcile

// Settled reports whether the next rescan asks only whether anything has changed.
func (e *Engine) Settled() bool { return e.settled.state != "" }
