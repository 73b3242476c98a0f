package daemon

import (
	"cmp"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/internal/connect"
)

// place is where a database is, as the connection string has it.
type place struct {
	Host     string
	Port     uint16
	Database string
	others   []string // further hosts, with their ports
}

// placeOf reads it from a configuration. A server without a host of its own is found where libpq looks for it, and a database without a name is the
// user's.
func placeOf(c *pgx.ConnConfig) place {
	p := place{Host: c.Host, Port: c.Port, Database: strings.ToValidUTF8(cmp.Or(c.Database, c.User), "\uFFFD")}
	last := p.server()
	for _, fallback := range c.Fallbacks { // each host again, where it is tried with and without TLS
		if next := net.JoinHostPort(fallback.Host, strconv.Itoa(int(fallback.Port))); next != last {
			p.others, last = append(p.others, next), next
		}
	}
	return p
}

func (p place) server() string { return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port))) }

// log returns a log each line of which says where the database is.
func (p place) log(log zerolog.Logger) zerolog.Logger {
	fields := log.With().Str("database", p.Database).Str("host", p.Host).Uint16("port", p.Port)
	if len(p.others) > 0 {
		fields = fields.Strs("other_hosts", p.others)
	}
	return fields.Logger()
}

// placesOf reads the connection strings.
func placesOf(sources []connect.Source) ([]place, error) {
	places := make([]place, len(sources))
	for i, source := range sources {
		config, err := parse(source)
		if err != nil {
			return nil, err
		}
		places[i] = placeOf(config)
	}
	return places, nil
}

// parse reads a connection string.
func parse(source connect.Source) (*pgx.ConnConfig, error) {
	config, _, err := source.Config()
	if err != nil {
		return nil, CallError{err}
	}
	return config, nil
}
