package boundary

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// engineName is how the program's working connections call themselves. Its listeners have another name, and are let through.
const engineName = "pg-sync-roles"

// conversation is one connection by way of the proxy. One goroutine carries what the client says, another what the server answers.
type conversation struct {
	proxy      *proxy
	clientConn net.Conn
	serverConn net.Conn
	client     *pgproto3.Backend  // as which the proxy is seen by the client
	server     *pgproto3.Frontend // and by the server
	counted    bool
	executed   string            // in the pipeline that is under way
	wrote      bool              // the transaction has changed something
	statements map[string]string // prepared statements by name
	portals    map[string]string
	waiting    bool // as the proxy was told

	mu      sync.Mutex
	changed *sync.Cond
	status  byte // of the transaction
	failed  bool // the pipeline: the server skips what comes until Sync
	muted   bool // the client hears nothing any more
	marks   int  // markers of ours that are not answered yet
	hide    map[string]int
	ended   bool
}

var errStruck = errors.New("the connection was cut on purpose")

// serve carries one connection until one side ends it.
func (p *proxy) serve(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", p.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	defer context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })()
	c := &conversation{
		proxy: p, clientConn: client, serverConn: server,
		client: pgproto3.NewBackend(client, client), server: pgproto3.NewFrontend(server, server),
		statements: map[string]string{}, portals: map[string]string{}, hide: map[string]int{},
	}
	c.changed = sync.NewCond(&c.mu)
	if !c.greet() {
		return
	}
	if c.counted {
		p.note(1, 0)
	}
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.answer()
		_ = client.Close() // so that the other goroutine ends
	}()
	c.listen()
	_ = server.Close()
	<-answers
	if c.counted {
		working := 0
		if c.waiting {
			working = -1
		}
		p.note(-1, working)
	}
}

// greet passes on how the connection begins. It reports whether more follows: a request to cancel is all.
func (c *conversation) greet() bool {
	message, err := c.client.ReceiveStartupMessage()
	if err != nil {
		return false
	}
	if start, ok := message.(*pgproto3.StartupMessage); ok {
		c.counted = start.Parameters["application_name"] == engineName
	}
	c.server.Send(message)
	if c.server.Flush() != nil {
		return false
	}
	_, cancel := message.(*pgproto3.CancelRequest)
	if cancel {
		_, _ = io.Copy(c.clientConn, c.serverConn) // the server closes it when it is done
	}
	return !cancel
}

// answer carries what the server says.
func (c *conversation) answer() {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		c.changed.Broadcast()
	}()
	for {
		message, err := c.server.Receive()
		if err != nil {
			return
		}
		if !c.heard(message) {
			continue
		}
		c.client.Send(message)
		if _, more := message.(*pgproto3.DataRow); more {
			continue
		}
		if c.client.Flush() != nil {
			return
		}
	}
}

// heard notes what the server says, and reports whether it is for the client.
func (c *conversation) heard(message pgproto3.BackendMessage) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	name := ""
	switch m := message.(type) {
	case *pgproto3.CloseComplete:
		if c.marks > 0 {
			c.marks--
			return false
		}
	case *pgproto3.ErrorResponse:
		c.failed = true
	case *pgproto3.ReadyForQuery:
		name = "ready"
		c.status, c.failed = m.TxStatus, false
		if c.waiting && c.hide[name] == 0 {
			c.waiting = false
			c.proxy.note(0, -1)
		}
	case *pgproto3.ParseComplete:
		name = "parse"
	case *pgproto3.BindComplete:
		name = "bind"
	case *pgproto3.CommandComplete:
		name = "command"
	}
	if c.hide[name] > 0 {
		c.hide[name]--
		return false
	}
	return !c.muted
}

// listen carries what the client says.
func (c *conversation) listen() {
	for {
		message, err := c.client.Receive()
		if err != nil {
			return
		}
		if err := c.hear(message); err != nil {
			return
		}
	}
}

func (c *conversation) hear(message pgproto3.FrontendMessage) error {
	if !c.counted {
		return c.send(message)
	}
	c.mu.Lock()
	idle := !c.waiting && c.status != 'T' && c.status != 'E'
	c.mu.Unlock()
	if _, leaves := message.(*pgproto3.Terminate); idle && !leaves {
		c.proxy.enter()
	}
	c.mu.Lock()
	if !c.waiting {
		c.waiting = true
		c.proxy.note(0, 1)
	}
	open := c.status == 'T'
	c.mu.Unlock()
	for _, b := range c.boundaries(message, open) {
		c.wrote = c.wrote && open || b.writes()
		b.wrote = c.wrote
		if s := c.proxy.count(b); s != nil {
			return c.strike(s, b)
		}
	}
	return c.send(message)
}

// boundaries are those of a message. The names of statements and portals are noted.
func (c *conversation) boundaries(message pgproto3.FrontendMessage, open bool) []boundary {
	switch m := message.(type) {
	case *pgproto3.Query:
		if strings.HasPrefix(m.String, "-- ping") {
			return nil
		}
		parts := []string{m.String}
		if open {
			parts = split(m.String)
		}
		var list []boundary
		for i, part := range parts {
			list = append(list, boundary{
				message: message, before: strings.Join(parts[:i], ";"), sql: strings.TrimSpace(part),
				commits: strings.EqualFold(part, "commit"),
			})
		}
		return list
	case *pgproto3.Parse:
		c.statements[m.Name] = m.Query
	case *pgproto3.Bind:
		c.portals[m.DestinationPortal] = c.statements[m.PreparedStatement]
	case *pgproto3.Execute:
		c.executed = c.portals[m.Portal]
		return []boundary{{message: message, sql: c.executed}}
	case *pgproto3.Sync:
		last := c.executed
		c.executed = ""
		if last != "" && !open {
			return []boundary{{message: message, sql: last, commits: true}}
		}
	}
	return nil
}

func (c *conversation) send(messages ...pgproto3.FrontendMessage) error {
	for _, message := range messages {
		c.server.Send(message)
	}
	return c.server.Flush()
}

// drain waits until the server has dealt with all that was sent, or skips it.
func (c *conversation) drain() error {
	c.mu.Lock()
	c.marks++
	c.mu.Unlock()
	if err := c.send(&pgproto3.Close{ObjectType: 'S', Name: "boundary"}, &pgproto3.Flush{}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.marks > 0 && !c.failed && !c.ended {
		c.changed.Wait()
	}
	c.marks = 0
	return nil
}

// strike lets the boundary fail.
func (c *conversation) strike(s *strike, b boundary) error {
	defer close(s.happened)
	if s.kind.state != "" {
		return c.refuse(s.kind, b)
	}
	defer func() { _, _ = c.clientConn.Close(), c.serverConn.Close() }()
	c.mu.Lock()
	c.muted = true
	c.mu.Unlock()
	if s.kind.kills {
		if err := s.kill(); err != nil {
			return err
		}
	}
	sent := b.message
	switch query, simple := b.message.(*pgproto3.Query); {
	case s.kind.lose == before && b.before == "":
		return errStruck
	case s.kind.lose == before:
		sent = &pgproto3.Query{String: b.before + ";" + fail} // what came before it was done, and the connection is lost then
	case simple && s.kind.lose == after && b.before+b.sql != query.String:
		sent = &pgproto3.Query{String: joined(b.before, b.sql) + ";" + fail}
	}
	if s.kind.lose == during {
		_ = c.clientConn.Close()
		_ = c.send(sent)
		return errStruck
	}
	if err := c.send(sent); err != nil {
		return err
	}
	_ = c.drain()
	return errStruck
}

// refuse lets the server fail in the statement's place.
func (c *conversation) refuse(k kind, b boundary) error {
	if _, simple := b.message.(*pgproto3.Query); simple {
		if !b.commits {
			return c.send(&pgproto3.Query{String: joined(b.before, k.raise())})
		}
		// A COMMIT that fails leaves no transaction behind.
		c.mu.Lock()
		c.hide["ready"]++
		c.hide["command"]++
		c.mu.Unlock()
		return c.send(&pgproto3.Query{String: k.raise()}, &pgproto3.Query{String: "rollback"})
	}
	// What came before in the pipeline is answered first, so that it is clear which answers are to be hidden.
	if err := c.drain(); err != nil {
		return err
	}
	c.mu.Lock()
	skipped := c.failed
	if !skipped {
		c.hide["parse"]++
		c.hide["bind"]++
	}
	c.mu.Unlock()
	if !skipped {
		if err := c.send(&pgproto3.Parse{Query: k.raise()}, &pgproto3.Bind{}, &pgproto3.Execute{}); err != nil {
			return err
		}
	}
	if _, sync := b.message.(*pgproto3.Sync); sync {
		return c.send(b.message)
	}
	return c.send(&pgproto3.Flush{}) // the client may wait for nothing more than this
}

func joined(before, sql string) string {
	if before == "" {
		return sql
	}
	return before + ";" + sql
}
