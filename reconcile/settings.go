package reconcile

import (
	"fmt"
	"slices"
	"strconv"
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
			steps = append(steps, Step{SQL: sql, Effects: []Effect{effect}})
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
		actual[strings.ToLower(name)] = parsedSetting(name, value)
	}
	for _, name := range keys(r.DesiredSettings) {
		value := r.DesiredSettings[name]
		if value == nil {
			continue // reset, like those that are not mentioned
		}
		desired, ok := desiredSetting(name, value)
		if !ok {
			wrong = append(wrong, Problem{
				Kind: Refused, Privilege: "SETTINGS", Object: "role " + r.Name,
				Reason: fmt.Sprintf("settings has %q with a value of another kind: a string, a number, a boolean, a list of strings, or null is allowed", name),
			})
			delete(actual, strings.ToLower(name))
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

// parsedSetting is one as pg_db_role_setting has it.
func parsedSetting(name, value string) setting {
	s := setting{name: name, values: []string{value}}
	if s.isList() {
		s.values = splitNames(value)
	}
	return s
}

// desiredSetting is one as desired_roles has it.
func desiredSetting(name string, value any) (s setting, ok bool) {
	s.name = name
	switch value := value.(type) {
	case string:
		return parsedSetting(name, value), true
	case bool:
		s.values = []string{map[bool]string{true: "on", false: "off"}[value]}
	case float64:
		s.values = []string{strconv.FormatFloat(value, 'f', -1, 64)}
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

// splitNames takes a list of names apart, as SplitGUCList of PostgreSQL does.
func splitNames(list string) []string {
	var names []string
	var name strings.Builder
	quoted := false
	for i := 0; i < len(list); i++ {
		b := list[i]
		switch {
		case b == '"' && quoted && strings.HasPrefix(list[i+1:], `"`):
			name.WriteByte(b)
			i++
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			names = append(names, name.String())
			name.Reset()
		case !quoted && strings.IndexByte(" \t\n\r\f\v", b) >= 0:
		default:
			name.WriteByte(b)
		}
	}
	return append(names, name.String())
}
