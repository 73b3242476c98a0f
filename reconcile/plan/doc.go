// Package plan decides what to do about the differences between roles and their rows.
//
// Make is a pure function: its plan depends on its arguments alone, and it changes none of them. Where deciding takes a fact that was not read, the
// plan has a question; whoever called Make answers it into the facts, and calls Make again.
//
// A plan is a list of typed changes, each of which knows what it is for. The safety limit filters these changes. SQL is made of them last (Steps), so that a
// test can tell what is decided from how it is written.
package plan
