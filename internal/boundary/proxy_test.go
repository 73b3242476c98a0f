package boundary

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands between a program and the server. It counts the boundaries of the conversations, and lets one fail.
type proxy struct {
	listener net.Listener
	server   string // host:port

	mu      sync.Mutex
	changed *sync.Cond
	armed   *strike
	gated   bool // nothing new begins
	engines int  // conversations of engines that are open
	working int  // of these, how many wait for an answer
	last    time.Time
	step    string
	trail   []string       // what was counted since the proxy was armed; nil: nothing is
	times   map[string]int // how often each statement was
}

// newProxy listens until the test ends.
func newProxy(t *testing.T, serverURL string) *proxy {
	t.Helper()
	address, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	p := &proxy{server: address.Host}
	p.changed = sync.NewCond(&p.mu)
	if p.listener, err = config.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		p.gate(false)
		stop()
		_ = p.listener.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(ctx, client) })
		}
	})
	return p
}

// url is the server's URL, by way of the proxy.
func (p *proxy) url(serverURL string) string {
	return strings.Replace(serverURL, p.server, p.listener.Addr().String(), 1)
}

// arm begins to count the boundaries of a step. A strike may be nil.
func (p *proxy) arm(step string, s *strike) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.armed, p.trail, p.times = step, s, []string{}, map[string]int{}
}

// disarm ends the counting, and returns the keys of the boundaries.
func (p *proxy) disarm() (trail []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	trail = p.trail
	p.armed, p.trail = nil, nil
	return trail
}

// gate holds engines back before their next transaction, or lets them go on.
func (p *proxy) gate(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gated = closed
	p.changed.Broadcast()
}

// quiet reports whether an engine is connected and has had nothing to do for so long.
func (p *proxy) quiet(since time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.engines > 0 && p.working == 0 && time.Since(p.last) > since
}

func (p *proxy) lastMessage() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// rendered are constants in place of parameters: whether a query looks for renamed objects depends on when a pass comes.
var rendered = regexp.MustCompile(`\b(?:true|false|NULL::text)\b`)

// count notes the boundary, and returns the strike if it is due.
//
// As long as a transaction has changed nothing, it is the same at whatever step its statement fails: such a boundary's key is the statement
// alone. The others are known by step and place.
func (p *proxy) count(b boundary) *strike {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	if p.trail == nil || p.armed != nil && (p.armed.hit || !p.armed.kind.counts(b)) {
		return nil
	}
	key := rendered.ReplaceAllString(b.String(), "?")
	if b.wrote {
		p.times[key]++
		key = fmt.Sprintf("%s, %d: %s", p.step, p.times[key], key)
	}
	p.trail = append(p.trail, key)
	s := p.armed
	if s == nil || !s.due(key) {
		return nil
	}
	s.hit, s.at = true, key
	return s
}

// enter waits while the gate is closed.
func (p *proxy) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.gated {
		p.changed.Wait()
	}
}

func (p *proxy) note(engines, working int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.engines, p.working, p.last = p.engines+engines, p.working+working, time.Now()
}
