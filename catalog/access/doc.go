// Package access says by which ways roles have their privileges: by ACL entries of their own, of PUBLIC and of roles that they are members of, by
// owning, as a superuser, or by a predefined role. What it says a role has is what PostgreSQL's has_…_privilege functions say.
//
// It knows nothing of desired grants.
package access
