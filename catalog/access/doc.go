// Package access determines how roles hold their privileges: by ACL entries of their own, of PUBLIC and of roles of which they are members, by
// ownership, as a superuser, or through a predefined role. Its answers agree with PostgreSQL's has_…_privilege functions. What roles have through code
// (views, rules, functions) is told apart.
//
// It knows nothing of desired grants.
package access
