#!/bin/sh
# After an install on Alpine. It may run any number of times.
set -e

if ! getent passwd pg-sync-roles >/dev/null; then
	addgroup -S pg-sync-roles
	adduser -S -D -H -h /nonexistent -s /sbin/nologin -G pg-sync-roles -g pg-sync-roles pg-sync-roles
fi

if [ ! -s /etc/pg-sync-roles/database-url ]; then
	cat <<'TEXT'
pg-sync-roles is installed, and not started: it does not know its database yet. As root, write the connection string, as in
postgres://sync_daemon:PASSWORD@db.example.com/warehouse?sslmode=verify-full&sslrootcert=system
into /etc/pg-sync-roles/database-url (mode 0600), and start it: rc-update add pg-sync-roles && rc-service pg-sync-roles start
TEXT
fi
