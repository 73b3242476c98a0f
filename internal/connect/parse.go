package connect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const space = " \t\n\v\f\r"

var errNUL = errors.New("it has a NUL byte in it")

// parse reads a connection string of either form. Its errors hold nothing of the string but keywords that libpq knows.
func parse(text string) (settings, error) {
	if strings.ContainsRune(text, 0) {
		return nil, errNUL
	}
	for _, scheme := range []string{"postgresql://", "postgres://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			return parseURL(rest)
		}
	}
	if strings.Contains(text, "://") && !strings.Contains(strings.SplitN(text, "://", 2)[0], "=") {
		return nil, errors.New("it looks like a URL, and begins neither with postgres:// nor with postgresql://")
	}
	return parseKeywords(text)
}

// parseKeywords reads keyword = value …, as conninfo_parse does.
func parseKeywords(text string) (settings, error) {
	s := settings{}
	before := "" // the keyword before, for errors
	for rest := strings.TrimLeft(text, space); rest != ""; rest = strings.TrimLeft(rest, space) {
		end := strings.IndexAny(rest, space+"=")
		if end < 0 {
			end = len(rest)
		}
		word := rest[:end]
		after, ok := strings.CutPrefix(strings.TrimLeft(rest[end:], space), "=")
		if !ok {
			return nil, fmt.Errorf(`%s stands a word without "="; a value with spaces in it needs quotes, as in password='two words'`, place(before))
		}
		if !known(word) {
			return nil, fmt.Errorf("%s stands a keyword that libpq does not know", place(before))
		}
		var err error
		var v string
		if v, rest, err = parseValue(strings.TrimLeft(after, space)); err != nil {
			return nil, fmt.Errorf("%s: %w", word, err)
		}
		s[word] = value{v, inString}
		before = word
	}
	return s, nil
}

func place(before string) string {
	if before == "" {
		return "at its beginning"
	}
	return "after " + before
}

// parseValue reads a value, in quotes or up to the next space. A backslash takes the next character as it is.
func parseValue(text string) (v, rest string, err error) {
	ends := space
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		ends, text = "'", text[1:]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
		case text[i] == '\\':
			continue
		case strings.IndexByte(ends, text[i]) >= 0:
			return b.String(), text[i+1:], nil
		}
		b.WriteByte(text[i])
	}
	if quoted {
		return "", "", errors.New("the quote ' that opens its value is never closed")
	}
	return b.String(), "", nil
}

// parseURL reads what follows postgres://, as conninfo_uri_parse_options does.
func parseURL(rest string) (settings, error) {
	s := settings{}
	// Like libpq: an @ ends user and password unless a / comes first.
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		user, password, _ := strings.Cut(rest[:i], ":")
		rest = rest[i+1:]
		if err := s.decode("user", user); err != nil {
			return nil, err
		}
		if err := s.decode("password", password); err != nil {
			return nil, err
		}
	}
	if strings.Contains(rest, "@") {
		// libpq takes it for a part of the host's or the database's name; more likely it is the end of a password.
		return nil, errors.New("there is an @ too many; in a user's name or password write @ as %40, / as %2F, : as %3A and % as %25")
	}
	authority, query, hasQuery := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(authority, "/")
	hosts, ports, err := parseHosts(authority)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct{ name, text string }{{"host", hosts}, {"port", ports}, {"dbname", database}} {
		if err := s.decode(part.name, part.text); err != nil {
			return nil, err
		}
	}
	if !hasQuery {
		return s, nil
	}
	return s, s.parseQuery(query)
}

// parseHosts reads host[:port],…, and returns two lists.
func parseHosts(text string) (hosts, ports string, err error) {
	var hostList, portList []string
	for text, more := text, true; more; {
		var host string
		if strings.HasPrefix(text, "[") {
			var ok bool
			if host, text, ok = strings.Cut(text[1:], "]"); !ok || host == "" {
				return "", "", errors.New("the [ of an IPv6 address has no address and ] behind it")
			}
			if text != "" && text[0] != ':' && text[0] != ',' {
				return "", "", errors.New("behind the ] of an IPv6 address there is neither a port nor the end of the host")
			}
		} else {
			i := strings.IndexAny(text, ":,")
			if i < 0 {
				i = len(text)
			}
			host, text = text[:i], text[i:]
		}
		var port string
		port, text, more = strings.Cut(text, ",")
		hostList, portList = append(hostList, host), append(portList, strings.TrimPrefix(port, ":"))
	}
	return strings.Join(hostList, ","), strings.Join(portList, ","), nil
}

// parseQuery reads keyword=value&…
func (s settings) parseQuery(query string) error {
	before := ""
	for i, pair := range strings.Split(query, "&") {
		if pair == "" && i == strings.Count(query, "&") {
			break
		}
		raw, text, ok := strings.Cut(pair, "=")
		if !ok || strings.Contains(text, "=") {
			return fmt.Errorf("%s stands a parameter that is not keyword=value", queryPlace(before))
		}
		name, why := percentDecoded(raw)
		if why == "" && name == "ssl" && text == "true" { // JDBC's
			name, text = "sslmode", "require"
		}
		if why != "" || !known(name) {
			return fmt.Errorf("%s stands a keyword that libpq does not know", queryPlace(before))
		}
		delete(s, name) // the last one counts
		if err := s.decode(name, text); err != nil {
			return err
		}
		if _, ok := s[name]; !ok {
			s[name] = value{"", inString}
		}
		before = name
	}
	return nil
}

func queryPlace(before string) string {
	if before == "" {
		return "behind the ?"
	}
	return "behind the ?, after " + before + ","
}

// decode sets a keyword to a part of a URL. An empty part sets nothing.
func (s settings) decode(name, raw string) error {
	text, why := percentDecoded(raw)
	if why != "" {
		return fmt.Errorf("%s: %s", name, why)
	}
	if text != "" {
		s[name] = value{text, inString}
	}
	return nil
}

// percentDecoded decodes a part of a URL, as conninfo_uri_decode does, or says why it cannot.
func percentDecoded(raw string) (text, why string) {
	raw = strings.Trim(raw, " ")
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == ' ' {
			return "", "there is a space in it; write it as %20"
		}
		if raw[i] != '%' {
			b.WriteByte(raw[i])
			continue
		}
		c, err := strconv.ParseUint(raw[i+1:min(i+3, len(raw))], 16, 8)
		if err != nil || i+3 > len(raw) {
			return "", "there is a % without two hexadecimal digits behind it; write % as %25"
		}
		if c == 0 {
			return "", "there is a %00 in it"
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), ""
}
