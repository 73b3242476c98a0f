package migrations_test

import (
	"strings"
	"testing"

	"github.com/pg-sync-roles/pg-sync-roles/internal/pgserver/pgtest"
)

const verifier = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=:YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI="

// A role's row that can never be obeyed is refused; a secret in it stays out of every part of the error.
func TestBadRoles(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	alice := row{"role_name": "alice"}
	public := row{"role_name": "public"}
	refuse(t, conn, "desired_roles", []badRow{
		{"the role none", row{"role_name": "none"}, "role_name", []string{"'none'"}},
		{"the role pg_x", row{"role_name": "pg_x"}, "role_name", []string{"'pg_x'"}},
		{"the role _pgsr_lock", row{"role_name": "_pgsr_lock"}, "role_name", []string{"'_pgsr_lock'"}},
		{"64 bytes", row{"role_name": longBytes}, "role_name", []string{"64 bytes"}},
		{"no name", row{"role_name": ""}, "role_name", []string{"empty"}},
		{"an unknown kind", alice.with(row{"revoke_other": []string{"tables", "views"}}), "revoke_other", []string{"views", "table_selects", "all"}},
		{"a kind that is NULL", alice.with(row{"revoke_other": []*string{nil}}), "revoke_other", []string{"table_selects"}},
		{"a connection limit below none", alice.with(row{"connection_limit": -2}), "connection_limit", []string{"-2", "-1"}},
		{"settings that are no object", alice.with(row{"settings": "[1]"}), "settings", []string{"array", "object"}},
		{"a login for PUBLIC", public.with(row{"login": false}), "role_name", []string{"'public'", "revoke_other"}},
		{"a connection limit for PUBLIC", public.with(row{"connection_limit": 1}), "role_name", []string{"'public'"}},
		{"settings for PUBLIC", public.with(row{"settings": "{}"}), "role_name", []string{"'public'"}},
		{"an end for PUBLIC", public.with(row{"valid_until": "infinity"}), "role_name", []string{"'public'"}},
		{"no password for PUBLIC", public.with(row{"password_verifier": ""}), "role_name", []string{"'public'"}},
		{"memberships of PUBLIC", public.with(row{"revoke_other": []string{"role_memberships"}}), "revoke_other", []string{"'public'"}},
	})

	for name, secret := range map[string]string{
		"a plaintext":                "hunter2",
		"an MD5 hash":                "md5a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6",
		"a space":                    " ",
		"a verifier in lower case":   strings.ToLower(verifier),
		"a truncated verifier":       strings.TrimSuffix(verifier, "="),
		"a verifier and more":        verifier + "x",
		"a verifier on two lines":    verifier + "\n",
		"a verifier after a newline": "\n" + verifier,
		"no iterations":              strings.Replace(verifier, "4096", "0", 1),
		"another hash":               strings.Replace(verifier, "256", "512", 1),
		"a short key":                strings.Replace(verifier, "YWFhYWFh", "", 1),
	} {
		err := alice.with(row{"password_verifier": secret}).try(t, conn, "desired_roles")
		if sqlState(err) != "23514" || !strings.Contains(err.Error(), "password_verifier") || !strings.Contains(err.Error(), "SCRAM-SHA-256$<iterations>") {
			t.Errorf("%s: %v", name, err)
		}
		if len(secret) > 1 && strings.Contains(everything(err), secret) {
			t.Errorf("%s: the error shows it: %s", name, everything(err))
		}
	}
}

// What PostgreSQL takes, is taken.
func TestGoodRoles(t *testing.T) {
	t.Parallel()
	env := installed(t)
	conn := env.Connect(t, env.Daemon)
	kinds := pgtest.One[[]string](t, conn, "select sync_roles.revocable_kinds()")
	for name, r := range map[string]row{
		"a name alone":       {"role_name": "alice"},
		"a verifier":         {"role_name": "alice", "password_verifier": verifier},
		"no password":        {"role_name": "alice", "password_verifier": ""},
		"all kinds":          {"role_name": "alice", "revoke_other": kinds},
		"public's schemas":   {"role_name": "public", "revoke_other": []string{"databases", "schemas"}, "preserve_existing_grants_in_schemas": []string{"s"}, "note": "x"},
		"public, of all":     {"role_name": "public", "revoke_other": []string{"all"}},
		"all attributes":     {"role_name": "alice", "login": true, "createdb": true, "createrole": true, "inherit": false, "replication": true, "bypassrls": true, "connection_limit": -1, "valid_until": "infinity"},
		"settings":           {"role_name": "alice", "settings": `{"work_mem": "64MB"}`},
		"PUBLIC, a name":     {"role_name": "PUBLIC", "login": true},
		"an end in the past": {"role_name": "alice", "valid_until": "2001-01-01"},
	} {
		if err := r.try(t, conn, "desired_roles"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The check agrees with PostgreSQL's own about what a real verifier is.
	env.Exec(t, "create role "+env.Role("real")+" login password 'hunter2'")
	made := pgtest.One[string](t, env.Superuser(t), "select rolpassword from pg_authid where rolname = $1", env.Role("real"))
	if err := (row{"role_name": "alice", "password_verifier": made}).try(t, conn, "desired_roles"); err != nil {
		t.Errorf("a verifier that PostgreSQL made: %v", err)
	}
}
