package page

import (
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Databases are the databases that one can log in to. They may come and go while the page is served.
type Databases struct {
	mu   sync.Mutex
	list []*Database
}

// Database is one of them. Configure returns how the daemon connects to it, as that is now.
type Database struct {
	Name      string
	Configure func() (*pgx.ConnConfig, error)
}

// Add adds a database, under a name that no other has.
func (d *Databases) Add(one *Database) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, one)
}

// Remove takes a database out. Sessions in it end with their next request.
func (d *Databases) Remove(one *Database) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = slices.DeleteFunc(d.list, func(other *Database) bool { return other == one })
}

// find returns the database of this name; without a name the only one there is. nil: there is none.
func (d *Databases) find(name string) *Database {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" && len(d.list) == 1 {
		return d.list[0]
	}
	for _, one := range d.list {
		if one.Name == name {
			return one
		}
	}
	return nil
}

func (d *Databases) several() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.list) != 1
}

// methods by which a server checks a password.
var methods = []string{"scram-sha-256", "md5", "password"}

// configuration is how a person connects: to where the daemon connects, with nothing of the daemon's own. The server must have checked a password: where it
// trusts the daemon's machine, or the user as whom the daemon runs, that is no reason to trust whoever reaches the page.
func (d *Database) configuration(role, password string) (*pgx.ConnConfig, error) {
	config, err := d.Configure()
	if err != nil {
		return nil, err
	}
	config = config.Copy()
	config.User, config.Password = role, password
	config.RequireAuth = requiredAuth(config.RequireAuth)
	config.RuntimeParams = map[string]string{"application_name": "pg-sync-roles page"}
	config.AfterConnect, config.OnNotice, config.OnNotification = nil, nil, nil
	if config.TLSConfig != nil {
		config.TLSConfig = config.TLSConfig.Clone()
		config.TLSConfig.Certificates, config.TLSConfig.GetClientCertificate = nil, nil
	}
	for _, f := range config.Fallbacks {
		if f.TLSConfig != nil {
			f.TLSConfig = f.TLSConfig.Clone()
			f.TLSConfig.Certificates, f.TLSConfig.GetClientCertificate = nil, nil
		}
	}
	return config, nil
}

// requiredAuth is what of these methods the daemon's own connection string allows.
func requiredAuth(own string) string {
	allowed := slices.Clone(methods)
	if own != "" {
		words := strings.Split(own, ",")
		negated := strings.HasPrefix(own, "!")
		allowed = slices.DeleteFunc(allowed, func(method string) bool {
			named := slices.ContainsFunc(words, func(w string) bool { return strings.TrimPrefix(strings.TrimSpace(w), "!") == method })
			return named == negated
		})
	}
	if len(allowed) == 0 {
		return methods[0]
	}
	return strings.Join(allowed, ",")
}
