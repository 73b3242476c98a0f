#!/bin/sh
# Before the program goes, for good (deb: remove; rpm: 0). Before an upgrade nothing is stopped.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

# What systemd cannot do does not keep the package.
if [ -d /run/systemd/system ]; then
	systemctl disable --now pg-sync-roles.service || echo "pg-sync-roles could not be stopped: look for the process, and end it" >&2
fi
