package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pg-sync-roles/pg-sync-roles/internal/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("give the folder to write to, as in: go run ./internal/manual FOLDER")
	}
	root := cli.Command()
	for _, write := range []func(*cobra.Command, string) error{writePages, writeCompletions} {
		if err := write(root, args[0]); err != nil {
			return err
		}
	}
	return nil
}

// writePages writes FOLDER/man/pg-sync-roles.1, FOLDER/man/pg-sync-roles-run.1, ….
func writePages(root *cobra.Command, folder string) error {
	folder = filepath.Join(folder, "man")
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // everybody may read manual pages
		return err
	}
	for _, command := range documented(root) {
		file := filepath.Join(folder, pageName(command)+".1")
		if err := os.WriteFile(file, []byte(page(command)), 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// documented lists a command and those below it that have something to say. completion and help are cobra's, and explain themselves.
func documented(command *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{command}
	for _, sub := range command.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "completion" {
			list = append(list, documented(sub)...)
		}
	}
	return list
}

func pageName(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

// writeCompletions names each file as its shell looks for it.
func writeCompletions(root *cobra.Command, folder string) error {
	for file, generate := range map[string]func(string) error{
		"bash/pg-sync-roles":      func(file string) error { return root.GenBashCompletionFileV2(file, true) },
		"fish/pg-sync-roles.fish": func(file string) error { return root.GenFishCompletionFile(file, true) },
		"zsh/_pg-sync-roles":      root.GenZshCompletionFile,
	} {
		file = filepath.Join(folder, "completions", filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // everybody may read completions
			return err
		}
		if err := generate(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}
