package cli

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"github.com/xdg-go/stringprep"
	"golang.org/x/term"

	"github.com/pg-sync-roles/pg-sync-roles/catalog"
)

func passwordCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "password ROLE",
		Short: "Set a role's password, of which only a SCRAM verifier is stored",
		Long: `password asks for a password, twice on a terminal, otherwise as one line of standard input, and writes its SCRAM-SHA-256
verifier into sync_roles.desired_roles. The password itself never leaves this process; the next pass gives the role the verifier.

To remove a role's password: UPDATE sync_roles.desired_roles SET password_verifier = '' WHERE role_name = 'ROLE'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			conn, err := c.open(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = catalog.Close(ctx, conn) }()
			// Before the user types a password in vain.
			if err := mayHavePassword(ctx, conn, args[0]); err != nil {
				return err
			}
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			verifier, err := scramVerifier(password)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, `
				insert into sync_roles.desired_roles (role_name, password_verifier) values ($1, $2)
				on conflict (role_name) do update set password_verifier = excluded.password_verifier`, args[0], verifier); err != nil {
				return fmt.Errorf("write the verifier for role %q: %w", args[0], err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Role %q gets this password with the next pass.\n", args[0])
			return err
		},
	}
	c.flags(cmd)
	cmd.ValidArgsFunction = inOrder(c.completeRoles)
	return cmd
}

// mayHavePassword refuses a name that may be a slip: the row would make a role of it.
func mayHavePassword(ctx context.Context, conn *pgx.Conn, role string) error {
	var known, managed bool
	err := conn.QueryRow(ctx, `
		select exists (select from pg_catalog.pg_roles where rolname = $1)
			or exists (select from sync_roles.desired_roles where role_name = $1)
			or exists (select from sync_roles.desired_grants where role_name = $1),
			not exists (select from pg_catalog.pg_roles where rolname = $1 and (rolsuper or rolname = current_user))`, role).Scan(&known, &managed)
	if err != nil {
		return fmt.Errorf("look for role %q: %w", role, err)
	}
	if !known {
		return fmt.Errorf("role %q neither exists nor has a row in sync_roles.desired_roles or desired_grants: write one first", role)
	}
	if !managed {
		return fmt.Errorf("role %q is a superuser, or the role that runs pg-sync-roles, and so is not managed: use psql's \\password", role)
	}
	return nil
}

// readPassword asks twice on a terminal, and reads one line elsewhere.
func readPassword(in io.Reader, prompt io.Writer, role string) (string, error) {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password from standard input: %w", err)
		}
		return notEmpty(strings.TrimRight(line, "\r\n"))
	}
	ask := func(text string) (string, error) {
		_, _ = fmt.Fprint(prompt, text)
		password, err := term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(prompt)
		return string(password), err
	}
	first, err := ask(fmt.Sprintf("Password for role %s: ", role))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	second, err := ask("Again: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if first != second {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return notEmpty(first)
}

func notEmpty(password string) (string, error) {
	if password == "" {
		return "", errors.New("the password is empty: nothing was changed")
	}
	return password, nil
}

// scramIterations is PostgreSQL's scram_iterations, which clients are used to.
const scramIterations = 4096

// scramVerifier is what PostgreSQL stores for a password (RFC 5802; src/common/scram-common.c, scram_build_secret).
func scramVerifier(password string) (string, error) {
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil {
		return "", fmt.Errorf("prepare the password (RFC 4013, SASLprep): %w", err)
	}
	if prepared == "" {
		return "", errors.New("the password has only characters that do not count (RFC 4013, SASLprep): nothing was changed")
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("make a verifier of the password: %w", err)
	}
	storedKey := sha256.Sum256(keyed(salted, "Client Key"))
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, text(salt), text(storedKey[:]), text(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
