package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Superuser is the role that every server starts with. It needs no password, whatever AuthMethod says.
const Superuser = "postgres"

// Config says what server to start. The zero value will do.
type Config struct {
	// BinDir holds postgres and initdb. Empty: what Locate finds.
	BinDir string

	// Dir is where the server makes its folder. Empty: where temporary files go.
	Dir string

	// InitDB are further options for initdb.
	InitDB []string

	// Settings go into postgresql.conf, last, as name and unquoted value.
	Settings map[string]string

	// AuthMethod is how roles other than the superuser must log in, as in pg_hba.conf. Empty: "trust".
	AuthMethod string

	// Logins are lines for pg_hba.conf that stand before the one with AuthMethod.
	Logins []string

	// Files are put into the data folder by name, such as the server's certificate and key.
	Files map[string][]byte
}

// A Server is a running PostgreSQL, until Stop. Its methods may be called from several goroutines.
type Server struct {
	binDir string
	dir    string // everything of this server; removed by Stop
	port   int
	reaper *reaper

	mu         sync.Mutex
	postmaster *postmaster // nil: down
	stopped    bool
}

// Start makes a new cluster, starts it and returns when it can be used. The context governs the start alone.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.BinDir == "" {
		binDir, err := Locate(ctx, io.Discard)
		if err != nil {
			return nil, err
		}
		config.BinDir = binDir
	}
	dir, err := os.MkdirTemp(config.Dir, "pg-sync-roles-server-")
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	server := &Server{binDir: config.BinDir, dir: dir}
	if err := server.start(ctx, config); err != nil {
		err = fmt.Errorf("start PostgreSQL of %s: %w", config.BinDir, err)
		return nil, errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
	}
	return server, nil
}

func (s *Server) start(ctx context.Context, config Config) (err error) {
	if err := giveToServer(s.dir); err != nil {
		return err
	}
	if s.reaper, err = startReaper(context.WithoutCancel(ctx), s.dir); err != nil {
		return err
	}
	if err := createCluster(ctx, config, s.dir); err != nil {
		return err
	}
	return s.startOnFreePort(ctx)
}

// startOnFreePort tries again when somebody takes the port between our look and the server's start.
func (s *Server) startOnFreePort(ctx context.Context) (err error) {
	for range 10 {
		if s.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = s.launch(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// launch starts the postmaster and waits until a login works.
func (s *Server) launch(ctx context.Context) error {
	postmaster, err := startPostmaster(context.WithoutCancel(ctx), s.binDir, s.dir, s.port)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.postmaster = postmaster
	s.mu.Unlock()

	if err := s.waitUntilReady(ctx, postmaster); err != nil {
		_ = s.halt(ctx, syscall.SIGQUIT)
		return logged(err, s.dir)
	}
	return nil
}

// waitUntilReady gives up when the server ends, even in the middle of a login: whoever has our port may let us wait.
func (s *Server) waitUntilReady(ctx context.Context, postmaster *postmaster) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-postmaster.exited:
			cancel(errors.New("it ended at once"))
		case <-ctx.Done():
		}
	}()

	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", context.Cause(ctx))
		case <-ticker.C:
		}
		if s.answers(ctx) {
			return nil
		}
	}
}

// answers tells if this server can be used; another one on the port, to which we lost the race, does not count.
func (s *Server) answers(ctx context.Context) bool {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close(ctx) }()
	var dataDir string
	err = conn.QueryRow(ctx, "show data_directory").Scan(&dataDir)
	return err == nil && dataDir == s.DataDir()
}

// URL returns the connection string of a user in a database.
func (s *Server) URL(user, database string) string {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.User(user),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return address.String()
}

// Port returns the TCP port on 127.0.0.1. It stays the same over restarts.
func (s *Server) Port() int { return s.port }

// DataDir returns the folder of the cluster.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

// PID returns the postmaster's process id, or 0 while the server is down.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.postmaster == nil {
		return 0
	}
	return s.postmaster.pid()
}

// Shutdown ends the server in good order: clients are cut off, and all is written. It stays down until Restart.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.halt(ctx, syscall.SIGINT); err != nil {
		return fmt.Errorf("shut PostgreSQL down: %w", err)
	}
	return nil
}

// Program prepares a program, such as another version's pg_dump, as the server's user and in a folder of the server's.
func (s *Server) Program(ctx context.Context, path string, args ...string) (*exec.Cmd, error) {
	return command(ctx, s.dir, path, args...)
}

// Crash ends the server as a crash does: clients are cut off, nothing is written, and the next start must recover. It
// stays down until Restart.
func (s *Server) Crash(ctx context.Context) error {
	if err := s.halt(ctx, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("crash PostgreSQL: %w", err)
	}
	return nil
}

// Restart ends the server, if it is up, and starts it again on the same port; immediate ends it as Crash does. A login
// works when it returns.
func (s *Server) Restart(ctx context.Context, immediate bool) error {
	signal := syscall.SIGINT
	if immediate {
		signal = syscall.SIGQUIT
	}
	if err := s.halt(ctx, signal); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	return nil
}

// Stop ends the server and removes all that it wrote. Clients are disconnected. When the context ends first, the server
// is not given the time for a checkpoint. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	stopped := s.stopped
	s.stopped = true
	s.mu.Unlock()
	if stopped {
		return nil
	}
	err := errors.Join(s.halt(ctx, syscall.SIGINT), os.RemoveAll(s.dir))
	s.reaper.dismiss()
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// halt ends the postmaster, if there is one.
func (s *Server) halt(ctx context.Context, signal syscall.Signal) error {
	s.mu.Lock()
	postmaster := s.postmaster
	s.postmaster = nil
	s.mu.Unlock()
	if postmaster == nil {
		return nil
	}
	return postmaster.end(ctx, signal)
}
