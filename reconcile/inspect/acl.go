package inspect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
	"github.com/pg-sync-roles/pg-sync-roles/catalog/failure"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/plan"
)

var aclsSQL = query("acls")

// errUnconfirmed is that statements had no effect, or another than they should have.
var errUnconfirmed = failure.New(failure.Again, "what was granted and revoked is not in the ACLs")

// CheckACLs adds to a batch the check that ACLs are as expected, for these grantees each.
func CheckACLs(batch *pgx.Batch, expected map[plan.Expectation][]catalog.OID) {
	if len(expected) == 0 {
		return
	}
	var classes, objects []catalog.OID
	var privileges, grantees []string
	var options, held []bool
	for e, roles := range expected {
		classes, objects = append(classes, e.Class), append(objects, e.Object)
		privileges, grantees = append(privileges, e.Privilege), append(grantees, oidArray(slices.Clone(roles)))
		options, held = append(options, e.Option), append(held, e.Held)
	}
	batch.Queue(aclsSQL, classes, objects, privileges, options, held, grantees).QueryRow(func(row pgx.Row) error {
		var confirmed bool
		if err := row.Scan(&confirmed); err != nil {
			return fmt.Errorf("look for what was granted and revoked: %w", err)
		}
		if !confirmed {
			return errUnconfirmed
		}
		return nil
	})
}

// oidArray is an array without repetitions, as PostgreSQL writes it: arrays of arrays that differ in length cannot be sent.
func oidArray(oids []catalog.OID) string {
	slices.Sort(oids)
	oids = slices.Compact(oids) // several rows can ask for the same
	list := make([]string, len(oids))
	for i, oid := range oids {
		list[i] = strconv.FormatUint(uint64(oid), 10)
	}
	return "{" + strings.Join(list, ",") + "}"
}
