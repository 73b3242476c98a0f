package access

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Object is something that privileges are granted on, with its ACL.
type Object struct {
	catalog.Object
	Privileges  []string // that its type has on this server
	RowSecurity bool     // row-level security decides which rows of the table are seen
	SetByAll    bool     // a parameter that every role may SET, without a privilege
	ForAllData  bool     // pg_read_all_data and pg_write_all_data reach it: a large object, since PostgreSQL 19
	HasCode     bool     // a view, or rules or policies: more than the privilege can be needed to use it
	Entries     []Entry
	Through     []Through // who has privileges through code; see AddThrough
}

// Entry is one privilege for one role, or for PUBLIC, as the ACL of an object or of a column has it.
type Entry struct {
	Privilege   string
	Column      string
	Grantee     catalog.OID // 0: PUBLIC
	Grantor     catalog.OID
	GrantorName string
	Grantable   bool
}

// Filter selects the objects to read. An empty field does not restrict them.
type Filter struct {
	Type    catalog.ObjectType
	Schema  *string
	Name    string        // for a routine, of all overloads, or with its argument types
	Holders []catalog.OID // one of which has a privilege by ACL, or is the owner; 0 is PUBLIC
}

//go:embed objects.sql
var objectsSQL string

// ReadObjects reads objects with their ACLs; with Holders only the entries of these. Nothing in PostgreSQL's own schemas is among them.
func ReadObjects(ctx context.Context, q catalog.Querier, filter Filter) ([]*Object, error) {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	rows, err := q.Query(ctx, objectsSQL, text(string(filter.Type)), filter.Schema, text(filter.Name), filter.Holders)
	if err != nil {
		return nil, fmt.Errorf("read objects and their ACLs: %w", err)
	}
	var list []*Object
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var o Object
		var column, privilege *string
		var grantee, grantor *catalog.OID
		var grantorName string
		var grantable *bool
		err := row.Scan(&o.Type, &o.Class, &o.OID, &o.Schema, &o.Name, &o.Signature, &o.Owner, &o.Privileges, &o.RowSecurity, &o.SetByAll, &o.ForAllData, &o.HasCode,
			&column, &privilege, &grantee, &grantor, &grantorName, &grantable)
		if err != nil {
			return struct{}{}, err
		}
		if len(list) == 0 || list[len(list)-1].Object != o.Object {
			list = append(list, &o)
		}
		if privilege != nil {
			last := list[len(list)-1]
			last.Entries = append(last.Entries, Entry{*privilege, *column, *grantee, *grantor, grantorName, *grantable})
		}
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read objects and their ACLs: %w", err)
	}
	return list, nil
}
