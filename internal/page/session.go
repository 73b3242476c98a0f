package page

import (
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"sync"
	"time"
)

// How long a session lasts, and how many there may be: the oldest gives way.
const (
	idleTime           = 30 * time.Minute
	longestTime        = 12 * time.Hour
	maxSessions        = 200
	maxSessionsOfARole = 10
)

// session is a person who has logged in. The password is kept in memory, for the connection of each request: so the session ends as soon as the database does
// not accept it any more.
type session struct {
	id             string
	token          string // each form of the session carries it
	role, password string
	database       *Database
	begun, used    time.Time
	work           chan struct{} // a seat for each of its requests at once
}

// genuine reports whether a form is one of this session's.
func (s *session) genuine(token string) bool { return sameSecret(s.token, token) }

func sameSecret(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]*session{}}
}

// add begins a session, under an id that was unknown before.
func (s *sessions) add(role, password string, database *Database) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	one := &session{
		id: rand.Text(), token: rand.Text(), role: role, password: password, database: database, begun: now, used: now, work: make(chan struct{}, 2),
	}
	s.removeEnded()
	s.makeRoom(func(other *session) bool { return other.role == role && other.database == database }, maxSessionsOfARole)
	s.makeRoom(func(*session) bool { return true }, maxSessions)
	s.all[one.id] = one
	return one
}

// makeRoom ends the sessions that were not used for longest, until there are fewer than so many of a kind.
func (s *sessions) makeRoom(kind func(*session) bool, most int) {
	var list []*session
	for _, one := range s.all {
		if kind(one) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *session) int { return a.used.Compare(b.used) })
	for ; len(list) >= most; list = list[1:] {
		delete(s.all, list[0].id)
	}
}

// get returns a session that has not ended, and counts as its use; nil: there is none.
func (s *sessions) get(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeEnded()
	one := s.all[id]
	if one != nil {
		one.used = s.now()
	}
	return one
}

func (s *sessions) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

func (s *sessions) removeEnded() {
	now := s.now()
	for id, one := range s.all {
		if now.Sub(one.used) > idleTime || now.Sub(one.begun) > longestTime {
			delete(s.all, id)
		}
	}
}
