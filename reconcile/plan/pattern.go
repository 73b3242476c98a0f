package plan

import (
	"fmt"
	"time"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// PatternTimeout is how long comparing one pattern with all names may take, before its rows are left out.
const PatternTimeout = time.Second

// Unmatched is a row of which the pattern is not compared with names. (inspect/sql/unmatched.sql)
type Unmatched struct {
	ID         int64
	Role       string `db:"role_name"`
	Privilege  string
	ObjectType catalog.ObjectType
	SchemaName string
	ObjectName string
	NameMatch  string
	RefersBack bool
	Withdrawn  bool
}

// Problem says why.
func (u Unmatched) Problem() Problem {
	object := catalog.Object{Type: u.ObjectType, Schema: u.SchemaName, Name: u.ObjectName}
	p := Problem{Kind: Blocked, Code: PatternCostly, GrantID: u.ID, Privilege: u.Privilege, Object: object.String()}
	where := ""
	if u.SchemaName != "" {
		where = " in schema " + u.SchemaName
	}
	costly := fmt.Sprintf("comparing the %s pattern %q with all names of type %s%s takes longer than %s, or more than PostgreSQL allows: ", u.NameMatch, u.ObjectName, u.ObjectType, where, PatternTimeout)
	switch {
	case u.RefersBack:
		p.Kind, p.Code = Refused, BackReference
		p.Reason = fmt.Sprintf("object_name %q has a back-reference, which can take minutes to compare with a name: it matches nothing; write a regex without", u.ObjectName)
	case u.Withdrawn:
		p.Revoke = true
		p.Reason = costly + "what the deleted row gave on the objects themselves is not revoked; revoke it by hand, and then run the statement"
		p.Fix = forgetFix(u.ID)
	default:
		p.Reason = costly + "the row is left out, and what it gave stays; write a simpler pattern, or the objects' names"
	}
	return p
}
