package boundary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// programTimeout is far more than one run of the program takes.
const programTimeout = time.Minute

// build builds the program that all tests run.
func build(t *testing.T) (program string) {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command to build with")
	}
	program = filepath.Join(t.TempDir(), "pg-sync-roles")
	if out, err := exec.CommandContext(t.Context(), goTool, "build", "-o", program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return program
}

// execute runs the program to its end, and returns its exit code and what it said.
func execute(ctx context.Context, program string, args ...string) (code int, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if bytes.Contains(out, []byte("panic:")) || bytes.Contains(out, []byte("fatal error:")) {
		return 0, "", fmt.Errorf("%s crashed: %s", args[0], out)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), string(out), nil
	}
	return 0, string(out), err
}

// daemon is a process of the program that is started again whenever it ends, as a supervisor of services does.
type daemon struct {
	program string
	args    []string

	mu     sync.Mutex
	cmd    *exec.Cmd
	log    bytes.Buffer
	stop   bool
	ended  chan error
	killed int
}

func startDaemon(t *testing.T, program string, args ...string) *daemon {
	t.Helper()
	d := &daemon{program: program, args: args, ended: make(chan error, 1)}
	go func() { d.ended <- d.keep(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		d.mu.Lock()
		d.stop = true
		if d.cmd != nil {
			_ = d.cmd.Process.Kill()
		}
		d.mu.Unlock()
		if err := <-d.ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the daemon's log: %s", d.log.Bytes()[max(0, d.log.Len()-6000):])
		}
	})
	return d
}

// keep returns an error when the process crashes. That one ends that cannot connect the first time is as it should be.
func (d *daemon) keep(ctx context.Context) error {
	for {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, d.program, d.args...)
		cmd.Stderr = &said
		d.mu.Lock()
		if d.stop {
			d.mu.Unlock()
			return nil
		}
		err := cmd.Start()
		d.cmd = cmd
		d.mu.Unlock()
		if err != nil {
			return err
		}
		_ = cmd.Wait()
		d.mu.Lock()
		d.cmd = nil
		d.log.Write(said.Bytes())
		d.mu.Unlock()
		if bytes.Contains(said.Bytes(), []byte("panic:")) || bytes.Contains(said.Bytes(), []byte("fatal error:")) {
			return fmt.Errorf("the daemon crashed: %s", said.Bytes())
		}
	}
}

// kill is kill -9.
func (d *daemon) kill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killed++
	if d.cmd == nil {
		return errors.New("the daemon does not run")
	}
	return d.cmd.Process.Kill()
}
