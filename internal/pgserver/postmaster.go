package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// endTimeout is how long a server may take that was told to end at once. PostgreSQL kills what is left after 5 s.
const endTimeout = 15 * time.Second

// A postmaster is one run of the server.
type postmaster struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

// startPostmaster returns before the server can be used. The server is killed when the context ends.
func startPostmaster(ctx context.Context, binDir, dir string, port int) (*postmaster, error) {
	log, err := os.OpenFile(logPath(dir), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own copy

	cmd, err := command(ctx, dir, filepath.Join(binDir, "postgres"),
		"-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &postmaster{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in its log
	}()
	return p, nil
}

func (p *postmaster) pid() int { return p.cmd.Process.Pid }

// end sends the signal (SIGINT: fast, SIGQUIT: immediate) and waits; when the context ends, it waits no longer than it
// must.
func (p *postmaster) end(ctx context.Context, signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal the server (pid %d): %w", p.pid(), err)
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
	case <-time.After(endTimeout):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	return nil
}
