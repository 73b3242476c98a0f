// Command manual writes what packages ship beside the program: a manual page for each command, and the completions for shells. They are made from the
// command tree, so that they cannot differ from --help:
//
//	go run ./internal/manual FOLDER
//
// The pages bear no date and no version: the same commands give the same bytes. cobra/doc is not used, as it brings a Markdown parser.
package main
