package connect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A Source is where a connection string comes from.
type Source struct {
	Text  string // the string itself; empty: libpq's environment says all
	File  string // a file that holds it, read at each use: what it holds may change
	Typed bool   // Text stood on the command line

	Database string // of the same server, in place of the one that the string names; empty: that one
}

// In returns the source for another database of the same server.
func (s Source) In(database string) Source {
	s.Database = database
	return s
}

// maxFile is more than any connection string has.
const maxFile = 1 << 20

// Config reads the connection string, libpq's environment, and the files that these name, as they are now. The warnings are for whoever started
// the program.
func (s Source) Config() (config *pgx.ConnConfig, warnings []string, err error) {
	text, err := s.read()
	if err != nil {
		return nil, nil, err
	}
	given, err := readSettings(text)
	if err != nil {
		return nil, nil, err
	}
	if s.Database != "" {
		given["dbname"] = value{s.Database, "the server's list of databases"}
	}
	config, warnings, err = given.config()
	if err != nil {
		return nil, nil, err
	}
	if s.Typed && (given["password"].source == inString && given.get("password") != "" || given["sslpassword"].source == inString) {
		warnings = append(warnings, "the connection string on the command line holds a password, which every user of this machine sees in the list of processes: "+
			"use a password file, PGPASSWORD or --database-url-file")
	}
	return config, warnings, nil
}

func (s Source) read() (string, error) {
	if s.File == "" {
		return s.Text, nil
	}
	file, err := os.Open(s.File)
	if err != nil {
		return "", fmt.Errorf("--database-url-file: open the file with the connection string: %w", withoutPath(err))
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return "", fmt.Errorf("--database-url-file: read the file with the connection string: %w", withoutPath(err))
	}
	line := strings.TrimSpace(string(text))
	if line == "" {
		return "", errors.New("--database-url-file: the file with the connection string is empty")
	}
	return line, nil
}

// config makes the configuration of checked settings.
func (s settings) config() (*pgx.ConnConfig, []string, error) {
	hosts, err := s.hosts()
	if err != nil {
		return nil, nil, err
	}
	timeout, err := s.seconds("connect_timeout", 5)
	if err != nil {
		return nil, nil, err
	}
	dialer, err := s.dialer()
	if err != nil {
		return nil, nil, err
	}
	config, err := pgx.ParseConfig(s.forPgx(hosts))
	if err != nil {
		return nil, nil, fmt.Errorf("prepare TLS: %w", innermost(err))
	}
	config.ConnectTimeout = timeout
	config.DialFunc = dialer.dial
	config.LookupFunc = lookup(hosts)
	config.RuntimeParams = s.runtimeParams()
	config.Database = cmp.Or(config.Database, config.User)
	s.adjustTLS(config.TLSConfig)
	for _, f := range config.Fallbacks {
		s.adjustTLS(f.TLSConfig)
	}
	if len(hosts) > 1 && s.get("target_session_attrs") == "" {
		// The one that can be written to, wherever it is after a failover.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	var warnings []string
	if config.Password == "" {
		var warning string
		if config.Password, warning, err = s.filedPassword(config, hosts); err != nil {
			return nil, nil, err
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if warning := s.clearPassword(config, hosts); warning != "" {
		warnings = append(warnings, warning)
	}
	return config, warnings, nil
}

// forPgx is a string with all of it that pgx understands. What the environment says is in it: pgx reads that again, and finds the same.
func (s settings) forPgx(hosts []host) string {
	given := map[string]string{"sslmode": s.sslmode(), "passfile": ""}
	for _, name := range []string{
		"dbname", "user", "password", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslsni", "sslnegotiation", "sslcertmode",
		"target_session_attrs", "min_protocol_version", "max_protocol_version", "channel_binding", "require_auth", "service", "servicefile",
	} {
		if v, ok := s[name]; ok { // also if empty: it stands before what the environment says
			given[name] = v.text
		}
	}
	if given["sslrootcert"] == "" {
		given["sslrootcert"] = defaultRoots()
	}
	var names, ports []string
	for _, h := range hosts {
		names, ports = append(names, h.network()), append(ports, h.port)
	}
	given["host"], given["port"] = strings.Join(names, ","), strings.Join(ports, ",")
	var b strings.Builder
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		fmt.Fprintf(&b, "%s='%s' ", name, quote.Replace(given[name]))
	}
	return b.String()
}

// runtimeParams are the settings that the server gets.
func (s settings) runtimeParams() map[string]string {
	params := map[string]string{}
	for _, name := range []string{"application_name", "options", "timezone", "client_encoding"} {
		if v := s.get(name); v != "" {
			params[name] = v
		}
	}
	if v := s.get("fallback_application_name"); v != "" && params["application_name"] == "" {
		params["application_name"] = v
	}
	return params
}

// innermost is an error of pgx without the connection string, which it repeats.
func innermost(err error) error {
	var parseErr *pgconn.ParseConfigError
	if !errors.As(err, &parseErr) || parseErr.Unwrap() == nil {
		return errors.New("pgx does not understand these settings")
	}
	return withoutPath(parseErr.Unwrap())
}

// lookup finds the addresses of a host: those that hostaddr gives, else DNS's.
func lookup(hosts []host) pgconn.LookupFunc {
	addresses := map[string]string{}
	for _, h := range hosts {
		if h.address != "" {
			addresses[h.network()] = h.address
		}
	}
	return func(ctx context.Context, name string) ([]string, error) {
		if address, ok := addresses[name]; ok {
			return []string{address}, nil
		}
		return net.DefaultResolver.LookupHost(ctx, name)
	}
}

// filedPassword looks into the password file. pgx has one password for all hosts.
func (s settings) filedPassword(config *pgx.ConnConfig, hosts []host) (password, warning string, err error) {
	path := s.get("passfile")
	if path == "" {
		path = userFile(".pgpass")
	}
	file, warning, err := openPassfile(path)
	if err != nil {
		return "", "", fmt.Errorf("the password file: %w", err)
	}
	for i, h := range hosts {
		p := file.password(h.network(), h.port, config.Database, config.User)
		if i > 0 && p != password {
			return "", "", errors.New("the password file has not the same password for each of the hosts: this program sends one to all; give it the same, or one connection string for each host")
		}
		password = p
	}
	return password, warning, nil
}

// clearPassword warns of a password that may be read on the way.
func (s settings) clearPassword(config *pgx.ConnConfig, hosts []host) string {
	remote := slices.ContainsFunc(hosts, func(h host) bool { return !h.local() })
	mode := s.sslmode()
	if config.Password == "" || !remote || !s.passwordInClear() || !slices.Contains([]string{"disable", "allow", "prefer"}, mode) {
		return ""
	}
	how := "goes"
	if mode != "disable" {
		how = "may go"
	}
	return fmt.Sprintf("with sslmode=%s the password %s over the network in clear if the server, or whoever poses as it, asks for that: set sslmode=verify-full and sslrootcert, "+
		"or at the least require_auth=scram-sha-256", mode, how)
}

// seconds reads a number of seconds, of which there must be at least one: a daemon waits for nothing without end.
func (s settings) seconds(name string, otherwise int) (time.Duration, error) {
	n, err := s.number(name, otherwise)
	if err == nil && n < 1 {
		err = fmt.Errorf("%s must be at least 1 (second)", s.where(name))
	}
	return time.Duration(n) * time.Second, err
}

func (s settings) number(name string, otherwise int) (int, error) {
	text := strings.Trim(s.get(name), space)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s is no number", s.where(name))
	}
	return int(n), nil
}
