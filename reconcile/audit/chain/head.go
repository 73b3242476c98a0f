package chain

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// Head is where the chain ends: the number of its last place, and that place's hash. It stands for all that the chain holds.
type Head struct {
	Seq  int64
	Hash string // in hex
}

func (h Head) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash }

// MarshalText implements encoding.TextMarshaler.
func (h Head) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// ParseHead reads what Head.String wrote.
func ParseHead(text string) (Head, error) {
	number, hash, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	hash = strings.ToLower(hash)
	if err != nil || seq < 0 || len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return Head{}, fmt.Errorf("%q is no head of an audit chain: a number, a colon and 64 hexadecimal digits, as audit verify prints it", text)
	}
	return Head{seq, hash}, nil
}

// ReadHead returns where the chain ends.
func ReadHead(ctx context.Context, q catalog.Querier) (Head, error) {
	rows, err := q.Query(ctx, "SELECT c.seq, encode(c.hash, 'hex') AS hash FROM sync_roles.audit_chain AS c")
	if err == nil {
		var head Head
		if head, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Head]); err == nil {
			return head, nil
		}
	}
	return Head{}, fmt.Errorf("read the head of the audit's chain: %w", err)
}
