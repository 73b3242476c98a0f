package boundary

import (
	"flag"
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var everything = flag.Bool("boundary.all", false, "every boundary with every failure, which takes an hour; otherwise a sample")

// lanes are by whom the passes are done.
var lanes = []struct {
	name  string
	start func(*lane) driver
	kinds []kind
}{
	{"sync", newSyncer, kinds[:len(kinds)-1]}, // a process that runs sync ends anyway when it has lost its connection
	{"one daemon", newDaemon, kinds},
	{"two daemons", newDaemons, kinds},
}

func TestBoundaries(t *testing.T) {
	t.Parallel()
	program := build(t)
	for _, by := range lanes {
		if !*everything {
			t.Run(by.name, func(t *testing.T) {
				t.Parallel()
				newLane(t, program, by.start).sample(by.kinds)
			})
			continue
		}
		for _, k := range by.kinds {
			t.Run(by.name+"/"+k.name, func(t *testing.T) {
				t.Parallel()
				newLane(t, program, by.start).exhaust(k)
			})
		}
	}
}

// What a daemon knew before a read failed is what its later passes go by: another daemon has taken over the pass itself.
func TestFailedReadIsNoKnowledge(t *testing.T) {
	t.Parallel()
	l := newLane(t, build(t), newDaemons)
	l.begin()
	fails := strikeAt(kindNamed("XX000"), func(key string) bool { return strings.Contains(key, "server_version_num") })
	l.cycle(func(s step) *strike {
		if s.name == "attributes" {
			return fails
		}
		return nil
	})
	if !fails.hit {
		t.Error("no statement read what the server is")
	}
	l.close()
}

// begin plays the script once without a failure, and returns the boundaries.
func (l *lane) begin() (boundaries map[string][]string) {
	l.t.Helper()
	l.prime()
	l.cycle(func(step) *strike { return nil })
	boundaries = map[string][]string{}
	known, messages := map[string]bool{}, 0
	for _, s := range script {
		for _, key := range l.trails[s.name] {
			if !known[key] {
				boundaries[s.name] = append(boundaries[s.name], key)
			}
			known[key] = true
			messages++
		}
	}
	l.t.Logf("PostgreSQL %d: %d boundaries, of %d statements in %d steps", l.env.Version, len(known), messages, len(script))
	return boundaries
}

// prime lets be made what is made once for all, such as keepers, so that the script finds the same each time.
func (l *lane) prime() {
	l.t.Helper()
	for _, sql := range []string{
		"insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, direct) values ('{ann}', 'SELECT', 'table', 'app', 'orders', false)",
		"delete from sync_roles.desired_grants",
	} {
		l.exec("", sql)
		l.run(append([]string{"sync", "--prune", "-d", l.env.URL(l.env.Daemon)}, l.options()...)...)
	}
	l.exec("superuser", "drop role {ann}")
}

// exhaust lets every boundary fail in this way.
func (l *lane) exhaust(k kind) {
	l.t.Helper()
	boundaries := l.begin()
	tried := map[string]bool{}
	due := func(key string) bool {
		fresh := !tried[key]
		tried[key] = true
		return fresh
	}
	for before := -1; before != l.hits; {
		before = l.hits
		l.cycle(func(step) *strike { return strikeAt(k, due) })
		l.t.Logf("%s: %d failures", k.name, l.hits)
	}
	for _, list := range boundaries {
		for _, key := range list {
			if !tried[key] && k.lose != during {
				l.t.Errorf("%s never happened at: %s", k.name, key)
			}
		}
	}
	l.close()
}

// sample lets some boundaries fail, always the same: in each step one with one kind, which take turns; first the commits, then what else there is.
func (l *lane) sample(kinds []kind) {
	l.t.Helper()
	boundaries := l.begin()
	const cycles = 2
	for cycle := range cycles {
		nth := 3 * cycle
		l.cycle(func(s step) *strike {
			nth++
			chosen := boundaries[s.name][7*nth%len(boundaries[s.name])]
			return strikeAt(kinds[nth%len(kinds)], func(key string) bool {
				if cycle == 0 {
					return strings.HasSuffix(key, ": commit")
				}
				return key == chosen
			})
		})
	}
	l.t.Logf("%d failures", l.hits)
	if l.hits < cycles*len(script)/2 {
		l.t.Errorf("only %d of %d failures happened", l.hits, cycles*len(script))
	}
	l.close()
}

func strikeAt(k kind, due func(key string) bool) *strike {
	return &strike{kind: k, due: due, happened: make(chan struct{})}
}
