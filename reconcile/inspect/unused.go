package inspect

import (
	"context"
	"fmt"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var unusedIntermediatesSQL = query("unused_intermediates")

// Unused is an intermediate role, and whether a desired grant, or an object, has a use for it.
type Unused struct {
	RoleName string
	Used     bool // it has members
	Holds    bool // its selector finds something
	Marked   bool // it is known to hold nothing
	Overdue  bool // for longer than it is kept
}

// UnusedIntermediates reads about these intermediate roles, or with nil about all. One that holds nothing is kept for so many seconds.
func UnusedIntermediates(ctx context.Context, q catalog.Querier, among []string, keepSecs int64) ([]Unused, error) {
	list, err := catalog.Collect[Unused](ctx, q, unusedIntermediatesSQL, among, keepSecs)
	if err != nil {
		return nil, fmt.Errorf("look for intermediate roles without use: %w", err)
	}
	return list, nil
}
