// Package apply runs the steps of a plan in a pass's transaction. It is the only package that changes anything outside schema sync_roles.
package apply
