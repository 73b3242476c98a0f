package connect

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// clean hides the machine's own settings from a test.
func clean(t *testing.T) {
	t.Helper()
	for _, k := range keywords {
		if k.env != "" {
			t.Setenv(k.env, "")
			_ = os.Unsetenv(k.env)
		}
	}
	t.Setenv("PGSYSCONFDIR", "")
	t.Setenv("HOME", t.TempDir())
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What can be read means what libpq takes it for.
func TestConfig(t *testing.T) {
	clean(t)
	for text, want := range map[string]string{
		"postgres://u:p@h:1/d":               "u p h 1 d",
		"postgresql://u@h":                   "u  h 5432 u",
		"postgres://u:p%40%2F%3A%25@h/d%20e": "u p@/:% h 5432 d e",
		"postgres://u:a:b@h/d?":              "u a:b h 5432 d",
		"postgres://u:p?q@h/d":               "u p?q h 5432 d",
		"postgres://u@[::1]:7/d?application_name=a&connect_timeout=3": "u  ::1 7 d",
		"postgres:///d?host=/run/pg&user=u":                           "u  /run/pg 5432 d",
		"postgres://h/d?user=u&password=p%3D&dbname=e&ssl=true":       "u p= h 5432 e",
		"host=h user=u": "u  h 5432 u",
		"host = h port= 7 user ='u' password='it\\'s \\\\ a' dbname=d": `u it's \ a h 7 d`,
		`host=h user=u password=a\ b\\c'd dbname=''`:                   `u a b\c'd h 5432 u`,
		"host='h'user='u'": "u  h 5432 u",
		"host=h user=u options='-c work_mem=1MB' client_encoding=utf-8 keepalives=0 sslcompression=0 gssencmode=prefer krbsrvname=x": "u  h 5432 u",
	} {
		c, _, err := Source{Text: text}.Config()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := strings.Join([]string{c.User, c.Password, c.Host, strconv.Itoa(int(c.Port)), c.Database}, " "); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// What cannot be read, or done, is refused by name.
func TestRefused(t *testing.T) {
	clean(t)
	pem := file(t, "no certificate")
	for text, words := range map[string]string{
		"hunter2":                                                  `at its beginning stands a word without "="`,
		"host=h password=two words":                                `after password stands a word without "="`,
		"host=h password=two words=x":                              "after password stands a keyword that libpq does not know",
		"host=h password='hunter2":                                 "password: the quote ' that opens its value is never closed",
		"hosst=h":                                                  "at its beginning stands a keyword",
		"timezone=UTC":                                             "keyword that libpq does not know",
		"default_query_exec_mode=exec":                             "keyword that libpq does not know",
		"mysql://u:p@h/d":                                          "it looks like a URL",
		"postgres://u:p@h:x/d":                                     "port in the connection string is no number from 1 to 65535",
		"postgres://u:p/q@h/d":                                     "an @ too many",
		"postgres://u:p@q@h/d":                                     "an @ too many",
		"postgres://u:1/q@h/d":                                     "an @ too many",
		"postgres://u:p%q@h/d":                                     "password: there is a % without",
		"postgres://u:p%0@h/d":                                     "password: there is a % without",
		"postgres://u:p%00@h/d":                                    "password: there is a %00",
		"postgres://u:p q@h/d":                                     "password: there is a space in it",
		"postgres://u:p@[::1/d":                                    "[ of an IPv6 address",
		"postgres://u:p@[]/d":                                      "[ of an IPv6 address",
		"postgres://u:p@[::1]x/d":                                  "behind the ]",
		"postgres://u:p@h/d?sslmode":                               "behind the ? stands a parameter that is not keyword=value",
		"postgres://u:p@h/d?sslmode=a=b":                           "not keyword=value",
		"postgres://u:p@h/d?user=u&x=y":                            "behind the ?, after user, stands a keyword",
		"postgres://h/d?ssl=false":                                 "keyword that libpq does not know",
		"host=h sslmode=perhaps":                                   "sslmode in the connection string is not one of: disable, allow, prefer, require, verify-ca, verify-full",
		"host=h sslmode=":                                          "sslmode in the connection string is not one of",
		"host=h channel_binding=yes":                               "channel_binding in the connection string is not one of",
		"host=h require_auth=scram":                                "require_auth in the connection string is not a list of",
		"host=h require_auth=md5,!password":                        "require_auth in the connection string is not a list of",
		"host=h require_auth=md5,md5":                              "require_auth in the connection string is not a list of",
		"host=h require_auth=gss,sspi":                             "this program has none",
		"host=h gssencmode=require":                                "gssencmode in the connection string: this program cannot encrypt by GSSAPI",
		"host=h gssdelegation=1":                                   "gssdelegation",
		"host=h sslcrl=/x":                                         "sslcrl in the connection string: this program does not look at certificate revocation lists",
		"host=h sslcrldir=/x":                                      "sslcrldir",
		"host=/x requirepeer=postgres":                             "requirepeer",
		"host=h requiressl=1":                                      "sslmode=require",
		"host=h replication=database":                              "replication",
		"host=h oauth_issuer=x":                                    "OAuth",
		"host=h sslkeylogfile=/x":                                  "sslkeylogfile",
		"host=h load_balance_hosts=random":                         "load_balance_hosts",
		"host=h client_encoding=latin1":                            "UTF8 alone",
		"host=h sslmode=verify-full":                               "sslrootcert",
		"host=h sslmode=verify-ca":                                 "sslrootcert",
		"host=h sslmode=verify-ca sslrootcert=" + pem:              "no certificate in the file",
		"host=h sslmode=verify-full sslrootcert=/no/such":          "sslrootcert in the connection string: no such file or directory",
		"host=h sslmode=prefer sslrootcert=system":                 "too weak",
		"host=h sslmode=disable channel_binding=require":           "channel_binding",
		"host=h sslmode=require sslcert=" + pem:                    "must both be given",
		"host=h sslmode=require sslkey=/no/such sslcert=" + pem:    "sslkey in the connection string: no such file or directory",
		"host=h sslmode=require sslcert=" + pem + " sslkey=" + pem: "prepare TLS: failed to decode sslkey",
		"host=h sslnegotiation=direct":                             "sslnegotiation",
		"host=h sslmode=verify-full sslrootcert=system sslsni=0":   "sslsni",
		"host=h ssl_min_protocol_version=SSLv3":                    "ssl_min_protocol_version",
		"host=h min_protocol_version=3.2 max_protocol_version=3.0": "higher",
		"host=h connect_timeout=0":                                 "at least 1",
		"host=h connect_timeout=x":                                 "connect_timeout in the connection string is no number",
		"host=h keepalives_idle=-1":                                "keepalives_idle",
		"host=a,b port=1,2,3":                                      "2 hosts have 3 ports",
		"host=a,b port=1,x":                                        "port in the connection string, number 2 of 2, is no number",
		"host=a,b hostaddr=127.0.0.1":                              "2 hosts have 1 values of hostaddr",
		"host=h hostaddr=h":                                        "hostaddr in the connection string is no IP address",
		"host=a@b":                                                 "host in the connection string has characters",
		"host=h target_session_attrs=master":                       "target_session_attrs in the connection string is not one of",
		"service=x":                                                "service in the connection string: no service file defines this service",
		"service=x servicefile=/no/such":                           "service in the connection string: open the service file: no such file or directory",
		"host=h\x00":                                               "NUL",
	} {
		_, _, err := Source{Text: text}.Config()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", text, err, words)
		}
	}
}

// The environment is libpq's, and what is wrong in it is called by the variable's name.
func TestEnvironment(t *testing.T) {
	for variable, c := range map[string]struct{ value, wrong string }{
		"PGSSLMODE":               {"perhaps", "PGSSLMODE is not one of"},
		"PGREQUIREAUTH":           {"x", "PGREQUIREAUTH is not a list"},
		"PGCHANNELBINDING":        {"", "PGCHANNELBINDING is not one of"},
		"PGSSLCRL":                {"/x", "PGSSLCRL: this program"},
		"PGREQUIREPEER":           {"x", "PGREQUIREPEER"},
		"PGREQUIRESSL":            {"1", "PGREQUIRESSL"},
		"PGGSSENCMODE":            {"require", "PGGSSENCMODE"},
		"PGPORT":                  {"hunter2", "PGPORT is no number"},
		"PGHOSTADDR":              {"hunter2", "PGHOSTADDR is no IP address"},
		"PGSSLROOTCERT":           {"/hunter2", "PGSSLROOTCERT: no such file"},
		"PGLOADBALANCEHOSTS":      {"random", "PGLOADBALANCEHOSTS"},
		"PGSERVICE":               {"hunter2", "PGSERVICE: no service file defines"},
		"PGSSLMINPROTOCOLVERSION": {"x", "PGSSLMINPROTOCOLVERSION is not one of"},
	} {
		t.Run(variable, func(t *testing.T) {
			clean(t)
			t.Setenv(variable, c.value)
			_, _, err := Source{Text: "host=h user=u"}.Config()
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%s: %v, want %q", variable, c.value, err, c.wrong)
			}
		})
	}
	clean(t)
	t.Setenv("PGHOST", "h")
	t.Setenv("PGUSER", "u")
	t.Setenv("PGPASSWORD", "p")
	t.Setenv("PGSSLMODE", "require")
	t.Setenv("PGREQUIREAUTH", "scram-sha-256")
	t.Setenv("PGHOSTADDR", "192.0.2.7")
	c, _ := config(t, "")
	if c.Host != "h" || c.Password != "p" || c.TLSConfig == nil || len(c.Fallbacks) > 0 || c.RequireAuth != "scram-sha-256" {
		t.Errorf("%+v", c.Config)
	}
	if addresses, err := c.LookupFunc(t.Context(), "h"); err != nil || len(addresses) != 1 || addresses[0] != "192.0.2.7" {
		t.Errorf("%v, %v", addresses, err)
	}
	// The string counts more, also where it says nothing.
	if c, _ := config(t, "sslmode=disable password='' require_auth=''"); c.TLSConfig != nil || c.Password != "" || c.RequireAuth != "" {
		t.Errorf("%+v", c.Config)
	}
}

func config(t *testing.T, text string) (*pgx.ConnConfig, []string) {
	t.Helper()
	c, warnings, err := Source{Text: text}.Config()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c, warnings
}

// Services come from the file that is named, from the user's, or from the system's.
func TestServices(t *testing.T) {
	clean(t)
	services := file(t, "# comment\n[a]\nhost=ha\nuser=ua\npassword=pa\nsslmode=require\n\n[b]\nhost=hb\nuser=ub\nhost=twice\n")
	c, _ := config(t, "service=a servicefile="+services)
	if c.Host != "ha" || c.Password != "pa" || c.TLSConfig == nil || c.RuntimeParams["service"] != "" {
		t.Errorf("%+v", c.Config)
	}
	if c, _ := config(t, "service=a user=mine servicefile="+services); c.User != "mine" {
		t.Errorf("%+v", c.Config)
	}
	t.Setenv("PGUSER", "env")
	t.Setenv("PGSERVICE", "b")
	t.Setenv("PGSERVICEFILE", services)
	if c, _ := config(t, ""); c.Host != "hb" || c.User != "ub" || c.TLSConfig == nil || len(c.Fallbacks) == 0 {
		t.Errorf("%+v", c.Config)
	}
	t.Setenv("PGSERVICEFILE", "")
	dir := t.TempDir()
	text, err := os.ReadFile(services)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "pg_service.conf"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSYSCONFDIR", dir)
	if c, _ := config(t, ""); c.Host != "hb" {
		t.Errorf("%+v", c.Config)
	}
	for line, words := range map[string]string{
		"hunter2":          "line 2 of the service file: it is not keyword=value",
		"hunter2=x":        "line 2 of the service file: it begins with a keyword",
		"service=b":        "a service cannot name another",
		"ldap://hunter2/x": "LDAP",
		"sslmode=hunter2":  "sslmode in the service file is not one of",
		"port=hunter2":     "port in the service file is no number",
	} {
		_, _, err := Source{Text: "service=x servicefile=" + file(t, "[x]\n"+line+"\n")}.Config()
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", line, err, words)
		}
	}
}

// A password file is read as libpq reads it.
func TestPasswordFile(t *testing.T) {
	clean(t)
	lines := "# h:*:*:*:comment\n" + `h:5432:d:u:plain` + "\n" + `h\:2:*:*:*:colons` + "\n" + `*:7:*:u\\v:back\\slash\:colon:rest` + "\nlocalhost:*:*:u: socket \n2001\\:db8\\:\\:1:*:*:*:six\nboth1:*:*:*:same\nboth2:*:*:*:same\n"
	path := file(t, lines)
	for text, want := range map[string]string{
		"host=h user=u dbname=d":               "plain",
		"host=h user=u dbname=e":               "",
		"host=h user=u dbname=d port=1":        "",
		"host=h user=u dbname=d password=mine": "mine",
		`host=x port=7 user='u\\v'`:            `back\slash:colon`,
		"host=/tmp user=u":                     " socket ",
		"host=/elsewhere user=u":               "",
		"host=2001:db8::1 user=u":              "six",
		"hostaddr=2001:db8::1 user=u":          "six",
		"host=both1,both2 user=u":              "same",
	} {
		if c, _ := config(t, text+" passfile="+path); c.Password != want {
			t.Errorf("%s: %q, want %q", text, c.Password, want)
		}
	}
	// One password would be sent to all.
	if _, _, err := (Source{Text: "host=h,both1 user=u dbname=d passfile=" + path}).Config(); err == nil || !strings.Contains(err.Error(), "not the same password") {
		t.Errorf("two hosts with two passwords: %v", err)
	}
	t.Setenv("PGPASSFILE", path)
	if c, _ := config(t, "host=h user=u dbname=d"); c.Password != "plain" {
		t.Errorf("%q", c.Password)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	c, warnings := config(t, "host=h user=u dbname=d")
	if c.Password != "" || len(warnings) != 1 || !strings.Contains(warnings[0], "chmod 600") {
		t.Errorf("%q, %q", c.Password, warnings)
	}
	if _, warnings := config(t, "host=h user=u dbname=d password=p sslmode=require"); len(warnings) > 0 {
		t.Errorf("%q", warnings)
	}
	t.Setenv("PGPASSFILE", "/no/such/file")
	if c, warnings := config(t, "host=h user=u"); c.Password != "" || len(warnings) > 0 {
		t.Errorf("%q, %q", c.Password, warnings)
	}
}

// The file is read each time.
func TestStringInAFile(t *testing.T) {
	clean(t)
	s := Source{File: file(t, "  postgres://u:one@h/d?sslmode=require\n\n")}
	password := func() string {
		t.Helper()
		c, warnings, err := s.Config()
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		return c.Password
	}
	if got := password(); got != "one" {
		t.Error(got)
	}
	if err := os.WriteFile(s.File, []byte("postgres://u:two@h/d?sslmode=require"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := password(); got != "two" {
		t.Error(got)
	}
	for path, words := range map[string]string{"postgres://u:hunter2@h/d": "no such file", file(t, " \n"): "is empty", file(t, "hunter2"): `word without "="`} {
		if _, _, err := (Source{File: path}).Config(); err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", path, err, words)
		}
	}
}

// Whoever starts the program is told where a password can be read.
func TestWarnings(t *testing.T) {
	clean(t)
	const seen, inClear = "list of processes", "in clear"
	for _, c := range []struct {
		source Source
		want   string
	}{
		{Source{Text: "postgres://u:p@h/d"}, inClear},
		{Source{Text: "postgres://u:p@h/d?sslmode=disable"}, "sslmode=disable the password goes"},
		{Source{Text: "postgres://u:p@h/d?sslmode=prefer"}, "may go"},
		{Source{Text: "postgres://u:p@h/d?sslmode=allow&require_auth=password,scram-sha-256"}, inClear},
		{Source{Text: "postgres://u:p@h/d?require_auth=!md5"}, inClear},
		{Source{Text: "postgres://u:p@localhost,h/d"}, inClear},
		{Source{Text: "postgres://u:p@localhost/d?hostaddr=192.0.2.7"}, inClear},
		{Source{Text: "postgres://u:p@h/d?require_auth=scram-sha-256"}, ""},
		{Source{Text: "postgres://u:p@h/d?require_auth=!password"}, ""},
		{Source{Text: "postgres://u:p@h/d?channel_binding=require"}, ""},
		{Source{Text: "postgres://u:p@h/d?sslmode=require"}, ""},
		{Source{Text: "postgres://u@h/d"}, ""},
		{Source{Text: "postgres://u:p@127.0.0.7/d"}, ""},
		{Source{Text: "postgres://u:p@[::1]/d"}, ""},
		{Source{Text: "postgres://u:p@localhost/d?sslmode=disable"}, ""},
		{Source{Text: "postgres:///d?host=/run/pg&password=p&sslmode=disable"}, ""},
		{Source{Text: "postgres://u:p@h/d?hostaddr=127.0.0.1"}, ""},
		{Source{Text: "postgres://u:p@localhost/d", Typed: true}, seen},
		{Source{Text: "host=/tmp sslpassword=x", Typed: true}, seen},
		{Source{Text: "postgres://u@localhost/d", Typed: true}, ""},
	} {
		_, warnings, err := c.source.Config()
		if err != nil {
			t.Errorf("%s: %v", c.source.Text, err)
		}
		if got := strings.Join(warnings, "\n"); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", c.source.Text, got, c.want)
		}
	}
}
