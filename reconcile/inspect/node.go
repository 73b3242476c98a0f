package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

var nodePrivilegesSQL = query("node_privileges")

const otherNodesSQL = "select n.nodename, n.nodeport, n.success, n.result from pg_catalog.run_command_on_workers($1) as n"

// NodePrivilege is a privilege of a role on something that Citus keeps alike on all nodes; without a grantee, it is the object itself.
type NodePrivilege struct {
	Keyword   string `json:"keyword"`
	Object    string `json:"object"` // as SQL has it; of a role, its name
	Column    string `json:"column_name"`
	Grantee   string `json:"grantee"` // public: PUBLIC
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable"`
	Options   string `json:"options"`   // of a membership, from 16 on
	Removable bool   `json:"removable"` // by a REVOKE of the daemon's
	Partial   bool   `json:"partial"`   // some of a table's shards on the node do not have it
}

// key is what a GRANT adds to and a REVOKE takes away; options make no other one.
func (p NodePrivilege) key() NodePrivilege {
	p.Grantable, p.Options, p.Removable, p.Partial = false, "", false, false
	return p
}

func (p NodePrivilege) object() NodePrivilege {
	return NodePrivilege{Keyword: p.Keyword, Object: p.Object}
}

// NodeDrift is what a role has on the other nodes of a Citus cluster and not on this one, or here and not on each of the others.
type NodeDrift struct {
	Role    string
	Missing []NodePrivilege // as they are here
	Surplus []NodePrivilege
	Stuck   []NodePrivilege // surplus that only its grantor can revoke, on that node
}

// NodeDrifts compares what roles have on this node of a Citus cluster with the others. Of a node that does not answer, an error tells beside what the others have.
func NodeDrifts(ctx context.Context, tx pgx.Tx, roles []string) ([]NodeDrift, error) {
	here, err := readHere(ctx, tx, roles)
	if err != nil {
		return nil, err
	}
	type node struct {
		NodeName string
		NodePort int
		Success  bool
		Result   *string
	}
	nodes, err := catalog.Collect[node](ctx, tx, otherNodesSQL, nodeQuery(roles, true))
	if err != nil {
		return nil, fmt.Errorf("read what roles have on the other nodes: %w", err)
	}
	c := newNodeComparison(here, roles)
	var missed error
	for _, n := range nodes {
		result := ""
		if n.Result != nil {
			result = *n.Result
		}
		there, err := decodeNode(result)
		if !n.Success {
			err = errors.New(result)
		}
		if err != nil {
			missed = errors.Join(missed, fmt.Errorf("read what roles have on node %s:%d: %w", n.NodeName, n.NodePort, err))
			continue
		}
		c.add(there)
	}
	return c.drifts(), missed
}

// StillDrift is what of the drift is so after this node is read again.
func (d NodeDrift) StillDrift(ctx context.Context, tx pgx.Tx) (NodeDrift, error) {
	here, err := readHere(ctx, tx, []string{d.Role})
	if err != nil {
		return d, err
	}
	c := newNodeComparison(here, []string{d.Role})
	d.Missing = slices.DeleteFunc(d.Missing, func(p NodePrivilege) bool { return c.here[p.key()] != p })
	d.Surplus = slices.DeleteFunc(d.Surplus, func(p NodePrivilege) bool {
		here, ok := c.here[p.key()]
		return ok != p.Grantable || here.Grantable || !c.objects[p.object()]
	})
	return d, nil
}

func nodeQuery(roles []string, shards bool) string {
	return strings.NewReplacer(":roles", catalog.Literal(arrayLiteral(roles)), ":shards", strconv.FormatBool(shards)).Replace(nodePrivilegesSQL)
}

func readHere(ctx context.Context, tx pgx.Tx, roles []string) ([]NodePrivilege, error) {
	var text string
	if err := tx.QueryRow(ctx, nodeQuery(roles, false)).Scan(&text); err != nil {
		return nil, fmt.Errorf("read what roles have on this node: %w", err)
	}
	return decodeNode(text)
}

// arrayLiteral is a text array as PostgreSQL reads it.
func arrayLiteral(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

func decodeNode(text string) ([]NodePrivilege, error) {
	var list []NodePrivilege
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("understand what a node says: %w", err)
	}
	return list, nil
}

// nodeComparison collects where other nodes differ from this one.
type nodeComparison struct {
	here    map[NodePrivilege]NodePrivilege // by key
	objects map[NodePrivilege]bool
	roles   map[string]bool
	byRole  map[string]*NodeDrift
}

func newNodeComparison(here []NodePrivilege, roles []string) *nodeComparison {
	c := &nodeComparison{here: map[NodePrivilege]NodePrivilege{}, objects: map[NodePrivilege]bool{}, roles: map[string]bool{}, byRole: map[string]*NodeDrift{}}
	for _, role := range roles {
		c.roles[role] = true
	}
	for _, p := range here {
		c.objects[p.object()] = true
		if p.Grantee != "" {
			c.here[p.key()] = p
		}
	}
	return c
}

// privilegeWords are what PostgreSQL calls privileges.
var privilegeWords = regexp.MustCompile(`^[A-Z ]+$`)

// add compares with another node. What it says becomes part of statements: so of that, only what is known here counts. An object that it does not have is none of
// ours.
func (c *nodeComparison) add(there []NodePrivilege) {
	has, objects := map[NodePrivilege]NodePrivilege{}, map[NodePrivilege]bool{}
	for _, p := range there {
		objects[p.object()] = true
		if p.Grantee == "" {
			continue
		}
		has[p.key()] = p
		here, ok := c.here[p.key()]
		if surplus := !ok || p.Grantable && !here.Grantable; surplus && c.objects[p.object()] && c.roles[p.Grantee] && privilegeWords.MatchString(p.Privilege) {
			p.Grantable = ok // only the grant option is too much
			d := c.of(p.Grantee)
			if p.Removable {
				d.Surplus = append(d.Surplus, p)
			} else {
				d.Stuck = append(d.Stuck, p)
			}
		}
	}
	for key, p := range c.here {
		if other, ok := has[key]; objects[p.object()] && (!ok || other.Partial || p.Grantable && !other.Grantable || p.Options != other.Options) {
			c.of(p.Grantee).Missing = append(c.of(p.Grantee).Missing, p)
		}
	}
}

func (c *nodeComparison) of(role string) *NodeDrift {
	if c.byRole[role] == nil {
		c.byRole[role] = &NodeDrift{Role: role}
	}
	return c.byRole[role]
}

func (c *nodeComparison) drifts() []NodeDrift {
	list := make([]NodeDrift, 0, len(c.byRole))
	for _, d := range c.byRole {
		d.Missing, d.Surplus, d.Stuck = distinct(d.Missing), distinct(d.Surplus), distinct(d.Stuck)
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b NodeDrift) int { return cmp.Compare(a.Role, b.Role) })
	return list
}

func distinct(list []NodePrivilege) []NodePrivilege {
	slices.SortFunc(list, func(a, b NodePrivilege) int {
		return cmp.Or(cmp.Compare(a.Keyword, b.Keyword), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Privilege, b.Privilege))
	})
	return slices.Compact(list)
}
