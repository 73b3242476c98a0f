package setup

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

//go:embed script.sql.tmpl
var scriptText string

var script = template.Must(template.New("setup").Funcs(template.FuncMap{
	"quote": quote, "literal": literal, "comment": comment, "shell": shellQuoted,
}).Parse(scriptText))

// scriptData is what the template needs.
type scriptData struct {
	Database, Role, RunAs, Versions string
	Owners, Manage, Superusers      []string
	KeepDatabase, Options           bool
	Tag                             string // quotes code: in no name
}

// Script is the SQL that a DBA runs for a request.
func Script(ctx context.Context, q catalog.Querier, r Request) (string, error) {
	f, err := read(ctx, q, r)
	if err != nil {
		return "", err
	}
	if err := r.check(f); err != nil {
		return "", err
	}
	data := scriptData{
		Database: f.Database, Role: r.Role, RunAs: f.runAs(), Versions: "14 and 15", Superusers: f.superusers(), Manage: r.Manage,
		KeepDatabase: r.KeepDatabase, Options: f.membershipOptions(),
	}
	if data.Options {
		data.Versions = "16 and later"
	}
	for _, owner := range f.named(r.Owners, r) {
		data.Owners = append(data.Owners, owner.Name)
	}
	data.Tag = tag(f.Database + r.Role)
	var b strings.Builder
	if err := script.Execute(&b, data); err != nil {
		return "", fmt.Errorf("write the script: %w", err)
	}
	return b.String(), nil
}

// runAs says who can run the script.
func (f *facts) runAs() string {
	switch {
	case f.Provider != "":
		return "as the service's main role, which is a member of " + f.Provider
	case f.membershipOptions():
		return "as a superuser, or as the database's owner with CREATEROLE, CREATEDB and ADMIN on the roles named here"
	}
	return "as a superuser"
}

// tag is a dollar quote's that is in no name.
func tag(names string) string {
	word := "setup"
	for strings.Contains(names, "$"+word+"$") {
		word += "_"
	}
	return "$" + word + "$"
}

// literal is a string constant, without the E that only a backslash needs.
func literal(text string) string {
	if strings.Contains(text, `\`) {
		return catalog.Literal(text)
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// comment is a text in a comment, which ends with its line.
func comment(text string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(text)
}

// shellQuoted is a word of a shell, in one line.
func shellQuoted(word string) string {
	switch {
	case strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "":
		return word
	case strings.ContainsAny(word, "\n\r"):
		return "$'" + comment(strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(word)) + "'"
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
