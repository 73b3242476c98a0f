package apply

// Mode says what becomes of the rest when PostgreSQL refuses a step.
type Mode int

// The modes.
const (
	Fail        Mode = iota // the pass fails, and is begun anew
	RetryEach               // the same; but each statement has a savepoint, and is sent again while another session writes the same catalog row
	SkipRefused             // as RetryEach; and what PostgreSQL refuses is left out, where only its own role or row depends on it
)
