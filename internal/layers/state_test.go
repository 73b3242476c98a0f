package layers

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const retiring = "read of roles that are being retired: while there are any, rescans inspect"

const code = "read for holders and effective_grants, which no inspection asks"

// notInState says of what inspections read and inspect.State leaves out why that is right.
var notInState = map[string]string{
	"pg_catalog.pg_roles":          "a view: State reads what it says of each role",
	"pg_catalog.pg_authid":         "named as a class; pg_roles shows its rows",
	"pg_catalog.pg_shdepend":       "it changes with what it is about",
	"pg_catalog.pg_locks":          "who waits, for messages",
	"pg_catalog.pg_stat_activity":  "who waits, for messages",
	"pg_catalog.pg_settings":       "parameters are as the server was started; those of new libraries are found later",
	"pg_catalog.pg_largeobject":    "the content of large objects",
	"pg_catalog.pg_policy":         retiring,
	"pg_catalog.pg_user_mappings":  retiring,
	"pg_catalog.pg_prepared_xacts": retiring,
	"pg_catalog.pg_range":          retiring,
	"pg_catalog.pg_default_acl":    retiring,
	"pg_catalog.pg_event_trigger":  "what was refused is sent again when it changes, and while anything is refused, rescans inspect",
	"pg_catalog.pg_parameter_acl":  "read where there is one",
	"pg_catalog.pg_operator":       code,
	"pg_catalog.pg_rewrite":        code,
	"pg_catalog.pg_trigger":        code,
	"sync_roles.audit":             "passes alone write it, and change with it what it is about",
	"sync_roles.recent_revokes":    "passes alone write it, and it only adds to the limits",
}

// A rescan inspects nothing while inspect.State stays the same: so whatever inspections read is in it.
func TestStateCoversWhatInspectionsRead(t *testing.T) {
	t.Parallel()
	state := read(t, root+"/reconcile/inspect/state.go")
	tables := map[string]bool{}
	files, err := filepath.Glob(root + "/migrations/*.up.sql")
	if err != nil {
		t.Fatal(err)
	}
	catalogs := regexp.MustCompile(`(?:FROM|JOIN) (pg_catalog\.pg_[a-z_]+) AS`)
	used := map[string]bool{}
	for _, file := range files {
		text := read(t, file)
		for _, match := range regexp.MustCompile(`(?m)^CREATE (?:UNLOGGED )?TABLE (sync_roles\.\w+)`).FindAllStringSubmatch(text, -1) {
			tables[match[1]] = true
		}
		for _, match := range catalogs.FindAllStringSubmatch(text, -1) {
			used[match[1]] = true
		}
	}
	for _, text := range packagesSQL(t)["reconcile/inspect"] {
		for _, match := range catalogs.FindAllStringSubmatch(text, -1) {
			used[match[1]] = true
		}
	}
	for _, name := range strings.Fields(allowed["reconcile/inspect"].reads) {
		if tables["sync_roles."+name] {
			used["sync_roles."+name] = true
		}
	}
	for name := range used {
		_, excused := notInState[name]
		if in := strings.Contains(state, `"`+name+`"`); !in && !excused {
			t.Errorf("inspections read %s, and inspect.State does not", name)
		}
	}
	if !used["pg_catalog.pg_class"] || !used["sync_roles.desired_grants"] {
		t.Error("the relations were not found")
	}
}
