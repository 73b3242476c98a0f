package connect

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// socketDirs are where libpq may have been built to look for a socket: in a password file the host is then localhost.
var socketDirs = []string{"/var/run/postgresql", "/run/postgresql", "/tmp", "/private/tmp"}

// A passfile is a password file in libpq's format: host:port:database:user:password, with * for any, and \ before a : or \ of the value.
type passfile struct{ lines []string }

// openPassfile reads a password file as passwordFromFile does. One that is missing is empty; one that libpq would pass by is passed by, and
// why is returned.
func openPassfile(path string) (p passfile, warning string, err error) {
	if path == "" {
		return p, "", nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, "", nil
	case err != nil:
		return p, "", withoutPath(err)
	case !info.Mode().IsRegular():
		return p, "the password file is passed by: it is not a plain file", nil
	case readableByOthers(info):
		return p, "the password file is passed by: it can be read by others than its owner; chmod 600 helps", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return p, "", withoutPath(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "#") {
			p.lines = append(p.lines, strings.TrimRight(lines.Text(), "\r"))
		}
	}
	if err := lines.Err(); err != nil {
		return p, "", fmt.Errorf("read it: %w", withoutPath(err))
	}
	return p, "", nil
}

// password is that of the first line that fits, or empty.
func (p passfile) password(host, port, database, user string) string {
	hosts := []string{host}
	if host == "" || slices.Contains(socketDirs, host) {
		hosts = []string{"localhost"}
	}
	for _, line := range p.lines {
		rest, fits := line, true
		for _, want := range [][]string{hosts, {port}, {database}, {user}} {
			var field string
			var ok bool
			field, rest, ok = cutField(rest)
			fits = fits && ok && (field == "*" || slices.Contains(want, unescaped(field)))
		}
		if fits {
			field, _, _ := cutField(rest)
			return unescaped(field)
		}
	}
	return ""
}

// cutField cuts at the first colon without a backslash before it.
func cutField(text string) (field, rest string, ok bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ':':
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

func unescaped(field string) string {
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+1 < len(field) {
			i++
		}
		b.WriteByte(field[i])
	}
	return b.String()
}
