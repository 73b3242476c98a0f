package connect

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

const defaultPort = "5432"

// A host is one of those that a connection string names.
type host struct {
	name    string // empty: the default
	address string // of hostaddr; empty: to be looked up
	port    string
}

// plainHost is a name or an address: what is none may be a piece of something else.
var plainHost = regexp.MustCompile(`^[\pL\pN_.:%-]*$`)

// hosts are those to be tried, in this order.
func (s settings) hosts() ([]host, error) {
	names, addresses, ports := strings.Split(s.get("host"), ","), strings.Split(s.get("hostaddr"), ","), strings.Split(s.get("port"), ",")
	if s.get("host") == "" && len(addresses) > 1 {
		names = make([]string, len(addresses))
	}
	if s.get("hostaddr") == "" {
		addresses = make([]string, len(names))
	}
	if len(addresses) != len(names) {
		return nil, fmt.Errorf("%d hosts have %d values of hostaddr: there must be one for each", len(names), len(addresses))
	}
	if len(ports) > 1 && len(ports) != len(names) {
		return nil, fmt.Errorf("%d hosts have %d ports: there must be one for all, or one for each", len(names), len(ports))
	}
	list := make([]host, len(names))
	for i := range names {
		port := ports[min(i, len(ports)-1)]
		if port == "" {
			port = defaultPort
		}
		list[i] = host{names[i], addresses[i], port}
	}
	return list, nil
}

func checkHosts(s settings) error {
	list, err := s.hosts()
	if err != nil {
		return err
	}
	addresses := map[string]string{}
	for i, h := range list {
		if n, err := strconv.Atoi(h.port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%s is no number from 1 to 65535", nth(s.where("port"), i, len(list)))
		}
		if !h.local() && !plainHost.MatchString(h.name) {
			return fmt.Errorf("%s has characters that no host's name has", nth(s.where("host"), i, len(list)))
		}
		if h.address == "" {
			continue
		}
		if _, err := netip.ParseAddr(h.address); err != nil {
			return fmt.Errorf("%s is no IP address", nth(s.where("hostaddr"), i, len(list)))
		}
		if strings.HasPrefix(h.name, "/") {
			return errors.New("hostaddr has no meaning beside a host that is a socket's folder")
		}
		if before, ok := addresses[h.network()]; ok && before != h.address {
			return errors.New("one host has two values of hostaddr: give it another name, or let DNS tell its addresses")
		}
		addresses[h.network()] = h.address
	}
	return nil
}

// nth names an element of a list.
func nth(name string, i, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s, number %d of %d,", name, i+1, n)
}

// network is the host's name as pgx is to have it.
func (h host) network() string {
	if h.name == "" {
		return h.address
	}
	return h.name
}

// socket reports whether the host is a Unix domain socket, on which libpq uses no TLS.
func (h host) socket() bool {
	return strings.HasPrefix(h.name, "/") || h.name == "" && h.address == "" && runtime.GOOS != "windows"
}

// local reports whether what is sent there stays on this machine.
func (h host) local() bool {
	if h.socket() {
		return true
	}
	where := h.address
	if where == "" {
		where = h.name
	}
	address, err := netip.ParseAddr(where)
	return where == "" || strings.EqualFold(where, "localhost") || err == nil && address.IsLoopback()
}
