package daemon

import (
	"context"
	"slices"
	"sync"
)

// workingConnections is how many databases of one server a daemon works in at a time. Beside them each has a connection that listens: if each kept both,
// max_connections would soon be the limit of what one daemon can serve.
const workingConnections = 8

// seats are the working connections of one server. A database takes one to work, and keeps it while it rests, until another needs it.
type seats struct {
	mu      sync.Mutex
	free    int
	resting []*seat         // the one that has rested longest first
	waiting []chan struct{} // each is closed when it is given a seat
}

func newSeats(n int) *seats { return &seats{free: n} }

// A seat is what one database has of them. It is used by one goroutine.
type seat struct {
	seats  *seats
	vacate func() // closes the connection of a database that rests

	state   seatState     // as the next, guarded by seats.mu
	vacated chan struct{} // closed when vacate has been called
}

type seatState int

const (
	away    seatState = iota // it has none
	working                  // it has one
	resting                  // it has one that another may take
	leaving                  // another is taking it
)

// take waits for a seat. It reports whether it is still the one that the database had, with its connection.
func (s *seat) take(ctx context.Context) (kept bool, err error) {
	if s.keep() {
		return true, nil
	}
	if err := s.seats.claim(ctx); err != nil {
		return false, err
	}
	s.become(working)
	return false, nil
}

// keep ends a rest, and reports whether the database still has its seat.
func (s *seat) keep() bool {
	s.seats.mu.Lock()
	if s.state == leaving {
		s.seats.mu.Unlock()
		<-s.vacated
		s.seats.mu.Lock()
	}
	defer s.seats.mu.Unlock()
	if s.state == resting {
		s.seats.resting = slices.DeleteFunc(s.seats.resting, func(other *seat) bool { return other == s })
		s.state = working
	}
	return s.state == working
}

// rest leaves the seat to another database that needs it.
func (s *seat) rest() {
	s.seats.mu.Lock()
	if len(s.seats.waiting) == 0 {
		s.state = resting
		s.seats.resting = append(s.seats.resting, s)
		s.seats.mu.Unlock()
		return
	}
	s.seats.mu.Unlock()
	s.vacate()
	s.leave()
}

// leave gives up the seat, if the database has one, whose connection is closed.
func (s *seat) leave() {
	if s.keep() {
		s.become(away)
		s.seats.release()
	}
}

func (s *seat) become(state seatState) {
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	s.state = state
}

// claim waits for a seat: a free one, or that of a database that rests.
func (a *seats) claim(ctx context.Context) error {
	a.mu.Lock()
	switch {
	case a.free > 0:
		a.free--
		a.mu.Unlock()
		return nil
	case len(a.resting) > 0:
		other := a.resting[0]
		a.resting = a.resting[1:]
		other.state, other.vacated = leaving, make(chan struct{})
		a.mu.Unlock()
		other.vacate()
		other.become(away)
		close(other.vacated)
		return nil
	}
	turn := make(chan struct{})
	a.waiting = append(a.waiting, turn)
	a.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		a.withdraw(turn)
		return ctx.Err()
	}
}

// withdraw ends a wait, or passes on the seat that it has just been given.
func (a *seats) withdraw(turn chan struct{}) {
	a.mu.Lock()
	before := len(a.waiting)
	a.waiting = slices.DeleteFunc(a.waiting, func(other chan struct{}) bool { return other == turn })
	given := len(a.waiting) == before
	a.mu.Unlock()
	if given {
		a.release()
	}
}

// release gives a seat to the one who has waited longest.
func (a *seats) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.free++
		return
	}
	close(a.waiting[0])
	a.waiting = a.waiting[1:]
}
