package boundary

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pg-sync-roles/pg-sync-roles/internal/sqllex"
)

// boundary is a message with which a statement is run, or with which what was run is committed. A simple query with several statements in a
// transaction is as many boundaries.
type boundary struct {
	message pgproto3.FrontendMessage
	before  string // of a query: its statements up to this one
	sql     string
	commits bool
	wrote   bool // its transaction has changed something, or it does so itself
}

// String is the statement in one line, without its comments.
func (b boundary) String() string {
	var words []string
	for line := range strings.Lines(b.sql) {
		line, _, _ = strings.Cut(line, "-- ")
		words = append(words, strings.Fields(line)...)
	}
	text := strings.Join(words, " ")
	if _, sync := b.message.(*pgproto3.Sync); sync {
		return "the end of: " + text
	}
	return text
}

var changing = regexp.MustCompile(`(?i)\b(insert into|update|delete from|grant|revoke|alter|create|drop)\b`)

func (b boundary) writes() bool { return changing.MatchString(b.String()) }

// strike is one failure to come.
type strike struct {
	kind     kind
	due      func(key string) bool // is asked at each boundary, until it says yes
	kill     func() error          // ends the client's process, for kinds that do
	hit      bool
	at       string
	happened chan struct{} // closed when the failure has
}

func (s *strike) String() string { return s.kind.name + " at " + s.at }

// kind is what happens at a boundary.
type kind struct {
	name    string
	state   string // an SQLSTATE: the statement fails on the server
	message string
	lose    loss
	kills   bool // the client's process
}

// loss is how a connection is lost.
type loss int

const (
	keep   loss = iota
	before      // the statement was never sent
	during      // it was sent, and nobody waits for it
	after       // it was done, and its answer is lost
)

// kinds are all failures. Those of the server are what others' sessions do to a pass.
var kinds = []kind{
	{name: "lost before", lose: before},
	{name: "lost after", lose: after},
	{name: "lost during commit", lose: during},
	{name: "55P03", state: "55P03", message: "canceling statement due to lock timeout"},
	{name: "40P01", state: "40P01", message: "deadlock detected"},
	{name: "57014", state: "57014", message: "canceling statement due to statement timeout"},
	{name: "XX000", state: "XX000", message: "tuple concurrently updated"},
	{name: "killed", lose: after, kills: true},
}

func kindNamed(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

// counts reports whether the kind is about such a boundary.
func (k kind) counts(b boundary) bool { return k.lose != during || b.commits }

// raise is a statement that fails on the server as the kind says, so that server and client agree about what it leaves.
func (k kind) raise() string {
	return fmt.Sprintf("do $boundary$ begin raise exception using errcode = '%s', message = '%s'; end $boundary$", k.state, k.message)
}

// fail is any statement that fails.
const fail = "select 1 / 0"

// split returns the statements of a simple query; only one if it cannot be split with certainty, or ends a transaction.
func split(sql string) []string {
	whole, err := sqllex.Tokens(sql)
	if err != nil {
		return []string{sql}
	}
	parts := strings.Split(sql, ";")
	tokens := len(parts) - 1
	for _, part := range parts {
		list, err := sqllex.Tokens(part)
		if err != nil || len(list) == 0 || endsTransaction(part) {
			return []string{sql}
		}
		tokens += len(list)
	}
	if tokens != len(whole) {
		return []string{sql}
	}
	return parts
}

func endsTransaction(sql string) bool {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(sql)), " ")
	return word == "begin" || word == "commit" || word == "rollback" && !strings.Contains(strings.ToLower(sql), " to ")
}
