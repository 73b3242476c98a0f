package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

// listSettings take a list of names, each of which PostgreSQL quotes by itself (GUC_LIST_QUOTE). Extensions cannot add to them.
// (variable_is_guc_list_quote in src/bin/pg_dump/dumputils.c)
var listSettings = []string{
	"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
}

// setting is one that a role's sessions in this database start with. Its value is a list: of one, where it is no list.
type setting struct {
	name   string
	values []string
}

// desiredSettings is desired_roles.settings, with numbers as they were written.
type desiredSettings map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (d *desiredSettings) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(d))
}

// settingSteps decides about what roles' sessions start with.
func (c *decision) settingSteps() []Step {
	var steps []Step
	for _, name := range keys(c.drift.Roles) {
		r := c.drift.Roles[name]
		changes, wrong := settingChanges(r)
		if c.protected[name] || r.OID == 0 || len(changes)+len(wrong) == 0 {
			continue
		}
		for _, p := range wrong {
			c.problems.add(name, p)
		}
		if len(changes) > 0 && !c.drift.Server.Superuser && !c.drift.Rights[r.OID].Admin {
			c.problems.add(name, Problem{
				Kind: Blocked, Privilege: "SETTINGS", Object: "role " + name, Reason: "the daemon has no ADMIN option on the role, and so cannot alter it",
				Fix: adminFix(name, c.drift.Server),
			})
			continue
		}
		for _, change := range changes {
			c.touched[name] = true
			sql := fmt.Sprintf("ALTER ROLE %s IN DATABASE %s %s", catalog.Quote(name), catalog.Quote(c.drift.Server.Database), change.clause())
			effect := Effect{Unit: name, SQL: sql, Granted: 1}
			if change.values == nil {
				effect.Granted, effect.Revoked = 0, 1
			}
			steps = append(steps, Step{SQL: sql, Effects: []Effect{effect}, fix: settingFix(change.name, sql, c.drift.Server)})
		}
	}
	return steps
}

// settingChanges lists what must change: settings without values are reset. Where a row says anything about settings, it says all.
func settingChanges(r Role) (changes []setting, wrong []Problem) {
	if r.DesiredSettings == nil {
		return nil, nil
	}
	actual := map[string]setting{}
	for _, s := range r.Settings {
		name, value, _ := strings.Cut(s, "=")
		actual[strings.ToLower(name)], _ = parsedSetting(name, value)
	}
	refuse := func(name, why string) {
		wrong = append(wrong, Problem{Kind: Refused, Privilege: "SETTINGS", Object: "role " + r.Name, Reason: fmt.Sprintf("settings has %q %s", name, why)})
		delete(actual, strings.ToLower(name))
	}
	spellings := map[string]int{}
	for name := range r.DesiredSettings {
		spellings[strings.ToLower(name)]++
	}
	for _, name := range keys(r.DesiredSettings) {
		value := r.DesiredSettings[name]
		if spellings[strings.ToLower(name)] > 1 {
			refuse(name, "in more than one spelling: PostgreSQL does not tell upper case from lower in them")
			continue
		}
		if value == nil {
			continue // reset, like those that are not mentioned
		}
		desired, ok := desiredSetting(name, value)
		if !ok {
			refuse(name, "with a value that is none: a string, a number, a boolean, a list of strings, or null is allowed; in a string that is a list of names, those with other than letters need double quotes")
			continue
		}
		if !slices.Equal(actual[strings.ToLower(name)].values, desired.values) {
			changes = append(changes, desired)
		}
		delete(actual, strings.ToLower(name))
	}
	for _, name := range keys(actual) {
		changes = append(changes, setting{name: actual[name].name})
	}
	return changes, wrong
}

// settingsDiffer reports whether any role's settings are not as desired.
func (d *Drift) settingsDiffer() bool {
	for _, r := range d.Roles {
		if changes, _ := settingChanges(r); len(changes) > 0 {
			return true
		}
	}
	return false
}

func (s setting) isList() bool { return slices.Contains(listSettings, strings.ToLower(s.name)) }

// parsedSetting is one as pg_db_role_setting has it; ok is false where a list is none.
func parsedSetting(name, value string) (s setting, ok bool) {
	s = setting{name: name, values: []string{value}}
	if !s.isList() {
		return s, true
	}
	s.values, ok = splitNames(value)
	return s, ok
}

// desiredSetting is one as desired_roles has it.
func desiredSetting(name string, value any) (s setting, ok bool) {
	s.name = name
	switch value := value.(type) {
	case string:
		return parsedSetting(name, value)
	case bool:
		s.values = []string{map[bool]string{true: "on", false: "off"}[value]}
	case json.Number:
		s.values = []string{value.String()}
	case []any:
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				return s, false
			}
			s.values = append(s.values, text)
		}
		if len(s.values) == 0 {
			s.values = []string{""}
		}
		if !s.isList() {
			s.values = []string{strings.Join(s.values, ", ")}
		}
	default:
		return s, false
	}
	return s, true
}

// clause is the end of ALTER ROLE. The parts of a name are quoted, which leaves its case without meaning.
func (s setting) clause() string {
	parts := strings.Split(s.name, ".")
	for i, part := range parts {
		parts[i] = catalog.Quote(part)
	}
	name := strings.Join(parts, ".")
	if s.values == nil {
		return "RESET " + name
	}
	values := make([]string, len(s.values))
	for i, value := range s.values {
		values[i] = literal(value)
	}
	return "SET " + name + " TO " + strings.Join(values, ", ")
}

// splitNames takes a list of names apart, as SplitGUCList of PostgreSQL does (src/backend/utils/adt/varlena.c).
func splitNames(list string) (names []string, ok bool) {
	const space = " \t\n\r\f\v"
	rest := strings.TrimLeft(list, space)
	if rest == "" {
		return []string{""}, true
	}
	for {
		var name strings.Builder
		if strings.HasPrefix(rest, `"`) {
			for {
				part, after, closed := strings.Cut(rest[1:], `"`)
				if !closed {
					return nil, false
				}
				name.WriteString(part)
				if rest = after; !strings.HasPrefix(rest, `"`) {
					break
				}
				name.WriteByte('"')
			}
		} else {
			end := strings.IndexAny(rest, space+",")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, false
			}
			name.WriteString(rest[:end])
			rest = rest[end:]
		}
		names = append(names, name.String())
		rest = strings.TrimLeft(rest, space)
		if rest == "" {
			return names, true
		}
		if rest[0] != ',' {
			return nil, false
		}
		rest = strings.TrimLeft(rest[1:], space)
	}
}
