// Package catalog is the vocabulary of PostgreSQL's privileges, and how to read what a server has of it: object types and
// their keywords, objects, grants, memberships, and what the connected role may do.
//
// It knows nothing of desired grants.
package catalog
