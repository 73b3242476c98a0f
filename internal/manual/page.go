package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// page is the manual page of a command, as man(7) wants it.
func page(command *cobra.Command) string {
	var b strings.Builder
	name := pageName(command)
	fmt.Fprintf(&b, ".TH %q 1 \"\" %q %q\n", strings.ToUpper(name), "pg-sync-roles", "User Commands")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(name), escape(command.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", escape(command.CommandPath()), escape(arguments(command)))
	if command.Long != "" {
		b.WriteString(".SH DESCRIPTION\n" + paragraphs(command.Long))
	}
	if command.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + escape(strings.Trim(command.Example, "\n")) + "\n.fi\n")
	}
	subcommands(&b, command)
	options(&b, command)
	b.WriteString(".SH SEE ALSO\n" + seeAlso(command) + "\n")
	return b.String()
}

// arguments is what follows the name of the command.
func arguments(command *cobra.Command) string {
	_, text, _ := strings.Cut(command.Use, " ")
	if command.HasAvailableSubCommands() && text == "" {
		text = "COMMAND"
	}
	return strings.TrimSpace("[OPTION…] " + text)
}

func subcommands(b *strings.Builder, command *cobra.Command) {
	listed := documented(command)[1:]
	if len(listed) == 0 {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range listed {
		if sub.Parent() == command {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", escape(sub.Name()), escape(sub.Short))
		}
	}
}

func options(b *strings.Builder, command *cobra.Command) {
	heading := ".SH OPTIONS\n"
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		b.WriteString(heading)
		heading = ""
		kind, usage := pflag.UnquoteUsage(flag)
		name := "--" + flag.Name
		if flag.Shorthand != "" {
			name = "-" + flag.Shorthand + ", " + name
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s%s\n", escape(strings.TrimSpace(name+" "+kind)), escape(usage), escape(standard(flag)))
	})
}

// standard is the value of an option that is not given, where its description does not say it.
func standard(flag *pflag.Flag) string {
	switch flag.DefValue {
	case "", "0", "[]", "false":
		return ""
	}
	return fmt.Sprintf(" (default %s)", flag.DefValue)
}

func seeAlso(command *cobra.Command) string {
	var names []string
	for _, other := range documented(command.Root()) {
		if other != command {
			names = append(names, fmt.Sprintf(".BR %s (1)", escape(pageName(other))))
		}
	}
	return strings.Join(names, ",\n")
}

// paragraphs keeps the lines of indented blocks, which are code, and fills the others.
func paragraphs(text string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			b.WriteString(".PP\n.nf\n" + escape(paragraph) + "\n.fi\n")
			continue
		}
		b.WriteString(".PP\n" + escape(paragraph) + "\n")
	}
	return b.String()
}

// escape keeps roff from reading text as requests: a backslash, a hyphen that is to be copied, and a line that begins with a dot or an apostrophe.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
