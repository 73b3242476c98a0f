package audit

// Cause is why a pass inspected a role, in the words of audit.cause.
type Cause string

// The causes.
const (
	Notify  Cause = "notify"
	Rescan  Cause = "rescan"
	Startup Cause = "startup"
	Retry   Cause = "retry"
	Expiry  Cause = "expiry"
	DDL     Cause = "ddl"
	Manual  Cause = "manual"
)
