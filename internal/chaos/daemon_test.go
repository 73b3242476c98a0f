//go:build unix

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemons are the processes that look after the databases: each looks after all of them.
type daemons struct {
	program string
	list    []*daemon
	reaper  *reaper
	stopped bool
}

// daemon is one of them. When it ends it is started again, as a supervisor of services does.
type daemon struct {
	cluster *cluster
	reaper  *reaper
	nth     int
	command []string
	stderr  string // a file, to which each process adds

	stop  context.CancelFunc
	ended chan error

	mu     sync.Mutex
	cmd    *exec.Cmd
	killed bool
}

// startDaemons builds the program, and runs it twice.
func startDaemons(t *testing.T, c *cluster) *daemons {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command to build with")
	}
	dir := t.TempDir()
	d := &daemons{program: filepath.Join(dir, "pg-sync-roles")}
	if *logs != "" {
		dir = *logs
	}
	if out, err := exec.CommandContext(t.Context(), goTool, "build", "-o", d.program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	if d.reaper, err = newReaper(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	command := append([]string{d.program, "run", "--rescan-interval", "1s", "--lock-timeout", "500ms", "--log-format", "json"}, policy...)
	for _, database := range databases {
		command = append(command, "-d", c.server.URL(daemonRole, database))
	}
	for nth := range 2 {
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		one := &daemon{
			cluster: c, reaper: d.reaper, nth: nth, command: command, stderr: filepath.Join(dir, fmt.Sprintf("daemon-%d.log", nth)),
			stop: stop, ended: make(chan error, 1),
		}
		go func() { one.ended <- one.keep(ctx) }()
		d.list = append(d.list, one)
	}
	return d
}

// policy are the options that all daemons, and every plan, must share. Few direct grantees, and no mercy for what is empty, make for
// many intermediate roles that come and go.
var policy = []string{"--fallback-owner", ownerRole, "--max-direct-grantees", "5", "--prune-after", "1s"}

// keep runs the daemon until the context ends. An error is an end that nobody brought about.
func (d *daemon) keep(ctx context.Context) error {
	for ctx.Err() == nil {
		began, calm := d.cluster.began.Load(), d.cluster.troubles.Load() == 0
		stderr, err := d.runOnce(ctx)
		if bytes.Contains(stderr, []byte("panic:")) || bytes.Contains(stderr, []byte("fatal error:")) {
			return fmt.Errorf("daemon %d crashed: %s", d.nth, end(stderr))
		}
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("daemon %d was told to stop, and ended with: %w: %s", d.nth, err, end(stderr))
		}
		// When it cannot connect the first time, it says so and ends. Once it has served all databases, it waits for a server that goes away.
		served := !slices.ContainsFunc(databases, func(database string) bool { return !listening(stderr, database) })
		if err != nil && (served || calm && d.cluster.began.Load() == began) {
			return fmt.Errorf("daemon %d ended by itself: %w: %s", d.nth, err, end(stderr))
		}
		rest(ctx, 50*time.Millisecond)
	}
	return nil
}

// listening reports whether the daemon was ever ready for work in the database.
func listening(stderr []byte, database string) bool {
	for line := range bytes.Lines(stderr) {
		if bytes.Contains(line, []byte(`"database":"`+database+`"`)) && bytes.Contains(line, []byte(`"message":"listening"`)) {
			return true
		}
	}
	return false
}

// runOnce runs one process to its end, and returns what it said.
func (d *daemon) runOnce(ctx context.Context) (said []byte, err error) {
	file, err := os.OpenFile(d.stderr, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, d.command[0], d.command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = io.MultiWriter(file, &stderr)
	d.mu.Lock()
	err = cmd.Start()
	d.cmd, d.killed = cmd, false
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	d.reaper.watch(d.nth, cmd.Process.Pid)
	err = cmd.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cmd = nil
	if d.killed || errors.Is(err, context.Canceled) { // told to end, and ended with 0
		err = nil
	}
	return stderr.Bytes(), err
}

// kill is kill -9.
func (d *daemon) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd != nil {
		d.killed = true
		_ = d.cmd.Process.Kill()
	}
}

// stop ends all daemons: in order, each with 0. A second stop does nothing.
func (d *daemons) stop(t *testing.T) {
	t.Helper()
	if d.stopped {
		return
	}
	d.stopped = true
	for _, one := range d.list {
		one.stop()
		if err := <-one.ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			text, _ := os.ReadFile(one.stderr)
			t.Logf("the end of the log of daemon %d:\n%s", one.nth, end(text))
		}
	}
	d.reaper.dismiss()
}

// end is the last part of a log.
func end(text []byte) []byte { return text[max(0, len(text)-4096):] }

// reaper kills the daemons when this program dies before it could do so: it is a shell at the other end of a pipe.
type reaper struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
	mu   sync.Mutex
	pids [2]int
}

const reap = `
trap '' HUP INT TERM
pids=
while read -r now; do pids=$now; done
[ -z "$pids" ] || kill -9 $pids 2>/dev/null
`

func newReaper() (*reaper, error) {
	r := &reaper{cmd: exec.CommandContext(context.Background(), "/bin/sh", "-c", reap)}
	var err error
	if r.pipe, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return r, r.cmd.Start()
}

// watch tells it which processes there are.
func (r *reaper) watch(nth, pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pids[nth] = pid
	if r.pids[0] != 0 && r.pids[1] != 0 {
		_, _ = fmt.Fprintln(r.pipe, r.pids[0], r.pids[1])
	}
}

// dismiss lets the reaper go when there is nothing left for it.
func (r *reaper) dismiss() {
	_, _ = fmt.Fprintln(r.pipe)
	_ = r.pipe.Close()
	_ = r.cmd.Wait()
}
