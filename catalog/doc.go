// Package catalog models PostgreSQL's privileges and reads them from a server: object types and
// their keywords, objects, grants, memberships, and what the connected role may do.
//
// It knows nothing of desired grants.
package catalog
