package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Before PostgreSQL 18, GRANT and REVOKE take no lock on their object. A session that renames or drops it at the same time gets "tuple concurrently
// updated", as do dbt and all tools that build a new table beside the old one. So a pass first shares what it writes to: it holds ACCESS SHARE until it
// commits, and the others' statements wait for that moment instead of failing.

// maxShared is how many relations, and how many other objects, a pass shares at most. The server's table of locks has a fixed size
// (max_locks_per_transaction), and when it is full all sessions get errors.
const maxShared = 1000

var (
	shareRelationsSQL = query("share_relations")
	shareObjectsSQL   = query("share_objects")
)

// errObjectRenamed is for a pass to begin anew.
var errObjectRenamed = errors.New("an object was renamed or dropped after it was looked up, and something else may bear its name")

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

// share locks the objects of which the steps write the ACL, and makes sure that they still bear their names.
func (a *applier) share(ctx context.Context, steps []Step) error {
	var relations, others sharing
	for _, s := range steps {
		if a.mayFail(s) {
			continue // it shares for itself
		}
		for _, o := range s.objects {
			key := aclKey{o.Class, o.OID, ""}
			if a.shared[key] {
				continue
			}
			if a.shared == nil {
				a.shared = map[aclKey]bool{}
			}
			a.shared[key] = true
			locks := a.server.Version >= 18 // GRANT and REVOKE do
			switch o.Type {
			case catalog.Table, "sequence":
				if !locks {
					relations.add(o)
				}
			case catalog.Routine, "language", "foreign_data_wrapper", "foreign_server":
				if !locks {
					others.add(o)
				}
			case catalog.Schema, "type": // the lock does not keep them from being renamed
				others.add(o)
			}
		}
	}
	// Of the relations, the server chooses those that changed last.
	lockable := min(len(relations.oids), maxShared-a.relations)
	others.cut(maxShared - a.others)
	if lockable+len(others.oids) == 0 {
		return nil
	}
	renamed, err := a.lockTogether(ctx, relations, lockable, others)
	switch {
	case err != nil && goesUnshared(err, steps):
		if err := a.exec(ctx, "ROLLBACK TO SAVEPOINT share; RELEASE SAVEPOINT share"); err != nil {
			return err
		}
		return a.noteTimeout(ctx, err)
	case err != nil:
		return fmt.Errorf("lock objects against being renamed or dropped: %w", err)
	case renamed > 0:
		return errObjectRenamed
	default:
		a.relations += lockable
		a.others += len(others.oids)
		return nil
	}
}

// goesUnshared reports whether steps run although the locks could not be taken, and without the look at the names that they protect: others' statements can
// then fail, but ours go on. The functions cannot say all names in all encodings, need libxml, and EXECUTE on them may have been revoked; the server's table of
// locks may be full. And before PostgreSQL 18, whoever may UPDATE a table can LOCK it for as long as it likes, but cannot by that keep a REVOKE from it.
func goesUnshared(err error, steps []Step) bool {
	switch classOf(err) {
	case locked, slow:
		return slices.ContainsFunc(steps, Step.takes)
	default:
		return isRefusal(err)
	}
}

// lockTogether locks so many of the relations, and the others, and counts those that bear another name. It waits for none of them long while it holds the others: a session that holds
// the one and waits for another would be told of a deadlock (deadlock_timeout). Rather it lets all of them go and takes them again, as long as the pass has
// patience.
func (a *applier) lockTogether(ctx context.Context, relations sharing, lockable int, others sharing) (renamed int, err error) {
	for end := time.Now().Add(a.patience); ; {
		renamed = 0
		count := func(row pgx.Row) error {
			var n int
			err := row.Scan(&n)
			renamed += n
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue("SAVEPOINT share")
		if a.patience > shortWait {
			batch.Queue("SET LOCAL lock_timeout = " + milliseconds(shortWait))
		}
		if lockable > 0 {
			batch.Queue(shareRelationsSQL, relations.oids, relations.schemas, relations.names, lockable).QueryRow(count)
		}
		if len(others.oids) > 0 {
			batch.Queue(shareObjectsSQL, others.classes, others.oids, others.schemas, others.names).QueryRow(count)
		}
		batch.Queue("RELEASE SAVEPOINT share")
		if a.patience > shortWait {
			batch.Queue("SET LOCAL lock_timeout = " + milliseconds(a.patience))
		}
		err := a.tx.SendBatch(ctx, batch).Close()
		if err == nil || classOf(err) != locked || time.Now().After(end) {
			return renamed, err
		}
		if err := a.exec(ctx, "ROLLBACK TO SAVEPOINT share; RELEASE SAVEPOINT share"); err != nil {
			return 0, err
		}
	}
}
