package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Selector is the privilege and the objects that a desired grant names and that an intermediate role holds. Its fields but the last are those of a plain
// row: one that names one schema, leaves no names out, and no columns.
type Selector struct {
	Privilege  string
	ObjectType catalog.ObjectType
	SchemaName string
	ObjectName string
	NameMatch  string
	ColumnName string
	More       string `json:",omitempty"` // the whole of it, of another row (sync_roles.all_matchable_grants.more)

	more *more // the same; nil: the row is plain
}

// more is what a row says that is not plain.
type more struct {
	SchemaName    string   `json:"schema_name"`
	ObjectName    string   `json:"object_name"`
	NameMatch     string   `json:"name_match"`
	ExceptColumns []string `json:"except_columns"`
	Partitions    bool     `json:"partitions"`
	Selector      string   `json:"selector"`
}

func (t *Target) selector() Selector {
	if t.More == "" {
		return Selector{t.DesiredPrivilege, t.ObjectType, t.SchemaName, t.DesiredName, t.NameMatch, t.ColumnName, "", nil}
	}
	if t.more == nil {
		t.more = &more{}
		if err := json.Unmarshal([]byte(t.More), t.more); err != nil {
			panic(err) // PostgreSQL made it
		}
	}
	s := Selector{t.DesiredPrivilege, t.ObjectType, t.more.SchemaName, t.more.ObjectName, t.more.NameMatch, t.ColumnName, t.More, t.more}
	if len(t.more.ExceptColumns) > 0 {
		s.ColumnName = "" // the target's is one of them
	}
	return s
}

// LeavesColumnsOut reports whether the row asks for all columns of tables but some.
func (s Selector) LeavesColumnsOut() bool { return s.more != nil && len(s.more.ExceptColumns) > 0 }

// HasPartitions reports whether the row also asks for the tables below those that it names.
func (s Selector) HasPartitions() bool { return s.more != nil && s.more.Partitions }

// roleName derives the intermediate role's name from database and selector, so that a plan names the role that sync makes.
func (s Selector) roleName(database catalog.OID) string {
	if s.More != "" {
		s = Selector{More: s.more.Selector} // its text in one order, however the row has its exceptions
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(text)
	return OwnName(database, hex.EncodeToString(sum[:12]))
}

// String says what a role for this selector holds. It is a part of the role's comment, by which such a role is known where there is no registry.
func (s Selector) String() string {
	if s.More != "" {
		return s.more.Selector
	}
	text := fmt.Sprintf("%s on %s ", s.Privilege, s.ObjectType)
	if s.SchemaName != "" {
		text += s.SchemaName + "."
	}
	text += s.ObjectName
	if s.ColumnName != "" {
		text += " (" + s.ColumnName + ")"
	}
	if s.NameMatch != "exact" {
		text += " [" + s.NameMatch + "]"
	}
	return text
}

// args are the arguments of the records about the role of this selector.
func (s Selector) args(role string) []any {
	return []any{role, s.Privilege, string(s.ObjectType), s.SchemaName, s.ObjectName, s.NameMatch, s.ColumnName, s.More}
}
