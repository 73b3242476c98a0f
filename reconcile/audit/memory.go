package audit

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var (
	forgetOwnershipsSQL = query("forget_ownerships")
	shortenedSQL        = query("shortened")
)

const (
	forgetWithdrawnSQL = "delete from sync_roles.withdrawn where id = any ($1)"

	resolvedSQL = `
		insert into sync_roles.resolved_objects (class_oid, object_oid, object_type, schema_name, object_name, signature, column_number, column_name)
		select * from unnest($1::oid[], $2::oid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::text[])
		on conflict do nothing`

	lacksSQL = "update sync_roles.intermediate_roles set problems = $2 where role_name = $1 and problems is distinct from $2"
)

// RecordResolved records to which objects the names in use resolve.
func RecordResolved(records *pgx.Batch, objects map[plan.Resolved]bool) {
	if len(objects) == 0 {
		return
	}
	var classes, oids []uint32
	var types, schemas, names, signatures, columns []string
	var numbers []int16
	for r := range objects {
		o := r.Object
		classes, oids = append(classes, o.Class), append(oids, o.OID)
		types, schemas, names = append(types, string(o.Type)), append(schemas, o.Schema), append(names, o.Name)
		signatures, columns, numbers = append(signatures, o.Signature), append(columns, r.Column), append(numbers, r.ColumnNumber)
	}
	records.Queue(resolvedSQL, classes, oids, types, schemas, names, signatures, numbers, columns)
}

// ForgetWithdrawn forgets deleted rows, by their withdrawn.id, of which all that they gave was revoked: privileges and memberships, and ownerships.
// fallbackOwner keeps what it was given.
func ForgetWithdrawn(records *pgx.Batch, grants, ownerships []int64, fallbackOwner string) {
	if all := slices.Concat(grants, ownerships); len(all) > 0 {
		records.Queue(shortenedSQL, all)
	}
	if len(grants) > 0 {
		records.Queue(forgetWithdrawnSQL, grants)
	}
	if len(ownerships) > 0 {
		records.Queue(forgetOwnershipsSQL, ownerships, fallbackOwner)
	}
}

// RecordLacks records what intermediate roles should hold and cannot, where that has changed: their members lack it.
func RecordLacks(records *pgx.Batch, roles map[string]plan.Role, problems plan.Problems) error {
	for _, name := range sortedNames(roles) {
		r := roles[name]
		lacks := slices.DeleteFunc(slices.Clone(problems[name]), func(p plan.Problem) bool { return p.Revoke })
		if !r.Intermediate || len(lacks)+len(r.LastProblems) == 0 {
			continue
		}
		plan.SortProblems(lacks)
		var document *string
		if len(lacks) > 0 {
			text, err := json.Marshal(lacks)
			if err != nil {
				return fmt.Errorf("write problems of role %q: %w", name, err)
			}
			all := string(text)
			document = &all
		}
		records.Queue(lacksSQL, name, document)
	}
	return nil
}
