package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Comparing a pattern with names can take any time. What a pass reads, while others wait for it, has little; and when that is not enough, the patterns of
// its roles are measured, without the lock, and those that take too long are left out from then on.
const (
	readingTimeout  = 5 * time.Second // for a statement of a pass that reads
	patternTimeout  = time.Second     // for one pattern, compared with all names
	measuringTime   = 5 * time.Second // for all that are measured in one go
	remeasureAfter  = 10 * time.Minute
	remeasuringTime = 2 * time.Second // in one rescan
)

// patternAllowances are for all patterns together of a role that stands alone and takes too long, one after the other: the names are compared many times.
var patternAllowances = []time.Duration{500 * time.Millisecond, 5 * time.Millisecond, 0}

// readingTime is how long a statement of a pass may take that reads.
func (e *Engine) readingTime(w work) time.Duration {
	if w.slow.unhurried {
		return e.statementTimeout
	}
	return min(readingTimeout, e.statementTimeout)
}

// slowness is what was done about statements that took too long.
type slowness struct {
	measured   bool // the patterns of the roles
	allowances int  // how often patterns of a role that stands alone were left out
	unhurried  bool // it has the time that the daemon gives a statement
}

// afterTimeout does what helps a pass of which a statement took too long, and reports whether it is worth another try. Otherwise it is to be split.
func (e *Engine) afterTimeout(ctx context.Context, w *work, roles []string) (retry bool, err error) {
	alone := len(roles) == 1
	if !alone {
		if w.slow.measured {
			return false, nil
		}
		w.slow.measured = true
		left, err := e.measurePatterns(ctx, roles, false, 0)
		return left > 0, err
	}
	for w.slow.allowances < len(patternAllowances) {
		allowance := patternAllowances[w.slow.allowances]
		w.slow.allowances++
		left, err := e.measurePatterns(ctx, roles, true, allowance)
		// A timeout without a costly pattern may have had another cause, such as a busy server or a cancelled statement: quick patterns are left out
		// only when it comes again.
		if err != nil || left > 0 || w.slow.allowances == 1 {
			return true, err
		}
	}
	if !w.slow.unhurried {
		w.slow.unhurried = true
		return true, nil
	}
	return false, nil
}

// pattern is a selector's, and how long it took to compare it.
type pattern struct {
	ObjectType, SchemaName, ObjectName, NameMatch string
}

var (
	patternsSQL  = query("patterns")
	measureSQL   = query("measure")
	unmatchedSQL = query("unmatched")
)

// measurePatterns leaves out those patterns of these roles that take too long, and returns how many. For a role alone, it also leaves out the longest of
// the others until the rest fits into the allowance, and those that it does not come to: they are measured again another time.
func (e *Engine) measurePatterns(ctx context.Context, roles []string, alone bool, allowance time.Duration) (int, error) {
	involved, err := names(ctx, e.conn, involvedSQL, roles, []string(nil))
	if err != nil {
		return 0, fmt.Errorf("read the intermediate roles involved: %w", err)
	}
	list, err := collect[pattern](ctx, e.conn, patternsSQL, append(involved, roles...))
	if err != nil {
		return 0, fmt.Errorf("read the patterns of %d roles: %w", len(roles), err)
	}
	slices.SortFunc(list, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(len(a.ObjectName), len(b.ObjectName)), cmp.Compare(a.ObjectName, b.ObjectName), cmp.Compare(a.ObjectType, b.ObjectType), cmp.Compare(a.SchemaName, b.SchemaName))
	})
	var costly []pattern
	took := map[pattern]time.Duration{}
	var rest time.Duration
	started := time.Now()
	for i, p := range list {
		if time.Since(started) > measuringTime {
			if alone {
				costly = append(costly, list[i:]...)
			}
			break
		}
		cost, tooLong, err := e.measure(ctx, p)
		switch {
		case err != nil:
			return 0, err
		case tooLong:
			costly = append(costly, p)
		default:
			took[p] = cost
			rest += cost
		}
	}
	if alone {
		costly = append(costly, longest(took, rest-allowance)...)
	}
	return len(costly), e.leaveOut(ctx, costly)
}

// longest returns the patterns that took longest, until they took so much together.
func longest(took map[pattern]time.Duration, excess time.Duration) (list []pattern) {
	for p := range took {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(took[b], took[a]), cmp.Compare(a.ObjectName, b.ObjectName))
	})
	n := 0
	for n < len(list) && excess > 0 {
		excess -= took[list[n]]
		n++
	}
	return list[:n]
}

// measure compares a pattern with all names, for so long at most.
func (e *Engine) measure(ctx context.Context, p pattern) (took time.Duration, tooLong bool, err error) {
	err = pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local statement_timeout = "+milliseconds(patternTimeout)); err != nil {
			return err
		}
		started := time.Now()
		defer func() { took = time.Since(started) }()
		_, err := tx.Exec(ctx, measureSQL, p.ObjectType, p.SchemaName, p.ObjectName, p.NameMatch)
		return err
	})
	if classOf(err) == slow {
		return took, true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("measure the pattern %q: %w", p.ObjectName, err)
	}
	return took, false, nil
}

func (e *Engine) leaveOut(ctx context.Context, list []pattern) error {
	if len(list) == 0 {
		return nil
	}
	var types, schemas, patterns, matches []string
	for _, p := range list {
		types, schemas, patterns, matches = append(types, p.ObjectType), append(schemas, p.SchemaName), append(patterns, p.ObjectName), append(matches, p.NameMatch)
	}
	_, err := e.conn.Exec(ctx, `
		insert into sync_roles.costly_patterns (object_type, schema_name, object_name, name_match)
		select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
		on conflict (object_name, object_type, schema_name, name_match) do update set measured_at = now()`, types, schemas, patterns, matches)
	if err != nil {
		return fmt.Errorf("record patterns that take too long: %w", err)
	}
	for _, p := range list {
		e.log.Warn().Str("object_type", p.ObjectType).Str("schema_name", p.SchemaName).Str("name_match", p.NameMatch).Str("pattern", p.ObjectName).
			Msg("comparing this pattern with all names takes too long; the rows that have it are left out")
	}
	return nil
}

// measureAgain looks whether patterns that took too long still do, and forgets those that no row has.
func (e *Engine) measureAgain(ctx context.Context) error {
	list, err := collect[pattern](ctx, e.conn, `
		select c.object_type, c.schema_name, c.object_name, c.name_match
		from sync_roles.costly_patterns as c
		where c.measured_at < now() - $1::interval
		order by c.measured_at`, remeasureAfter)
	if err != nil {
		return fmt.Errorf("read patterns that take too long: %w", err)
	}
	started := time.Now()
	for _, p := range list {
		if time.Since(started) > remeasuringTime {
			break
		}
		took, tooLong, err := e.measure(ctx, p)
		if err != nil {
			return err
		}
		sql := `delete from sync_roles.costly_patterns where object_type = $1 and schema_name = $2 and object_name = $3 and name_match = $4`
		if tooLong || took > patternTimeout/4 {
			sql = `
				update sync_roles.costly_patterns set measured_at = now()
				where object_type = $1 and schema_name = $2 and object_name = $3 and name_match = $4`
		}
		if _, err := e.conn.Exec(ctx, sql, p.ObjectType, p.SchemaName, p.ObjectName, p.NameMatch); err != nil {
			return fmt.Errorf("record how long a pattern takes: %w", err)
		}
	}
	return nil
}

// unmatched is a row of which the pattern is not compared with names. (sql/unmatched.sql)
type unmatched struct {
	ID         int64
	Role       string
	Privilege  string
	ObjectType catalog.ObjectType
	SchemaName string
	ObjectName string
	NameMatch  string
	RefersBack bool
	Withdrawn  bool
}

func (u unmatched) problem() Problem {
	object := catalog.Object{Type: u.ObjectType, Schema: u.SchemaName, Name: u.ObjectName}
	p := Problem{Kind: Blocked, GrantID: u.ID, Privilege: u.Privilege, Object: object.String()}
	where := ""
	if u.SchemaName != "" {
		where = " in schema " + u.SchemaName
	}
	switch {
	case u.RefersBack:
		p.Kind = Refused
		p.Reason = fmt.Sprintf("object_name %q has a back-reference, which can take minutes to compare with a name: it matches nothing; write a regex without", u.ObjectName)
	case u.Withdrawn:
		p.Taking = true
		p.Reason = fmt.Sprintf("comparing the %s pattern %q with all names of type %s%s takes longer than %s, or more than PostgreSQL allows: what the deleted row gave on the objects themselves is not taken away; revoke it by hand, and then run the statement",
			u.NameMatch, u.ObjectName, u.ObjectType, where, patternTimeout)
		p.Fix = forgetFix(u.ID)
	default:
		p.Reason = fmt.Sprintf("comparing the %s pattern %q with all names of type %s%s takes longer than %s, or more than PostgreSQL allows: the row is left out, and what it gave stays; write a simpler pattern, or the objects' names",
			u.NameMatch, u.ObjectName, u.ObjectType, where, patternTimeout)
	}
	return p
}
