package metrics

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// state is what readiness is about.
type state struct {
	interval time.Duration // between rescans

	mu        sync.Mutex
	stands    bool      // the working connection
	reason    string    // why it could not be opened when that was last tried; empty: it was opened
	rescanned time.Time // when all roles were last inspected; zero: not yet
}

// staleAfter is how many intervals may pass without a look at all roles. One can be missed for good reasons: jitter, a long
// queue, a connection that was lost.
const staleAfter = 3

// connect notes whether the working connection stands, and returns whether it was lost just now.
func (s *state) connect(ok bool) (lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost = s.stands && !ok
	s.stands = ok
	if ok {
		s.reason = ""
	}
	return lost
}

// fail notes why the working connection could not be opened.
func (s *state) fail(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = reason
}

// rescan notes that all roles were inspected, and returns when.
func (s *state) rescan() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rescanned = time.Now()
	return s.rescanned
}

// missing says in words what keeps the database from being served; empty if nothing does.
func (s *state) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	switch {
	case s.stands:
	case s.reason != "":
		list = append(list, "not connected ("+s.reason+")")
	default:
		list = append(list, "not connected")
	}
	switch since := time.Since(s.rescanned); {
	case s.rescanned.IsZero():
		list = append(list, "not all roles were inspected yet")
	case since > staleAfter*s.interval:
		list = append(list, fmt.Sprintf("all roles were last inspected %s ago, which should be every %s", since.Round(time.Second), s.interval))
	}
	return strings.Join(list, "; ")
}
