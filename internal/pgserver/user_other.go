//go:build !unix

package pgserver

import (
	"context"
	"errors"
	"os/exec"
)

var errNotUnix = errors.New("a throw-away PostgreSQL can be started on Linux, macOS and other Unix systems only")

func command(context.Context, string, string, ...string) (*exec.Cmd, error) { return nil, errNotUnix }

func giveToServer(string) error { return errNotUnix }

func cacheDir() (string, error) { return "", errNotUnix }

func lockFile(string) (unlock func(), err error) { return nil, errNotUnix }
