package access

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Code is a view, a relation with rules or triggers, a function or a parent table: whoever has a privilege on it has others through it.
type Code struct {
	Class, OID catalog.OID
	Privilege  string // by which it runs
	Text       string // in words
	Possible   bool   // it cannot be told whether it does that
}

// Through is a privilege that a role has on an object through code.
type Through struct {
	Class, Object catalog.OID // 0: all that is possible through the code, in one
	Privilege     string
	Column        string
	Objects       int // how many
	Holder        catalog.OID
	HolderName    string
	Code          Code
}

//go:embed code.sql
var codeSQL string

// ReadThrough reads what these roles (nil: all) have through code, on these objects (nil: all).
func ReadThrough(ctx context.Context, q catalog.Querier, objects, holders []catalog.OID) ([]Through, error) {
	rows, err := q.Query(ctx, codeSQL, objects, holders)
	if err != nil {
		return nil, fmt.Errorf("read access through views and functions: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Through, err error) {
		err = row.Scan(&t.Class, &t.Object, &t.Privilege, &t.Column, &t.Objects, &t.Holder, &t.HolderName, &t.Code.Text, &t.Code.Possible, &t.Code.Class,
			&t.Code.OID, &t.Code.Privilege)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read access through views and functions: %w", err)
	}
	return list, nil
}

// AddThrough adds to objects who has privileges on them through code.
func AddThrough(ctx context.Context, q catalog.Querier, objects []*Object) error {
	oids := []catalog.OID{}
	for _, o := range objects {
		oids = append(oids, o.OID)
	}
	list, err := ReadThrough(ctx, q, oids, nil)
	if err != nil {
		return err
	}
	for _, o := range objects {
		for _, t := range list {
			if t.Object == o.OID && t.Class == o.Class {
				o.Through = append(o.Through, t)
			}
		}
	}
	return nil
}

// PathsThrough lists the ways by which the subject has a privilege on an object, or on a column of it, through code: the merely possible last, and
// only if it has not the privilege at once anyhow. The same goes for columns.
func (s *Subject) PathsThrough(o *Object, privilege, column string) []Path {
	var certain, possible []Path
	has := len(o.Through) > 0 && s.Has(o, privilege, "")
	for _, t := range o.Through {
		if t.Privilege != privilege || t.Column != column || s.Superuser || has && (t.Code.Possible || column != "") {
			continue
		}
		for _, p := range s.pathsToCode(o, t) {
			if t.Code.Possible {
				possible = append(possible, p)
			} else {
				certain = append(certain, p)
			}
		}
	}
	return append(certain, possible...)
}

func (s *Subject) pathsToCode(o *Object, t Through) (paths []Path) {
	for _, r := range s.reach {
		if r.role.OID == t.Holder && !isPredefined(r.role.Name, o, t.Privilege) {
			p := r.path(ThroughCode)
			p.Code = &t.Code
			paths = append(paths, p)
		}
	}
	if t.Holder == 0 && s.OID != 0 {
		paths = append(paths, Path{Holder: catalog.Public, Means: ThroughCode, Code: &t.Code})
	}
	return paths
}

// PathsToCode lists the ways to code by which the subject may do what cannot be told.
func (s *Subject) PathsToCode(t Through) []Path { return s.pathsToCode(&Object{}, t) }
