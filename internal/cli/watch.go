package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// clearScreen moves the cursor to the upper left corner and clears what is there (ECMA-48: CUP, ED).
const clearScreen = "\x1b[H\x1b[2J"

// watchStatus shows the status again and again, until told to stop. Each time it opens a connection, so that it goes on after a restart of the server.
func (o *statusOptions) watchStatus(cmd *cobra.Command, roles []string) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	list, err := o.read(ctx, roles)
	if err != nil {
		return err // a call that cannot work is not to be watched
	}
	ticker := time.NewTicker(o.watch)
	defer ticker.Stop()
	last := ""
	for {
		text := o.picture(out, list, err)
		if err := o.repaint(out, text, text != last); err != nil {
			return err
		}
		last = text
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if list, err = o.read(ctx, roles); ctx.Err() != nil {
			return nil
		}
	}
}

// picture is the status as it is shown, or the reason why it cannot be read.
func (o *statusOptions) picture(out io.Writer, list []databaseStatus, err error) string {
	var b bytes.Buffer
	shown := screen{shownOn{&b, terminalOf(out)}}
	for _, d := range list {
		if d.err != nil {
			err = errors.Join(err, d.explained())
		}
	}
	if err == nil || list != nil {
		_ = o.print(shown, list) // to memory
	}
	if err != nil {
		_, _ = fmt.Fprintf(&b, "Error: %s\n", errorText(err))
	}
	return b.String()
}

// repaint shows a picture: on a terminal each time, with the time, as much as there is room for; elsewhere when it has changed.
func (o *statusOptions) repaint(out io.Writer, text string, changed bool) error {
	shown := terminalOf(out)
	switch {
	case shown == terminal{} && !changed:
		return nil
	case shown != terminal{}:
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		if room := shown.height - 3; len(lines) > room && room > 0 {
			lines = append(lines[:room], fmt.Sprintf("… and %s more; --problems shows only what is not in sync", counted(len(lines)-room, "line")))
		}
		text = clearScreen + fmt.Sprintf("Every %s: %s\n\n", o.watch, time.Now().Format("2006-01-02 15:04:05")) + strings.Join(lines, "")
	}
	_, err := io.WriteString(unwrapped(out), text)
	return err
}

// shownOn is memory in which is kept what a terminal will show.
type shownOn struct {
	io.Writer
	terminal terminal
}
