// Package loop says when: it wakes a reconciler for notifications, rescans, retries and expiries, reconnects, and stops.
//
// It knows nothing of roles and grants. A notification is only a hint that the queue is worth a look; a rescan at every interval
// and after every connect is what nothing escapes.
package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgxlisten"
	"github.com/rs/zerolog"
)

// Channel is where triggers notify.
const Channel = "sync_roles"

// Reconciler does the work over one connection. An error means that it is of no more use, and a new one is opened; unless the error says that it is only
// temporary (see temporary): then the rest goes on, and the same call is made again in a moment.
type Reconciler interface {
	ServeQueue(ctx context.Context) (Look, error)
	ServeRetries(ctx context.Context) error
	ServeExpired(ctx context.Context) error
	Rescan(ctx context.Context, why Occasion) error
	// NextDue returns when a retry or an expiry is due; ok is false if none is.
	NextDue(ctx context.Context) (at time.Time, ok bool, err error)
	Ping(ctx context.Context) error
	Close(ctx context.Context) error
}

// Look is what a look at the queue has found.
type Look struct {
	Served     bool // something was in it
	MoreToCome bool // writers are under way of whose rows no notification may tell
}

// Occasion is the reason for a rescan.
type Occasion int

// The occasions.
const (
	Start    Occasion = iota // after each connect
	Interval                 // it is time again
	DDL                      // an event trigger says that objects or privileges have changed
)

// ddlPayload is what the event triggers notify.
const ddlPayload = "ddl"

// hints are what notifications leave: that the queue is worth a look, or everything.
type hints struct{ queue, ddl chan struct{} }

func newHints() hints { return hints{make(chan struct{}, 1), make(chan struct{}, 1)} }

// Config is what a loop needs.
type Config struct {
	Open           func(context.Context) (Reconciler, error)
	Connect        func(context.Context) (*pgx.Conn, error) // for LISTEN; nil: no notifications
	RescanInterval time.Duration                            // with a tenth of it as jitter
	Log            zerolog.Logger
	GiveUp         func(error) bool // whether an error of the first Open is one that waiting cannot mend; nil: none is
	Listening      func()           // called once LISTEN is in effect, each time; may be nil
	Interrupted    func()           // called when it no longer is, and when another try fails; may be nil
}

// Run runs until the context ends, and then returns nil. A reconciler that cannot be opened is waited for, unless none ever could be and GiveUp says
// that waiting is in vain: that error is returned.
func Run(ctx context.Context, config Config) error {
	opened := false
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		reconciler, err := config.Open(ctx)
		if err == nil {
			var worked bool
			opened = true
			if worked, err = config.session(ctx, reconciler); worked {
				delay = time.Second
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to stop
		case !opened && config.GiveUp != nil && config.GiveUp(err):
			return err
		}
		message := "connection lost; reconnecting"
		if !opened {
			message = "cannot start yet; trying again"
		}
		config.Log.Warn().Err(err).Dur("again_in", delay).Msg(message)
		if sleep(ctx, jitter(delay)) != nil {
			return nil //nolint:nilerr // told to stop
		}
	}
}

// session serves one connection, listening beside it, until it fails or the context ends. What makes the one connection useless is likely to have
// hit the other too: both are opened anew. It reports whether it got past the first round.
func (c Config) session(ctx context.Context, r Reconciler) (worked bool, err error) {
	wake := newHints()
	listening := make(chan struct{})
	listenCtx, stop := context.WithCancel(ctx)
	go func() {
		defer close(listening)
		c.listen(listenCtx, wake)
	}()
	worked, err = c.serve(ctx, r, wake)
	stop()
	closeReconciler(ctx, r)
	<-listening
	if c.Interrupted != nil {
		c.Interrupted()
	}
	return worked, err
}

// A server that has gone is not waited for long to end a session: another connection may find another server. When told to stop, the session's end is
// all that there is to wait for.
const hangUpWait = 2 * time.Second

func closeReconciler(ctx context.Context, r Reconciler) {
	closing := context.WithoutCancel(ctx)
	if ctx.Err() == nil {
		var cancel context.CancelFunc
		closing, cancel = context.WithTimeout(closing, hangUpWait)
		defer cancel()
	}
	_ = r.Close(closing)
}

// serve runs one connection until it fails or the context ends. It reports whether it got past the first round.
func (c Config) serve(ctx context.Context, r Reconciler, wake hints) (worked bool, err error) {
	// What was written while nobody listened is in the queue; what was changed by hand, only a rescan finds.
	queue := &watch{reconciler: r, wake: wake.queue}
	err = c.round(ctx, r, queue, Start)
	rescan := time.NewTimer(c.nextRescan(err))
	defer rescan.Stop()
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	if err := c.later(err, wake.queue); err != nil {
		return false, err
	}
	var pace pace
	for {
		due, err := c.due(ctx, r, &pace)
		if err != nil {
			return true, err
		}
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-wake.queue:
			err = queue.serve(ctx)
		case <-wake.ddl:
			if err = c.afterDDL(ctx, r, queue, wake.ddl); isTemporary(err) {
				rescan.Reset(c.nextRescan(err))
			}
		case <-due:
			err = pace.after(steps(ctx, r.ServeExpired, r.ServeRetries))
		case <-ping.C:
			err = r.Ping(ctx)
		case <-rescan.C:
			err = c.round(ctx, r, queue, Interval)
			rescan.Reset(c.nextRescan(err))
		}
		if err = c.later(err, wake.queue); err != nil {
			return true, err
		}
	}
}

// temporary is what an error is when nothing is wrong with the connection, and the same call is worth another try in a moment.
type temporary interface{ Temporary() bool }

// temporaryRescan is the wait before a rescan that failed for a temporary reason is tried again.
const temporaryRescan = 10 * time.Second

// nextRescan is the wait before the next rescan, after one that ended with err.
func (c Config) nextRescan(err error) time.Duration {
	if isTemporary(err) {
		return min(temporaryRescan, jitter(c.RescanInterval))
	}
	return jitter(c.RescanInterval)
}

// isTemporary reports whether an error passes, with all that it is joined from.
func isTemporary(err error) bool {
	if err == nil {
		return false
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return !isTemporary(err) })
	}
	var t temporary
	return errors.As(err, &t) && t.Temporary()
}

// pace keeps calls that fail for a reason that passes from following each other at once: 1 s, 2 s, then every 4 s.
type pace struct {
	delay     time.Duration
	notBefore time.Time
}

// after notes how a call ended.
func (p *pace) after(err error) error {
	if err == nil {
		*p = pace{}
		return nil
	}
	p.delay = min(max(2*p.delay, time.Second), 4*time.Second)
	p.notBefore = time.Now().Add(p.delay)
	return err
}

// later waits out an error that passes. Others it returns.
func (c Config) later(err error, wake chan<- struct{}) error {
	if !isTemporary(err) {
		return err
	}
	c.Log.Warn().Err(err).Msg("busy; trying again in a moment")
	time.AfterFunc(jitter(time.Second), func() { signal(wake) })
	return nil
}

// signal wakes the loop. If a wake is pending already, that one serves for both.
func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// A connection that died without a word is found by asking it.
const pingInterval = 15 * time.Second

// round ends what has expired, serves the queue and the retries, and rescans.
func (c Config) round(ctx context.Context, r Reconciler, queue *watch, why Occasion) error {
	return steps(ctx, r.ServeExpired, queue.serve, r.ServeRetries, func(ctx context.Context) error { return r.Rescan(ctx, why) })
}

// steps does one after the other. An error that passes does not keep the next from being done.
func steps(ctx context.Context, list ...func(context.Context) error) error {
	var passing []error
	for _, step := range list {
		err := step(ctx)
		if err != nil && !isTemporary(err) {
			return err
		}
		if err != nil {
			passing = append(passing, err)
		}
	}
	return errors.Join(passing...)
}

// afterDDL rescans, after it has served the queue: a row is for few roles, and done at once. Where DDL never stops, half of the time is left for the rest: hints that come meanwhile wait as long as the look
// took.
func (c Config) afterDDL(ctx context.Context, r Reconciler, queue *watch, ddl chan struct{}) error {
	started := time.Now()
	if err := steps(ctx, queue.serve, func(ctx context.Context) error { return r.Rescan(ctx, DDL) }); err != nil {
		return err
	}
	select {
	case <-ddl:
		time.AfterFunc(time.Since(started), func() { signal(ddl) })
	default:
	}
	return nil
}

// due returns a channel that delivers when the next retry or expiry is due; nil, which never does, if none is. While that cannot be known, it is asked
// again in a moment.
func (c Config) due(ctx context.Context, r Reconciler, pace *pace) (<-chan time.Time, error) {
	at, ok, err := r.NextDue(ctx)
	switch {
	case isTemporary(err):
		c.Log.Warn().Err(err).Msg("busy; trying again in a moment")
		at = time.Now().Add(time.Second)
	case err != nil || !ok:
		return nil, err
	}
	return time.After(max(time.Until(at), time.Until(pace.notBefore), 50*time.Millisecond)), nil
}

// listen turns notifications into wakes, for as long as the context lasts.
func (c Config) listen(ctx context.Context, wake hints) {
	if c.Connect == nil {
		<-ctx.Done()
		return
	}
	listener := &pgxlisten.Listener{
		Connect: c.Connect,
		LogError: func(_ context.Context, err error) {
			if ctx.Err() == nil {
				c.Log.Warn().Err(err).Msg("listening was interrupted")
				signal(wake.queue) // the other connection may be gone too, and should find out
			}
			if c.Interrupted != nil {
				c.Interrupted()
			}
		},
		ReconnectDelay: time.Second,
	}
	listener.Handle(Channel, &waker{wake: wake, listening: c.Listening})
	_ = listener.Listen(ctx)
}

// waker wakes the loop; it never works itself, because pgxlisten calls it on the goroutine that reads.
type waker struct {
	wake      hints
	listening func()
}

// HandleNotification implements pgxlisten.Handler.
func (w *waker) HandleNotification(_ context.Context, n *pgconn.Notification, _ *pgx.Conn) error {
	if n.Payload == ddlPayload {
		signal(w.wake.ddl)
	} else {
		signal(w.wake.queue)
	}
	return nil
}

// HandleBacklog implements pgxlisten.BacklogHandler: LISTEN is in effect, and what was notified before was missed.
func (w *waker) HandleBacklog(context.Context, string, *pgx.Conn) error {
	signal(w.wake.queue)
	if w.listening != nil {
		w.listening()
	}
	return nil
}

func jitter(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d - d/10 + rand.N(d/5) //nolint:gosec // jitter is no secret
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
