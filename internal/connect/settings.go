package connect

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A value is what a keyword was given.
type value struct {
	text   string
	source string // as in "sslmode in the connection string", or the variable's name
}

// settings are the values of libpq's keywords, from the connection string, the service that it or the environment names, and the environment,
// in this order.
type settings map[string]value

const inString = "the connection string"

// readSettings reads all that is given in words; of files only that of the service.
func readSettings(text string) (settings, error) {
	s, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", inString, err)
	}
	fromEnv := settings{}
	for name, k := range keywords {
		// An empty variable counts as none, unless nothing is no value of its kind: then it is a mistake that may open what was to be closed.
		if v, ok := os.LookupEnv(k.env); k.env != "" && ok && (v != "" || len(k.allowed) > 0) {
			fromEnv[name] = value{v, k.env}
		}
	}
	s.add(settings{"service": fromEnv["service"], "servicefile": fromEnv["servicefile"]})
	service, err := readService(s)
	if err != nil {
		return nil, err
	}
	s.add(service)
	s.add(fromEnv)
	if s.get("user") == "" { // as pgx has it: no user is the default user
		s.set("user", fromEnv["user"])
	}
	return s, s.check()
}

// add fills what is not yet set.
func (s settings) add(others settings) {
	for name, v := range others {
		if _, ok := s[name]; !ok {
			s.set(name, v)
		}
	}
}

func (s settings) set(name string, v value) {
	if v != (value{}) {
		s[name] = v
	}
}

func (s settings) get(name string) string { return s[name].text }

// where tells which setting is meant, without its value.
func (s settings) where(name string) string {
	v := s[name]
	if v.source == keywords[name].env {
		return v.source
	}
	return name + " in " + v.source
}

// check refuses values that no setting of the kind has, and what this program does not do.
func (s settings) check() error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		k, text := keywords[name], s.get(name)
		switch {
		case strings.ContainsRune(text, 0):
			return fmt.Errorf("%s has a NUL byte in it", s.where(name))
		case k.refused != "" && text != "":
			return fmt.Errorf("%s: %s", s.where(name), k.refused)
		case len(k.allowed) > 0 && !slices.Contains(k.allowed, text):
			return fmt.Errorf("%s is not one of: %s", s.where(name), strings.Join(k.allowed, ", "))
		}
	}
	for _, rule := range []func(settings) error{checkGSS, checkRequireAuth, checkHosts, checkTLS, checkSession} {
		if err := rule(s); err != nil {
			return err
		}
	}
	return nil
}

func checkGSS(s settings) error {
	if s.get("gssencmode") == "require" {
		return fmt.Errorf("%s: this program cannot encrypt by GSSAPI; use TLS", s.where("gssencmode"))
	}
	if s.get("gssdelegation") == "1" {
		return fmt.Errorf("%s: this program does not use GSSAPI, and so has no credentials to delegate", s.where("gssdelegation"))
	}
	return nil
}

var (
	authMethods = []string{"password", "md5", "scram-sha-256", "gss", "sspi", "oauth", "none"}
	ourMethods  = authMethods[:3]
)

// checkRequireAuth reads the list as libpq does.
func checkRequireAuth(s settings) error {
	list := s.get("require_auth")
	if list == "" {
		return nil
	}
	methods, negated := strings.Split(list, ","), strings.HasPrefix(strings.TrimSpace(list), "!")
	possible := negated
	seen := map[string]bool{}
	for _, m := range methods {
		name, not := strings.CutPrefix(strings.TrimSpace(m), "!")
		if !slices.Contains(authMethods, name) || not != negated || seen[name] {
			return fmt.Errorf("%s is not a list of %s, each once at most, and all or none with a ! in front", s.where("require_auth"), strings.Join(authMethods, ", "))
		}
		seen[name] = true
		possible = possible || name == "none" || slices.Contains(ourMethods, name)
	}
	if !possible {
		return fmt.Errorf("%s: of these methods this program has none; it has %s", s.where("require_auth"), strings.Join(ourMethods, ", "))
	}
	return nil
}

// passwordInClear reports whether the server may ask for the password itself.
func (s settings) passwordInClear() bool {
	list := s.get("require_auth")
	named := slices.ContainsFunc(strings.Split(list, ","), func(m string) bool { return strings.TrimLeft(strings.TrimSpace(m), "!") == "password" })
	negated := strings.HasPrefix(strings.TrimSpace(list), "!")
	return s.get("channel_binding") != "require" && (list == "" || named != negated)
}

func checkSession(s settings) error {
	if encoding := strings.NewReplacer("-", "", "_", "").Replace(strings.ToUpper(s.get("client_encoding"))); encoding != "" && encoding != "UTF8" && encoding != "UNICODE" {
		return fmt.Errorf("%s: this program speaks UTF8 alone", s.where("client_encoding"))
	}
	if s.get("load_balance_hosts") == "random" {
		return fmt.Errorf("%s: this program takes the hosts in the order in which they stand", s.where("load_balance_hosts"))
	}
	if minimum, maximum := s.get("min_protocol_version"), s.get("max_protocol_version"); minimum != "" && minimum != "3.0" && maximum == "3.0" {
		return errors.New("min_protocol_version is higher than max_protocol_version")
	}
	return nil
}
