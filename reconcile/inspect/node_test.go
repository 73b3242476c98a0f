package inspect

import (
	"reflect"
	"testing"
)

// What another node says becomes part of statements: so it counts only where this node has the object, and for the roles that were asked about.
func TestNodeComparison(t *testing.T) {
	t.Parallel()
	object := NodePrivilege{Keyword: "TABLE", Object: "s.t"}
	local := NodePrivilege{Keyword: "TABLE", Object: "s.here"}
	on := func(o NodePrivilege, grantee, privilege string) NodePrivilege {
		o.Grantee, o.Privilege, o.Removable = grantee, privilege, true
		return o
	}
	partial := on(object, "bob", "SELECT")
	partial.Partial = true
	stuck := on(object, "bob", "DELETE")
	stuck.Removable = false

	here := []NodePrivilege{object, local, on(object, "alice", "SELECT"), on(object, "bob", "SELECT"), on(local, "alice", "SELECT")}
	c := newNodeComparison(here, []string{"alice", "bob"})
	c.add([]NodePrivilege{
		object, partial, stuck, on(object, "alice", "INSERT"),
		on(object, "mallory", "SELECT"),
		on(object, "alice", "SELECT ON s.t TO mallory; --"),
		on(NodePrivilege{Keyword: "TABLE", Object: "s.t TO mallory; --"}, "alice", "SELECT"),
	})
	want := []NodeDrift{
		{Role: "alice", Missing: []NodePrivilege{on(object, "alice", "SELECT")}, Surplus: []NodePrivilege{on(object, "alice", "INSERT")}},
		{Role: "bob", Missing: []NodePrivilege{on(object, "bob", "SELECT")}, Stuck: []NodePrivilege{stuck}},
	}
	if got := c.drifts(); !reflect.DeepEqual(got, want) {
		t.Errorf("the drift is\n%+v, want\n%+v", got, want)
	}
}
