package connect

import (
	"cmp"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// hidden stands for a password. No part of it is a word of an error text.
const hidden = "zQ7xWv9K"

// What an error says of a connection string holds nothing of the password, however the string is broken.
func FuzzNoSecretInErrors(f *testing.F) {
	for _, text := range []string{
		"postgres://u:{}@h/d", "postgres://u:{}@h:x/d", "postgres://u:{}/{}@h/d", "postgres://u:1/{}@h/d", "postgres://u:{}@{}@h/d", "postgres://{}@h:{}/d",
		"postgres://u:{}%zz@h/d", "postgres://u:{} @h/d", "postgres://u:{}@[::1/d", "postgres://u:{}@h/d?{}", "postgres://u:{}@h/d?{}={}", "postgres://u:{}@h/d?sslmode={}",
		"postgres://h/d?password={}&x", "postgres://h/d?password={}&{}=1", "postgre://u:{}@h/d", "u:{}@h/d", "{}", "host=h password={}", "host=h password='{}", "password={} {}",
		"password={} {}=x", "password='{}' '", "password='{}'{}", "password=\\{}", "port={}", "sslmode={}", "host=h,{} port=1,2,3", "hostaddr={}", "require_auth={}", "service={}",
		"sslrootcert={} sslmode=require host=h", "sslcert={} sslkey={} sslmode=require host=h", "host='{}@{}'", "connect_timeout={}", "keepalives_idle={}", "user=u password={}\x00",
		"postgres://u:{}@h/d?options=-c%20{}%", "postgres://u:{}@h/{}%2", "servicefile={} service={}", "passfile={} host=h", "\xff{}=\xfe", "target_session_attrs={}", "ssl_min_protocol_version={}",
	} {
		f.Add(text)
	}
	for _, k := range keywords {
		if k.env != "" {
			_ = os.Unsetenv(k.env)
		}
	}
	f.Fuzz(func(t *testing.T, template string) {
		text := strings.ReplaceAll(template, "{}", hidden)
		config, warnings, err := Source{Text: text, Typed: true}.Config()
		for _, said := range append(warnings, errorText(err)) {
			if strings.Contains(said, hidden) {
				t.Errorf("%q: %s", text, said)
			}
		}
		if err != nil || config.Password == "" {
			return
		}
		// What can be read is read as pgx reads it.
		if other, err := pgx.ParseConfig(text); err == nil && other.User != "" && !strings.Contains(text, "hostaddr") &&
			(other.Password != config.Password || other.Host != config.Host || other.Port != config.Port || other.User != config.User ||
				cmp.Or(other.Database, other.User) != config.Database || other.RequireAuth != config.RequireAuth) {
			t.Errorf("%q: %+v, and pgx has %+v", text, config.Config, other.Config)
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
