#!/bin/sh
# After the program has gone (deb: remove, purge; rpm: 0). What a DBA has written, the connection string among it, goes with purge alone, which rpm has not.
set -e

case "$1" in
remove | purge | 0)
	if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
	;;
esac

if [ "$1" = purge ]; then
	rm -rf /etc/pg-sync-roles
	if getent passwd pg-sync-roles >/dev/null; then userdel pg-sync-roles; fi
elif [ "$1" = 0 ] && [ -e /etc/pg-sync-roles/database-url ]; then
	echo "/etc/pg-sync-roles/database-url is still there, with its password. Delete it if it is not needed any more."
fi
