// Package layers holds the packages to their places, where the compiler and the linter cannot: in SQL.
package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// relations are the tables and views of schema sync_roles that a package uses.
type relations struct {
	reads  string
	writes string // and reads
}

// allowed says which relations the SQL of each package may name. The vocabulary (objects, memberships and the like) is for all.
var allowed = map[string]relations{
	"catalog/access": {reads: "holders"},
	"desired": {
		reads:  "managed_roles retries audit shortened_grants reviews",
		writes: "pending desired_grants withdrawn",
	},
	"desired/rowfile": {writes: "desired_grants"},
	"desired/explain": {
		reads: "desired_grants intermediate_roles my_scopes grant_status",
	},
	"reconcile": {
		reads: "installation intermediate_roles keepers retries pending desired_grants desired_roles held contested costly_patterns stale_sessions reviews",
	},
	"reconcile/inspect": {
		reads: "desired_grants desired_roles desired_holdings grants_in_force matchable_grants matchable_withdrawn all_desired_holdings all_matchable_grants creators default_privileges withdrawn pending retries held approvals recent_revokes audit applied_passwords " +
			"intermediate_roles keepers resolved_objects costly_patterns costly_holdings privileged_roles installation contested python_intermediate_roles parameters stale_sessions suspended_roles " +
			"forbidden rule_parts rule_objects rule_holders bound_roles useful_memberships enforced_entries enforced_members violations",
	},
	"reconcile/plan": {writes: "desired_grants withdrawn"}, // fixes, which people run
	"reconcile/apply": {
		reads:  "desired_grants withdrawn stale_sessions",
		writes: "intermediate_roles keepers pending suspended_roles",
	},
	"reconcile/audit": {
		reads:  "role_status forbidden violations desired_grants matchable_grants matchable_withdrawn all_matchable_grants all_matchable_withdrawn hand_changes history_state",
		writes: "audit rescans retries held approvals recent_revokes withdrawn shortened_grants resolved_objects intermediate_roles contested costly_patterns policy ownership_claims lost_memberships suspended_roles violation_history row_versions writing_transactions",
	},
	"reconcile/audit/chain": {
		writes: "audit audit_chain audit_removals",
	},
	"reconcile/adopt": {
		reads:  "matchable_grants all_matchable_grants privileged_roles withdrawn intermediate_roles python_intermediate_roles",
		writes: "desired_grants desired_roles",
	},
	"internal/daemon":  {reads: "installation"},
	"internal/metrics": {reads: "role_status pending retries violation_history"},
	"internal/page": {
		reads:  "role_status grant_status held rescans audit my_problems desired_grants intermediate_roles violation_history hand_changes history_begin access_history reviews review_status my_requests request_status",
		writes: "review_items",
	},
	"internal/report": {
		reads: "installation managed_roles intermediate_roles python_intermediate_roles holders predefined_holders access_periods managed_periods desired_history history_begin " +
			"violations violation_history review_status request_status desired_grants forbidden", // of the last two, the types
	},
	"internal/cli": {
		reads:  "audit audit_chain audit_removals",
		writes: "desired_grants desired_roles", // demo and password
	},
}

var vocabulary = strings.Fields("objects memberships")

var (
	creates = regexp.MustCompile(`(?im)^CREATE (?:OR REPLACE )?(?:UNLOGGED )?(?:TABLE|VIEW) sync_roles\.(\w+)`)
	names   = regexp.MustCompile(`\bsync_roles\.(\w+)`)
	writes  = regexp.MustCompile(`(?i)\b(?:insert into|update|delete from)\s+sync_roles\.(\w+)`)
)

// Each package's SQL names only the relations that it is there for, and writes fewer of them.
func TestSQLStaysInItsPackage(t *testing.T) {
	t.Parallel()
	known := knownRelations(t)
	for folder, texts := range packagesSQL(t) {
		may, ok := allowed[folder]
		if !ok {
			t.Errorf("package %s has SQL, and no place in this test: %.100s", folder, texts[0])
			continue
		}
		mayWrite := strings.Fields(may.writes)
		mayRead := slices.Concat(strings.Fields(may.reads), mayWrite, vocabulary)
		used := map[string]bool{}
		for _, text := range texts {
			for _, match := range names.FindAllStringSubmatch(text, -1) {
				used[match[1]] = true
				if known[match[1]] && !slices.Contains(mayRead, match[1]) {
					t.Errorf("SQL of package %s may not read sync_roles.%s:\n%s", folder, match[1], text)
				}
			}
			for _, match := range writes.FindAllStringSubmatch(text, -1) {
				if known[match[1]] && !slices.Contains(mayWrite, match[1]) {
					t.Errorf("SQL of package %s may not write sync_roles.%s:\n%s", folder, match[1], text)
				}
			}
		}
		for _, name := range slices.Concat(strings.Fields(may.reads), mayWrite) {
			if !used[name] {
				t.Errorf("package %s may use sync_roles.%s, and does not", folder, name)
			}
		}
	}
}

// knownRelations are all tables and views that the migrations create.
func knownRelations(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "migrations", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	known := map[string]bool{}
	for _, file := range files {
		for _, match := range creates.FindAllStringSubmatch(read(t, file), -1) {
			known[match[1]] = true
		}
	}
	return known
}

// packagesSQL are the .sql files of each package, and the strings of its Go files that name something of the schema.
func packagesSQL(t *testing.T) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), root+"/"), "/sql")
		first, _, _ := strings.Cut(folder, "/")
		if !slices.Contains([]string{"catalog", "desired", "reconcile", "internal"}, first) || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(folder, "internal/pgserver") {
			return nil
		}
		var texts []string
		switch filepath.Ext(path) {
		case ".sql":
			texts = []string{withoutComments(read(t, path))}
		case ".go":
			texts = stringsOf(t, path)
		}
		for _, text := range texts {
			if names.MatchString(text) && (strings.Contains(strings.ToLower(text), "select") || writes.MatchString(text)) {
				packages[folder] = append(packages[folder], text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 5 {
		t.Fatalf("only %v have SQL", slices.Sorted(maps.Keys(packages)))
	}
	return packages
}

func withoutComments(sql string) string {
	return regexp.MustCompile(`--[^\n]*`).ReplaceAllString(sql, "")
}

// stringsOf are the string constants of a Go file.
func stringsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, text)
		}
		return true
	})
	return texts
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
