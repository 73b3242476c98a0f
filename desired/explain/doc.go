// Package explain answers who can do what, and why: it puts beside the ways by which roles have their access (catalog/access) the rows of
// desired_grants that ask for it.
package explain
