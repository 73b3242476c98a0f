package connect

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// readService reads the settings of the service that is named, as parseServiceInfo does: from the file that is named or the user's own, else from
// that of the system.
func readService(s settings) (settings, error) {
	name := s.get("service")
	if _, ok := s["service"]; !ok {
		return nil, nil //nolint:nilnil // no service
	}
	files := []string{s.get("servicefile")}
	if files[0] == "" {
		files[0] = userFile(".pg_service.conf")
	}
	if dir := os.Getenv("PGSYSCONFDIR"); dir != "" {
		files = append(files, filepath.Join(dir, "pg_service.conf"))
	}
	for i, file := range files {
		found, err := serviceIn(file, name)
		switch {
		case i > 0 && errors.Is(err, fs.ErrNotExist):
		case i == 0 && errors.Is(err, fs.ErrNotExist) && s.get("servicefile") == "":
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.where("service"), err)
		case found != nil:
			s.set("servicefile", value{file, "the service file"}) // where pgx is to look too
			return found, nil
		}
	}
	return nil, fmt.Errorf("%s: no service file defines this service", s.where("service"))
}

// serviceIn returns nil if the file does not define the service.
func serviceIn(path, name string) (settings, error) {
	file, err := os.Open(path) //nolint:gosec // PGSYSCONFDIR is for whoever starts the program to set
	if err != nil {
		return nil, fmt.Errorf("open the service file: %w", withoutPath(err))
	}
	defer func() { _ = file.Close() }()
	var s settings
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' && s != nil:
			return s, nil
		case line[0] == '[':
			if line == "["+name+"]" {
				s = settings{}
			}
		case s != nil:
			if err := s.addLine(line); err != nil {
				return nil, fmt.Errorf("line %d of the service file: %w", n, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the service file: %w", withoutPath(err))
	}
	return s, nil
}

func (s settings) addLine(line string) error {
	word, text, ok := strings.Cut(line, "=")
	word = strings.TrimSpace(word)
	switch {
	case strings.HasPrefix(line, "ldap"):
		return errors.New("this program does not look services up in LDAP")
	case !ok:
		return errors.New("it is not keyword=value")
	case !known(word):
		return errors.New("it begins with a keyword that libpq does not know")
	case word == "service" || word == "servicefile":
		return errors.New("a service cannot name another")
	}
	s.add(settings{word: {strings.TrimSpace(text), "the service file"}})
	return nil
}

// userFile is where libpq looks for a file of the user's; on Windows the names have no dot, and another folder.
func userFile(name string) string {
	if runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return ""
		}
		name = map[string]string{".pgpass": "pgpass.conf"}[name]
		return filepath.Join(dir, "postgresql", name)
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, name)
}

// withoutPath is the error of a file without its path, which may have been part of a connection string.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
