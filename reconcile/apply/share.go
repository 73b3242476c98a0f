package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
)

// Before PostgreSQL 18, GRANT and REVOKE take no lock on their object. A session that renames or drops it at the same time gets "tuple concurrently
// updated", as do dbt and all tools that build a new table beside the old one. So a pass first shares what it writes to: it holds ACCESS SHARE until it
// commits, and the others' statements wait for that moment instead of failing.

// maxShared is how many relations, and how many other objects, a pass shares at most. The server's table of locks has a fixed size
// (max_locks_per_transaction), and when it is full all sessions get errors.
const maxShared = 1000

// ShortLockWait is for how long a pass waits for a lock on an object while it holds others, or over several roles: other sessions wait for the pass.
const ShortLockWait = 250 * time.Millisecond

var (
	shareRelationsSQL = query("share_relations")
	shareObjectsSQL   = query("share_objects")
)

// errObjectRenamed is for a pass to begin anew.
var errObjectRenamed = failure.New(failure.Again, "an object was renamed or dropped after it was looked up, and another may bear its name")

type objectKey struct{ class, oid catalog.OID }

// sharing are the arguments of one of the two queries.
type sharing struct {
	classes, oids  []catalog.OID
	schemas, names []string
}

func (s *sharing) add(o catalog.Object) {
	s.classes, s.oids = append(s.classes, o.Class), append(s.oids, o.OID)
	s.schemas, s.names = append(s.schemas, o.Schema), append(s.names, o.Name)
}

// cut leaves n of them at most.
func (s *sharing) cut(n int) {
	n = max(0, min(n, len(s.oids)))
	s.classes, s.oids, s.schemas, s.names = s.classes[:n], s.oids[:n], s.schemas[:n], s.names[:n]
}

// share locks the objects of which the ACL is going to be written, and makes sure that they still bear their names.
func (a *Applier) share(ctx context.Context, objects []catalog.Object, revokes bool) error {
	relations, others := a.shareable(objects)
	// Of the relations, the server chooses those that changed last.
	lockable := min(len(relations.oids), maxShared-a.relations)
	others.cut(maxShared - a.others)
	if lockable+len(others.oids) == 0 {
		return nil
	}
	renamed, err := a.lockTogether(ctx, relations, lockable, others)
	switch {
	case err != nil && mayGoUnshared(err, revokes):
		if err := a.exec(ctx, unshare); err != nil {
			return err
		}
		return a.noteLockTimeout(ctx, err)
	case err != nil:
		return fmt.Errorf("lock objects against being renamed or dropped: %w", err)
	case renamed > 0:
		return errObjectRenamed
	}
	a.relations += lockable
	a.others += len(others.oids)
	return nil
}

// The savepoint of the locks travels with them: by itself it would cost two round trips.
const (
	beginSharing = "SAVEPOINT share"
	endSharing   = "RELEASE SAVEPOINT share"
	unshare      = "ROLLBACK TO SAVEPOINT share; RELEASE SAVEPOINT share"
)

// shareable tells apart the relations and the other objects that are to be locked, and notes that they were.
func (a *Applier) shareable(objects []catalog.Object) (relations, others sharing) {
	grantLocks := a.server.Version >= 18 // GRANT and REVOKE lock relations and most other objects
	for _, o := range objects {
		key := objectKey{o.Class, o.OID}
		if a.shared[key] {
			continue
		}
		a.shared[key] = true
		switch o.Type {
		case catalog.Table, catalog.Sequence:
			if !grantLocks {
				relations.add(o)
			}
		case catalog.Routine, "language", catalog.ForeignDataWrapper, "foreign_server":
			if !grantLocks {
				others.add(o)
			}
		case catalog.Schema, catalog.Type: // the lock does not keep them from being renamed
			others.add(o)
		}
	}
	return relations, others
}

// mayGoUnshared reports whether steps run although the locks could not be taken, and without checking the names that they protect: statements of other
// sessions can then fail, but ours go on. The functions cannot say all names in all encodings, need libxml, and EXECUTE on them may have been revoked; the
// server's table of locks may be full. And before PostgreSQL 18, whoever may UPDATE a table can LOCK it for as long as it likes, but cannot by that keep a
// REVOKE from it.
func mayGoUnshared(err error, revokes bool) bool {
	switch failure.Of(err) {
	case failure.Locked, failure.Slow:
		return revokes
	default:
		return failure.IsRejection(err)
	}
}

// lockTogether locks so many of the relations, and the others, and counts those that bear another name. It waits for none of them long while it holds the
// others: a session that holds the one and waits for another would be told of a deadlock (deadlock_timeout). Rather it lets all of them go and takes them
// again, as long as the pass may wait.
func (a *Applier) lockTogether(ctx context.Context, relations sharing, lockable int, others sharing) (renamed int, err error) {
	for end := time.Now().Add(a.lockWait); ; {
		renamed = 0
		count := func(row pgx.Row) error {
			var n int
			err := row.Scan(&n)
			renamed += n
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(beginSharing)
		if a.lockWait > ShortLockWait {
			batch.Queue(fmt.Sprintf("SET LOCAL lock_timeout = %d", ShortLockWait.Milliseconds()))
		}
		if lockable > 0 {
			batch.Queue(shareRelationsSQL, relations.oids, relations.schemas, relations.names, lockable).QueryRow(count)
		}
		if len(others.oids) > 0 {
			batch.Queue(shareObjectsSQL, others.classes, others.oids, others.schemas, others.names).QueryRow(count)
		}
		batch.Queue(endSharing)
		if a.lockWait > ShortLockWait {
			batch.Queue(fmt.Sprintf("SET LOCAL lock_timeout = %d", a.lockWait.Milliseconds()))
		}
		err := a.tx.SendBatch(ctx, batch).Close()
		if err == nil || failure.Of(err) != failure.Locked || time.Now().After(end) {
			return renamed, err
		}
		if err := a.exec(ctx, unshare); err != nil {
			return 0, err
		}
	}
}
