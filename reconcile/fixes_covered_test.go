package reconcile_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/pg-sync-roles/pg-sync-roles/reconcile"
	"github.com/pg-sync-roles/pg-sync-roles/reconcile/audit"
)

// Each function of plan/fix.go is tried by a case of TestFixesHelp, or by the test that fixedElsewhere names; and nothing else makes a statement to be printed.
func TestEveryFixIsTried(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go", "audit/*/*.go"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	functions := map[string]bool{} // and tests
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				functions[f.Name.Name] = true
			}
		}
		if !strings.HasSuffix(file, "_test.go") && file != fixFile {
			madeElsewhere(t, file, parsed)
		}
	}
	tried := map[string]bool{}
	for _, c := range fixCases() {
		for name := range strings.FieldsSeq(c.fix) {
			tried[name] = true
		}
	}
	for name := range functions {
		if strings.HasSuffix(name, "Fix") && !tried[name] && !functions[fixedElsewhere[name]] {
			t.Errorf("no test runs what %s prints", name)
		}
	}
	for name := range fixForms {
		if !functions[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

// fixFile is where all fixes are made.
var fixFile = filepath.Join("plan", "fix.go")

// reports are the functions that take what is printed as a fix, as the last argument.
var reports = []string{"problem", "lack", "cannot"}

// printed is the beginning of a statement in a message.
var printed = regexp.MustCompile(`run:? [A-Z]+ [A-Z%]`)

// madeElsewhere complains of fixes that are written down where they are printed.
func madeElsewhere(t *testing.T, file string, parsed *ast.File) {
	t.Helper()
	check := func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.BasicLit:
			if e.Value == `""` {
				return
			}
		case *ast.Ident, *ast.SelectorExpr:
			return
		case *ast.CallExpr:
			name := fmt.Sprint(e.Fun)
			if s, ok := e.Fun.(*ast.SelectorExpr); ok {
				name = fmt.Sprint(s.X, ".", s.Sel)
			}
			if strings.HasSuffix(name, "Fix") || name == "strings.Join" {
				return
			}
		}
		t.Errorf("%s: a fix that no function of plan/fix.go has made, at byte %d", file, e.Pos()-parsed.FileStart)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Fix" || key.Name == "fix") {
				check(n.Value)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "Fix" && i < len(n.Rhs) {
					check(n.Rhs[i])
				}
			}
		case *ast.CallExpr:
			name := fmt.Sprint(n.Fun)
			if s, ok := n.Fun.(*ast.SelectorExpr); ok {
				name = s.Sel.Name
			}
			if slices.Contains(reports, name) && len(n.Args) > 1 {
				check(n.Args[len(n.Args)-1])
			}
		case *ast.BasicLit:
			if printed.MatchString(n.Value) {
				t.Errorf("%s: a statement in a message: %s", file, n.Value)
			}
		}
		return true
	})
}

// What an engine says that cannot begin to work, and one that cannot take the lock, helps too.
func TestFixesOfTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since, before int
		sql           string
	}{
		"no CREATEROLE":       {sql: "alter role <daemon> nocreaterole"},
		"NOINHERIT":           {before: 16, sql: "alter role <daemon> noinherit"},
		"no right to lock":    {since: 16, sql: "revoke _pgsr_lock from <daemon> cascade; revoke <keeper> from <daemon> cascade"},
		"rows out of sight":   {sql: "alter table sync_roles.desired_grants enable row level security; alter table sync_roles.desired_grants force row level security"},
		"tables out of sight": {sql: "alter table sync_roles.desired_roles enable row level security; alter table sync_roles.desired_roles force row level security; alter table sync_roles.desired_grants force row level security"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if f.Version < c.since || c.before != 0 && f.Version >= c.before {
				t.Skip("not on this server")
			}
			alice := f.user(t, "alice")
			f.insert(t, alice, "SELECT", "table", "app", "sales")
			sql := c.sql
			if strings.Contains(sql, "<keeper>") {
				sql = strings.ReplaceAll(sql, "<keeper>", f.texts(t, "select role_name from sync_roles.keepers where locks")[0])
			}
			f.Exec(t, f.filled(sql))
			serve := func() error {
				t.Helper()
				engine, err := reconcile.Open(t.Context(), f.config(t), reconcile.Config{Policy: defaultPolicy, Log: zerolog.Nop()})
				if err != nil {
					return err
				}
				defer func() { _ = engine.Close(context.WithoutCancel(t.Context())) }()
				_, err = engine.ServeQueue(t.Context(), audit.Notify)
				return err
			}
			err := serve()
			if err == nil {
				t.Fatal("an engine works")
			}
			fix := regexp.MustCompile(`run: ([A-Z][^)]*?)(\)|: ERROR|$)`).FindStringSubmatch(err.Error())
			if fix == nil {
				t.Fatalf("there is no fix in: %v", err)
			}
			f.Exec(t, fix[1])
			if err := serve(); err != nil {
				t.Errorf("after %s: %v", fix[1], err)
			}
			f.can(t, alice, "select from app.sales")
		})
	}
}
