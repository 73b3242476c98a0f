package pgserver

import (
	"context"
	"io"
	"os/exec"
)

// A reaper ends the server and removes its folder when this program dies before it could do so. It is a shell at the
// other end of a pipe: however this program dies, the pipe closes. (Linux could signal the server on our death, but on
// that of the *thread* that started it, and the folder would stay.)
type reaper struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// reap reads the server's process id when it is needed: it changes with every restart. The file goes when the server
// has ended, or with the folder.
const reap = `
trap '' HUP INT TERM
read -r _
if read -r pid <"$1/data/postmaster.pid"; then
	kill -QUIT "$pid"
	tries=0
	while [ -e "$1/data/postmaster.pid" ] && [ "$tries" -lt 100 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
fi
rm -rf "$1"
`

// startReaper starts one that lives until the context ends, or this program, or until it is dismissed.
func startReaper(ctx context.Context, dir string) (*reaper, error) {
	cmd, err := command(ctx, "/", "/bin/sh", "-c", reap, "reaper", dir)
	if err != nil {
		return nil, err
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &reaper{cmd: cmd, pipe: pipe}, nil
}

// dismiss lets the reaper go when there is nothing left for it.
func (r *reaper) dismiss() {
	if r == nil {
		return
	}
	_ = r.pipe.Close()
	_ = r.cmd.Wait()
}
