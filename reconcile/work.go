package reconcile

import (
	"cmp"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/apply"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/inspect"
)

// work says what a pass is about, and how it is done.
type work struct {
	cause     audit.Cause
	roles     []string // nil: those in the queue
	names     []string // only what desired grants with these names or patterns ask for; nil: everything
	renamed   bool     // look for objects that were renamed
	members   bool     // inspect all members of intermediate roles
	enforced  bool     // take what rules with enforce take
	prune     bool     // drop intermediate roles that hold nothing, without waiting
	rehearsal bool     // only to show: tell all problems, also those that were told before
	insistent bool     // these roles were asked for: send again what had no effect
	dated     bool     // the engine has waited until it can be told what was renamed a moment ago

	undeclared int64         // how many revokes no row ever asked for, in all that this pass is a part of
	lockWait   time.Duration // for a lock on an object; 0: apply.ShortLockWait
	mode       apply.Mode
	slow       slowness // what was done about statements that took too long
}

// extent is what to read about the roles.
func (e *Engine) extent(w work, members bool) inspect.Extent {
	return inspect.Extent{Names: w.names, Renamed: w.renamed, Enforced: w.enforced, Members: w.members || members, Allowed: e.policy.AllowedMemberships(), Citus: e.server.Citus, Owner: cmp.Or(e.policy.FallbackOwner, e.server.Role)}
}
