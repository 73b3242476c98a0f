package plan

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

// Setting is one that a role's sessions in this database start with. Its value is a list: of one, where it is no list.
type Setting struct {
	Name   string
	Values []string // nil: it is reset
}

// Settings is desired_roles.settings, with numbers as they were written.
type Settings map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (d *Settings) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(d))
}

// changeSettings decides about what roles' sessions start with.
func (m *maker) changeSettings() {
	for _, name := range sortedKeys(m.drift.Roles) {
		r := m.drift.Roles[name]
		changes, problems := settingChanges(r)
		if m.protected[name] || r.OID == 0 || r.State == Retired || len(changes)+len(problems) == 0 {
			continue
		}
		for _, p := range problems {
			m.report(name, p)
		}
		if len(changes) > 0 && !m.facts.Server.Superuser && !m.facts.Rights[r.OID].Admin {
			m.report(name, Problem{
				Kind: Blocked, Code: AdminOption, Role: name, Privilege: "SETTINGS", Object: "role " + name,
				Reason: "the daemon has no ADMIN option on the role, and so cannot alter it", Fix: AdminFix(name, m.facts.Server),
			})
			continue
		}
		for _, setting := range changes {
			m.touch(name)
			m.plan.Settings = append(m.plan.Settings, SettingChange{name, setting})
		}
	}
}

// settingSteps render the changes of settings.
func (m *maker) settingSteps() []Step {
	var steps []Step
	for _, c := range m.plan.Settings {
		sql := fmt.Sprintf("ALTER ROLE %s IN DATABASE %s %s", catalog.Quote(c.Role), catalog.Quote(m.facts.Server.Database), c.Setting.clause())
		effect := Effect{Role: c.Role, SQL: sql, Granted: 1}
		if c.Setting.Values == nil {
			effect.Granted, effect.Revoked = 0, 1
		}
		steps = append(steps, Step{SQL: sql, Effects: []Effect{effect}, Fix: settingFix(c.Setting.Name, sql, m.facts.Server)})
	}
	return steps
}

// settingChanges lists what must change: settings without values are reset. Where a row says anything about settings, it says all.
func settingChanges(r Role) (changes []Setting, problems []Problem) {
	if r.DesiredSettings == nil || r.State == Retired {
		return nil, nil
	}
	actual := map[string]Setting{}
	for _, s := range r.Settings {
		name, value, _ := strings.Cut(s, "=")
		actual[strings.ToLower(name)], _ = parsedSetting(name, value)
	}
	refuse := func(name, why string) {
		problems = append(problems, Problem{Kind: Refused, Code: SettingInvalid, Role: r.Name, Privilege: "SETTINGS", Object: "role " + r.Name, Reason: fmt.Sprintf("settings has %q %s", name, why)})
		delete(actual, strings.ToLower(name))
	}
	spellings := map[string]int{}
	for name := range r.DesiredSettings {
		spellings[strings.ToLower(name)]++
	}
	for _, name := range sortedKeys(r.DesiredSettings) {
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
			refuse(name, "with an invalid value: a string, a number, a boolean, a list of strings, or null is allowed; in a string that is a list of names, those with other than letters need double quotes")
			continue
		}
		if !slices.Equal(actual[strings.ToLower(name)].Values, desired.Values) {
			changes = append(changes, desired)
		}
		delete(actual, strings.ToLower(name))
	}
	for _, name := range sortedKeys(actual) {
		changes = append(changes, Setting{Name: actual[name].Name})
	}
	return changes, problems
}

// SettingsDiffer reports whether any role's settings are not as desired.
func (d *Drift) SettingsDiffer() bool {
	for _, r := range d.Roles {
		if changes, _ := settingChanges(r); len(changes) > 0 {
			return true
		}
	}
	return false
}

func (s Setting) isList() bool { return slices.Contains(listSettings, strings.ToLower(s.Name)) }

// parsedSetting is one as pg_db_role_setting has it; ok is false where a list is none.
func parsedSetting(name, value string) (s Setting, ok bool) {
	s = Setting{Name: name, Values: []string{value}}
	if !s.isList() {
		return s, true
	}
	s.Values, ok = splitNames(value)
	return s, ok
}

// desiredSetting is one as desired_roles has it.
func desiredSetting(name string, value any) (s Setting, ok bool) {
	s.Name = name
	switch value := value.(type) {
	case string:
		return parsedSetting(name, value)
	case bool:
		s.Values = []string{map[bool]string{true: "on", false: "off"}[value]}
	case json.Number:
		s.Values = []string{value.String()}
	case []any:
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				return s, false
			}
			s.Values = append(s.Values, text)
		}
		if len(s.Values) == 0 {
			s.Values = []string{""}
		}
		if !s.isList() {
			s.Values = []string{strings.Join(s.Values, ", ")}
		}
	default:
		return s, false
	}
	return s, true
}

// clause is the end of ALTER ROLE. The parts of a name are quoted, which leaves its case without meaning.
func (s Setting) clause() string {
	parts := strings.Split(s.Name, ".")
	for i, part := range parts {
		parts[i] = catalog.Quote(part)
	}
	name := strings.Join(parts, ".")
	if s.Values == nil {
		return "RESET " + name
	}
	values := make([]string, len(s.Values))
	for i, value := range s.Values {
		values[i] = catalog.Literal(value)
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
