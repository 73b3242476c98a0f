package pgserver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// createCluster makes a data folder that a server can start on.
func createCluster(ctx context.Context, config Config, dir string) error {
	dataDir := filepath.Join(dir, "data")
	options := append([]string{
		"-D", dataDir,
		"--username", Superuser, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
	}, config.InitDB...)
	cmd, err := command(ctx, dir, filepath.Join(config.BinDir, "initdb"), options...)
	if err != nil {
		return err
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run initdb: %w\n%s", err, output)
	}
	if err := addToFile(filepath.Join(dataDir, "postgresql.conf"), settings(config.Settings)); err != nil {
		return err
	}
	for name, content := range config.Files {
		path := filepath.Join(dataDir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := giveToServer(path); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dataDir, "pg_hba.conf"), []byte(logins(config.Logins, config.AuthMethod)), 0o600)
}

// settings are the lines for postgresql.conf, where the last one of a name counts.
func settings(extra map[string]string) string {
	all := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "", // TCP is enough, and a socket's path has a short limit
		"max_connections":         "100",
		"logging_collector":       "off", // the log goes to our file
	}
	maps.Copy(all, extra)

	quote := strings.NewReplacer(`\`, `\\`, `'`, `''`)
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&lines, "%s = '%s'\n", name, quote.Replace(all[name]))
	}
	return lines.String()
}

// logins is pg_hba.conf. The superuser has no password, so it must be let in without one.
func logins(extra []string, method string) string {
	return "host all " + Superuser + " 127.0.0.1/32 trust\n" +
		"host replication " + Superuser + " 127.0.0.1/32 trust\n" +
		strings.Join(append(extra, ""), "\n") +
		"host all all 127.0.0.1/32 " + cmp.Or(method, "trust") + "\n"
}

func addToFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := file.WriteString("\n" + text); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
